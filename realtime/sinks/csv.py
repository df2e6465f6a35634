"""Measurements of every frame as a table, in the manner of OpenFace's."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np

from realtime.geometry import REGION_NAMES
from realtime.sinks.files import OutputFile
from realtime.types import (
    FacialEvent,
    FrameRow,
    HeadPose,
    ModelInfo,
    Motion,
    Notice,
    RunSummary,
    StreamInfo,
)

_POSE = ("pose_x_px", "pose_y_px", "eye_distance_px", "roll_deg", "yaw_deg", "pitch_deg")
COLUMNS: tuple[str, ...] = (
    *("frame", "timestamp", "face_id", "success", *_POSE, "skipped", "unobservable", "rigid", "residual"),
    *(f"motion_{name}" for name in REGION_NAMES),
)
"""Column names. `timestamp` in s; `success` is 1 where a face was measured; `unobservable` says why no
micro-expression could have been seen in this frame; `rigid`, `residual` and
`motion_<region>` (length of the motion over one lag) in percent of the eye distance, in streams of more than
125 frames a second those of a frame or two before. Unknown: empty."""


class CsvSink:
    """Writes one row per frame, unreadable frames included; events are not in it."""

    def __init__(self, path: str | os.PathLike[str], *, stdout: BinaryIO | None = None) -> None:
        """`path`: a file or "-". `stdout`: stream to use in place of standard output."""
        self._path = path
        self._stdout = stdout
        self._file: OutputFile | None = None

    def open(self, info: StreamInfo, model: ModelInfo | None) -> None:
        """Open the file and write the header. Raises `OutputError`."""
        self._file = OutputFile(self._path, stdout=self._stdout)
        self._write(COLUMNS)

    def write_event(self, event: FacialEvent) -> None:
        """Events have no place in the table: nothing is written."""

    def write_notice(self, notice: Notice) -> None:
        """Notices have no place in the table: nothing is written."""

    def write_frame(self, row: FrameRow) -> None:
        """Write the frame's row. Raises `OutputError`."""
        success = row.pose is not None and row.skipped is None
        self._write(
            [
                str(row.index),
                _cell(row.time_s, 3),
                "" if row.face_id is None else str(row.face_id),
                str(int(success)),
                *_pose_cells(row.pose),
                row.skipped or "",
                row.unobservable or "",
                *_motion_cells(row.motion),
            ]
        )

    def close(self, summary: RunSummary) -> None:
        """Finish the file. Raises `OutputError`."""
        if self._file is not None:
            self._file.commit()

    def abort(self) -> str | None:
        """Keep what there is as `<name>.partial` and say so."""
        return self._file.abandon() if self._file is not None else None

    def _write(self, cells: Sequence[str]) -> None:
        assert self._file is not None, "open() comes first"
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\n").writerow(cells)
        self._file.write(line.getvalue().encode("utf-8"))


def _pose_cells(pose: HeadPose | None) -> list[str]:
    if pose is None:
        return [""] * len(_POSE)
    numbers = (pose.x_px, pose.y_px, pose.eye_distance_px, pose.roll_deg, pose.yaw_deg, pose.pitch_deg)
    return [_cell(number, 3) for number in numbers]


def _motion_cells(motion: Motion | None) -> list[str]:
    if motion is None:
        return [""] * (2 + len(REGION_NAMES))
    lengths = np.linalg.norm(motion.regions.astype(np.float64), axis=1)
    return [_cell(float(number), 4) for number in (motion.rigid, motion.residual, *lengths)]


def _cell(number: float | None, digits: int) -> str:
    if number is None or not math.isfinite(number):
        return ""
    return f"{round(number, digits) + 0.0:.{digits}f}"
