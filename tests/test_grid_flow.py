"""Flow by polynomial expansion on a small grid."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.grid_flow import Look, grid_flow, light_change

SIZE = 128
LOOKS = Look(16, 5), Look(32, 5)
INNER = slice(2, -2)


Picture = NDArray[np.float32]


def texture(seed: int = 0) -> Picture:
    """A smooth random picture of about 0..255 that goes on at its borders."""
    raw = np.random.default_rng(seed).normal(size=(SIZE, SIZE))
    smooth = np.fft.ifft2(np.fft.fft2(raw) * np.exp(-2.0 * (np.pi * 2.5) ** 2 * _frequencies()[2])).real
    return np.asarray(128.0 + 40.0 * smooth / smooth.std(), np.float32)


def shifted(picture: Picture, dx: float, dy: float) -> Picture:
    """Moved by parts of a pixel, exactly."""
    fx, fy, _ = _frequencies()
    turned = np.fft.fft2(picture) * np.exp(-2j * np.pi * (fx * dx + fy * dy))
    return np.asarray(np.fft.ifft2(turned).real, np.float32)


def _frequencies() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    along = np.fft.fftfreq(SIZE)
    return along[None, :], along[:, None], along[None, :] ** 2 + along[:, None] ** 2


def carried(picture: Picture, dx: Picture, dy: Picture) -> Picture:
    """Moved by another amount everywhere, to a thirtieth of a pixel."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    moved = cv2.remap(picture, x - dx, y - dy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def even(value: float) -> Picture:
    return np.full((SIZE, SIZE), value, np.float32)


@pytest.mark.parametrize(("dx", "dy"), [(0.1, -0.05), (0.5, 0.25), (-1.7, 2.3), (4.0, -3.0)])
def test_a_shift_is_measured(dx: float, dy: float) -> None:
    picture = texture()
    u, v = grid_flow(picture, shifted(picture, dx, dy), 16, *LOOKS)
    assert u.shape == v.shape == (16, 16)
    assert u.dtype == np.float32
    assert np.median(u[INNER, INNER]) == pytest.approx(dx, abs=0.005 + 0.03 * abs(dx))
    assert np.median(v[INNER, INNER]) == pytest.approx(dy, abs=0.005 + 0.03 * abs(dy))


@pytest.mark.parametrize(("gain", "offset"), [(0.8, 0.0), (1.1, 0.0), (1.25, -20.0), (1.0, 15.0)])
def test_a_change_of_light_is_no_movement(gain: float, offset: float) -> None:
    picture = texture()
    same = grid_flow(picture, shifted(picture, 0.3, -0.2), 16, *LOOKS)
    lit = grid_flow(picture, gain * shifted(picture, 0.3, -0.2) + offset, 16, *LOOKS)
    assert np.sqrt(np.mean((lit - same) ** 2)) < 0.006


def test_what_comes_into_the_picture_does_not_count_as_contrast() -> None:
    picture = texture()
    now = 1.15 * picture
    contrast, patchy = light_change(picture, now)
    assert contrast == pytest.approx(1.15, abs=1e-3)
    assert patchy == pytest.approx(0.0, abs=1e-3)
    now[20:70, 30:80] = 40.0
    contrast, patchy = light_change(picture, now)
    assert contrast == pytest.approx(1.15, abs=0.01)
    assert abs(patchy) > 0.05


def test_a_shadow_on_a_part_of_the_picture_is_told_from_less_light() -> None:
    picture = texture()
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    spot = np.exp(-((x - 40.0) ** 2 + (y - 80.0) ** 2) / (2.0 * 18.0**2))
    assert abs(light_change(picture, 0.8 * picture)[1]) < 1e-3
    assert light_change(picture, picture * (1.0 - 0.3 * spot))[1] < -0.015


def test_without_contrast_there_is_nothing_to_go_by() -> None:
    assert light_change(even(90.0), 1.3 * texture())[0] == 1.0
    assert light_change(texture(), even(90.0))[0] == 1.0
    assert light_change(even(0.0), even(0.0)) == (1.0, 0.0)


def test_a_local_movement_stays_where_it_is() -> None:
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    bump = (0.6 * np.exp(-((x - 40) ** 2 + (y - 80) ** 2) / (2 * 10.0**2))).astype(np.float32)
    picture = texture(3)
    u, v = grid_flow(picture, carried(picture, even(0.0), bump), 16, *LOOKS)
    assert np.unravel_index(np.argmax(v), v.shape) in {(9, 4), (10, 4), (9, 5), (10, 5)}
    assert v.max() == pytest.approx(0.5, abs=0.12)
    assert np.abs(v[:, 10:]).max() < 0.03
    assert np.abs(u).max() < 0.08


def test_as_near_to_the_truth_as_the_dense_flow_of_the_library() -> None:
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    dx, dy = 0.02 * (x - 60) + 0.3, -0.015 * (y - 50) + 0.4 * np.sin(x / 25)
    before = texture(5)
    after = carried(before, dx, dy)
    still = np.zeros((SIZE, SIZE, 2), np.float32)
    dense = cv2.calcOpticalFlowFarneback(before, after, still, 0.5, 3, 20, 1, 5, 1.2, 0)
    theirs = cv2.resize(dense, (16, 16), interpolation=cv2.INTER_AREA)[INNER, INNER]
    truth = cv2.resize(np.stack([dx, dy], -1), (16, 16), interpolation=cv2.INTER_AREA)[INNER, INNER]
    ours = np.stack(grid_flow(before, after, 16, *LOOKS), -1)[INNER, INNER]
    assert np.abs(ours - truth).mean() <= 1.05 * np.abs(theirs - truth).mean()


def test_a_change_of_brightness_is_no_movement() -> None:
    picture = texture()
    u, v = grid_flow(picture, picture + 12.0, 16, *LOOKS)
    assert np.abs([u, v]).max() < 1e-3


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures_do_not_move(level: int) -> None:
    flat = np.full((SIZE, SIZE), level, np.uint8)
    assert not np.any(grid_flow(flat, flat, 16, *LOOKS))


def test_noise_alone_stays_finite_and_bytes_count_as_numbers() -> None:
    rng = np.random.default_rng(2)
    before, now = (rng.integers(0, 256, (SIZE, SIZE), dtype=np.uint8) for _ in range(2))
    found = np.array(grid_flow(before, now, 16, *LOOKS))
    assert np.isfinite(found).all()
    assert np.array_equal(
        found, np.array(grid_flow(before.astype(np.float32), now.astype(np.float32), 16, *LOOKS))
    )


def test_other_sizes() -> None:
    picture = texture()
    for side in (32, 75, 96):
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        u, v = grid_flow(small, np.roll(small, 1, axis=1), 16, *LOOKS)
        assert np.median(u) == pytest.approx(1.0, abs=0.15)
        assert abs(np.median(v)) < 0.05


def test_threads_change_nothing() -> None:
    before = texture()
    now = shifted(before, 0.3, 0.1)
    threads = cv2.getNumThreads()
    try:
        found = []
        for count in (1, 2):
            cv2.setNumThreads(count)
            found.append(np.array(grid_flow(before, now, 16, *LOOKS)))
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(*found)
