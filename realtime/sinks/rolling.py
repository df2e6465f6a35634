"""Files that grow for as long as a camera runs: whole lines only, whatever happens, and not without end."""

from __future__ import annotations

import csv
import io
import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from realtime.errors import ConfigError, OutputError
from realtime.sinks.files import STDOUT, lock, output_errors
from realtime.sinks.records import RECORD_BEGINS, Record, to_line

EVENT_TYPES = ("micro_expression", "macro_expression")


@dataclass(frozen=True, slots=True)
class FileSettings:
    """A rolling file."""

    path: str = STDOUT
    rotate_mb: float = 100.0
    """Size from which a new file is begun, MB; 0: never."""
    keep: int = 9
    """How many full files are kept as `<path>.1`, the newest, to `<path>.<keep>`."""

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError("path must name a file")
        if not (self.rotate_mb >= 0 and 0 <= self.keep <= 9999):
            raise ConfigError("rotate_mb must be at least 0, keep must lie in 0..9999")


class _Lines:
    """Lines to a file, pipe or device, whole and once each."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._line = self._rest = b""

    def write(self, line: bytes) -> None:
        """A line that fails half-way goes on where it broke off when it comes again. Raises `OSError`."""
        if self._line != line:
            self._drain()  # the rest of a line that does not come again
            self._line = self._rest = line
        self._drain()
        self._line = b""

    def _drain(self) -> None:
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._fd, self._rest) :]
        except OSError:
            self._take_back()
            raise

    def _take_back(self) -> None:
        """No half line in a file on a disk that is full; what is in a pipe is on its way."""
        status, written = os.fstat(self._fd), len(self._line) - len(self._rest)
        if written and stat.S_ISREG(status.st_mode):
            os.ftruncate(self._fd, status.st_size - written)
            os.lseek(self._fd, 0, os.SEEK_END)
            self._rest = self._line


class RollingFile:
    """Appends lines, each with one call to the system and without a buffer of its own.

    So a line is in the file, whole, when `append` returns, also if this process is killed right then. What
    a crash of the machine left of a last line is cut off when the file is opened.
    """

    def __init__(self, settings: FileSettings, header: bytes = b"") -> None:
        """`header`: first line of every file."""
        self._settings, self._header = settings, header
        self.name = settings.path
        self._path = Path(settings.path)
        self._fd: int | None = None

    def open(self) -> None:
        """Open or create the file. Raises `OutputError`, also for one that is not of this kind, or that
        another run writes."""
        with output_errors(self._settings.path):
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._fd = os.open(self._path, flags, 0o644)
            self._lines = _Lines(self._fd)
            status = os.fstat(self._fd)
            if stat.S_ISREG(status.st_mode):
                try:
                    lock(self._fd, self._settings.path)
                    self._refuse_foreign(self._fd)
                except OutputError:
                    self.close()
                    raise
                self._mend(self._fd, status.st_size)
                if self._header and os.fstat(self._fd).st_size == 0:
                    self._lines.write(self._header)

    def append(self, line: bytes) -> None:
        """Write a line that ends in a newline. Raises `OutputError`."""
        if self._fd is None:
            self.open()
        with output_errors(self._settings.path):
            self._lines.write(line)
        # the line is written: a file that cannot roll over goes on growing, rather than take it twice
        with suppress(OSError, OutputError):
            self._rotate_when_full()

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _refuse_foreign(self, fd: int) -> None:
        """A film or JSON that is named by mistake must not be cut at what looks like its last line."""
        begins = self._header or RECORD_BEGINS
        found = os.read(fd, len(begins))
        if not begins.startswith(found):
            raise OutputError(f"{self._settings.path} exists and holds something else: name another file")

    @staticmethod
    def _mend(fd: int, size: int) -> None:
        """Cut off a last line that has no end."""
        end = size
        while end > 0:
            start = max(end - 65536, 0)
            os.lseek(fd, start, os.SEEK_SET)
            position = os.read(fd, end - start).rfind(b"\n")
            if position >= 0:
                end = start + position + 1
                break
            end = start
        if end < size:
            os.ftruncate(fd, end)

    def _rotate_when_full(self) -> None:
        assert self._fd is not None
        limit = self._settings.rotate_mb * 1e6
        if not limit or os.fstat(self._fd).st_size < limit:
            return
        self.close()
        names = [self._path, *(Path(f"{self._path}.{n}") for n in range(1, self._settings.keep + 1))]
        if len(names) == 1:
            self._path.unlink()
        for older, newer in reversed(list(zip(names[1:], names[:-1], strict=True))):
            if newer.exists():
                os.replace(newer, older)
        self.open()


class StandardOutput:
    """Lines to standard output, past Python's buffer, which would keep a line that failed and repeat it."""

    name = "standard output"

    def open(self) -> None:
        """Raises `OutputError` where it is closed."""
        if sys.stdout is None:
            raise OutputError("standard output is closed; name a file with --out")
        self._lines = _Lines(sys.stdout.fileno())

    def append(self, line: bytes) -> None:
        """Write a line. Raises `OutputError`."""
        with output_errors(self.name):
            self._lines.write(line)

    def close(self) -> None:
        """It stays open."""


class LiveJsonLines:
    """Every record as a line of JSON, into a rolling file or standard output."""

    def __init__(self, settings: FileSettings) -> None:
        self._file = StandardOutput() if settings.path == STDOUT else RollingFile(settings)
        self.name = self._file.name

    def open(self) -> None:
        self._file.open()

    def write(self, record: Record) -> None:
        self._file.append(to_line(record))

    def close(self) -> None:
        self._file.close()


def _csv_line(cells: tuple[str, ...] | list[str]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode("utf-8", "backslashreplace")


CSV_COLUMNS = (
    *("camera", "id", "type", "face", "onset_wall_time", "onset_s", "apex_s", "offset_s", "duration_ms"),
    *("strength", "label", "probability"),
)
CSV_HEADER = _csv_line(CSV_COLUMNS)


def csv_row(record: Record) -> bytes:
    """The line of an event."""
    label = record.get("label")
    row = {**record, "probability": (record.get("probabilities") or {}).get(label)}
    return _csv_line(["" if row.get(name) is None else str(row[name]) for name in CSV_COLUMNS])


class LiveCsv:
    """One row per event, with its class and the probability of that."""

    def __init__(self, settings: FileSettings) -> None:
        self.name = settings.path
        self._file = RollingFile(settings, header=CSV_HEADER)

    def open(self) -> None:
        self._file.open()

    def write(self, record: Record) -> None:
        if record["type"] in EVENT_TYPES:
            self._file.append(csv_row(record))

    def close(self) -> None:
        self._file.close()
