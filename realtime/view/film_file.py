"""A film under construction, through OpenCV: it takes its name when it is whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import av
import cv2

from realtime.errors import OutputError
from realtime.sinks.files import claimed, output_errors, partial_of
from realtime.types import U8


class FilmFile:
    """Pictures of one size, one after the other, into a film of a constant rate."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        codecs: Mapping[str, str],
        fps: float,
        size: tuple[int, int],
        *,
        private: bool,
        jpeg_quality: int | None = None,
    ) -> None:
        """Start the film.

        Args:
            path: its ending says of which kind it is.
            codecs: ending, in small letters → FourCC of what such a film holds.
            fps: its rate.
            size: width and height, pixels.
            private: whether its owner alone may read it.
            jpeg_quality: of films of JPEG pictures, 0..100; None: as it comes.

        Raises `OutputError` where it cannot be written.
        """
        self._path = Path(os.path.realpath(path))
        self._name = os.fspath(path)
        self._partial = partial_of(self._path, keep_ending=True)
        self.pictures = 0
        self._done = False
        self._refuse_odd_names(codecs)
        with output_errors(self._name):
            self._claim = claimed(self._partial, self._name, private=private)
        code = cv2.VideoWriter.fourcc(*codecs[self._path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(self._partial), cv2.CAP_FFMPEG, code, fps, size)
        if not self._writer.isOpened():
            self.discard()
            suffix = self._path.suffix
            raise OutputError(f"{self._name}: this OpenCV cannot write {suffix} films; try another ending")
        if jpeg_quality is not None:
            self._writer.set(cv2.VIDEOWRITER_PROP_QUALITY, jpeg_quality)

    def _refuse_odd_names(self, codecs: Mapping[str, str]) -> None:
        if self._path.suffix.lower() not in codecs:
            raise OutputError(f"{self._name}: a film's name ends in one of {', '.join(codecs)}")
        try:
            str(self._path).encode()
        except UnicodeEncodeError:
            raise OutputError(f"{self._name}: a film's name, and its folder's, must be UTF-8") from None
        if not self._path.parent.is_dir():
            raise OutputError(f"{self._name}: its folder does not exist")
        if self._path.exists() and not (self._path.is_file() and os.access(self._path, os.W_OK)):
            raise OutputError(f"{self._name}: cannot be written over")

    def write(self, picture: U8) -> None:
        """Append a picture, BGR of the film's size."""
        self._writer.write(picture)
        self.pictures += 1

    def commit(self) -> None:
        """Finish, and give the film its name. Raises `OutputError` where not all of it could be written."""
        if self._done:
            return
        self._end()
        with output_errors(self._name):
            if _pictures_in(self._partial) < max(self.pictures, 1):
                self._partial.unlink()
                raise OutputError(f"{self._name}: the film could not be written; is the disk full?")
            os.replace(self._partial, self._path)

    def abandon(self) -> str | None:
        """End without giving the film its name; a line that says where the part written is kept."""
        if self._done or not self.pictures:
            self.discard()
            return None
        self._end()
        return f"the film so far is kept in {self._partial}"

    def discard(self) -> None:
        """End without giving the film its name, and keep nothing."""
        if not self._done:
            self._end()
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)

    def _end(self) -> None:
        self._done = True
        self._writer.release()
        self._claim.close()


def _pictures_in(path: Path) -> int:
    """How many pictures a film holds, none decoded: OpenCV does not tell where it could not write one."""
    try:
        with av.open(str(path)) as film:
            return sum(packet.size > 0 for packet in film.demux(video=0))
    except (av.FFmpegError, IndexError):
        return 0
