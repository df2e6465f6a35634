"""Processes of the house's own do not run what lies in the current folder."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime import child
from realtime.cli import main

EVIL = "import pathlib; pathlib.Path(__file__).with_name('ran').touch()\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; its files have the names of modules that every process needs."""
    for name in ("numpy", "cv2", "yaml", "json", "runpy", "realtime"):
        (tmp_path / f"{name}.py").write_text(EVIL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_camera_among_somebodys_files(folder: Path, clip: object) -> None:
    film = str(clip.video)  # type: ignore[attr-defined]
    assert main(["live", film, "--out", "e.jsonl", "--model", "none"]) == 0
    assert '"summary"' in (folder / "e.jsonl").read_text()
    assert not (folder / "ran").exists()


def test_a_measurement_among_somebodys_files(folder: Path) -> None:
    done = subprocess.run(
        child.command("realtime.bench.worker"),
        input=b"no job\n",
        env=child.environment(),
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert b"JSONDecodeError" in done.stderr
    assert not (folder / "ran").exists()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no such switch")
def test_a_window_among_somebodys_files(folder: Path) -> None:
    (folder / "multiprocessing.py").write_text(EVIL)
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    with child.safe_path():
        process.start()
    process.join()
    assert process.exitcode == 0
    assert not (folder / "ran").exists()
    assert "PYTHONSAFEPATH" not in os.environ


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python has no such switch")
def test_folds_among_somebodys_files(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    program = tmp_path_factory.mktemp("elsewhere") / "program.py"
    program.write_text(
        "import os\n"
        "from joblib import Parallel, delayed\n"
        "from offline.loso import _workers\n"
        "with _workers(None, 2, None, 1):\n"
        "    Parallel()(delayed(os.getpid)() for _ in range(2))\n"
    )
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / "ran").exists()
