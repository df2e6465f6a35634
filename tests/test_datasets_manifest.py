"""One's own data: a table of annotated clips becomes evidence through the live tracker and aligner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Clip

from offline.datasets.manifest import load_manifest, read_manifest
from realtime.errors import DataError

HEADER = "path,onset,apex,offset,label,subject,notes\n"


def write(path: Path, *rows: str) -> Path:
    path.write_text(HEADER + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_clips_become_evidence_and_what_is_left_out_is_named(
    clip: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write(
        tmp_path / "labels.csv",
        f"{clip.video},100,112,130,surprise,p01,",
        f"{clip.video},100,112,130,boredom,p01,",
        f"{clip.video},100,112,{clip.frames + 50},surprise,p02,beyond the end",
        "missing.mp4,0,5,9,disgust,p03,",
    )
    samples = load_manifest(table, ("surprise", "disgust"))
    assert len(samples) == 1
    assert samples.subjects == ("p01",)
    assert samples.labels.tolist() == [0]
    assert samples.frames.shape == (1, 3, 64, 64, 3)
    assert np.isfinite(samples.flows).all()
    left_out = [line for line in capsys.readouterr().err.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 3
    assert "line 3: label 'boredom'" in left_out[0]
    assert "line 4" in left_out[1]
    assert "missing.mp4" in left_out[2]


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    table = write(tmp_path / "labels.csv", "missing.mp4,0,5,9,disgust,p03,")
    with pytest.raises(DataError, match="none of its 1 clips"):
        load_manifest(table, ("disgust",))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("a.mp4,x,5,9,disgust,p,", "line 2: column onset is 'x'"),
        ("a.mp4,0,-5,9,disgust,p,", "line 2: column apex is '-5'"),
        ("a.mp4,7,5,9,disgust,p,", "line 2: onset 7, apex 5 and offset 9 are not in order"),
        ("a.mp4,0,5,9,,p,", "line 2: column label is empty"),
        ("a.mp4,0,5", "line 2: column offset is ''"),
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
