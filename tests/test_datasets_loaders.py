"""Every loader against a look-alike of its dataset, with the oddities of the real files."""

from __future__ import annotations

from pathlib import Path

import pytest
from lookalikes import (
    CASME2_2019,
    SMIC_HEADINGS,
    casme2_row,
    numbered,
    write_book,
    write_casme2,
    write_images,
)

from offline.datasets import cas_me2, cas_me3, casme2, mmew, samm, samm_long, smic_hs
from offline.datasets.corpus import Annotation, Corpus, KeyNumbers
from offline.datasets.registry import DATASETS, dataset
from realtime.errors import DataError, UsageError


def only(corpus: Corpus, clip: str) -> Annotation:
    (found,) = [item for item in corpus.annotations if item.clip == clip]
    return found


def reasons(corpus: Corpus) -> dict[str, str]:
    return {f"{item.subject}/{item.clip}": item.reason for item in corpus.left_out}


CASME2_ROWS = (
    casme2_row("01", "EP02_01f", 46, 59, 66, 12, "happiness"),
    casme2_row("04", "EP12_01f", 261, "/", 270, "4?", "disgust"),
    casme2_row("05", "EP12_03f", 3, 5, 9, "4+7+L10", "others"),
)


def test_casme2(tmp_path: Path) -> None:
    corpus = casme2.load(write_casme2(tmp_path, CASME2_ROWS, base="Cropped/Cropped"))
    assert (corpus.name, corpus.coding.name) == ("casme2", "CASME2-coding-20140508.xlsx")
    assert corpus.frames == tmp_path / "Cropped" / "Cropped"
    first = only(corpus, "EP02_01f")
    assert (first.subject, first.emotion, first.kind, first.fps) == ("sub01", "happiness", "micro", 200.0)
    assert first.path == corpus.frames / "sub01" / "EP02_01f"
    assert (first.number, first.index) == (KeyNumbers(46, 59, 66), KeyNumbers(0, 13, 20))
    assert (first.action_units, first.objective_class, first.apex_source) == (("AU12",), None, "coded")
    no_apex = only(corpus, "EP12_01f")
    assert (no_apex.index, no_apex.apex_source) == (KeyNumbers(0, None, 9), "none")
    assert no_apex.action_units == ("AU4?",)
    assert only(corpus, "EP12_03f").action_units == ("AU4", "AU7", "LAU10")
    assert corpus.per_class() == {"happiness": 1, "disgust": 1, "others": 1}
    assert corpus.per_subject() == {"sub01": 1, "sub04": 1, "sub05": 1}
    assert corpus.left_out == ()


def test_casme2_of_2019_and_its_raw_frames(tmp_path: Path) -> None:
    write_casme2(tmp_path, CASME2_ROWS)
    write_casme2(
        tmp_path,
        CASME2_ROWS,
        coding=CASME2_2019,
        base="CASME2_RAW_selected",
        pattern="img{}.jpg",
        objective=(2, 1, 7),
    )
    corpus = casme2.load(tmp_path)
    assert (corpus.coding.name, corpus.frames.name) == ("CASME2-coding-20140508.xlsx", "CASME2_RAW_selected")
    corpus = casme2.load(tmp_path, frames="cropped", coding=CASME2_2019)
    assert (corpus.coding.name, corpus.frames.name) == (CASME2_2019, "Cropped")
    assert [item.objective_class for item in corpus.annotations] == ["II", "I", "VII"]


def test_casme2_clips_that_cannot_be_used(tmp_path: Path) -> None:
    rows = (
        *CASME2_ROWS,
        casme2_row("06", "EP01", 10, 8, 20, 4, "disgust"),
        casme2_row("06", "EP02", 10, "?", 20, 4, "disgust"),
        casme2_row("06", "EP03", 10, 15, 20, 4, "disgust"),
        casme2_row("06", "EP04", 10, 15, 20, 4, "disgust"),
        casme2_row("06", "EP05", 10, 15, 20, 4, ""),
        casme2_row("", "EP06", 10, 15, 20, 4, "disgust"),
    )
    write_casme2(tmp_path, rows)
    sub06 = tmp_path / "Cropped" / "sub06"
    (sub06 / "EP03" / "reg_img20.jpg").unlink()
    for image in (sub06 / "EP04").iterdir():
        image.unlink()
    (sub06 / "EP04").rmdir()
    corpus = casme2.load(tmp_path)
    found = reasons(corpus)
    assert len(corpus.annotations) == 3
    assert found["sub06/EP01"] == "OnsetFrame 10, ApexFrame 8 and OffsetFrame 20 are not in order"
    assert found["sub06/EP02"] == "column ApexFrame is '?', not a frame number"
    assert found["sub06/EP03"].startswith("column OffsetFrame: frame 20 lies beyond the last frame 19 in ")
    assert found["sub06/EP04"] == f"there is no folder EP04 in {sub06}"
    assert found["sub06/EP05"] == "column Estimated Emotion is empty"
    assert found["/EP06"] == "the row names no subject"
    assert corpus.left_out[0].where == f"{corpus.coding}, sheet Sheet1, row 5"


def test_casme2_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        casme2.load(tmp_path / "none")
    with pytest.raises(DataError, match=r"has no coding file CASME2-coding-20140508\.xlsx"):
        casme2.load(tmp_path)
    write_book(tmp_path / CASME2_2019, {"Sheet1": [("Subject", "Filename", "OnsetFrame")]})
    with pytest.raises(DataError, match="row 1: has no column ApexFrame, OffsetFrame, Action Units"):
        casme2.load(tmp_path)
    write_casme2(tmp_path, CASME2_ROWS)
    with pytest.raises(DataError, match=r"expected a file such as CASME2_RAW_selected/sub01"):
        casme2.load(tmp_path, frames="raw")
    for row in CASME2_ROWS:
        (tmp_path / "Cropped" / f"sub{row[0]}").rename(tmp_path / "Cropped" / f"sub9{row[0]}")
    with pytest.raises(
        DataError, match=r"not one of its 3 clips can be used; the first, .*row 2: there is no"
    ):
        casme2.load(tmp_path)


def write_samm(root: Path) -> Path:
    headings = (
        *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration"),
        *("Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
    )
    rows = [
        *[(f"remark {n}",) for n in range(13)],
        headings,
        ("006", "006_1_2", 1, 5562, 5570, 5580, 19, "1/2", "R14A or 17A", "Contempt", 6, None),
        (7, "007_3_1", 3, 98, 100, 102, 5, "1/2", 12, "Happiness", "II", "a note"),
        ("008", "008_1_1", 1, 5, 7, 9, 5, "1/2", "4B", "Anger", 4, None),
    ]
    write_book(root / "SAMM_Micro_FACS_Codes_v2.xlsx", {"MICRO_ONLY": rows, "Other": [()]})
    write_images(root / "006" / "006_1_2", numbered("006_{:05d}.jpg", 5562, 5580))
    write_images(root / "007" / "007_3_1", numbered("007_{:03d}.jpg", 98, 102))
    write_images(root / "008" / "008_1_1", numbered("008_{:04d}.jpg", 5, 8))
    return root


def test_samm(tmp_path: Path) -> None:
    corpus = samm.load(write_samm(tmp_path))
    first = only(corpus, "006_1_2")
    assert (first.subject, first.emotion, first.objective_class) == ("006", "Contempt", "VI")
    assert (first.number, first.index) == (KeyNumbers(5562, 5570, 5580), KeyNumbers(0, 8, 18))
    assert first.action_units == ("RAU14?", "AU17?")
    second = only(corpus, "007_3_1")
    assert (second.subject, second.index, second.objective_class) == ("007", KeyNumbers(0, 2, 4), "II")
    assert reasons(corpus).keys() == {"008/008_1_1"}
    assert "column Offset Frame: frame 9 lies beyond the last frame 8" in reasons(corpus)["008/008_1_1"]


def test_samm_without_its_sheet(tmp_path: Path) -> None:
    write_book(tmp_path / "SAMM_Micro_FACS_Codes_v2.xlsx", {"Sheet1": [()]})
    with pytest.raises(DataError, match="has no sheet MICRO_ONLY; it has Sheet1"):
        samm.load(tmp_path)


def smic_row(
    subject: object, clip: str, onset: int, offset: int, first: object, last: int, emotion: str, *more: int
) -> tuple[object, ...]:
    further = [*more, None, None, None, None][:4]
    count = offset - onset + 1
    return (subject, clip, None, onset, offset, *further, None, first, last, count, *[None] * 3, emotion)


SMIC_ROWS = (
    smic_row(1, "s1_ne_01", 9446, 9450, 9440, 9460, "negative"),
    smic_row(1, "s1_po_01", 20, 25, 11, 40, "positive", 30, 33),
    smic_row(20, "s20_sur_03", 105, 109, "none", 120, "surprise"),
)


def write_smic_book(root: Path, rows: tuple[tuple[object, ...], ...] = SMIC_ROWS) -> Path:
    remarks = [(), ("OnsetF: the frame in which it begins",), (None, "Filename as in the folders")]
    write_book(root / "SMIC-HS-E_annotation.xlsx", {"HS": [SMIC_HEADINGS, *rows, *remarks]})
    return root


def test_smic_long(tmp_path: Path) -> None:
    base = write_smic_book(tmp_path) / "HS_long" / "SMIC-HS-E" / "HS"
    write_images(base / "s1" / "s1_ne_01", numbered("image{:06d}.jpg", 9440, 9460))
    write_images(base / "s1" / "s1_po_01", numbered("image{}.jpg", 1, 30))
    write_images(base / "s20" / "s20_sur_03", numbered("image{}.jpg", 1, 20))
    corpus = smic_hs.load(tmp_path)
    first = only(corpus, "s1_ne_01")
    assert (first.subject, first.emotion, first.fps) == ("s01", "negative", 100.0)
    assert (first.number, first.index) == (KeyNumbers(9446, None, 9450), KeyNumbers(6, None, 10))
    assert first.apex_source == "none"
    assert only(corpus, "s1_po_01").index == KeyNumbers(9, None, 14)
    assert only(corpus, "s1_po_01#2").number == KeyNumbers(30, None, 33)
    assert only(corpus, "s1_po_01#2").index == KeyNumbers(19, None, 22)
    assert reasons(corpus) == {"s20/s20_sur_03": "column FirstF is 'none', not a frame number"}


@pytest.mark.parametrize(
    ("base", "frames", "pattern"),
    [("HS", "raw", "image{:06d}.bmp"), ("SMIC_all_cropped/HS", "cropped", "reg_image{:06d}.bmp")],
)
def test_smic_clips_alone(tmp_path: Path, base: str, frames: str, pattern: str) -> None:
    folder = write_smic_book(tmp_path) / base
    coded = frames == "raw"
    for row, emotion in zip(SMIC_ROWS, ("negative", "positive", "surprise"), strict=True):
        onset, offset = int(str(row[3])), int(str(row[4]))
        span = (onset, offset) if coded else (1, offset - onset + 1)
        write_images(folder / f"s{row[0]}" / "micro" / emotion / str(row[1]), numbered(pattern, *span))
    corpus = smic_hs.load(tmp_path)
    assert corpus.frames == folder
    assert corpus.per_class() == {"negative": 1, "positive": 1, "surprise": 1}
    assert [item.index for item in corpus.annotations] == [KeyNumbers(0, None, n) for n in (4, 5, 4)]
    assert "Onset2F: frame 30 lies beyond the last frame 25" in reasons(corpus)["s01/s1_po_01#2"]


def test_smic_movements_coded_twice_and_folders_that_fit_no_numbering(tmp_path: Path) -> None:
    rows = (
        smic_row(1, "s1_ne_01", 20, 25, 11, 40, "negative", 30, 33),
        smic_row(1, "s1_ne_02", 30, 33, 11, 40, "negative"),
        smic_row(1, "s1_ne_03", 50, 53, 41, 60, "negative"),
    )
    base = write_smic_book(tmp_path, rows) / "HS_long" / "SMIC-HS-E" / "HS" / "s1"
    for clip, last in (("s1_ne_01", 30), ("s1_ne_02", 30), ("s1_ne_03", 60)):
        write_images(base / clip, numbered("image{}.jpg", 1, last))
    corpus = smic_hs.load(tmp_path)
    assert [item.clip for item in corpus.annotations] == ["s1_ne_01", "s1_ne_02"]
    assert reasons(corpus)["s01/s1_ne_01#2"] == "it is the same movement as s1_ne_02"
    assert "has 60 images from number 1 on; they are neither" in reasons(corpus)["s01/s1_ne_03"]


def write_cas_me2(root: Path) -> Path:
    sheets = {
        "CASFEcode_final": [
            (1, "disgust1_1", 10, 14, 20, "4+7", "negative", "macro-expression", "disgust"),
            (1, "disgust1_2", 30, 34, 0, "12", "positive", "micro-expression", "happiness"),
            (2, "happy4_1 ", 10, 0, 21, 12, "positive", "micro-expression", "happiness"),
            (2, "happy4_2", 10, 0, 0, 12, "positive", "micro-expression", "happiness"),
            (9, "happy4_3", 10, 12, 14, 12, "positive", "micro-expression", "happiness"),
            (2, "anger9_1", 10, 12, 14, 12, "negative", "micro-expression", "anger"),
            (2, "happy4_4", 10, 12, 14, 12, "positive", "unclear", "happiness"),
        ],
        "naming rule2": [("0101", "disgust1"), (505, "happy4")],
        "naming rule1": [(15, "s15", 1), ("16", "s16", 2)],
    }
    write_book(root / "CAS(ME)^2code_final.xlsx", sheets)
    for folder in ("s15/15_0101disgustingteeth", "s16/16_0505funnyinnovations"):
        write_images(root / "rawpic" / folder, numbered("img{}.jpg", 1, 40))
    return root


def test_cas_me2(tmp_path: Path) -> None:
    corpus = cas_me2.load(write_cas_me2(tmp_path))
    first, second = only(corpus, "disgust1_1"), only(corpus, "disgust1_2")
    assert (first.subject, first.kind, first.emotion, first.fps) == ("s15", "macro", "negative", 30.0)
    assert (first.number, first.index) == (KeyNumbers(10, 14, 20), KeyNumbers(9, 13, 19))
    assert first.path.name == "15_0101disgustingteeth"
    assert (second.number, second.kind, second.apex_source) == (KeyNumbers(30, 34, 34), "micro", "coded")
    assert second.notes == ("no offset is coded: the apex is taken",)
    third = only(corpus, "happy4_1")
    assert (third.subject, third.number, third.apex_source) == ("s16", KeyNumbers(10, 15, 21), "midpoint")
    assert reasons(corpus) == {
        "s16/happy4_2": "columns apex and offset are both 0: neither is coded",
        "9/happy4_3": "column subject is '9', which sheet naming rule1 does not have",
        "s16/anger9_1": "column name is 'anger9_1', whose video sheet naming rule2 does not have",
        "s16/happy4_4": "column type is 'unclear', neither a macro- nor a micro-expression",
    }


def test_cas_me2_without_its_naming_rules(tmp_path: Path) -> None:
    write_book(tmp_path / "CAS(ME)^2code_final.xlsx", {"CASFEcode_final": [(1,)]})
    with pytest.raises(DataError, match="has no sheet naming rule1; it has CASFEcode_final"):
        cas_me2.load(tmp_path)
    sheets = {"CASFEcode_final": [(1,)], "naming rule1": [("x",)], "naming rule2": [("x",)]}
    write_book(tmp_path / "CAS(ME)^2code_final.xlsx", sheets)
    with pytest.raises(DataError, match="sheet naming rule1: holds no pairs"):
        cas_me2.load(tmp_path)


def test_samm_long(tmp_path: Path) -> None:
    headings = (
        *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex", "Offset", "Duration", "Type"),
        *("Action Units", "Notes"),
    )
    rows = [
        *[("remark",) for _ in range(9)],
        headings,
        (9, "009_4_1", 4, 3.0, 5.0, 9.0, 7, "Macro", "12", None),
        ("009", "009_4_2", 4, 4, 6, 8, 5, "Micro - 1/2", "4", None),
        (9, "009_4_3", 4, 0, 6, 8, 5, "Macro", "4", None),
        (9, "009_4_4", 4, 4, 6, 99, 5, "Macro", "4", None),
        (9, "009_4_5", 4, 4, 6, 8, 5, "Blink", "43", None),
        (9, "odd", 4, 4, 6, 8, 5, "Macro", "43", None),
    ]
    write_book(tmp_path / "SAMM_LongVideos_V3_Release.xlsx", {"FACS_Movement_Only": rows})
    write_images(tmp_path / "SAMM_longvideos" / "009_4", numbered("009_4_{:04d}.jpg", 1, 20))
    corpus = samm_long.load(tmp_path)
    first, second = corpus.annotations
    assert (first.subject, first.kind, first.emotion) == ("009", "macro", None)
    assert (first.number, first.index) == (KeyNumbers(3, 5, 9), KeyNumbers(2, 4, 8))
    assert (second.kind, second.path.name) == ("micro", "009_4")
    assert corpus.per_class() == {"": 2}
    found = reasons(corpus)
    assert found["009/009_4_3"] == "column Onset is 0: the expression begins before the video"
    assert "column Offset: frame 99 lies beyond the last frame 20" in found["009/009_4_4"]
    assert found["009/009_4_5"] == "column Type is 'Blink', neither a macro- nor a micro-expression"
    assert found["009/odd"].startswith("column Filename is 'odd'")


@pytest.mark.parametrize("form", ["long", "clip"])
def test_cas_me3(tmp_path: Path, form: str) -> None:
    rows = [
        ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"),
        ("spNO.1", "b", 166, 170, 175, "4+7", 1, "disgust"),
        ("spNo.2", "A", 10, 12, 14, "12?", "II", "happy"),
        ("spNO.3", "c", 10, 12, 14, "12", 2, "happy"),
    ]
    name = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    write_book(tmp_path / "annotation" / name, {"label": rows})
    if form == "long":
        write_images(tmp_path / "part_A" / "spNO.1" / "b" / "color", numbered("{}.jpg", 160, 180))
        write_images(tmp_path / "part_A" / "spNO.2" / "a" / "color", numbered("{}.jpg", 1, 20))
    else:
        frames = tmp_path / "Part_A_ME_clip" / "frame"
        write_images(frames / "spNo.1_b_166", numbered("{}.jpg", 166, 175))
        write_images(frames / "spNO.2_a_10", numbered("{}.jpg", 10, 14))
    corpus = cas_me3.load(tmp_path, frames=form)
    first, second = corpus.annotations
    assert (first.subject, first.clip, first.fps) == ("spNO.1", "b_166", 30.0)
    assert first.index == (KeyNumbers(6, 10, 15) if form == "long" else KeyNumbers(0, 4, 9))
    assert (first.emotion, first.objective_class) == ("disgust", "I")
    assert (second.subject, second.clip, second.action_units) == ("spNO.2", "a_10", ("AU12?",))
    assert list(reasons(corpus)) == ["spNO.3/c_10"]


def test_mmew(tmp_path: Path) -> None:
    rows = [
        (
            *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"),
            *("Estimated Emotion", "remarks"),
        ),
        (1, "S01-07-001", 1, 4, 9, "6+12", "happiness", None),
        ("S02", "S02-01-001", 1, 12, 9, "4", "anger", "odd"),
        (3, "S03-01-001", 1, 4, 90, "4", "anger", None),
    ]
    write_book(tmp_path / "MMEW_Micro_Exp.xlsx", {"Sheet1": rows})
    for folder in ("happiness/S01-07-001", "anger/S02-01-001", "anger/S03-01-001"):
        write_images(tmp_path / "Micro_Expression" / folder, numbered("{}.jpg", 1, 12))
    corpus = mmew.load(tmp_path)
    (first,) = corpus.annotations
    assert (first.subject, first.index, first.fps) == ("S01", KeyNumbers(0, 3, 8), 90.0)
    assert (first.emotion, first.action_units) == ("happiness", ("AU6", "AU12"))
    assert "not in order" in reasons(corpus)["S02/S02-01-001"]
    assert "beyond the last frame 12" in reasons(corpus)["S03/S03-01-001"]


def test_the_registry() -> None:
    assert list(DATASETS) == ["casme2", "samm", "smic_hs", "cas_me2", "samm_long", "cas_me3", "mmew"]
    assert dataset("SMIC-HS") is DATASETS["smic_hs"]
    assert DATASETS["samm_long"].people == "samm"
    with pytest.raises(UsageError, match="unknown dataset 'casme': use one of casme2, samm"):
        dataset("casme")


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_loader_complains_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError) as raised:
        DATASETS[name].load(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)
