from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from media import picture

from realtime.errors import ConfigError
from realtime.geometry import EYE_DISTANCE, EYE_ROW, FACE_UNIT_Y
from realtime.quality import FaceGate, FrameGate, QualityConfig, sharpness
from realtime.types import U8, AlignedFace, Frame, HeadPose, readonly

POSE = HeadPose(x_px=60.0, y_px=40.0, eye_distance_px=30.0, roll_deg=0.0, yaw_deg=0.0, pitch_deg=0.0)


def to_canonical(x: float, y: float) -> tuple[float, float]:
    """Face units → canonical crop coordinates (0..1)."""
    return 0.5 + EYE_DISTANCE * x, EYE_ROW + FACE_UNIT_Y * y


def frame(index: int, image: U8, fps: float = 100.0) -> Frame:
    return Frame(index, index / fps, readonly(image.copy()))


def noisy(seed: int, level: float = 120.0) -> U8:
    noise = np.random.default_rng(seed).normal(level, 2.0, (48, 64, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def face_picture(seed: int = 0) -> U8:
    """A grey drawing of a face, 64×64 canonical, with the camera's noise."""
    image = np.full((64, 64), 150, np.uint8)
    for x, y, size in ((-0.5, 0, 4), (0.5, 0, 4), (0, 1.0, 7), (0.2, 0.5, 2), (-0.2, 0.5, 2)):
        column, row = to_canonical(x, y)
        cv2.circle(image, (round(64 * column), round(64 * row)), size, 60, -1)
    noise = np.random.default_rng(seed).normal(0, 1.5, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def face(time_s: float, grey: U8, pose: HeadPose = POSE) -> AlignedFace:
    side = grey.shape[0]
    return AlignedFace(
        index=round(time_s * 1000),
        time_s=time_s,
        face_id=0,
        crop=readonly(np.repeat(grey[:, :, None], 3, axis=2)),
        grey=readonly(grey),
        crop_to_canonical=np.array([[1 / side, 0, 0.5 / side], [0, 1 / side, 0.5 / side]]),
        frame_to_crop=np.array([[1.0, 0, 0], [0, 1.0, 0]]),
        pose=pose,
        relief=np.zeros((16, 16), np.float32),
        aperture=0.3,
    )


def test_living_frames_pass() -> None:
    gate = FrameGate()
    assert [gate.push(frame(index, noisy(index))) for index in range(50)] == [None] * 50


@pytest.mark.parametrize("fps", [25.0, 30.0, 100.0, 200.0, 1000.0])
def test_frozen_is_judged_by_time(fps: float) -> None:
    gate, still = FrameGate(), noisy(0)
    count = int(fps)
    causes = [gate.push(frame(index, still, fps)) for index in range(count)]
    expected = ["frozen" if index >= 2 and index / fps > 0.1 else None for index in range(count)]
    assert causes == expected
    assert gate.push(frame(count, noisy(1), fps)) is None


def test_a_doubled_frame_is_not_frozen() -> None:
    gate = FrameGate()
    assert [gate.push(frame(index, noisy(index // 2), fps=15)) for index in range(20)] == [None] * 20


def test_black_frames() -> None:
    gate = FrameGate()
    assert gate.push(frame(0, noisy(0, level=3.0))) == "black"
    assert gate.push(frame(1, np.zeros((48, 64, 3), np.uint8))) == "black"
    assert gate.push(frame(2, noisy(2, level=30.0))) is None
    dim = np.zeros((48, 64, 3), np.uint8)
    dim[10:20, 10:20] = 90  # dark all around, but something is lit
    assert gate.push(frame(3, dim)) is None


def test_frame_gate_reset_equals_new_and_keeps_the_input() -> None:
    gate, still = FrameGate(), noisy(0)
    frames = [frame(index, still) for index in range(30)]
    first = [gate.push(item) for item in frames]
    gate.reset()
    assert [gate.push(item) for item in frames] == first
    assert np.array_equal(frames[0].image, still)


def test_good_faces_pass() -> None:
    gate = FaceGate()
    assert [gate.push(face(index / 30, face_picture(index))) for index in range(60)] == [None] * 60


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"eye_distance_px": 15.0}, "small_face"),
        ({"eye_distance_px": float("nan")}, "small_face"),
        ({"eye_distance_px": 17.0}, None),
        ({"yaw_deg": 36.0}, "turned_away"),
        ({"yaw_deg": -36.0}, "turned_away"),
        ({"pitch_deg": 31.0}, "turned_away"),
        ({"pitch_deg": float("nan")}, "turned_away"),
        ({"yaw_deg": 20.0, "pitch_deg": -20.0, "roll_deg": 90.0}, None),
    ],
)
def test_pose(change: dict[str, float], cause: str | None) -> None:
    assert FaceGate().push(face(0.0, face_picture(), replace(POSE, **change))) == cause


def test_light() -> None:
    gate = FaceGate()
    assert gate.push(face(0.0, (face_picture() // 8).astype(np.uint8))) == "dark"
    assert (
        gate.push(face(0.1, np.clip(face_picture().astype(int) + 110, 0, 255).astype(np.uint8)))
        == "saturated"
    )
    assert gate.push(face(0.2, (face_picture() // 3).astype(np.uint8))) is None


@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_one_smeared_frame_is_blurred(shape: tuple[int, int]) -> None:
    gate = FaceGate()
    kernel = np.ones(shape, np.float32) / 9
    for index in range(40):
        sharp = face_picture(index)
        smeared = np.asarray(cv2.filter2D(sharp, -1, kernel), dtype=np.uint8)
        is_smeared = index in (20, 30)
        cause = gate.push(face(index / 30, smeared if is_smeared else sharp))
        assert cause == ("blurred" if is_smeared else None)


def test_a_soft_camera_is_accepted_and_so_is_one_that_turns_soft() -> None:
    kernel = (9, 9)
    soft = [np.asarray(cv2.GaussianBlur(face_picture(index), kernel, 0), np.uint8) for index in range(400)]
    gate = FaceGate()
    assert {gate.push(face(index / 30, image)) for index, image in enumerate(soft)} == {None}
    gate.reset()
    for index in range(60):
        gate.push(face(index / 30, face_picture(index)))
    causes = [gate.push(face(2 + index / 30, image)) for index, image in enumerate(soft)]
    assert causes[0] == "blurred"
    assert causes[-1] is None


def test_contrast_is_not_sharpness() -> None:
    full = sharpness(face_picture())
    half = sharpness((face_picture() // 2).astype(np.uint8))
    assert half == pytest.approx(full, rel=0.1)


def test_face_gate_reset_equals_new_and_repeats() -> None:
    faces = [face(index / 30, picture(index, 64, 64)[:, :, 0].copy()) for index in range(30)]
    gate = FaceGate()
    first = [gate.push(item) for item in faces]
    gate.reset()
    assert [gate.push(item) for item in faces] == first == [FaceGate().push(faces[0]), *first[1:]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("frozen_after_s", -1.0), ("blur_ratio", 1.5), ("blur_memory_s", 0.0), ("max_yaw_deg", float("nan"))],
)
def test_config_is_checked(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"quality.{name}"):
        QualityConfig(**{name: value})
