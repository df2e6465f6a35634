"""Files that appear under their name only when they are whole."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from realtime.errors import OutputError, UsageError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

STDOUT = "-"
PARTIAL = ".partial"
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Follow no link, wait for no pipe."""


@contextmanager
def output_errors(name: str) -> Iterator[None]:
    """Turn every `OSError` of the block into an `OutputError` that names `name`."""
    try:
        yield
    except BrokenPipeError as error:
        raise OutputError(f"{name}: its reader has closed it") from error
    except OSError as error:
        raise OutputError(f"{name}: cannot be written: {error.strerror or error}") from error


def partial_of(path: Path, *, keep_ending: bool = False) -> Path:
    """Where an output is made before it gets its name; films keep the ending, which says what they hold."""
    if keep_ending:
        return path.with_name(f"{path.stem}{PARTIAL}{path.suffix}")
    return path.with_name(path.name + PARTIAL)


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raises `UsageError` where an output would overwrite an input, also while it is being made."""
    taken = [path.resolve() for path in outputs]
    written = {*taken, *(partial_of(path, keep_ending=keep) for path in taken for keep in (False, True))}
    for path in inputs:
        if path.resolve() in written:
            raise UsageError(f"{path}: is both input and output")


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: none takes its name before all are on the disk, the last one last.

    Raises `OutputError`; then nothing has changed, but where a file that was written could not take its name:
    those before it have taken theirs.
    """
    files: list[OutputFile] = []
    try:
        for path, data in contents.items():
            files.append(OutputFile(path))
            files[-1].write(data, flush=True)
        for file in files:
            file.commit()
    finally:
        for file in files:
            file.discard()


def claimed(path: Path, name: str, *, private: bool = False) -> BinaryIO:
    """`path`, empty and open, for this run alone until it is closed. `private`: as of `private_file`.

    Raises `OutputError` where another run, which still goes on, writes it, or where it is a link or no file;
    what a dead one has left is written over. Where there are no locks, as on Windows, nothing is checked.
    """
    file = _private_claim(path, name) if private else _open_claim(path, name)
    try:
        if fcntl is not None:
            lock(file.fileno(), name)
            if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise OutputError(f"{name}: another run has just written it")
        file.truncate(0)
    except BaseException:
        file.close()
        raise
    return file


def lock(descriptor: int, name: str) -> None:
    """Keep an open file for this run alone until it is closed, where there are locks.

    Raises `OutputError` where another run, which still goes on, has it.
    """
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{name}: another run is writing it") from None
        except OSError:
            pass  # some network file systems have none


def _open_claim(path: Path, name: str) -> BinaryIO:
    if path.is_symlink():  # in a folder that others can write, it would empty a file of theirs to choose
        raise OutputError(f"{name}: {path} is a link; remove it")
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _PLAIN
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def _private_claim(path: Path, name: str) -> BinaryIO:
    with ExitStack() as earlier:
        if fcntl is not None and path.is_file() and not path.is_symlink():
            earlier.enter_context(claimed(path, name))  # refuses what another run writes
        return os.fdopen(private_file(path), "wb")


def private_file(path: Path) -> int:
    """A new, empty file that its owner alone can read and write; gives its descriptor. Raises `OSError`.

    One that is there is deleted first: who has it open, or made it a link, gets nothing of the new one.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    os.chmod(path, 0o600)  # a umask may have taken even that from the owner
    return descriptor


class OutputFile:
    """A binary file under construction, or standard output.

    A regular file grows as `<name>.partial` in the same folder and takes its name in `commit`, so that
    an earlier file stays whole until then. Devices and pipes are written directly.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, stdout: BinaryIO | None = None, private: bool = False
    ) -> None:
        """Open `path`, "-" being standard output (`stdout` in its place, if given).

        A `private` file can be read and written by its owner alone; it cannot be a device or a pipe.

        Raises `OutputError` where it cannot be written.
        """
        self._file: BinaryIO
        self._partial: Path | None = None
        self._private = private
        self._done = False
        self._is_stdout = os.fspath(path) == STDOUT
        self.name = "standard output" if self._is_stdout else os.fspath(path)
        with output_errors(self.name):
            if self._is_stdout:
                if stdout is None and sys.stdout is None:
                    raise OutputError("standard output is closed; name a file instead")
                self._file = stdout or sys.stdout.buffer
            else:
                self._open_path(Path(os.path.realpath(path)))

    def _open_path(self, path: Path) -> None:
        if path.is_dir():
            raise OutputError(f"{self.name}: is a folder; name a file in it")
        if not path.parent.is_dir():
            raise OutputError(f"{self.name}: its folder does not exist")
        self._path = path
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            if self._private:  # whoever made it may read it
                raise OutputError(f"{self.name}: is no file, and nobody else may read what is written there")
            self._file = path.open("wb")
            return
        if path.exists() and not os.access(path, os.W_OK):
            raise OutputError(f"{self.name}: cannot be written: it is write-protected")
        self._partial = partial_of(path)
        self._file = claimed(self._partial, self.name, private=self._private)

    def write(self, data: bytes, *, flush: bool = False) -> None:
        """Append `data`; with `flush`, let readers see it at once."""
        try:
            with output_errors(self.name):
                self._file.write(data)
                if flush:
                    self._file.flush()
        except OutputError as error:
            if self._is_stdout and isinstance(error.__cause__, BrokenPipeError):
                _mute_stdout()
            raise

    def commit(self) -> None:
        """Finish the file and give it its name."""
        if self._done:
            return
        self.write(b"", flush=True)
        self._done = True
        with output_errors(self.name):
            if not self._is_stdout:
                self._file.close()
            if self._partial is not None:
                os.replace(self._partial, self._path)

    def abandon(self) -> str | None:
        """Close without giving the file its name; a line that says where the part written is kept."""
        if self._done:
            return None
        self._done = True
        if self._is_stdout:
            return None
        with suppress(OSError):  # the error that led here is the one to report
            self._file.close()
        if self._partial is None or not self._partial.exists():
            return None
        if self._partial.stat().st_size == 0:
            self._partial.unlink()
            return None
        return f"what was written so far is kept in {self._partial}"

    def discard(self) -> None:
        """Close without giving the file its name, and keep nothing: it can be made again."""
        if self.abandon() is not None and self._partial is not None:
            with suppress(OSError):
                self._partial.unlink()


def _mute_stdout() -> None:
    """Point standard output at nothing, or the interpreter would complain again when it exits."""
    with suppress(OSError, ValueError):  # without a descriptor nothing is flushed at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
