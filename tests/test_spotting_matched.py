from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.spotting.matched import SHAPES, USUAL_SHAPE, MatchedFilter
from realtime.spotting.model import load_model
from realtime.types import F64

LAG_S = 0.133
MODEL = load_model()


def template(name: str) -> F64:
    return MODEL.templates[MODEL.names.index(name)]


def pulse(time_s: float, onset_s: float = 2.0, rise_s: float = 0.14, fall_s: float = 0.14) -> float:
    since = time_s - onset_s
    if not 0.0 < since < rise_s + fall_s:
        return 0.0
    share = since / rise_s if since < rise_s else (rise_s + fall_s - since) / fall_s
    return 0.5 - 0.5 * float(np.cos(np.pi * share))


def signal(direction: F64, times: F64, noise: float = 0.03, seed: int = 0) -> NDArray[np.float64]:
    """(n, 38) lagged differences of a pulse along a direction, on noise."""
    rng = np.random.default_rng(seed)
    course = np.array([pulse(t) - pulse(t - LAG_S) for t in times])
    return course[:, None] * direction + rng.normal(0.0, noise, (len(times), direction.size))


def make_filter() -> MatchedFilter:
    return MatchedFilter(MODEL.templates, noise_s=1.5, guard_s=0.3, floor=0.04)


@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_a_pulse_is_measured_along_its_template(fps: float) -> None:
    rng = np.random.default_rng(1)
    times = np.arange(int(3 * fps)) / fps + rng.uniform(-0.1, 0.1, int(3 * fps)) / fps
    filters = make_filter()
    best = max(
        (
            m
            for t, y in zip(times, signal(2.0 * template("AU12"), times), strict=True)
            if (m := filters.push(t, LAG_S, y))
        ),
        key=lambda match: match.quality(3.5, (0.1, 10.0)).max(),
    )
    quality = best.quality(3.5, (0.1, 10.0))
    g, k = divmod(int(np.argmax(quality)), quality.shape[1])
    assert "AU12" in MODEL.names[k]
    assert best.amplitude[g, k] == pytest.approx(2.0, rel=0.2)
    assert quality[g, k] > 0.85
    assert best.signal[g, k] > 10.0


def test_short_pulses_are_looked_for_before_there_is_room_for_long_ones() -> None:
    times = 2.0 - 1.5 / 60.0 + np.arange(60) / 60.0
    filters, known, best = make_filter(), [], 0.0
    assert filters.shapes == 0
    for t, y in zip(times, signal(2.0 * template("AU12"), times), strict=True):
        match = filters.push(t, LAG_S, y)
        known.append(0 if match is None else len(match.signal))
        assert known[-1] == filters.shapes
        if match is not None and filters.shapes == USUAL_SHAPE + 1:
            best = max(best, float(match.quality(3.5, (0.1, 10.0))[USUAL_SHAPE].max()))
    assert best > 0.85
    assert known == sorted(known)
    assert {0, 1, len(SHAPES)} <= set(known)
    filters.interrupt()
    assert filters.shapes == 0


def test_noise_alone_has_little_quality() -> None:
    times = np.arange(600) / 60.0
    filters = make_filter()
    matches = [
        filters.push(t, LAG_S, y)
        for t, y in zip(times, signal(0.0 * template("AU4"), times, seed=2), strict=True)
    ]
    assert matches[10] is None
    assert max(m.quality(3.5, (0.1, 10.0)).max() for m in matches if m is not None) < 0.5


def test_the_noise_follows_what_the_face_does() -> None:
    times = np.arange(480) / 60.0
    filters, rng = make_filter(), np.random.default_rng(3)
    motion = rng.normal(0.0, 0.03, (480, 38))
    motion[:, 20:34] += rng.normal(0.0, 1.0, (480, 14))
    match = [filters.push(t, LAG_S, y) for t, y in zip(times, motion, strict=True)][-1]
    assert match is not None
    noise = match.precision[3] ** -0.5
    assert noise[20:34].min() > 2.0 * noise[:10].max()


def test_what_leaks_from_elsewhere_is_taken_out() -> None:
    """A jaw that always drags the brows along does not look like a brow any more."""
    times = np.arange(600) / 60.0
    rng = np.random.default_rng(4)
    jaw = np.convolve(rng.normal(0.0, 1.0, 620), np.hanning(12), "same")[:600]
    filters = make_filter()
    drag = template("AU26") + 0.4 * template("AU1")
    match = None
    for t, y in zip(times, jaw[:, None] * drag + rng.normal(0.0, 0.02, (600, 38)), strict=True):
        match = filters.push(float(t), LAG_S, y) or match
    assert match is not None
    brow = MODEL.names.index("AU1")
    assert abs(match.unmixed(3, MODEL.templates[brow])[2]) < 0.5 * abs(match.amplitude[3, brow])


def test_reset_equals_new() -> None:
    times = np.arange(120) / 60.0
    motion = signal(template("AU4"), times)
    used = make_filter()
    first = [used.push(t, LAG_S, y) for t, y in zip(times, motion, strict=True)][-1]
    used.reset()
    again = [used.push(t, LAG_S, y) for t, y in zip(times, motion, strict=True)][-1]
    assert first is not None
    assert again is not None
    assert np.array_equal(first.explained, again.explained)
