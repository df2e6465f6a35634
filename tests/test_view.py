"""Drawings of motion on a face that is nobody's."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

from realtime.geometry import REGION_NAMES
from realtime.types import F32
from realtime.view.contours import BROWS, EYES, INNER_LIPS, OUTER_LIPS, OVAL, SCHEMATIC
from realtime.view.names import CAUSES
from realtime.view.pictures import magnification, magnified
from realtime.view.schematic import ARROW_UNITS, arrow_gain, face_symbol, motion_map, region_map


def pulse(size: int, u: float, v: float, x: float = 0.5, y: float = 0.5) -> F32:
    """A patch of the face that moves by (u, v) percent."""
    rows, columns = np.mgrid[:size, :size] / size
    bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.01)
    return np.stack([u * bump, v * bump]).astype(np.float32)


def test_lines_are_closed_rings_of_different_points() -> None:
    for line in (OVAL, *EYES.values(), *BROWS.values(), OUTER_LIPS, INNER_LIPS):
        assert len(set(line)) == len(line)
        assert 0 <= min(line) <= max(line) < 468


def test_the_drawn_face_is_symmetric() -> None:
    for name, points in SCHEMATIC.items():
        mirrored = {(-x, y) for x, y in points}
        other = name.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right")
        assert mirrored == set(SCHEMATIC[other]), name
    assert face_symbol().count("<path") == len(SCHEMATIC) + 2


@pytest.mark.parametrize("largest", [0.05, 0.3, 1.0, 4.0, 30.0])
def test_arrows_fit_their_cells(largest: float) -> None:
    assert 1 <= arrow_gain(largest) <= 100
    assert arrow_gain(largest) * largest <= max(ARROW_UNITS, largest)


def test_arrows_point_where_the_skin_goes() -> None:
    drawing = motion_map(pulse(32, 0.0, -1.0), 1.0, "up & away")
    assert 'aria-label="up &amp; away"' in drawing
    (arrows,) = re.findall(r'class="arrows" d="([^"]+)"', drawing)
    steps = [tuple(map(float, step.split())) for step in re.findall(r"l([-\d. ]+)z", arrows)]
    assert len(steps) > 5
    assert all(dy < 0 < back for _, dy, _, back in steps)
    assert not re.findall(
        r'class="arrows" d="([^"]+)"', motion_map(np.zeros((2, 32, 32), np.float32), 1.0, "")
    )


def test_regions_say_more_and_less_by_shape_too() -> None:
    drawing = region_map({"chin": 0.5, "glabella": -0.25}, "worth")
    assert drawing.count("<circle") == len(REGION_NAMES)
    assert '<circle class="for" cx="0" cy="138" r="16" style="--s:0.50"><title>chin 0.50</title>' in drawing
    assert 'class="against" cx="0" cy="-18" r="12" style="--s:0.25"' in drawing


def test_magnified_motion_is_the_motion_so_many_times() -> None:
    face = np.full((128, 128, 3), 40, np.uint8)
    cv2.circle(face, (64, 64), 5, (220, 220, 220), -1)
    whole = np.stack([np.full((64, 64), 1.0), np.zeros((64, 64))]).astype(np.float32)
    moved = magnified(face, whole, 10.0)  # 10 % of an eye distance of 0.55 · 128 px
    columns = [np.average(np.arange(128), weights=image[..., 0].astype(float).sum(axis=0) - 40 * 128 + 1e-9)
               for image in (face, moved)]  # fmt: skip
    assert columns[1] - columns[0] == pytest.approx(0.1 * 0.55 * 128, abs=0.3)
    assert magnification(whole) == 10.0
    assert magnification(0.01 * whole) == 20.0
    assert magnification(40.0 * whole) == 1.0


def test_every_cause_has_words() -> None:
    from realtime.observability import _CAUSES

    assert {*_CAUSES.values(), "motion", "frame_rate", "gap", "warm_up"} == set(CAUSES)
