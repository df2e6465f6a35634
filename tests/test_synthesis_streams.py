import argparse
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from offline.synthesis import command
from offline.synthesis.base_face import load_base_face
from offline.synthesis.fields import draw_expression
from offline.synthesis.identities import Identity, make_identity
from offline.synthesis.keyframes import render_key_frames
from offline.synthesis.render import FACE_WIDTH_UNITS, FaceState, FieldTable, FrameRenderer
from offline.synthesis.schedule import LEAD_S, MARGIN_S
from offline.synthesis.stream import NO_CONFOUNDERS, Confounders, StreamPlan, SyntheticStream
from offline.synthesis.truth import Truth
from offline.synthesis.video import write_video
from realtime.errors import DataError, OutputError, UsageError
from realtime.geometry import unit_grid

SMALL = {"width": 200, "height": 160, "face_width_px": 60.0, "fps": 25.0}


@pytest.fixture(scope="module")
def identity() -> Identity:
    return make_identity(2)


def plan(identity: Identity, **changes: object) -> StreamPlan:
    return replace(StreamPlan(identity, **SMALL), **changes)  # type: ignore[arg-type]


def farneback(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    grey = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (first, second)]
    return cv2.calcOpticalFlowFarneback(*grey, None, 0.5, 3, 15, 5, 5, 1.2, 0)


def test_identities_differ_and_repeat(identity: Identity) -> None:
    make_identity.cache_clear()
    again = make_identity(2)
    np.testing.assert_array_equal(identity.image, again.image)
    np.testing.assert_array_equal(identity.lids, again.lids)
    other = make_identity(3)
    face = np.s_[200:500, 380:620]
    assert np.abs(identity.image[face].astype(float) - other.image[face]).mean() > 5.0
    assert not identity.image.flags.writeable


def test_eyes_of_an_identity_are_level_and_one_unit_apart(identity: Identity) -> None:
    left, right = (eye[0][[0, -1]].mean(axis=0) for eye in identity.lids)
    np.testing.assert_allclose(left, (0.5, 0.0), atol=0.03)
    np.testing.assert_allclose(right, (-0.5, 0.0), atol=0.03)


def test_portraits_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*nothing\.png"):
        load_base_face(tmp_path / "nothing.png")
    empty = tmp_path / "wall.png"
    cv2.imwrite(str(empty), np.full((120, 120, 3), 127, np.uint8))
    with pytest.raises(DataError, match="no face found"):
        load_base_face(empty)


@pytest.mark.parametrize(
    ("units", "x", "y"), [(("AU12",), 0.45, 0.95), (("AU4",), 0.3, -0.28), (("AU1", "AU2"), 0.4, -0.32)]
)
def test_rendered_motion_is_seen_by_optical_flow(
    identity: Identity, units: tuple[str, ...], x: float, y: float
) -> None:
    size, face_width = (480, 480), 230.0
    renderer = FrameRenderer(identity, size, face_width)
    expression = draw_expression(np.random.default_rng(0), action_units=units, side="both")
    amplitude = 0.015 * FACE_WIDTH_UNITS
    moved = FaceState(moves=((FieldTable(expression), amplitude),))
    flow = farneback(renderer.render(FaceState()), renderer.render(moved))
    unit_px = face_width / FACE_WIDTH_UNITS
    column, row = int(240 + x * unit_px), int(0.42 * 480 + y * unit_px)
    seen = flow[row - 6 : row + 7, column - 6 : column + 7].mean(axis=(0, 1))
    expected = np.ravel(expression.displacement(np.array([x]), np.array([y]))) * amplitude * unit_px
    assert seen @ expected > 0.9 * np.linalg.norm(seen) * np.linalg.norm(expected)
    assert 0.4 < np.linalg.norm(seen) / np.linalg.norm(expected) < 1.4
    assert np.linalg.norm(flow[:60, :60], axis=-1).max() < 0.1


def test_a_blink_covers_the_eyes(identity: Identity) -> None:
    renderer = FrameRenderer(identity, (320, 320), 150.0)
    still, shut = (renderer.render(FaceState(closure=level)).astype(float) for level in (0.0, 1.0))
    change = np.abs(still - shut).mean(axis=2)
    rows, columns = np.nonzero(change > 12.0)
    assert rows.size > 50
    assert np.abs((rows + 0.5 - 0.42 * 320) / (150 / FACE_WIDTH_UNITS)).max() < 0.35
    assert np.abs(columns + 0.5 - 160).max() < 70


def test_the_head_moves_as_told_and_the_room_stays(identity: Identity) -> None:
    renderer = FrameRenderer(identity, (480, 360), 120.0)
    shift = 3.0 / (120 / FACE_WIDTH_UNITS)
    flow = farneback(renderer.render(FaceState()), renderer.render(FaceState(x=shift)))
    face = flow[140:200, 215:265].mean(axis=(0, 1))
    np.testing.assert_allclose(face, (3.0, 0.0), atol=0.4)
    assert np.abs(flow[:40, :60]).max() < 0.2


def test_streams_repeat_by_seed(identity: Identity) -> None:
    chosen = plan(identity, seconds=2.4, events=1, seed=4)
    first, second = SyntheticStream(chosen), SyntheticStream(chosen)
    assert first.truth == second.truth
    frames = list(first.frames())
    for one, other in zip(frames, second.frames(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(frames) == first.truth.frames == 60
    assert frames[0].shape == (160, 200, 3)
    assert SyntheticStream(replace(chosen, seed=5)).truth != first.truth


@pytest.mark.parametrize("fps", [25.0, 30.0, 200.0])
def test_truth_is_consistent(identity: Identity, fps: float) -> None:
    truth = SyntheticStream(plan(identity, seconds=60.0, events=12, fps=fps)).truth
    micro = [event for event in truth.events if event.kind == "micro_expression"]
    macro = [event for event in truth.events if event.kind == "macro_expression"]
    assert len(micro) == 12
    assert macro
    assert {item.kind for item in truth.confounders} == {"blink", "gaze", "head_turn", "light_step"}
    for event in truth.events:
        times = (event.onset_s, event.apex_s, event.offset_s)
        assert (event.onset_frame, event.apex_frame, event.offset_frame) == tuple(
            round(t * fps) for t in times
        )
        assert event.onset_frame < event.apex_frame <= event.offset_frame < truth.frames
        assert event.action_units
    assert all(0.17 < event.offset_s - event.onset_s <= 0.501 for event in micro)
    assert all(0.4 <= event.amplitude_percent <= 1.5 for event in micro)
    assert all(event.offset_s - event.onset_s >= 0.8 for event in macro)
    spans = sorted(
        [(event.onset_s, event.offset_s) for event in truth.events]
        + [(item.from_s, item.to_s) for item in truth.confounders]
    )
    assert spans[0][0] >= LEAD_S
    assert all(later[0] - earlier[1] >= MARGIN_S - 1e-5 for earlier, later in pairwise(spans))


def test_the_frame_rate_does_not_change_what_happens(identity: Identity) -> None:
    slow, fast = (SyntheticStream(plan(identity, seconds=20.0, fps=fps)).truth for fps in (25.0, 200.0))
    assert [event.apex_s for event in slow.events] == [event.apex_s for event in fast.events]


def test_onset_to_apex_follows_the_coding(identity: Identity) -> None:
    truth = SyntheticStream(plan(identity, seconds=400.0, events=200, confounders=NO_CONFOUNDERS)).truth
    rise = np.array([event.apex_s - event.onset_s for event in truth.events])
    whole = np.array([event.offset_s - event.onset_s for event in truth.events])
    assert not truth.confounders
    assert 0.13 < np.median(rise) < 0.17
    assert 0.06 < np.percentile(rise, 5) < 0.1
    assert 0.26 < np.percentile(rise, 95) < 0.34
    assert 0.27 < np.median(whole) < 0.34


def test_a_busy_stream_overlaps(identity: Identity) -> None:
    truth = SyntheticStream(plan(identity, seconds=60.0, events=30, busy=True)).truth
    micro = [event for event in truth.events if event.kind == "micro_expression"]
    assert len(micro) == 30
    assert any(
        item.from_s < event.offset_s and event.onset_s < item.to_s
        for event in micro
        for item in truth.confounders
    )


def test_nothing_moves_between_events_without_confounders(identity: Identity) -> None:
    stream = SyntheticStream(plan(identity, seconds=3.0, events=1, confounders=NO_CONFOUNDERS, seed=1))
    frames, (event,) = list(stream.frames()), stream.truth.events
    np.testing.assert_array_equal(frames[0], frames[event.onset_frame - 1])
    np.testing.assert_array_equal(frames[0], frames[-1] if event.offset_s < 2.9 else frames[0])
    assert (frames[event.apex_frame] != frames[0]).any()


@pytest.mark.parametrize(
    "changes",
    [
        {"fps": 10.0},
        {"seconds": 1.0},
        {"face_width_px": 500.0},
        {"amplitude_percent": (2.0, 1.0)},
        {"events": -1},
        {"seed": -1},
        {"classes": ("boredom",)},
        {"width": 20},
    ],
)
def test_impossible_plans_are_refused(identity: Identity, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        plan(identity, **changes)
    assert "\n" not in str(caught.value)


def test_too_many_events_are_refused(identity: Identity) -> None:
    with pytest.raises(UsageError, match="do not fit into 5 s"):
        SyntheticStream(plan(identity, seconds=5.0, events=40))


def test_key_frames_repeat_and_keep_the_canonical_geometry(identity: Identity) -> None:
    expression = draw_expression(np.random.default_rng(1), action_units=["AU12"], side="both")
    first, second = (
        render_key_frames(
            np.random.default_rng(2),
            identity,
            expression,
            face_width_px=(240.0, 250.0),
            amplitude_percent=(3.0, 3.0),
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    assert first.shape == (3, 128, 128, 3)
    assert first.dtype == np.uint8
    flow = farneback(first[0], first[1])
    flow -= np.median(flow, axis=(0, 1))
    flow[:45] = 0.0  # lids and gaze
    strength = np.linalg.norm(flow, axis=-1) ** 2
    expected = np.hypot(*expression.displacement(*unit_grid(128))) ** 2
    for half in (np.s_[:, :64], np.s_[:, 64:]):
        rows, columns = np.mgrid[0:128, 0:64]
        for axis in (rows, columns):
            seen, wanted = (
                float((axis * part[half]).sum() / part[half].sum()) for part in (strength, expected)
            )
            assert abs(seen - wanted) < 9.0


def test_truth_files_round_trip(identity: Identity, tmp_path: Path) -> None:
    truth = SyntheticStream(plan(identity, seconds=10.0)).truth
    path = tmp_path / "stream.json"
    truth.save(path)
    assert Truth.load(path) == truth
    assert json.loads(path.read_text())["schema"] == "glimpse-truth/1"
    assert [entry.name for entry in tmp_path.iterdir()] == ["stream.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read"),
        ("[]", "not a truth file"),
        ('{"schema": "glimpse-truth/9"}', "not a truth file"),
        ('{"schema": "glimpse-truth/1", "frames": 3}', "no field 'fps'"),
        ('{"schema": "glimpse-truth/1", "frames": 0, "fps": 25}', "positive"),
    ],
)
def test_damaged_truth_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "stream.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        Truth.load(path)
    assert "\n" not in str(caught.value)


def test_damaged_events_and_missing_files(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no truth file"):
        Truth.load(tmp_path / "none.json")
    data = json.loads(SyntheticStream(plan(identity, seconds=10.0)).truth.to_json())
    path = tmp_path / "stream.json"
    for key, value in (("kind", "sneeze"), ("side", "top"), ("apex_s", 99.0), ("onset_s", None)):
        broken = json.loads(json.dumps(data))
        broken["events"][0][key] = value
        path.write_text(json.dumps(broken))
        with pytest.raises(DataError, match="damaged"):
            Truth.load(path)


def test_truth_that_cannot_be_written(identity: Identity, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="folder does not exist"):
        SyntheticStream(plan(identity)).truth.save(tmp_path / "no" / "stream.json")


def test_mkv_is_lossless(tmp_path: Path) -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8))
    path = tmp_path / "noise.mkv"
    assert write_video(path, frames, 25.0, (64, 48)) == 4
    capture = cv2.VideoCapture(str(path))
    for frame in frames:
        good, read = capture.read()
        assert good
        np.testing.assert_array_equal(read, frame)
    capture.release()
    assert [entry.name for entry in tmp_path.iterdir()] == ["noise.mkv"]


def test_videos_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown video ending"):
        write_video(tmp_path / "film.gif", [], 25.0, (64, 48))
    with pytest.raises(OutputError, match="folder does not exist"):
        write_video(tmp_path / "no" / "film.mkv", [], 25.0, (64, 48))
    path = tmp_path / "film.mkv"
    path.write_bytes(b"earlier")
    with pytest.raises(OutputError, match="could not be written"):
        write_video(path, [], 25.0, (64, 48))
    with pytest.raises(ZeroDivisionError):
        write_video(path, (np.zeros((48, 64, 3), np.uint8) for _ in (1, 1 // 0)), 25.0, (64, 48))
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("film.mkv", b"earlier")]


@pytest.mark.parametrize("ending", ["mkv", "mp4", "avi"])
def test_command_writes_video_and_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    assert run(tmp_path, "--format", ending) == 0
    truth = Truth.load(tmp_path / "stream-000.json")
    capture = cv2.VideoCapture(str(tmp_path / f"stream-000.{ending}"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(25.0)
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    assert count == truth.frames == 60
    assert "60 frames" in capsys.readouterr().out


def test_command_refuses_nonsense(tmp_path: Path) -> None:
    for option in ("--count", "--identity", "--seed"):
        with pytest.raises(UsageError, match=option):
            run(tmp_path, option, "-3" if option != "--count" else "0", keep_identity=option == "--seed")


def run(out: Path, *options: str, keep_identity: bool = True) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["--out", str(out), "--fps", "25", "--seconds", "2.4", "--width", "200", "--height", "160"]
    words += ["--face-width", "60", "--events", "1", "--confounders", "calm"]
    if keep_identity:
        words += ["--identity", "2"]
    return command.run(parser.parse_args([*words, *options]))


def test_all_confounders_off_is_silent() -> None:
    assert NO_CONFOUNDERS.noise == 0.0
    assert Confounders().blinks
