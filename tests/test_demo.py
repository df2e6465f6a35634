"""The demo's table, and what `make` says where it cannot start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import demo
from offline.synthesis.truth import TrueEvent, Truth
from realtime.types import EventKind

ROOT = Path(__file__).parent.parent


def true_event(onset_s: float, apex_s: float, offset_s: float, label: str, kind: EventKind) -> TrueEvent:
    return TrueEvent(kind, label, onset_s, apex_s, offset_s, 1, 2, 3, ("AU12",), "both", 1.0)


def record(
    onset_s: float, apex_s: float, offset_s: float, label: str | None, kind: EventKind
) -> dict[str, Any]:
    return {
        "type": kind,
        "onset_s": onset_s,
        "apex_s": apex_s,
        "offset_s": offset_s,
        "label": label,
        "probabilities": {label: 0.75, "disgust": 0.25} if label else None,
    }


TRUTH = Truth(
    100.0, 1000, 640, 480, 0, "nobody",
    (
        true_event(1.0, 1.1, 1.3, "happiness", "micro_expression"),
        true_event(3.0, 3.1, 3.3, "surprise", "micro_expression"),
        true_event(5.0, 6.0, 7.0, "disgust", "macro_expression"),
    ),
    (),
)  # fmt: skip


def test_what_was_found_stands_beside_the_truth() -> None:
    records = [
        {"type": "stream"},
        record(1.02, 1.12, 1.31, "surprise", "micro_expression"),
        record(5.1, 6.0, 6.9, None, "macro_expression"),
        record(8.0, 8.1, 8.2, None, "micro_expression"),
        {"type": "summary"},
    ]
    before = json.dumps(records)
    lines = demo.side_by_side(TRUTH, records).strip("\n").splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["1.000", "1.100", "1.300", "happiness", "1.020", "1.120", "1.310", "surprise", "0.75"],
        ["3.000", "3.100", "3.300", "surprise", "–"],
        ["5.000", "6.000", "7.000", "macro-expression", "5.100", "6.000", "6.900", "macro-expression"],
        ["–", "8.000", "8.100", "8.200", "unlabelled"],
    ]
    assert lines[0].split() == ["truth:", "onset", "apex", "offset", "found:", "onset", "apex", "offset"]
    assert len({line.index(".", 45) for line in lines[1:] if "." in line[45:]}) == 1, "columns must stand"
    assert json.dumps(records) == before


def test_nothing_found_is_shown_too() -> None:
    lines = demo.side_by_side(TRUTH, []).strip("\n").splitlines()
    assert len(lines) == 4
    assert all(line.endswith("–") for line in lines[1:])


def test_one_finding_answers_for_one_expression() -> None:
    wide = record(1.0, 2.0, 3.2, None, "macro_expression")
    lines = demo.side_by_side(TRUTH, [wide]).strip("\n").splitlines()
    assert sum("2.000" in line[45:] for line in lines) == 1
    assert len(lines) == 4


def test_a_step_that_fails_ends_the_demo(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(demo, "glimpse_offline", lambda words: 0)
    monkeypatch.setattr(demo, "glimpse", lambda words: 7)
    assert demo.main() == 7
    assert [line.split()[:3] for line in capsys.readouterr().out.splitlines()] == [
        ["$", "glimpse-offline", "synthesize"],
        ["$", "glimpse", "process"],
    ]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("goal", ["demo", "test"])
def test_make_says_what_python_it_needs(tmp_path: Path, goal: str) -> None:
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\nexit 1\n")
    other.chmod(0o755)
    for python in (tmp_path / "none", other):
        line = _make(tmp_path, goal, f"PYTHON={python}")
        assert line == f"{python} is not Python 3.10, 3.11 or 3.12; name one: make PYTHON=/path/to/python3.11"
    line = _make(tmp_path, goal, "PYTHON=")
    assert line.startswith("glimpse needs Python 3.10, 3.11 or 3.12; install one, or name it")


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_says_that_venv_is_missing(tmp_path: Path) -> None:
    bare = tmp_path / "python3.11"
    bare.write_text(f'#!/bin/sh\ncase "$*" in *venv*) exit 1;; *) exec {sys.executable} "$@";; esac\n')
    bare.chmod(0o755)
    line = _make(tmp_path, "demo", f"PYTHON={bare}")
    assert line.startswith(
        f"{bare} cannot make a virtual environment; on Debian: apt-get install python3-venv"
    )


def _make(tmp_path: Path, goal: str, *words: str) -> str:
    """Run make where no environment is yet; gives the one line that it says before make's own."""
    venv = tmp_path / "venv"
    done = subprocess.run(
        ["make", "--no-print-directory", goal, f"VENV={venv}", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        # without what a `make test` around this one would hand down
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert not venv.exists()
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stderr
    return lines[0]
