"""One's own data: a CSV file with one annotated movement per row.

    path,onset,apex,offset,label,subject
    clips/p01_003.mp4,12,18,27,surprise,p01
    frames/p02_001/,0,9,21,disgust,p02

`path` is a video file or a folder of numbered images, relative to the CSV file; onset, apex and offset
are 0-based frame numbers. A column `fps` is optional: the frame rate of a folder of images (else 30).
Further columns are ignored.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from offline.datasets.clips import Clip, clip_evidence
from offline.samples import SampleSet, sample_set
from realtime.errors import DataError, GlimpseError
from realtime.faces import FaceTracker

COLUMNS = ("path", "onset", "apex", "offset", "label", "subject")


def load_manifest(path: Path, classes: Sequence[str]) -> SampleSet:
    """Evidence of every clip whose label is one of `classes`.

    What is left out – another label, an unreadable clip, no face – is listed on stderr with its reason,
    never dropped in silence.

    Raises:
        DataError: the file cannot be used, or nothing in it can.
    """
    clips = list(read_manifest(path))
    tracker = FaceTracker()
    evidence, kept = [], []
    try:
        for clip in clips:
            try:
                if clip.label not in classes:
                    raise DataError(f"{clip.where}: label '{clip.label}' is none of {', '.join(classes)}")
                evidence.append(clip_evidence(clip, tracker))
                kept.append(clip)
            except GlimpseError as error:
                print(f"left out: {error}", file=sys.stderr)
    finally:
        tracker.close()
    if not kept:
        raise DataError(f"{path}: none of its {len(clips)} clips can be used; the reasons stand above")
    frames = np.stack([item.frames for item in evidence if item.frames is not None])
    return sample_set(
        np.stack([item.flows for item in evidence]),
        [list(classes).index(clip.label) for clip in kept],
        classes,
        [clip.subject for clip in kept],
        frames,
    )


def read_manifest(path: Path) -> Iterator[Clip]:
    """The rows of the file. Raises DataError naming file, line and column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise DataError(
                    f"{path}: has no column {', '.join(missing)}; needed are {', '.join(COLUMNS)}"
                )
            for row in rows:
                yield _clip(path, rows.line_num, row)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV file in UTF-8 ({error})") from error


def _clip(path: Path, line: int, row: dict[str, str]) -> Clip:
    where = f"{path}, line {line}"
    onset, apex, offset = (_frame_number(row[name], name, where) for name in ("onset", "apex", "offset"))
    if not onset <= apex <= offset or onset == offset:
        raise DataError(f"{where}: onset {onset}, apex {apex} and offset {offset} are not in order")
    for name in ("path", "label", "subject"):
        if not (row[name] or "").strip():
            raise DataError(f"{where}: column {name} is empty")
    return Clip(
        path=path.parent / row["path"].strip(),
        onset=onset,
        apex=apex,
        offset=offset,
        label=row["label"].strip(),
        subject=row["subject"].strip(),
        where=where,
        fps=_rate(row.get("fps"), where),
    )


def _rate(text: str | None, where: str) -> float | None:
    if not (text or "").strip():
        return None
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{where}: column fps is '{text}', not a frame rate") from None


def _frame_number(text: str | None, name: str, where: str) -> int:
    try:
        number = int((text or "").strip())
    except ValueError:
        number = -1
    if number < 0:
        raise DataError(f"{where}: column {name} is '{text or ''}', not a frame number from 0 on")
    return number
