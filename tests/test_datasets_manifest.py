"""One's own data: a table of annotated clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from offline.datasets.manifest import read_manifest
from realtime.errors import DataError

HEADER = "path,onset,apex,offset,label,subject,notes\n"


def write(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_rows_become_clips(tmp_path: Path) -> None:
    table = write(tmp_path / "labels.csv", "a.mp4,3,5,9,disgust,p01,")
    (clip,) = read_manifest(table)
    assert (clip.path, clip.onset, clip.apex, clip.offset) == (tmp_path / "a.mp4", 3, 5, 9)
    assert (clip.label, clip.subject, clip.dataset, clip.name) == ("disgust", "p01", "manifest", "a.mp4")
    assert clip.fps is None
    assert clip.where == f"{table}, line 2"


def test_a_blank_apex_is_not_known(tmp_path: Path) -> None:
    (clip,) = read_manifest(write(tmp_path / "labels.csv", "a.mp4,3, ,9,disgust,p01,"))
    assert (clip.onset, clip.apex, clip.offset) == (3, None, 9)


@pytest.mark.parametrize("rate", ["fast", "nan", "0", "1e9"])
def test_an_impossible_frame_rate_is_named_by_line(tmp_path: Path, rate: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        f"path,onset,apex,offset,label,subject,fps\na,0,5,9,disgust,p,{rate}\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match=f"line 2: column fps is '{rate}'"):
        list(read_manifest(table))


def test_people_of_a_named_dataset_carry_its_name(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(
        "path,onset,apex,offset,label,subject,dataset,clip,fps\n"
        "a,0,5,9,disgust,casme2-sub01,casme2,EP01,200\n"
        "b,0,5,9,disgust,s1,lab one,,\n"
        "c,0,5,9,disgust,samm-009,samm_long,,\n"
        "d,0,5,9,disgust,009,SAMM-Long,,\n",
        encoding="utf-8",
    )
    found = [(clip.subject, clip.dataset, clip.name, clip.fps) for clip in read_manifest(table)]
    assert found == [
        ("casme2-sub01", "casme2", "EP01", 200.0),
        ("lab one-s1", "lab one", "b", None),
        ("samm-009", "samm_long", "c", None),
        ("samm-009", "samm_long", "d", None),
    ]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("a.mp4,x,5,9,disgust,p,", "line 2: column onset is 'x'"),
        ("a.mp4,0,-5,9,disgust,p,", "line 2: column apex is '-5'"),
        ("a.mp4,7,5,9,disgust,p,", "line 2: onset 7, apex 5 and offset 9 are not in order"),
        ("a.mp4,0,5,9,,p,", "line 2: column label is empty"),
        ("a.mp4,0,5,9,\x1b[2J,p,", "line 2: column label holds a character that cannot be shown"),
        ("a.mp4,0,5,9,disgust,p\u202e1,", "line 2: column subject holds a character that cannot be shown"),
        (f"a.mp4,0,5,{'9' * 400},disgust,p,", "line 2: column offset is"),
        ("a.mp4,0,5", "line 2: column offset is ''"),
        ("a.mp4,9,,5,disgust,p,", "line 2: onset 9 and offset 5 are not in order"),
        ("", "labels.csv: has no rows"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(DataError) as caught:
        list(read_manifest(write(tmp_path / "labels.csv", row)))
    assert complaint in str(caught.value)


def test_a_missing_column_or_file_or_other_bytes_are_named(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    with pytest.raises(DataError, match="cannot be read"):
        list(read_manifest(table))
    table.write_text("path,onset,apex\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column offset, label, subject"):
        list(read_manifest(table))
    table.write_bytes(b"path,onset\xff\xfe\x00,apex")
    with pytest.raises(DataError, match=r"labels\.csv"):
        list(read_manifest(table))
