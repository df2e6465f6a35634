"""The benchmark's conditions do what their names say, and its command counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import benchmarks.spotting.__main__ as benchmark
from benchmarks.spotting.modifiers import (
    AWAY_S,
    Compressed,
    Dropped,
    Leaving,
    Lit,
    Modified,
    SideBySide,
    VariableRate,
)
from benchmarks.spotting.scenarios import PARTS, SCENARIOS
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import NO_CONFOUNDERS, Confounders, StreamPlan, SyntheticStream
from offline.synthesis.truth import TrueEvent, Truth
from realtime.types import Frame, FrameSource, StreamInfo, readonly


class Pictures:
    """Smooth pictures at 100 a second."""

    def __init__(self, count: int = 200) -> None:
        ramp = np.linspace(40, 200, 64)[None, :, None] + np.zeros((48, 1, 3))
        self._image = readonly(ramp.astype(np.uint8))
        self.info = StreamInfo("pictures", 64, 48, 100.0, count)

    def __iter__(self) -> Any:
        for index in range(self.info.frame_count or 0):
            yield Frame(index, index / 100.0, self._image)

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


def frames(source: FrameSource) -> list[Frame]:
    with source as opened:
        return [frame for frame in opened if isinstance(frame, Frame)]


def steps(source: FrameSource) -> set[int]:
    return set(np.diff([frame.index for frame in frames(source)]).tolist())


def test_frames_are_dropped_in_bursts() -> None:
    kept = frames(Dropped(Pictures(2000), 1))
    assert 1850 < len(kept) < 1950
    assert [f.index for f in kept] == [f.index for f in frames(Dropped(Pictures(2000), 1))]
    assert max(steps(Dropped(Pictures(2000), 1))) == 6


def test_a_variable_rate_keeps_the_true_times() -> None:
    source = VariableRate(Pictures(), 1)
    assert all(frame.time_s == frame.index / 100.0 for frame in frames(source))
    assert steps(VariableRate(Pictures(), 1)) == {1, 2, 3, 4}


@pytest.mark.parametrize(
    "change", [lambda s: Compressed(s), lambda s: Lit(s, 1, level=0.3, flicker=0.05, noise=2.0)]
)
def test_pictures_change_and_times_do_not(change: Any) -> None:
    before, after = frames(Pictures(20)), frames(change(Pictures(20)))
    assert [(f.index, f.time_s) for f in after] == [(f.index, f.time_s) for f in before]
    assert not np.array_equal(before[3].image, after[3].image)
    assert before[3].image.shape == after[3].image.shape
    assert not after[3].image.flags.writeable


def test_light_is_as_dim_as_asked_for() -> None:
    image = frames(Lit(Pictures(1), 1, level=0.5))[0].image
    assert image.mean() == pytest.approx(0.5 * frames(Pictures(1))[0].image.mean(), abs=1.0)


def test_a_face_leaves_in_the_longest_quiet_time() -> None:
    event = TrueEvent("micro_expression", None, 0.6, 0.7, 0.8, 60, 70, 80, (), "both", 1.0)
    truth = Truth(100.0, 400, 64, 48, 0, "x", (event,), ())
    leaving = Leaving(Pictures(400), truth)
    (away,) = leaving.truth.confounders
    assert (away.kind, away.to_s - away.from_s) == ("away", pytest.approx(AWAY_S[1]))
    assert (away.from_s + away.to_s) / 2 == pytest.approx(2.4)
    moved = [f.time_s for f in frames(leaving) if f.image[0, -1, 0] != 200]
    assert min(moved) == pytest.approx(away.from_s, abs=0.02)
    assert max(moved) == pytest.approx(away.to_s, abs=0.02)


def test_two_streams_side_by_side() -> None:
    both = SideBySide(Pictures(5), Modified(Pictures(5)))
    assert both.info.width == 128
    assert [f.image.shape for f in frames(both)] == [(48, 128, 3)] * 5


def test_every_scenario_makes_a_stream_of_its_own() -> None:
    for name, scenario in SCENARIOS.items():
        source, truth = scenario.open(PARTS["tuning"], 4.0, 1)
        assert name.rsplit("-", 1)[-1] in (f"{scenario.fps:g}", "rate")
        assert source.info.fps == scenario.fps
        assert len(truth.events) >= scenario.faces
        assert scenario.config.tracker.max_faces == scenario.faces
    assert len({len(PARTS), *PARTS.values()}) == 3


def test_speech_moves_the_mouth_and_is_no_event() -> None:
    talking = Confounders(
        **{name: getattr(NO_CONFOUNDERS, name) for name in NO_CONFOUNDERS.__dataclass_fields__}
        | {"talking": True}
    )
    plan = StreamPlan(make_identity(3), seconds=8.0, fps=25.0, events=1, confounders=talking, side="left")
    stream = SyntheticStream(plan)
    assert [event.side for event in stream.truth.events] in (["left"], ["both"])
    (spell,) = stream.truth.confounders
    assert spell.kind == "talking"
    busy = [t for t in np.arange(0.0, 8.0, 0.04) if stream.state(float(t)).moves]
    inside = [t for t in busy if spell.from_s <= t <= spell.to_s]
    assert len(inside) > 0.8 * (spell.to_s - spell.from_s) / 0.04


def test_the_command_gives_a_table_and_results(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words: Sequence[str] = (
        "--scenario", "calm-25", "--seconds", "3", "--events", "1", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert benchmark.main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["scenario", "calm-25", "all", "told:"]
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["part"] == "tuning"
    micro = results["scenarios"]["calm-25"]["micro_expression"]
    assert micro["true_positives"] + micro["false_negatives"] == 1
    assert benchmark.main(["--streams", "0"]) == 2
