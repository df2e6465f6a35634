"""When the mesh runs, and when what it found is taken up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np
import pytest

from realtime.faces import FaceTracker, TrackerConfig
from realtime.faces import tracker as tracking
from realtime.faces.mesh import Box
from realtime.types import F32, U8, Frame, readonly


class SlowMesh:
    """A follower whose landmarks all carry the number that is written in the picture."""

    delay_s = 0.0

    def __init__(self, confidence: float, scale: float) -> None:
        self.points: F32 | None = None

    def start(self, image: U8, box: Box, others: Sequence[Box] = ()) -> bool:
        return self.follow(image)

    def follow(self, image: U8, others: Sequence[Box] = ()) -> bool:
        time.sleep(self.delay_s)
        spread = np.linspace(0.0, 60.0, 468)[:, None] + np.zeros(3)
        self.points = readonly((spread + image[0, 0, 0]).astype(np.float32)) if image[0, 0, 0] else None
        return self.points is not None

    def reset(self) -> None:
        self.points = None

    lose = close = reset


class Finder:
    def __init__(self, confidence: float) -> None:
        pass

    def find(self, image: U8) -> list[Box]:
        return [(0.0, 0.0, 60.0, 60.0)]

    def close(self) -> None:
        pass


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaceTracker]:
    monkeypatch.setattr(tracking, "FaceFollower", SlowMesh)
    monkeypatch.setattr(tracking, "FaceFinder", Finder)
    made = FaceTracker(TrackerConfig(interval_s=0.033))
    yield made
    made.close()


def seen(tracker: FaceTracker, fps: float, count: int = 40, gone: range = range(0)) -> list[tuple[int, bool]]:
    """Per frame the number of the frame that its landmarks were measured on (−1: no face), and if fresh."""
    found = []
    for index in range(count):
        image = np.full((4, 4, 3), 0 if index in gone else index + 1, np.uint8)
        faces = tracker.push(Frame(index, index / fps, readonly(image)))
        face = faces[0] if faces else None
        found.append((-1, False) if face is None else (round(face.landmarks_px[0, 0]) - 1, face.measured))
    return found


def test_every_frame_of_a_slow_camera_is_measured_on_itself(tracker: FaceTracker) -> None:
    assert seen(tracker, 30.0) == [(index, True) for index in range(40)]


def test_a_fast_camera_is_shown_what_the_mesh_found_half_an_interval_before(tracker: FaceTracker) -> None:
    found = seen(tracker, 200.0)
    # the first face at once; then every 7th frame is looked at, and shown 20 ms later
    assert found[:7] == [(0, index == 0) for index in range(7)]
    assert found[7:11] == [(0, False)] * 4
    assert found[11:18] == [(7, index == 11) for index in range(11, 18)]
    assert found[18:25] == [(14, index == 18) for index in range(18, 25)]


@pytest.mark.parametrize("fps", [30.0, 200.0])
def test_the_result_does_not_depend_on_how_fast_the_mesh_is(
    tracker: FaceTracker, fps: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = seen(tracker, fps, gone=range(15, 25))
    assert (-1, False) in quick
    tracker.reset()
    monkeypatch.setattr(SlowMesh, "delay_s", 0.01)
    assert seen(tracker, fps, gone=range(15, 25)) == quick


def test_reset_forgets_the_look_that_goes_on(tracker: FaceTracker) -> None:
    once = seen(tracker, 200.0, count=9)
    tracker.reset()
    assert seen(tracker, 200.0, count=9) == once


def test_reset_forgets_a_look_that_failed(tracker: FaceTracker) -> None:
    failed: Future[None] = Future()
    failed.set_exception(RuntimeError("the mesh broke down"))
    tracker._look = tracking._Look(failed, 0.0)
    tracker.reset()
    assert tracker._look is None


def test_a_look_that_fails_loses_no_follower(tracker: FaceTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a model: one that was forgotten would stay for as long as the process lives."""
    once = seen(tracker, 30.0, count=3)

    def break_down(*about: object) -> bool:
        raise RuntimeError("the mesh broke down")

    for start, name in enumerate(("follow", "start"), start=1):
        with monkeypatch.context() as broken:
            broken.setattr(SlowMesh, name, break_down)
            for index in range(5):
                with pytest.raises(RuntimeError):
                    tracker.push(Frame(9, 10.0 * start + index, readonly(np.full((4, 4, 3), 9, np.uint8))))
                tracker.push(Frame(9, 10.0 * start + index + 0.02, readonly(np.full((4, 4, 3), 9, np.uint8))))
        assert len(tracker._all) == 1
    tracker.reset()
    assert seen(tracker, 30.0, count=3) == once


def test_pyplot_is_loaded_when_it_is_first_drawn_with() -> None:
    code = """
import sys
from realtime.faces.mesh import load_mediapipe
solutions = load_mediapipe()
assert "matplotlib.pyplot" not in sys.modules
plt = solutions.drawing_utils.plt
import matplotlib
matplotlib.use("agg")
figure = plt.figure()
import matplotlib.pyplot
assert matplotlib.pyplot.gcf() is figure
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdin=subprocess.DEVNULL)
