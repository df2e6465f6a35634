"""Folders of frames, and which image a frame number means."""

from __future__ import annotations

from pathlib import Path

import pytest
from lookalikes import write_images

from offline.datasets.corpus import KeyNumbers
from offline.datasets.frames import FrameFolder, FrameTree, Variant, choose_frames
from realtime.errors import DataError, UsageError

IMAGES = FrameFolder(Path("clip"), (3, 4, 5, 7, 8, 8))


def test_numbers_become_places() -> None:
    assert IMAGES.index(KeyNumbers(3, None, 7)) == KeyNumbers(0, None, 3)
    assert IMAGES.renumbered(10).index(KeyNumbers(13, 14, 17)) == KeyNumbers(0, 1, 3)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (KeyNumbers(3, 4, 9), "column offset: frame 9 lies beyond the last frame 8 in clip"),
        (KeyNumbers(2, 4, 7), "column onset: frame 2 lies before the first frame 3 in clip"),
        (KeyNumbers(3, 6, 7), "column apex: the image of frame 6 is missing in clip"),
        (KeyNumbers(3, 4, 8), "column offset: clip has 2 images of frame 8"),
        (KeyNumbers(3, 2, 8), "onset 3, apex 2 and offset 8 are not in order"),
        (KeyNumbers(5, None, 5), "onset 5 and offset 5 are not in order"),
    ],
)
def test_what_cannot_be_is_said_with_its_column(number: KeyNumbers, said: str) -> None:
    with pytest.raises(DataError) as raised:
        IMAGES.index(number)
    assert str(raised.value) == said


def test_names_are_found_without_case_and_leading_zeros(tmp_path: Path) -> None:
    write_images(tmp_path / "S01" / "ep1_x", ["img10.jpg", "img9.jpg", ".img1.jpg"])
    (tmp_path / "S01" / "ep1_x" / "notes.txt").write_text("")
    tree = FrameTree(tmp_path)
    folder = tree.folder("s1", "EP1_x")
    assert folder == tmp_path / "S01" / "ep1_x"
    assert tree.frames(folder).numbers == (9, 10)
    assert tree.folder_starting(tmp_path / "S01", "ep1") == folder
    with pytest.raises(DataError, match="there is no folder s2 in"):
        tree.folder("s2")
    with pytest.raises(DataError, match=r"there is no folder y… in"):
        tree.folder_starting(tmp_path / "S01", "y")


def test_folders_that_hold_no_frames(tmp_path: Path) -> None:
    write_images(tmp_path / "a", ["face.png"])
    (tmp_path / "b").mkdir()
    tree = FrameTree(tmp_path)
    with pytest.raises(DataError, match="without a frame number"):
        tree.frames(tmp_path / "a")
    with pytest.raises(DataError, match="holds no images"):
        tree.frames(tmp_path / "b")
    with pytest.raises(DataError, match="cannot be listed"):
        tree.frames(tmp_path / "c")


def test_the_form_of_the_frames(tmp_path: Path) -> None:
    variants = {"raw": Variant(("Raw", ""), "s[0-9]*", "s1/1.jpg"), "small": Variant(("Small",), "s*", "x")}
    with pytest.raises(DataError, match=r"expected a file such as s1/1\.jpg or x"):
        choose_frames(tmp_path, variants, None)
    (tmp_path / "Small" / "s1").mkdir(parents=True)
    assert choose_frames(tmp_path, variants, None) == ("small", tmp_path / "Small")
    (tmp_path / "s1").mkdir()
    assert choose_frames(tmp_path, variants, None) == ("raw", tmp_path)
    with pytest.raises(UsageError, match="no frames of the form 'tiny': use raw, small"):
        choose_frames(tmp_path, variants, "tiny")
