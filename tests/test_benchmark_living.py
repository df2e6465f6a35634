"""The benchmark of planted movements counts and writes, and refuses what it cannot do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.spotting import living
from offline.synthesis import hosts


def test_the_command_gives_a_table_and_results(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living, "render_host", lambda kind, seed: hosts.render_host(kind, seed, seconds=3.0))
    words = ["--kind", "quiet", "--hosts", "1", "--rounds", "1", "--out", str(tmp_path / "out")]
    assert living.main(words) == 0
    told = capsys.readouterr().out
    assert "planted px at 200" in told
    assert "false alarms a minute" in told
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["recordings"] == 1
    assert results["trials"][0]["outcomes"]
    assert (tmp_path / "out" / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_impossible_numbers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert living.main(["--hosts", "0"]) == 2
    assert "--hosts is 0" in capsys.readouterr().err
