"""The network of the spotter row by row, its input, and its file."""

from __future__ import annotations

import io

import numpy as np
import pytest

from realtime.errors import GlimpseError
from realtime.spotting.network import DILATIONS, REACH, SCHEMA, CausalNetwork, load_weights, read_weights
from realtime.spotting.signal import CHANNELS, INPUTS, STEP_S, Row, Signal
from realtime.types import F64, Motion, readonly


def motion(time_s: float, size: float = 0.0, lag_s: float = 0.133) -> Motion:
    return Motion(
        index=0,
        time_s=time_s,
        lag_s=lag_s,
        regions=readonly(np.full((17, 2), size, np.float32)),
        lids=readonly(np.zeros((2, 2), np.float32)),
        rigid=0.1,
        residual=0.05,
        brightness=120.0,
        brightness_change=0.0,
        aperture=0.3,
    )


def rows_of(fps: float, seconds: float = 2.0) -> list[Row]:
    signal = Signal()
    times = (np.arange(int(seconds * fps)) / fps).tolist()
    return [row for t in times for row in signal.push(motion(t, float(np.sin(3.0 * t))))]


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0, 100.0, 200.0])
def test_rows_lie_on_one_grid_at_every_rate(fps: float) -> None:
    rows = rows_of(fps)
    assert np.allclose(np.diff([row.time_s for row in rows]), STEP_S)
    assert len(rows) == pytest.approx(2.0 / STEP_S, abs=0.06 / STEP_S)
    for row in rows:
        assert np.sinh(row.values[0]) * 0.1 == pytest.approx(np.sin(3.0 * row.time_s), abs=0.02)


def test_nothing_is_drawn_across_a_hole_and_the_noise_stays_known() -> None:
    signal = Signal()
    for t in np.arange(0.0, 3.0, 1.0 / 30.0).tolist():
        signal.push(motion(t, 0.5 * float(np.sin(40.0 * t))))
    noise = signal.noise
    signal.interrupt()
    assert signal.push(motion(4.0)) == []
    (first, *_) = signal.push(motion(4.05))
    assert first.time_s >= 4.0
    assert np.array_equal(signal.noise, noise)
    assert noise.shape == (17,)
    assert noise == pytest.approx(np.full(17, 0.35), rel=0.3)


def test_the_noise_follows_what_is_over_alone() -> None:
    signal = Signal()
    for t in np.arange(0.0, 3.0, STEP_S).tolist():
        signal.push(motion(t))
    before = signal.noise
    for t in np.arange(3.0, 3.5, STEP_S).tolist():
        signal.push(motion(t, 3.0))
    assert np.array_equal(signal.noise, before)


def network_over(rows: F64) -> F64:
    network = CausalNetwork(load_weights())
    return np.array([network.push(row) for row in rows])


def test_an_output_depends_on_the_last_two_seconds_alone() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2 * REACH + 20, INPUTS))
    other = rows.copy()
    other[:20] += 1.0
    a, b = network_over(rows), network_over(other)
    assert not np.allclose(a[19 + REACH - 1], b[19 + REACH - 1], atol=1e-9)
    assert np.array_equal(a[19 + REACH :], b[19 + REACH :])


def test_reset_equals_new() -> None:
    rows = np.random.default_rng(1).normal(size=(80, INPUTS))
    network = CausalNetwork(load_weights())
    first = [network.push(row) for row in rows]
    network.reset()
    again = [network.push(row) for row in rows]
    assert np.array_equal(first, again)


def test_the_shipped_file_has_the_shapes_of_the_code() -> None:
    weights = load_weights()
    assert weights.entry.shape[1] == INPUTS == 2 * CHANNELS + 4
    assert weights.layer.shape[0] == len(DILATIONS)
    assert round(REACH * STEP_S, 2) == 2.12


def test_another_schema_or_shape_is_refused() -> None:
    def file(**arrays: F64 | np.ndarray[tuple[int, ...], np.dtype[np.str_]]) -> io.BytesIO:
        held = io.BytesIO()
        np.savez(held, **arrays)
        held.seek(0)
        return held

    weights = load_weights()
    names = ("entry", "entry_bias", "layer", "layer_bias", "mix", "mix_bias", "exit", "exit_bias")
    arrays = {name: getattr(weights, name) for name in names}
    with pytest.raises(GlimpseError, match="schema"):
        read_weights(file(schema=np.array("glimpse-spotter/1"), **arrays))
    with pytest.raises(GlimpseError, match="damaged"):
        read_weights(file(schema=np.array(SCHEMA), **{**arrays, "mix": arrays["mix"][:2]}))
