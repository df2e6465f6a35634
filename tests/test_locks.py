"""What `make demo` and `make test` install: versions of the constraints, every file with its hash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("runtime", "development")
EXCEPTED = re.compile(r"torch|triton|atheris|nvidia-.*|cuda-.*")
"""Torch comes as whatever build pip finds, with CUDA's packages; the fuzzer is not installed by make."""


def pins(text: str) -> dict[str, list[str]]:
    """`name==version ; markers` → its hashes."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=[a-z])", text.replace("\\\n", "")):
        if not entry.startswith("#"):
            pin, *hashes = entry.split("--hash=")
            found[pin.strip()] = [value.strip() for value in hashes]
    return found


def read(name: str) -> dict[str, list[str]]:
    return pins((ROOT / name).read_text(encoding="utf-8").split("\n", 1)[1])


def name_of(pin: str) -> str:
    return pin.partition("==")[0]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_has_a_hash_and_every_version_is_that_of_the_constraints(lock: str) -> None:
    locked, constraints = read(f"locks/{lock}.txt"), read("constraints.txt")
    assert locked
    for pin, hashes in locked.items():
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), pin
    versions = {pin.partition(" ")[0] for pin in constraints}
    assert {pin.partition(" ")[0] for pin in locked} <= versions


def test_nothing_but_what_is_excepted_lacks_a_hash() -> None:
    left_out = set(read("constraints.txt")) - set(read("locks/development.txt"))
    assert left_out
    assert all(EXCEPTED.fullmatch(name_of(pin)) for pin in left_out)
    assert {"setuptools", "numpy", "mediapipe"} <= {name_of(pin) for pin in read("locks/runtime.txt")}


def test_make_installs_by_the_locks_alone() -> None:
    installs = [
        line.strip().removeprefix("@$(PIP) ")
        for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
        if "$(PIP) " in line
    ]
    assert installs == [
        "--require-hashes --requirement locks/runtime.txt",
        "--no-deps --no-build-isolation --editable .",
        "--require-hashes --requirement locks/development.txt",
        "--constraint constraints.txt torch",
        "--no-deps --no-build-isolation --editable .",
    ]
