"""Planting: what is warped in is where, when and as large as the truth says, and counting is right."""

from __future__ import annotations

import json
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Film

import offline.cli
from offline.planting import FaceTrack, Planted, PlantedSource, PlantingPlan, draw_events, track_face
from offline.planting.outcome import summarize, table, wilson
from offline.planting.source import warp_face
from offline.planting.trial import Trial, Watched, activity, judge
from offline.synthesis.fields import draw_expression
from offline.synthesis.render import FieldTable
from offline.synthesis.schedule import Pulse
from offline.synthesis.truth import Truth
from offline.synthesis.video import write_video
from realtime.errors import UsageError
from realtime.types import FacialEvent, Frame, KeyFrames, StreamInfo, Unobservable, Unreadable, readonly

UNIT_PX = 60.0
AFFINE = np.array([[UNIT_PX, 0.0, 120.0], [0.0, UNIT_PX, 80.0]])


class Footage:
    """Frames in memory as a source."""

    def __init__(self, film: Film, frames: int) -> None:
        self._frames = film.frames[:frames]
        self.info = StreamInfo("film", film.truth.width, film.truth.height, film.truth.fps, frames)

    def __iter__(self) -> Any:
        yield from self._frames
        yield Unreadable(len(self._frames), "undecodable")

    def __enter__(self) -> Footage:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


def still_track(seconds: float = 10.0, fps: float = 100.0) -> FaceTrack:
    """A face that never moves."""
    n = round(seconds * fps)
    return FaceTrack(
        StreamInfo("still", 240, 200, fps, n), np.arange(n), np.arange(n) / fps, np.tile(AFFINE, (n, 1, 1))
    )


def texture() -> Any:
    noise = np.random.default_rng(3).integers(0, 255, (50, 60, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (240, 200), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(("unit", "axis"), [("AU26", 0), ("AU20", 1)])
def test_pixels_move_by_what_was_asked_for(unit: str, axis: int) -> None:
    """On a ramp of 5 grey levels a pixel, every shift can be read off."""
    expression = draw_expression(np.random.default_rng(0), action_units=(unit,), side="both")
    x, y = np.meshgrid(np.linspace(-1, 1, 81), np.linspace(0.5, 1.8, 53))
    shift = np.stack(expression.displacement(x, y)[::-1])
    top = np.unravel_index(np.argmax(np.abs(shift[axis])), x.shape)
    point = (AFFINE @ (x[top], y[top], 1.0)).round().astype(int)[::-1]
    along = np.indices((200, 240))[axis] - point[axis]
    image = np.clip(128 + 5 * along, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    moved = warp_face(image, AFFINE, [(FieldTable(expression), 0.05)])
    assert (128.0 - float(moved[tuple(point)][0])) / 5.0 == pytest.approx(
        0.05 * UNIT_PX * shift[axis][top], abs=0.2
    )


def test_what_does_not_move_is_left_alone() -> None:
    image = texture()
    table = FieldTable(draw_expression(np.random.default_rng(0), action_units=("AU1",)))
    moved = warp_face(image, AFFINE, [(table, 0.02)])
    changed = np.argwhere((moved != image).any(axis=2))
    rows, columns = (
        AFFINE[1, 2] + np.array([-1.1, 0.4]) * UNIT_PX,
        AFFINE[0, 2] + np.array([-1.2, 1.2]) * UNIT_PX,
    )
    assert changed.size
    assert rows[0] < changed[:, 0].min() and changed[:, 0].max() < rows[1]  # noqa: PT018
    assert columns[0] < changed[:, 1].min() and changed[:, 1].max() < columns[1]  # noqa: PT018
    np.testing.assert_array_equal(warp_face(image, AFFINE, [(table, 0.0)]), image)


def test_a_face_outside_of_the_picture_is_no_error() -> None:
    table = FieldTable(draw_expression(np.random.default_rng(0), action_units=("AU12",)))
    image = texture()
    for shift in (-1000.0, 1000.0):
        away = AFFINE + np.array([[0.0, 0.0, shift], [0.0, 0.0, 0.0]])
        np.testing.assert_array_equal(warp_face(image, away, [(table, 0.05)]), image)


def test_events_are_seeded_apart_and_balanced() -> None:
    track, plan = still_track(60.0), PlantingPlan(amplitudes_px=(0.4, 0.8), seed=5)
    events = draw_events(track, plan)
    assert [e.pulse.start_s for e in draw_events(track, plan)] == [e.pulse.start_s for e in events]
    assert draw_events(track, PlantingPlan(seed=6))[0].pulse.start_s != events[0].pulse.start_s
    assert events[0].pulse.start_s >= plan.lead_s
    assert events[-1].pulse.end_s <= 60.0 - plan.tail_s
    gaps = [b.pulse.start_s - a.pulse.end_s for a, b in pairwise(events)]
    assert min(gaps) >= plan.spacing_s
    assert len(events) > 30
    sizes = [e.amplitude_px for e in events]
    assert abs(sizes.count(0.4) - sizes.count(0.8)) <= 1
    assert {round(e.pulse.strength, 6) for e in events} == {0.2, 0.4}
    one_sided = draw_events(track, PlantingPlan(side="left", seed=5))
    assert {e.pulse.expression.side for e in one_sided if e.pulse.expression} <= {"left", "both"}
    assert sum(e.pulse.expression.side == "left" for e in one_sided if e.pulse.expression) > 10


def test_nothing_is_planted_where_no_face_is() -> None:
    track = still_track(6.0)
    holes = track.unit_to_frame.copy()
    holes[200:300] = np.nan
    broken = FaceTrack(track.info, track.index, track.time_s, holes)
    assert list(broken.stretches()) == [(0, 199), (300, 599)]
    for event in draw_events(broken, PlantingPlan()):
        assert event.pulse.end_s < 2.0 or event.pulse.start_s > 3.5
    none = FaceTrack(track.info, track.index, track.time_s, np.full_like(holes, np.nan))
    assert draw_events(none, PlantingPlan()) == ()


@pytest.mark.parametrize(
    "settings",
    [
        {"amplitudes_px": ()},
        {"amplitudes_px": (0.0,)},
        {"amplitudes_px": (8.0,)},
        {"classes": ("joy",)},
        {"seed": -1},
    ],
)
def test_plans_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        PlantingPlan(**settings)


def test_a_planted_source_is_the_recording_but_for_its_events(film: Film) -> None:
    with Footage(film, 45) as source:
        track = track_face(source)
    left = AFFINE[0, 2]
    assert track.eye_distance_px == pytest.approx(130.0 / 2.2, rel=0.1)
    assert track.unit_to_frame[:, 0, 2] == pytest.approx(left, abs=6.0)
    expression = draw_expression(np.random.default_rng(0), "happiness", side="both")
    pulse = Pulse("micro_expression", 0.2, 0.1, 0.0, 0.1, 1.0, expression)
    with PlantedSource(Footage(film, 45), track, [Planted(pulse, 0.3, 2.0)]) as source:
        frames = list(source)
    assert isinstance(frames[-1], Unreadable)
    changed = [
        i for i, (a, b) in enumerate(zip(frames[:-1], film.frames, strict=False))
        if isinstance(a, Frame) and not np.array_equal(a.image, b.image)
    ]  # fmt: skip
    assert 20 < changed[0] < 25
    assert 35 < changed[-1] < 40
    (event,) = source.truth.events
    assert (event.onset_frame, event.apex_frame, event.offset_frame) == (20, 30, 40)
    assert (event.amplitude_percent, event.label) == (1.0, "happiness")
    assert not frames[30].image.flags.writeable


def event_at(onset_s: float, offset_s: float) -> FacialEvent:
    apex_s = (onset_s + offset_s) / 2
    keys = KeyFrames("micro_expression", onset_s, apex_s, offset_s, 0, 1, 2, 5.0, {}, offset_s)
    return FacialEvent("0-0", 0, keys, None)


def test_outcomes_counted_by_hand() -> None:
    """Of three planted one is found 10 ms late; one alarm touches another; one is beside them all."""
    expression = draw_expression(np.random.default_rng(0), "happiness", side="both")
    events = tuple(
        Planted(Pulse("micro_expression", start, 0.2, 0.0, 0.2, 0.4, expression), start + 0.2, 0.8)
        for start in (1.0, 3.0, 5.0)
    )
    spotted = [event_at(1.02, 1.4), event_at(3.3, 3.8), event_at(8.0, 8.3)]
    time_s = np.arange(0, 10, 0.01)
    residual = np.where(time_s < 2.0, 0.1, np.where(time_s < 4.0, 0.5, np.nan))
    watched = Watched(
        (), readonly(time_s), readonly(residual), (Unobservable(2.9, 3.21, "motion"),), {"motion": 0.031}
    )
    outcomes, beside, touching = judge("film", events, spotted, watched)
    assert [o.found for o in outcomes] == [True, False, False]
    assert outcomes[0].apex_error_ms == pytest.approx(10.0)
    assert [o.activity for o in outcomes] == ["calm", "mid-motion", "unmeasured"]
    assert [o.observable for o in outcomes] == [True, False, True]
    assert (beside, touching) == (1, 1)
    assert activity(5.0) == "busy"
    trial = Trial("film", 10.0, 1, tuple(outcomes), beside, touching, 2, {"motion": 0.031})
    figures = summarize([trial])
    assert figures["recall"]["all"]["0.8"]["recall"] == pytest.approx(1 / 3)
    assert figures["recall"]["calm"]["0.8"] == {
        "planted": 1,
        "found": 1,
        "recall": 1.0,
        "interval": [*wilson(1, 1)],
    }
    assert figures["false_alarms_per_minute"] == pytest.approx(6.0)
    assert figures["untouched_alarms_per_minute"] == pytest.approx(12.0)
    assert figures["unobservable"] == {"motion": pytest.approx(0.031)}
    assert [figures["recall"][k]["0.8"]["found"] for k in ("observable", "unobservable")] == [1, 0]
    json.dumps(figures, allow_nan=False)
    told = table(figures)
    assert "1.00 (1/1)" in told
    assert "6.00 beside planted events, 12.00 on the untouched" in told


def test_wilson_intervals_are_the_published_ones() -> None:
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    for count in range(1, 60):  # a picture's error bars must not be negative
        assert wilson(0, count)[0] == 0.0
        assert wilson(count, count)[1] == 1.0


def plant(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = offline.cli.main(["plant", *words])
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture(scope="module")
def video(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the film at half its rate."""
    path = tmp_path_factory.mktemp("planting") / "film.mkv"
    write_video(path, [f.image for f in film.frames[:150:2]], 50.0, (film.truth.width, film.truth.height))
    return path


def test_the_command_plants_and_counts(
    capsys: pytest.CaptureFixture[str], video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "planted"
    code, told, _ = plant(
        capsys, "--source", str(video), "--amplitude", "1.2", "--unit", "percent", "--rounds", "1",
        "--out", str(out),
    )  # fmt: skip
    assert code == 0
    assert told.startswith("planted px at 200")
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert list(results["recall"]["all"]) == ["2.4"]
    assert results["recall"]["all"]["2.4"]["planted"] == 1
    assert {path.name for path in out.iterdir()} == {"results.json", "recall.png", "recall.svg"}


def test_a_planted_video_says_that_it_stores_a_face(
    capsys: pytest.CaptureFixture[str], video: Path, tmp_path: Path
) -> None:
    planted = tmp_path / "planted.mkv"
    code, told, warned = plant(capsys, "--source", str(video), "--video", str(planted))
    assert (code, told) == (2, "")
    assert "--allow-clips" in warned
    assert not planted.exists()
    words = ("--source", str(video), "--video", str(planted), "--allow-clips")
    code, told, warned = plant(capsys, *words)
    assert code == 0
    assert "75 frames, 1 events" in told
    assert "shows a face" in warned
    assert stat.S_IMODE(planted.stat().st_mode) == 0o600
    assert len(Truth.load(planted.with_suffix(".json")).events) == 1


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("--rounds", "0"), 2, "--rounds"),
        (("--jobs", "0"), 2, "--jobs"),
        (("--amplitude", "-1"), 2, "amplitudes"),
        (("--video", "x.gif", "--allow-clips"), 2, "x.gif"),
        (("none.mkv", "--video", "x.mkv", "--allow-clips"), 2, "--video"),
        (("--video", "x.mkv"), 2, "--allow-clips"),
        ((), 1, "film.mkv"),
    ],
)
def test_commands_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, name: str
) -> None:
    found, told, line = plant(capsys, "--source", "film.mkv", *words)
    assert (found, told) == (code, "")
    assert name in line
