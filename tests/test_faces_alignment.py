"""Alignment on drawn landmarks: the canonical face is where the geometry says, and stays there."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from realtime.errors import ConfigError
from realtime.faces import AlignmentConfig, FaceAligner, warp
from realtime.faces.alignment import apply, compose, invert
from realtime.faces.landmarks import (
    CHIN,
    FOREHEAD,
    LEFT_EYE_CORNERS,
    LEFT_LIDS,
    RIGHT_EYE_CORNERS,
    RIGHT_LIDS,
    eye_aperture,
    eye_centres,
    head_pose,
)
from realtime.faces.ring import FaceRing
from realtime.geometry import EYE_DISTANCE, EYE_ROW
from realtime.types import F32, AlignedFace, Face, Frame, readonly

WIDTH, HEIGHT = 320, 240


def landmarks(x: float = 160.0, y: float = 100.0, eye_px: float = 60.0, roll_deg: float = 0.0) -> F32:
    """468 points strewn over a face, with eyes, forehead and chin where they belong."""
    rng = np.random.default_rng(9)
    points = np.stack(
        [rng.uniform(-1, 1, 468), rng.uniform(-0.5, 1.6, 468), rng.uniform(-0.2, 0.2, 468)], axis=1
    )
    for corners, side in ((LEFT_EYE_CORNERS, 1.0), (RIGHT_EYE_CORNERS, -1.0)):
        points[list(corners)] = [[side * 0.5 - 0.15, 0.0, 0.0], [side * 0.5 + 0.15, 0.0, 0.0]]
    for pairs, side in ((LEFT_LIDS, 0.5), (RIGHT_LIDS, -0.5)):
        for k, (upper, lower) in enumerate(pairs):
            points[upper] = [side + 0.05 * (k - 1), -0.045, 0.0]
            points[lower] = [side + 0.05 * (k - 1), 0.045, 0.0]
    points[FOREHEAD], points[CHIN] = [0.0, -0.7, 0.0], [0.0, 1.6, 0.0]
    angle = math.radians(roll_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points[:, :2] = points[:, :2] @ turn.T
    return (points * eye_px + [x, y, 0.0]).astype(np.float32)


def frame(index: int = 0, fps: float = 30.0) -> Frame:
    rng = np.random.default_rng(4)
    noise = rng.integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Frame(index, index / fps, readonly(cv2.GaussianBlur(noise, (0, 0), 3.0)))


def canonical(face: AlignedFace, points: F32) -> np.ndarray:
    to_canonical = compose(face.crop_to_canonical, face.frame_to_crop)
    return apply(to_canonical, points[:, :2].astype(np.float64))


@pytest.mark.parametrize(("eye_px", "roll_deg"), [(30.0, 0.0), (60.0, 20.0), (90.0, -35.0)])
def test_eyes_land_where_the_geometry_says(eye_px: float, roll_deg: float) -> None:
    points = landmarks(eye_px=eye_px, roll_deg=roll_deg)
    face = FaceAligner().push(frame(), Face(0, points, True))
    left, right = eye_centres(canonical(face, points))
    assert left == pytest.approx([0.5 + EYE_DISTANCE / 2, EYE_ROW], abs=1e-5)
    assert right == pytest.approx([0.5 - EYE_DISTANCE / 2, EYE_ROW], abs=1e-5)


def test_a_jittering_mesh_is_steadied() -> None:
    rng = np.random.default_rng(1)
    aligner = FaceAligner()
    places = []
    still = landmarks()
    for index in range(60):
        jitter = still + np.float32(0.5) * rng.standard_normal((1, 3)).astype(np.float32)
        face = aligner.push(frame(index), Face(0, jitter, True))
        places.append(canonical(face, still)[LEFT_EYE_CORNERS[0]])
    moved = np.array(places[20:]).std(axis=0) / (EYE_DISTANCE / 60.0)  # back in pixels of the frame
    assert moved.max() < 0.25  # of 0.5 px


def test_a_fast_head_is_followed() -> None:
    aligner = FaceAligner()
    for index in range(20):
        points = landmarks(x=100.0 + 5.0 * index)
        face = aligner.push(frame(index), Face(0, points, True))
    left, _ = eye_centres(canonical(face, points))
    assert abs(left[0] - (0.5 + EYE_DISTANCE / 2)) < 0.12


def test_one_transform_for_two_frames_cancels_the_landmarks_jitter() -> None:
    aligner = FaceAligner()
    first = aligner.push(frame(0), Face(0, landmarks(), True))
    second = aligner.push(frame(1), Face(0, landmarks(x=162.0), True))
    own, common = warp(first, 96), warp(first, 96, like=second)
    now = warp(second, 96)
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(common[inner].astype(int) - now[inner]).mean() < 0.05
    assert np.abs(own[inner].astype(int) - now[inner]).mean() > 0.3


def test_large_faces_are_reduced_and_still_lie_right() -> None:
    image = np.zeros((1400, 1400, 3), np.uint8)
    points = landmarks(x=700.0, y=500.0, eye_px=400.0)
    centre = points[list(LEFT_EYE_CORNERS), :2].mean(axis=0)
    cv2.circle(image, (int(centre[0]), int(centre[1])), 30, (255, 255, 255), -1)
    face = FaceAligner().push(Frame(0, 0.0, readonly(image)), Face(0, points, True))
    assert max(face.crop.shape) <= AlignmentConfig().max_crop_px
    y, x = np.argwhere(warp(face, 128) > 128).mean(axis=0)
    assert ((x + 0.5) / 128, (y + 0.5) / 128) == pytest.approx((0.5 + EYE_DISTANCE / 2, EYE_ROW), abs=0.006)


def test_a_face_at_the_edge_of_the_picture_is_cut_without_error() -> None:
    for x, y in ((-20.0, 100.0), (330.0, 230.0), (160.0, -60.0), (900.0, 900.0)):
        face = FaceAligner().push(frame(), Face(0, landmarks(x=x, y=y), True))
        assert warp(face, 64).shape == (64, 64)


def test_held_landmarks_do_not_move_the_transform() -> None:
    aligner = FaceAligner()
    first = aligner.push(frame(0), Face(0, landmarks(), True))
    held = aligner.push(frame(1), Face(0, landmarks(x=200.0), False))
    assert np.array_equal(
        compose(first.crop_to_canonical, first.frame_to_crop),
        compose(held.crop_to_canonical, held.frame_to_crop),
    )


def test_reset_equals_new() -> None:
    aligner = FaceAligner()
    aligner.push(frame(0), Face(0, landmarks(x=120.0), True))
    aligner.reset()
    again = aligner.push(frame(1), Face(0, landmarks(), True))
    fresh = FaceAligner().push(frame(1), Face(0, landmarks(), True))
    assert np.array_equal(again.crop_to_canonical, fresh.crop_to_canonical)
    assert np.array_equal(again.relief, fresh.relief)


def test_pose_has_the_signs_of_its_docstring() -> None:
    points = landmarks(roll_deg=12.0)
    assert head_pose(points).roll_deg == pytest.approx(12.0, abs=0.1)
    turned = landmarks()
    turned[list(LEFT_EYE_CORNERS), 2] += 20.0  # the person's left side goes away from the camera
    assert head_pose(turned).yaw_deg > 10.0
    nodding = landmarks()
    nodding[CHIN, 2] += 40.0
    assert head_pose(nodding).pitch_deg > 10.0


def test_aperture_is_height_over_width() -> None:
    assert eye_aperture(landmarks()) == pytest.approx(0.3, rel=0.01)


def test_affine_helpers() -> None:
    matrix = np.array([[2.0, 0.3, 5.0], [-0.1, 1.5, -7.0]])
    points = np.array([[1.0, 2.0], [-3.0, 4.0]])
    assert apply(invert(matrix), apply(matrix, points)) == pytest.approx(points)
    assert compose(invert(matrix), matrix) == pytest.approx(np.eye(3)[:2])


def test_ring_keeps_a_bounded_time_and_finds_by_index() -> None:
    aligner, ring = FaceAligner(), FaceRing(1.0)
    face = aligner.push(frame(0), Face(0, landmarks(), True))
    for index in range(0, 300, 3):
        ring.push(replace(face, index=index, time_s=index / 100.0))
    found = ring.at(240)
    assert found is not None
    assert found.index == 240
    assert ring.at(241) is None
    assert ring.at(3) is None


@pytest.mark.parametrize(
    ("name", "value"), [("smoothing_s", 0.0), ("shape_s", -1.0), ("margin", 9.0), ("max_crop_px", 10)]
)
def test_impossible_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        AlignmentConfig(**{name: value})  # type: ignore[arg-type]
