"""What a false alarm was: from the truth of the stream where that knows, else from what was measured."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from offline.synthesis.truth import Truth
from realtime.geometry import REGION_NAMES
from realtime.types import F64, FacialEvent, FrameRow

BLINK_CLOSURE = 0.25
"""Share by which the eyes close in a blink."""
LIGHT_CHANGE = 0.03
"""Change of the brightness per lag, as a share."""
HEAD_RATIO = 3.0
"""Motion of the head over that of the face."""
LID_RATIO = 1.0
"""Motion of the lids over that of the rest."""
TALKING_PERCENT, TALKING_SHARE = 0.5, 0.5
"""The mouth moves by more than so much of the eye distance during so much of the time around."""
_AROUND_S = 1.5
_MOUTH = tuple(i for i, name in enumerate(REGION_NAMES) if name.startswith(("lip", "mouth", "chin")))
_COLUMNS = ("time_s", "rigid", "residual", "light", "aperture", "lids", "largest", "mouth")


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """(n,) per measured frame: times in s, motions in percent of the eye distance per lag."""

    time_s: F64
    rigid: F64
    residual: F64
    light: F64
    """Absolute relative change of the brightness."""
    aperture: F64
    lids: F64
    """Larger motion of the two lids."""
    largest: F64
    """Largest motion of a region."""
    mouth: F64
    """Median motion of the regions around the mouth."""


class MeasuredFrames:
    """Collects `Measured` from the rows of a run."""

    def __init__(self) -> None:
        self._columns = {name: array("d") for name in _COLUMNS}

    def push(self, row: FrameRow | None) -> None:
        """Take a frame's row; one without motion is left out."""
        if row is None or row.motion is None:
            return
        motion = row.motion
        moved = np.linalg.norm(motion.regions.astype(np.float64), axis=1)
        values = (
            motion.time_s,
            motion.rigid,
            motion.residual,
            abs(motion.brightness_change),
            motion.aperture,
            float(np.linalg.norm(motion.lids, axis=1).max()),
            float(moved.max()),
            float(np.median(moved[list(_MOUTH)])),
        )
        for name, value in zip(_COLUMNS, values, strict=True):
            self._columns[name].append(value)

    def done(self) -> Measured:
        """Everything so far."""
        return Measured(**{name: np.array(values) for name, values in self._columns.items()})


def cause_of_alarm(truth: Truth, event: FacialEvent, measured: Measured | None) -> str:
    """What happened where `event` was spotted: a confounder's kind, "macro_expression", "imprecise times"
    for a true micro-expression; else "blink", "light", "gaze", "head motion" or "talking" by what was
    measured; "nothing known" where neither tells."""
    keys = event.key_frames
    happenings: list[tuple[str, float, float]] = [(t.kind, t.onset_s, t.offset_s) for t in truth.events]
    happenings += [(c.kind, c.from_s, c.to_s) for c in truth.confounders]
    for kind, start_s, end_s in sorted(happenings, key=lambda item: item[0] == "micro_expression"):
        if start_s - 0.1 < keys.offset_s and end_s + 0.1 > keys.onset_s:
            return "imprecise times" if kind == "micro_expression" else kind
    return _measured_cause(keys.onset_s, keys.offset_s, measured) if measured is not None else "nothing known"


def _measured_cause(onset_s: float, offset_s: float, measured: Measured) -> str:
    time_s = measured.time_s
    during = (time_s >= onset_s) & (time_s <= offset_s)
    around = (time_s >= onset_s - _AROUND_S) & (time_s <= offset_s + _AROUND_S)
    if not during.any():
        return "nothing known"
    open_eyes = float(np.median(measured.aperture[around]))
    mouth = measured.mouth[around & ~during]
    tests = (
        ("blink", measured.aperture[during].min() < (1.0 - BLINK_CLOSURE) * open_eyes),
        ("light", measured.light[during].max() > LIGHT_CHANGE),
        ("gaze", measured.lids[during].max() > LID_RATIO * measured.largest[during].max()),
        (
            "head motion",
            np.median(measured.rigid[during]) > HEAD_RATIO * np.median(measured.residual[during]),
        ),
        ("talking", bool(mouth.size) and np.mean(mouth > TALKING_PERCENT) > TALKING_SHARE),
    )
    return next((name for name, holds in tests if holds), "nothing known")
