"""Coding files, action units and folders of frames."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from lookalikes import numbered, write_book, write_images

from offline.datasets.action_units import parse_action_units
from offline.datasets.corpus import KeyNumbers
from offline.datasets.frames import FrameTree, Variant, choose_frames
from offline.datasets.objective import objective_class
from offline.datasets.tables import find_coding, read_bare_table, read_sheet, read_table
from realtime.errors import DataError, UsageError
from realtime.sources import ImageFolderSource
from realtime.types import Frame

COLUMNS = ("Subject", "Filename", "Onset Frame")


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", ()),
        ("12", ("AU12",)),
        ("4+7+L10", ("AU4", "AU7", "LAU10")),
        ("4+7?", ("AU4", "AU7?")),
        ("4+?", ("AU4", "?")),
        ("R14A or 17A", ("RAU14?", "AU17?")),
        ("A1B+A2C", ("AU1", "AU2")),
        ("AU6, AU 12", ("AU6", "AU12")),
        ("4 + 4", ("AU4",)),
        ("gaze", ("gaze?",)),
    ],
)
def test_action_units(text: str, units: tuple[str, ...]) -> None:
    assert parse_action_units(text) == units


def test_objective_classes() -> None:
    assert [objective_class(text) for text in ("1", "iv", "7", "", "other")] == [
        *("I", "IV", "VII"),
        *(None, "OTHER"),
    ]


def test_headings_are_found_below_remarks_and_blank_lines_are_passed_over(tmp_path: Path) -> None:
    rows = [
        ("about this file",),
        (),
        ("OnsetFrame", "subject", "File name"),
        (),
        (3, 7.0, "a"),
        (4, "07", "b"),
    ]
    sheet = read_sheet(write_book(tmp_path / "a.xlsx", {"X": rows}))
    table = read_table(sheet, COLUMNS)
    assert [(r.text("Subject"), r.required("Filename"), r.frame("Onset Frame")) for r in table] == [
        ("7", "a", 3),
        ("07", "b", 4),
    ]
    assert [row.where.rpartition(", ")[2] for row in table] == ["row 5", "row 6"]


def test_cells_that_are_no_frame_numbers(tmp_path: Path) -> None:
    rows = [
        ("Subject", "Filename", "Onset Frame"),
        *((1, "a", cell) for cell in ("/", "", "x", 1.5, -1, "9" * 5000)),
    ]
    slash, blank, *bad = read_table(read_sheet(write_book(tmp_path / "a.xlsx", {"X": rows})), COLUMNS)
    assert slash.frame_or_none("Onset Frame") is None
    assert blank.frame_or_none("Onset Frame") is None
    for row, text in zip(bad, ("x", "1.5", "-1", "9+"), strict=True):
        with pytest.raises(DataError, match=f"column Onset Frame is '{text}', not a frame number"):
            row.frame_or_none("Onset Frame")
    with pytest.raises(DataError, match="column Onset Frame is empty"):
        blank.required("Onset Frame")


def test_a_missing_column_names_file_row_and_columns(tmp_path: Path) -> None:
    sheet = read_sheet(write_book(tmp_path / "a.xlsx", {"X": [(), ("Subject", "Filename", "Emotion")]}))
    with pytest.raises(
        DataError, match=r"a\.xlsx, sheet X, row 2: has no column Onset Frame; it has Subject"
    ):
        read_table(sheet, COLUMNS)
    with pytest.raises(DataError, match="has no line of headings with Clip and Number"):
        read_table(sheet, ("Clip", "Number"))
    with pytest.raises(DataError, match="has 3 columns; needed are 4"):
        read_bare_table(sheet, ("a", "b", "c", "d"))


def test_sheets_by_name(tmp_path: Path) -> None:
    book = write_book(tmp_path / "a.xlsx", {"naming rule1": [(1,)], "Codes": [(2,)]})
    assert read_sheet(book).name == "naming rule1"
    assert read_sheet(book, not_named="naming rule").rows == ((2,),)
    assert read_sheet(book, "codes").name == "Codes"
    with pytest.raises(DataError, match=r"a\.xlsx: has no sheet HS; it has naming rule1, Codes"):
        read_sheet(book, "HS")


def test_a_file_that_is_no_workbook(tmp_path: Path) -> None:
    good = write_book(tmp_path / "good.xlsx", {"X": [(n, "text") for n in range(50)]}).read_bytes()
    rng = np.random.default_rng(5)
    damaged = [b"", b"PK", good[: len(good) // 2]]
    for _ in range(40):
        data = bytearray(good)
        for at in rng.integers(0, len(data), 30):
            data[at] ^= int(rng.integers(1, 256))
        damaged.append(bytes(data))
    messages = []
    for data in damaged:
        (tmp_path / "bad.xlsx").write_bytes(data)
        try:
            read_sheet(tmp_path / "bad.xlsx")
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 10
    assert all("is no Excel workbook" in text or "unpacks to more" in text for text in messages)
    with pytest.raises(DataError, match="cannot be read"):
        read_sheet(tmp_path / "none.xlsx")


def rewritten(path: Path, sheet: str) -> Path:
    """A workbook with other XML for its sheet, packed."""
    whole = io.BytesIO(write_book(path, {"X": [(1,)]}).read_bytes())
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, sheet if name.endswith("sheet1.xml") else old.read(name))
    return path


_SHEET = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    '<row r="1"><c r="A1"><v>1</v></c></row>{}</sheetData></worksheet>'
)


def test_sheets_that_cost_much_are_not_filled_in(tmp_path: Path) -> None:
    far = '<row r="999999999"><c r="A999999999"><v>1</v></c></row>'
    with pytest.raises(DataError, match="has more than 50000 rows"):
        read_sheet(rewritten(tmp_path / "far.xlsx", _SHEET.format(far)))
    wide = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(2, 100))
    sheet = read_sheet(rewritten(tmp_path / "wide.xlsx", _SHEET.format(wide)))
    assert max(map(len, sheet.rows)) == 200
    with pytest.raises(DataError, match="unpacks to more than"):
        read_sheet(rewritten(tmp_path / "packed.xlsx", _SHEET.format(" " * 64_000_000)))


def test_sheets_that_define_words_of_their_own_are_refused(tmp_path: Path) -> None:
    """XML lets one grow beyond all bounds ("billion laughs"), or stand for another file."""
    (tmp_path / "secret").write_text("a secret")
    grows = '<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n} "{10 * f"&a{n - 1};"}">' for n in range(1, 10))
    for words, used in ((grows, "&a9;"), (f'<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">', "&x;")):
        text = _SHEET.format(f'<row r="2"><c r="A2" t="str"><v>{used}</v></c></row>')
        with pytest.raises(DataError, match="is no Excel workbook"):
            read_sheet(rewritten(tmp_path / "words.xlsx", f"<!DOCTYPE x [{words}]>{text}"))


def test_without_openpyxl_one_line_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UsageError, match=r"pip install -e '\.\[train\]'"):
        read_sheet(tmp_path / "a.xlsx")


def test_the_coding_file_is_found_in_the_order_of_its_names(tmp_path: Path) -> None:
    write_images(tmp_path / "frames", numbered("{}.jpg", 1, 3))
    new = write_book(tmp_path / "annotation" / "part" / "Code-2019.xlsx", {"X": []})
    old = write_book(tmp_path / "annotation" / "code-2014.xlsx", {"X": []})
    (tmp_path / "~$code-2014.xlsx").write_bytes(b"lock")
    assert find_coding(tmp_path, ("code-2014.xlsx", "code-*.xlsx")) == old
    assert find_coding(tmp_path, ("none.xlsx", "code-2019*.xlsx")) == new
    assert find_coding(tmp_path, ("code-2014.xlsx",), "code-2019.xlsx") == new
    with pytest.raises(DataError, match=r"has no coding file a\.xlsx or b\.xlsx"):
        find_coding(tmp_path, ("a.xlsx", "b.xlsx"))
    with pytest.raises(DataError, match="no such folder"):
        find_coding(tmp_path / "none", ("a.xlsx",))


def test_places_of_frames_are_those_of_the_image_source(tmp_path: Path) -> None:
    numbers = [2, 10, 11, 100]
    for number in numbers:
        write_images(tmp_path / "c", [f"reg_img{number}.png"], grey=number)
    (tmp_path / "c" / "notes.txt").write_text("no image")
    (tmp_path / "c" / ".hidden1.png").write_bytes(b"")
    folder = FrameTree(tmp_path).frames(tmp_path / "c")
    frames = [frame for frame in ImageFolderSource(tmp_path / "c") if isinstance(frame, Frame)]
    assert {int(frame.image[0, 0, 0]): frame.index for frame in frames} == {
        number: folder.index_of(number, "x") for number in numbers
    }
    assert folder.renumbered(5).index(KeyNumbers(7, 15, 105)) == KeyNumbers(0, 1, 3)


def test_frames_that_are_not_there(tmp_path: Path) -> None:
    write_images(tmp_path / "c", ["img2.jpg", "img4.jpg", "img5.jpg", "img5.png"])
    tree = FrameTree(tmp_path)
    folder = tree.frames(tmp_path / "c")
    for number, what in (
        (1, "lies before the first frame 2"),
        (3, "is missing"),
        (6, "lies beyond the last frame 5"),
    ):
        with pytest.raises(DataError, match=f"column Apex: .*frame {number} {what}"):
            folder.index_of(number, "Apex")
    with pytest.raises(DataError, match="2 images of frame 5"):
        folder.index_of(5, "Apex")
    for key in (KeyNumbers(4, 2, 5), KeyNumbers(4, None, 4), KeyNumbers(2, 5, 4)):
        with pytest.raises(DataError, match="not in order"):
            folder.index(key)
    (tmp_path / "empty").mkdir()
    write_images(tmp_path / "odd", ["face.jpg"])
    with pytest.raises(DataError, match="holds no images"):
        tree.frames(tmp_path / "empty")
    with pytest.raises(DataError, match="without a frame number"):
        tree.frames(tmp_path / "odd")


def test_folders_whose_names_are_written_differently(tmp_path: Path) -> None:
    for name in ("s01/s01_ne_01", "spNo.7/a", "s1x", "15_0101one", "15_0102two", "15_0102three"):
        (tmp_path / name).mkdir(parents=True)
    tree = FrameTree(tmp_path)
    assert tree.folder("s1", "s1_ne_1") == tmp_path / "s01" / "s01_ne_01"
    assert tree.folder("spNO.7", "A") == tmp_path / "spNo.7" / "a"
    assert tree.folder_starting(tmp_path, "15_0101").name == "15_0101one"
    for start, what in (("16", "no folder"), ("15_0102", "more than one folder")):
        with pytest.raises(DataError, match=what):
            tree.folder_starting(tmp_path, start)
    with pytest.raises(DataError, match="no folder s2 in"):
        tree.folder("s2")


def test_which_form_of_the_frames(tmp_path: Path) -> None:
    forms = {
        "raw": Variant(("raw",), "sub*", "raw/sub01/1.jpg"),
        "cropped": Variant(("C", "C/C"), "sub*", "C/sub01/1.jpg"),
    }
    (tmp_path / "C" / "C" / "sub01").mkdir(parents=True)
    assert choose_frames(tmp_path, forms, None) == ("cropped", tmp_path / "C" / "C")
    with pytest.raises(DataError, match=r"holds no frames; expected a file such as raw/sub01/1\.jpg$"):
        choose_frames(tmp_path, forms, "raw")
    with pytest.raises(UsageError, match="no frames of the form 'x': use raw, cropped"):
        choose_frames(tmp_path, forms, "x")
    (tmp_path / "raw" / "sub01").mkdir(parents=True)
    assert choose_frames(tmp_path, forms, None)[0] == "raw"
