"""The wheel works without the checkout: built once, installed into one folder, run from another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from media import write_video

from realtime import __version__

ROOT = Path(__file__).parent.parent
SOURCES = ("realtime", "offline", "export", "models", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, built from a copy so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    words = (
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--disable-pip-version-check",
        "--root-user-action=ignore",
    )
    run("-m", "pip", "install", "--quiet", *words, "--target", target, wheel, cwd=target)
    return target


def run(*words: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Run Python away from the checkout; gives what it says."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_that_runs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for package in ("realtime", "offline", "export", "models")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= names, wanted - names
    assert not {name.split("/")[0] for name in names} & {"tests", "benchmarks", "docs"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_installed_package_runs_by_itself(installed: Path, tmp_path: Path) -> None:
    where = run("-c", "import realtime; print(realtime.__file__)", cwd=tmp_path, path=installed)
    assert Path(where.strip()).is_relative_to(installed)
    write_video(tmp_path / "film.avi", "MJPG", 12)
    words = ("process", "film.avi", "--model", "none", "--report", "report.html")
    lines = run("-m", "realtime", *words, cwd=tmp_path, path=installed).splitlines()
    stream, *_, summary = (json.loads(line) for line in lines)
    assert (stream["schema"], summary["frames"]) == ("glimpse/1", 12)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!")


def test_an_installed_live_run_finds_its_cameras_process(installed: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "film.avi", "MJPG", 12)
    words = ("live", "film.avi", "--model", "none", "--pace", "fast")
    lines = run("-m", "realtime", *words, cwd=tmp_path, path=installed).splitlines()
    summary = json.loads(lines[-1])
    assert (summary["type"], summary["frames"]) == ("summary", 12)


def test_the_installed_package_finds_its_data(installed: Path, tmp_path: Path) -> None:
    script = (
        "import json\n"
        "from importlib.resources import files\n"
        "from realtime.bundle import load_bundle, shipped_bundles\n"
        "schema = json.loads(files('realtime').joinpath('schema/glimpse-1.schema.json').read_text('utf-8'))\n"
        "bundles = {name: str(load_bundle(name).folder) for name in shipped_bundles()}\n"
        "print(json.dumps([schema['title'], bundles]))\n"
    )
    title, bundles = json.loads(run("-c", script, cwd=tmp_path, path=installed))
    assert title == "glimpse/1"
    shipped = {path.parent.name for path in (ROOT / "models").glob("*/bundle.json")}
    assert set(bundles) == shipped
    assert all(Path(folder).is_relative_to(installed) for folder in bundles.values())


def test_the_commands_and_the_version_are_installed(installed: Path, tmp_path: Path) -> None:
    script = (
        "import json\n"
        "from importlib.metadata import distribution\n"
        "glimpse = distribution('glimpse')\n"
        "found = {entry.name: callable(entry.load()) for entry in glimpse.entry_points}\n"
        "print(json.dumps([glimpse.version, found]))\n"
    )
    version, found = json.loads(run("-c", script, cwd=tmp_path, path=installed))
    assert version == __version__
    assert found == dict.fromkeys(("glimpse", "glimpse-offline", "glimpse-export"), True)
