"""Motion measured on pictures whose motion is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.errors import ConfigError
from realtime.flow import FlowConfig, FlowMeter
from realtime.geometry import EYE_DISTANCE, FACE_UNIT_Y, REGION_NAMES, REGIONS, unit_grid
from realtime.types import AlignedFace, HeadPose, Motion, readonly

SIZE = 192
POSE = HeadPose(96.0, 42.0, 105.0, 0.0, 0.0, 0.0)


def picture() -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    rough = cv2.GaussianBlur(rng.uniform(0, 255, (SIZE, SIZE)).astype(np.float32), (0, 0), 2.5)
    return np.asarray(cv2.normalize(rough, None, 30, 220, cv2.NORM_MINMAX), dtype=np.float32)  # type: ignore[call-overload]


def moved(dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float32]:
    """The picture displaced by (dx, dy), in face units, at every pixel."""
    columns, rows = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
    from_x = columns - (dx * EYE_DISTANCE * SIZE).astype(np.float32)
    from_y = rows - (dy * FACE_UNIT_Y * SIZE).astype(np.float32)
    return np.asarray(cv2.remap(picture(), from_x, from_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))


def face(image: NDArray[np.float32], index: int, fps: float = 100.0, gain: float = 1.0) -> AlignedFace:
    """A canonical face that fills its crop."""
    grey = np.clip(image * gain, 0, 255).astype(np.uint8)
    return AlignedFace(
        index=index,
        time_s=index / fps,
        face_id=0,
        crop=readonly(cv2.merge([grey, grey, grey]).astype(np.uint8)),
        grey=readonly(grey),
        crop_to_canonical=np.array([[1 / SIZE, 0.0, 0.5 / SIZE], [0.0, 1 / SIZE, 0.5 / SIZE]]),
        frame_to_crop=np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        pose=POSE,
        relief=readonly(np.zeros((16, 16), np.float32)),
        aperture=0.3,
    )


def measure(dx: NDArray[np.float64], dy: NDArray[np.float64], gain: float = 1.0) -> Motion:
    meter = FlowMeter()
    for index in range(14):
        meter.push(face(picture(), index))
    (motion,) = meter.push(face(moved(dx, dy), 14, gain=gain))
    return motion


def bump(name: str, dx: float, dy: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A displacement of one region, face units."""
    region = REGIONS[REGION_NAMES.index(name)]
    x, y = unit_grid(SIZE)
    weight = np.exp(-((x - region.x) ** 2 + (y - region.y) ** 2) / (2 * (1.5 * region.sigma) ** 2))
    return dx * weight, dy * weight


@pytest.mark.parametrize("name", ["mouth_corner_left", "brow_inner_right", "chin"])
def test_a_moving_region_is_measured_where_it_is(name: str) -> None:
    motion = measure(*bump(name, 0.012, -0.02))
    length = np.linalg.norm(motion.regions, axis=1)
    index = REGION_NAMES.index(name)
    assert int(length.argmax()) == index
    u, v = motion.regions[index]
    assert 0.3 < u / 1.2 < 1.1
    assert 0.3 < v / -2.0 < 1.1


def test_the_heads_own_motion_is_removed() -> None:
    x, y = unit_grid(SIZE)
    shift = measure(np.full_like(x, 0.03), np.full_like(x, -0.02))
    nearer = measure(0.02 * x, 0.02 * y)
    for motion in (shift, nearer):
        assert motion.rigid > 1.0
        assert np.linalg.norm(motion.regions, axis=1).max() < 0.25 * motion.rigid


def test_still_faces_do_not_move() -> None:
    zero = np.zeros((SIZE, SIZE))
    motion = measure(zero, zero)
    assert np.abs(motion.regions).max() < 0.01
    assert motion.rigid < 0.01


def test_light_is_reported() -> None:
    zero = np.zeros((SIZE, SIZE))
    assert measure(zero, zero, gain=1.1).brightness_change == pytest.approx(0.1, abs=0.02)


def test_the_reference_is_one_lag_old_at_every_frame_rate() -> None:
    for fps in (25.0, 30.0, 60.0, 200.0):
        meter = FlowMeter()
        lags = []
        for index in range(int(fps)):
            lags += [m.lag_s for m in meter.push(face(picture(), index, fps)) if m.time_s >= 0.2]
        assert lags == pytest.approx([0.133] * len(lags), abs=0.5 / fps + 1e-9)
        assert len(meter._faces) <= 0.2 * fps + 3


def test_pictures_close_in_time_share_one_flow() -> None:
    for fps, every, delay_s in ((100.0, 1, 0.0), (125.0, 1, 0.0), (200.0, 2, 0.0025), (500.0, 4, 0.003)):
        meter = FlowMeter()
        measured = [m for index in range(int(fps)) for m in meter.push(face(picture(), index, fps))]
        steps = {b.index - a.index for a, b in pairwise(measured)}
        assert steps == {every}
        assert [motion.delay_s for motion in measured[10:]] == pytest.approx([delay_s] * len(measured[10:]))
        assert [motion.lag_s for motion in measured[10:]] == pytest.approx(
            [0.133] * len(measured[10:]), abs=0.006
        )


def test_in_a_fast_stream_a_motion_comes_with_the_next_picture() -> None:
    """Each of two frames bears half of a flow; a slow stream waits for nothing."""
    for fps, late in ((100.0, 0), (200.0, 1)):
        meter = FlowMeter()
        found = [(index, meter.push(face(picture(), index, fps))) for index in range(40)]
        assert {index - motion.index for index, motions in found for motion in motions} == {late}


def test_a_burst_in_a_slow_stream_delays_nothing_after_it() -> None:
    """No motion is lost or told twice; the first frame after the burst brings what is left of it."""
    times = [index / 30.0 for index in range(40)]
    times[20:20] = [times[19] + 0.0045 * n for n in (1, 2, 3)]
    meter = FlowMeter()
    told = []
    for index, time_s in enumerate(times):
        motions = meter.push(replace(face(picture(), index), time_s=time_s))
        told += [motion.index for motion in motions]
        if index >= 23 or 10 < index < 20:
            assert motions[-1].index == index
    assert told == sorted(set(told))
    assert told[-10:] == list(range(33, 43))


def test_averaging_keeps_the_movement_and_takes_noise_out() -> None:
    rng = np.random.default_rng(8)
    dx, dy = bump("mouth_corner_left", 0.0, -0.02)
    before, after = picture(), moved(dx, dy)
    region = REGION_NAMES.index("mouth_corner_left")

    def runs(step_s: float) -> NDArray[np.float64]:
        found = []
        for _ in range(8):
            meter = FlowMeter(FlowConfig(step_s=step_s))
            motions: list[Motion] = []
            for index in range(60):
                noisy = (before if index < 55 else after) + rng.normal(0.0, 6.0, before.shape)
                motions += meter.push(face(noisy.astype(np.float32), index, 200.0))
            found.append(motions[-1].regions)
        return np.array(found)

    single, shared = runs(0.0), runs(0.008)
    assert shared.mean(axis=0)[region, 1] == pytest.approx(single.mean(axis=0)[region, 1], rel=0.15)
    assert shared.std(axis=0).mean() < 0.85 * single.std(axis=0).mean()


def test_constant_pictures_give_finite_numbers() -> None:
    for level in (0.0, 128.0, 255.0):
        meter = FlowMeter()
        flat = np.full((SIZE, SIZE), level, np.float32)
        for index in range(20):
            motions = meter.push(face(flat, index))
        (motion,) = motions
        assert np.isfinite(motion.regions).all()
        assert np.isfinite([motion.rigid, motion.residual, motion.brightness_change]).all()


def test_reset_equals_new() -> None:
    meter = FlowMeter()
    for index in range(20):
        meter.push(face(picture(), index))
    meter.reset()
    assert meter.push(face(picture(), 21)) == ()


@pytest.mark.parametrize(("name", "value"), [("size_px", 8), ("lag_s", 0.0), ("step_s", 0.1)])
def test_impossible_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        FlowConfig(**{name: value})  # type: ignore[arg-type]
