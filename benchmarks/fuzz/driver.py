"""One target under atheris, in a process of its own: counts, catches, and goes on after a finding.

python -m benchmarks.fuzz.driver TARGET FOLDER SECONDS SEED
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(
    include=["realtime", "offline", "yaml", "csv", "json", "zipfile", "openpyxl"]
):
    from benchmarks.fuzz import targets
    from realtime.errors import GlimpseError

HANG_S = 20
MEMORY_MB = 3000
_LARGEST = 8192
"""Bytes of an input that the fuzzer makes up; what it starts from may be longer."""


class Campaign:
    """What one process has done; `state.json` in its folder tells it to whoever started it."""

    def __init__(self, name: str, folder: Path, seconds: float) -> None:
        self._target, self._folder = targets.TARGETS[name], folder
        self._end = time.monotonic() + seconds
        self._scratch = Path(tempfile.mkdtemp(prefix="glimpse-fuzz-"))
        self._told = 0.0
        self.executions = self.refused = 0
        self.findings: dict[str, str] = {}

    def __call__(self, data: bytes) -> None:
        self._tell(data)
        self.executions += 1
        work = self._scratch / "work"
        work.mkdir()
        try:
            self._target.run(data, work)
        except GlimpseError as error:
            self.refused += 1
            self._checked(error, data)
        except Exception as error:  # which is what is looked for
            self._found(error, data)
        finally:
            shutil.rmtree(work)

    def _checked(self, error: GlimpseError, data: bytes) -> None:
        try:
            targets.check_message(error)
        except AssertionError as wrong:
            self._found(wrong, data, error)

    def _found(self, error: Exception, data: bytes, shown: Exception | None = None) -> None:
        """Keep the first input of each kind: of one class, from one line."""
        frames = traceback.extract_tb((shown or error).__traceback__)
        place = next(
            (f for f in reversed(frames) if "/realtime/" in f.filename or "/offline/" in f.filename),
            frames[-1],
        )
        kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        if kind not in self.findings:
            self.findings[kind] = f"{error}"[:300]
            name = hashlib.sha256(kind.encode()).hexdigest()[:12]
            (self._folder / f"finding-{name}").write_bytes(data)
            self._told = 0.0

    def _tell(self, data: bytes) -> None:
        now = time.monotonic()
        if now > self._told + 1.0 or now > self._end:
            self._told = now
            state: dict[str, Any] = {
                "executions": self.executions,
                "refused": self.refused,
                "findings": self.findings,
            }
            (self._folder / "state.json").write_text(json.dumps(state), encoding="utf-8")


def main() -> None:
    """Fuzz until the time is over."""
    name, folder, seconds, seed = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for index, start in enumerate(targets.TARGETS[name].seeds):
        (corpus / f"start-{index}").write_bytes(start)
    words = folder / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in targets.TARGETS[name].words)
    words.write_text("".join(f'"{word}"\n' for word in escaped), encoding="utf-8")
    arguments = [
        f"-dict={words}",
        f"-seed={seed}",
        f"-max_total_time={seconds:.0f}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={_LARGEST}",
        f"-artifact_prefix={folder}/",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], Campaign(name, folder, seconds))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
