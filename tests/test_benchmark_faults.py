"""The campaign: what it takes for a good and for a bad end, and that it runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults import __main__ as campaign
from benchmarks.faults import films, worker
from benchmarks.faults.cases import Case
from benchmarks.faults.verdict import BAD, EARLIER, LINE, RESULT, Ran, judge, table

SUMMARY = b'{"type":"stream"}\n{"type":"summary"}\n'


@pytest.mark.parametrize(
    ("ran", "left", "how"),
    [
        (Ran(0, "", 1.0), SUMMARY, RESULT),
        (Ran(0, "glimpse: x.mp4: a note\nnoise of a library\n", 1.0), SUMMARY, RESULT),
        (Ran(0, "", 1.0), SUMMARY[:-1], BAD),
        (Ran(0, "", 1.0), b'{"type":"summary","x":NaN}\n', BAD),
        (Ran(0, "", 1.0), EARLIER, BAD),
        (Ran(1, "glimpse: x.mp4: no such file\n", 1.0), EARLIER, LINE),
        (Ran(1, "glimpse: x.mp4: no such file\n", 1.0), b"", BAD),
        (Ran(1, "", 1.0), EARLIER, BAD),
        (Ran(1, "Traceback (most recent call last):\nValueError: x\n", 1.0), EARLIER, BAD),
        (Ran(0, "x.py:1: RuntimeWarning: invalid value\n", 1.0), SUMMARY, BAD),
        (Ran(-11, "", 1.0), EARLIER, BAD),
        (Ran(139, "", 1.0), EARLIER, BAD),
        (Ran(141, "", 1.0), EARLIER, BAD),
        (Ran(None, "", 120.0), EARLIER, BAD),
        (Ran(0, "", 1.0, peak_mb=9000.0), SUMMARY, BAD),
    ],
)
def test_what_a_good_end_is(ran: Ran, left: bytes, how: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_bytes(left)
    ending = judge("kind", "name", ran, out)
    assert ending.how == how
    assert ending.noise == any(word in ran.stderr for word in ("noise", "Traceback", "Warning"))
    assert ending.kind in table([ending])


def test_one_of_two_runs_may_have_written_what_both_write(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    refused = Ran(1, "glimpse: out.jsonl: another run is writing it\n", 1.0)
    for left, how in ((SUMMARY, LINE), (EARLIER, LINE), (SUMMARY[:-3], BAD)):
        out.write_bytes(left)
        assert judge("kind", "name", refused, out, shared=True).how == how


def test_a_closed_reader_is_told_nothing() -> None:
    assert judge("pipes", "x", Ran(141, "", 1.0), quiet_codes=(141,)).how == LINE


def test_other_commands_are_held_to_the_same(tmp_path: Path) -> None:
    """What they leave is held against a run without faults."""
    clean, left = tmp_path / "clean", tmp_path / "left"
    clean.write_text("1")
    case = Case("x", ("report", tmp_path / "nix"), program=("offline",), equal=(clean, left), must_fail=True)
    assert campaign._ended("kind", case).why == "the result is not that of a run without faults"
    left.write_text("1")
    ending = campaign._ended("kind", case)
    assert (ending.how, ending.noise) == (LINE, False)
    assert ending.why.startswith("glimpse-offline: no evaluation in")


def test_mutations_are_remade_from_the_seed() -> None:
    data = np.random.default_rng(0).bytes(5000)
    first, again, other = (list(films.mutants(data, 30, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert {kind for kind, _ in first} == set(films.MUTATIONS)
    assert sum(mutant == data for _, mutant in first) < 5
    for kind, mutant in first:
        assert kind != "truncated" or data.startswith(mutant)


def test_a_small_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = tmp_path / "endings.json"
    assert campaign.main(["--kind", ".mkv", "--mutations", "6", "--json", str(result)]) == 0
    endings = json.loads(result.read_text())
    assert len(endings) == 7, "six mutations, one of them as a command too"
    assert {ending["how"] for ending in endings} <= {RESULT, LINE}
    assert ".mkv truncated" in capsys.readouterr().out


def test_a_process_that_dies_is_told_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        worker, "COMMAND", ("-c", "import sys; print(); sys.stdin.readline(); import os; os.abort()")
    )
    runner = worker.Worker(tmp_path)
    for _ in range(2):
        assert runner.run(tmp_path / "x.mkv", tmp_path / "out", 60.0).code == -6
    monkeypatch.setattr(
        worker, "COMMAND", ("-c", "import sys; print(); sys.stdin.readline(); sys.stdin.readline()")
    )
    assert runner.run(tmp_path / "x.mkv", tmp_path / "out", 0.5).code is None
    runner.close()
