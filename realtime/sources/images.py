"""A folder of numbered images as a stream."""

from __future__ import annotations

import io
import os
import re
import struct
from collections import Counter
from collections.abc import Generator, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from realtime.errors import SourceError
from realtime.sources.common import DEFAULT_FPS, BaseSource, as_bgr8, check_fps, check_size, quiet
from realtime.types import U8, Frame, StreamInfo, Unreadable, readonly

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
_PEEK = 3
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_END_MARK = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}


class ImageFolderSource(BaseSource):
    """The images of one folder in the order of their numbers: img2 before img10.

    Frame n has time n / fps. Grey, 16-bit and transparent images become BGR uint8. An image that cannot
    be decoded is `Unreadable("undecodable")`, one whose size is not the stream's `Unreadable("size")`; what
    is larger than `MAX_SIDE_PX` is not even decoded.
    """

    _AHEAD = 8

    def __init__(self, path: str | os.PathLike[str], *, fps: float | None = None) -> None:
        """List the folder `path` and look at its first images.

        `fps`: frames per second, `DEFAULT_FPS` with a note when None. Raises `SourceError` where the
        folder cannot be listed or holds no image that can be decoded, or an image exceeds `MAX_SIDE_PX`.
        """
        check_fps(fps)
        folder = Path(path)
        self._files = _list_images(folder)
        width, height = _common_size(folder, self._files)
        notes = [] if fps else [f"a folder of images has no timestamps; {DEFAULT_FPS:g} per second assumed"]
        notes += _numbering_notes(self._files)
        super().__init__(
            StreamInfo(str(folder), width, height, fps or DEFAULT_FPS, len(self._files), tuple(notes))
        )

    def _read(self) -> Generator[Frame | Unreadable, None, None]:
        for index, file in enumerate(self._files):
            try:
                image = _load(file)
            except SourceError:
                yield Unreadable(index, "size")
                continue
            if image is None:
                yield Unreadable(index, "undecodable")
            elif image.shape[:2] != (self._info.height, self._info.width):
                yield Unreadable(index, "size")
            else:
                yield Frame(index, index / self._info.fps, readonly(image))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which numbers inside a name count as numbers."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(part), part) if part[0] in "0123456789" else (1, 0, part) for part in parts)


def _list_images(folder: Path) -> list[Path]:
    try:
        names = [entry.name for entry in os.scandir(folder) if _is_image(entry)]
    except FileNotFoundError:
        raise SourceError(f"{folder}: no such folder") from None
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed: {error.strerror or error}") from error
    if not names:
        kinds = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise SourceError(f"{folder}: holds no images ({kinds})")
    return [folder / name for name in sorted(names, key=natural_key)]


def _is_image(entry: os.DirEntry[str]) -> bool:
    suffix = os.path.splitext(entry.name)[1].lower()
    return suffix in SUFFIXES and not entry.name.startswith(".") and entry.is_file()


def _load(file: Path) -> U8 | None:
    """The picture in a file; None where there is none. Raises `SourceError` where it is too large."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    if _is_cut_off(data):
        return None
    if size := _stated_size(data):
        check_size(str(file), *size)
    with quiet():
        try:
            raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        except cv2.error:
            return None
    return as_bgr8(raw)


def _stated_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the header of a file states; None where it is of no known kind."""
    Image.init()
    for name in _FORMATS:
        # not `Image.open`: it warns of, and refuses, what it takes for an attack
        factory, accept = Image.OPEN[name]
        if accept is None or accept(data[:16]) is not True:
            continue
        try:
            with factory(io.BytesIO(data), "") as image:
                return image.size
        except (SyntaxError, LookupError, TypeError, ValueError, OSError, struct.error):
            return None
    return None


def _is_cut_off(data: bytes) -> bool:
    """Whether the file lacks its end: OpenCV would fill the missing rows of a JPEG or PNG with grey."""
    mark = _END_MARK.get(data[:2])
    return not data or (mark is not None and data.rfind(mark) < len(data) // 2)


def _common_size(folder: Path, files: Sequence[Path]) -> tuple[int, int]:
    """Width and height that most of the first readable images have."""
    sizes: Counter[tuple[int, int]] = Counter()
    too_large: SourceError | None = None
    for file in files:
        try:
            image = _load(file)
        except SourceError as error:
            image, too_large = None, error
        if image is not None:
            sizes[image.shape[1], image.shape[0]] += 1
        if sizes.total() == _PEEK:
            break
    if not sizes and too_large is not None:
        raise too_large
    if not sizes:
        raise SourceError(f"{folder}: not one of its {len(files)} images can be decoded")
    (width, height), _ = sizes.most_common(1)[0]
    check_size(str(folder), width, height)
    return width, height


def _numbering_notes(files: Sequence[Path]) -> list[str]:
    numbers = [int(runs[-1]) for file in files if (runs := re.findall(r"[0-9]+", file.stem))]
    steps = Counter(b - a for a, b in pairwise(numbers))
    if len(steps) < 2:
        return []
    usual = steps.most_common(1)[0][0]
    odd = sum(count for step, count in steps.items() if step != usual)
    return [f"the numbers of the images jump at {odd} places; the images are taken as consecutive"]
