"""Training of the spotter's network: what it is made of, that it repeats, and that the live route agrees."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.remake_spotter import made, parts, read, shown, store
from offline.spotter_corpus import (
    Event,
    Passage,
    Seen,
    direct_motion,
    draw_motion_plan,
    passages,
    rendered_motion,
)
from offline.spotter_mixing import responses
from offline.spotter_training import (
    SpotterNet,
    SpotterTraining,
    _lesson,
    _mirror,
    _varied,
    fit_network,
    to_file,
)
from offline.synthesis.living import LivingStream
from offline.synthesis.living_motion import living_motions
from realtime.spotting.network import END_S, CausalNetwork, read_weights
from realtime.spotting.signal import INPUTS, STEP_S

SMALL = SpotterTraining(steps=12, width=8, batch=4, rows=160)


@pytest.fixture(scope="module")
def direct() -> list[Passage]:
    return [passage for seed in range(2) for passage in passages(direct_motion(seed, seconds=12.0))]


def test_motions_repeat_and_carry_the_events() -> None:
    plan = draw_motion_plan(3, seconds=6.0)
    stream = LivingStream(plan)
    first, again = (list(living_motions(stream)) for _ in range(2))
    assert [m.time_s for m in first] == [m.time_s for m in again]
    assert np.array_equal(first[-1].regions, again[-1].regions)
    assert all(0.0 < e.start_s < e.end_s < plan.seconds for e in stream.events)
    assert {m.lag_s for m in first} == {round(0.133 * plan.fps) / plan.fps}


def test_passages_have_no_hole(direct: list[Passage]) -> None:
    assert direct
    for passage in direct:
        assert passage.rows.shape == (len(passage.time_s), INPUTS)
        assert passage.rows.dtype == np.float32
        assert np.allclose(np.diff(passage.time_s), STEP_S, atol=1e-5)


def test_a_hole_in_the_motion_ends_a_passage() -> None:
    motions = [m for m in living_motions(LivingStream(draw_motion_plan(3, 6.0))) if not 2.0 < m.time_s < 3.5]
    before, after = passages(Seen(motions, ()))
    assert before.time_s[-1] <= 2.0
    assert after.time_s[0] >= 3.5


def test_a_lesson_asks_for_the_end_and_the_times() -> None:
    time_s = np.arange(120) * STEP_S
    rows = np.zeros((120, INPUTS), np.float32)
    lesson = _lesson(Passage(time_s, rows, (Event(0.5, 0.7, 0.9, 0.8), Event(1.4, 1.5, 1.7, 0.1))))
    end = int(lesson.ends[:100].argmax())
    assert time_s[end] == pytest.approx(0.9 + END_S, abs=STEP_S)
    assert lesson.times[end].tolist() == pytest.approx([time_s[end] - t for t in (0.5, 0.7, 0.9)], abs=1e-5)
    small = np.abs(time_s - (1.7 + END_S)) < 0.1
    beside = np.abs(time_s - (1.7 + END_S)) > 0.12
    assert not lesson.asked[small].any(), "too small to be asked for"
    assert lesson.ends[small].max() < 0.01
    assert lesson.asked[beside].all()


def test_a_mirrored_face_is_mirrored_back() -> None:
    order, sign = _mirror()
    rows = torch.randn(5, INPUTS)
    once = rows[:, order] * sign
    assert not torch.equal(once, rows)
    assert torch.equal(once[:, order] * sign, rows)
    louder = _varied(rows, np.random.default_rng(0), louder=1.0)
    assert louder.shape == rows.shape


def test_the_live_network_says_what_the_trained_one_says(direct: list[Passage]) -> None:
    torch.manual_seed(0)
    net = SpotterNet(16, 0.0).eval()
    rows = direct[0].rows[:200]
    with torch.no_grad():
        whole = net(torch.from_numpy(rows)[None])[0].numpy()
    live = CausalNetwork(read_weights(io.BytesIO(to_file(net.weights()))))
    said = np.array([live.push(row.astype(np.float64)) for row in rows])
    assert np.abs(said - whole).max() < 1e-4


def test_training_repeats_and_learns(direct: list[Passage]) -> None:
    losses: list[float] = []
    settings = SpotterTraining(steps=200, width=8, batch=4, rows=160)
    first = fit_network(direct, (), settings, lambda step, loss: losses.append(loss))
    assert losses[1] < losses[0]
    assert np.isfinite(first.layer).all()
    a, b = (to_file(fit_network(direct, direct[:1], SMALL)) for _ in range(2))
    assert a == b


def test_recordings_are_made_once_and_read_back(tmp_path: Path) -> None:
    seen = direct_motion(7, seconds=6.0)
    store(tmp_path / "direct-7.npz", [seen, Seen((), ())])
    again, nothing = made(("direct", 7), tmp_path)
    assert list(again.events) == list(seen.events)
    assert not nothing.motions
    before, after = passages(seen), passages(again)
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(before, after, strict=True))
    assert len(read(tmp_path / "direct-7.npz")) == 2
    wanted = parts(3, 2)
    assert len(wanted) == len(set(wanted)) == 3 + 2 * 14


def test_a_rendered_face_is_seen_by_the_route_and_lends_its_events() -> None:
    untouched, planted = rendered_motion("quiet", 7, rounds=1, seconds=4.0)
    assert not untouched.events
    assert planted.events
    pool = responses(untouched, planted)
    assert 0 < len(pool) <= len(planted.events)
    found = shown(("quiet", 7), [untouched, planted], pool, 2)
    assert sum(len(p.time_s) for p in found) * STEP_S == pytest.approx(4 * (4.0 - 0.133), abs=0.5)
    assert {len(p.events) > 0 for p in found} == {False, True}
    assert len(shown(("direct", 7), [untouched], pool, 2)) == 1
