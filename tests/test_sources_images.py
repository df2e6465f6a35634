from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from media import jpeg, picture

from realtime.errors import SourceError
from realtime.sources import ImageFolderSource, common, open_source
from realtime.sources.images import natural_key
from realtime.types import Frame, Unreadable


def save(path: Path, image: np.ndarray) -> None:
    assert cv2.imwrite(str(path), image)


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10, 9, 100):
        save(tmp_path / f"img{number}.png", np.full((8, 8, 3), number, np.uint8))
    source = open_source(tmp_path, fps=200)
    assert (source.info.width, source.info.height, source.info.frame_count) == (8, 8, 5)
    items = list(source)
    assert [int(item.image[0, 0, 0]) for item in items if isinstance(item, Frame)] == [1, 2, 9, 10, 100]
    assert [item.time_s for item in items if isinstance(item, Frame)] == [0.0, 0.005, 0.01, 0.015, 0.02]


def test_natural_key_orders_mixed_names() -> None:
    names = ["b1", "a10", "a9", "10", "9", "²"]
    assert sorted(names, key=natural_key) == ["9", "10", "a9", "a10", "b1", "²"]


def test_default_rate_is_noted(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(0))
    info = open_source(tmp_path).info
    assert info.fps == 30
    assert any("30 per second assumed" in note for note in info.notes)
    assert open_source(tmp_path, fps=30).info.notes == ()


@pytest.mark.parametrize("suffix", ["jpg", "JPG", "jpeg", "png", "bmp", "tif", "webp"])
def test_file_types(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"1.{suffix}", picture(3))
    (item,) = open_source(tmp_path)
    assert isinstance(item, Frame)
    assert np.abs(item.image.astype(int) - picture(3)).mean() < 8
    assert not item.image.flags.writeable


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_depths_and_channels_become_bgr8(tmp_path: Path, suffix: str) -> None:
    colour = picture(1)
    grey = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY)
    save(tmp_path / f"1.{suffix}", colour)
    save(tmp_path / f"2.{suffix}", colour.astype(np.uint16) * 257)
    save(tmp_path / f"3.{suffix}", cv2.cvtColor(colour, cv2.COLOR_BGR2BGRA))
    save(tmp_path / f"4.{suffix}", grey)
    save(tmp_path / f"5.{suffix}", grey.astype(np.uint16) * 257)
    images = [item.image for item in open_source(tmp_path) if isinstance(item, Frame)]
    assert len(images) == 5
    expected = [colour, colour, colour, *[cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)] * 2]
    for image, wanted in zip(images, expected, strict=True):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, wanted)


def test_odd_images_are_unreadable(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "1.png", picture(1, 32, 32))
    for number in (2, 3, 7):
        save(tmp_path / f"{number}.png", picture(number))
    (tmp_path / "4.png").write_bytes(b"")
    (tmp_path / "5.jpg").write_bytes(jpeg(picture(5))[:400])
    (tmp_path / "6.png").write_bytes((tmp_path / "7.png").read_bytes()[:200])
    save(tmp_path / "8.tif", np.zeros((48, 64), np.float32))
    capfd.readouterr()
    items = list(open_source(tmp_path, fps=25))
    assert [item.index for item in items] == list(range(8))
    assert [item.cause if isinstance(item, Unreadable) else None for item in items] == [
        *("size", None, None),
        *("undecodable", "undecodable", "undecodable"),
        *(None, "undecodable"),
    ]
    assert capfd.readouterr().err == ""


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    save(tmp_path / "1.png", picture(1))
    (tmp_path / "._1.png").write_bytes(b"resource fork")
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "2.png").mkdir()
    assert len(list(open_source(tmp_path))) == 1


def test_gaps_in_the_numbers_are_noted(tmp_path: Path) -> None:
    for number in (1, 2, 3, 7, 8):
        save(tmp_path / f"img{number}.png", picture(number))
    assert any("jump at 1 place" in note for note in open_source(tmp_path, fps=30).info.notes)


def test_folders_without_a_stream(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no images"):
        open_source(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match="not one of its 1 images"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        ImageFolderSource(tmp_path / "none")


def test_images_that_are_too_large(tmp_path: Path) -> None:
    save(tmp_path / "1.png", np.zeros((1, 8193, 3), np.uint8))
    with pytest.raises(SourceError, match="8193×1 pixels are too large; the limit is 8192"):
        open_source(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp"])
def test_an_image_that_is_too_large_is_not_even_decoded(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its header tells; a picture of 16k×16k would take most of a gigabyte."""
    monkeypatch.setattr(common, "MAX_SIDE_PX", 100)
    for number, width in enumerate((64, 64, 101, 64)):
        save(tmp_path / f"{number}.{suffix}", picture(number, width=width))
    decoded: list[int] = []
    decode = cv2.imdecode

    def watched(data: np.ndarray, flags: int) -> object:
        image = decode(data, flags)
        decoded.append(image.shape[1])
        return image

    monkeypatch.setattr(cv2, "imdecode", watched)
    items = list(open_source(tmp_path, fps=30))
    assert [type(item) for item in items] == [Frame, Frame, Unreadable, Frame]
    assert items[2] == Unreadable(2, "size")
    assert set(decoded) == {64}


def test_a_folder_of_images_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "MAX_SIDE_PX", 50)
    for number in range(3):
        save(tmp_path / f"{number}.png", picture(number))
    with pytest.raises(SourceError, match="64×48 pixels are too large"):
        open_source(tmp_path)
