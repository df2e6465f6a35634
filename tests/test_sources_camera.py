from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pytest
from media import picture

from realtime.errors import SourceError, UsageError
from realtime.sources import CameraSource, open_source
from realtime.sources.camera import MAX_MISSES
from realtime.types import Frame, Unreadable


class FakeCapture:
    """A camera that delivers the given pictures, None being a failure, then failures."""

    def __init__(self, pictures: Sequence[Any], *, fps: float = 30.0, opened: bool = True) -> None:
        self._pictures = iter(pictures)
        self._current: Any = None
        self._fps = fps
        self._opened = opened
        self.released = 0
        self.asked: list[float] = []

    def isOpened(self) -> bool:
        return self._opened

    def grab(self) -> bool:
        self._current = next(self._pictures, None)
        return self._current is not None

    def retrieve(self) -> tuple[bool, Any]:
        return self._current is not None, self._current

    def get(self, propId: int, /) -> float:
        return self._fps

    def set(self, propId: int, value: float, /) -> bool:
        self.asked.append(value)
        return True

    def release(self) -> None:
        self.released += 1


def ticking(step_s: float = 0.04) -> Callable[[], float]:
    times: Iterator[float] = (100.0 + step_s * count for count in range(10_000))
    return lambda: next(times)


def camera(capture: FakeCapture, **options: Any) -> CameraSource:
    return CameraSource(0, opener=lambda device: capture, clock=options.pop("clock", ticking()), **options)


def test_frames_carry_their_moment_of_capture() -> None:
    capture = FakeCapture([picture(seed) for seed in range(4)])
    with camera(capture) as source:
        assert (source.info.source, source.info.width, source.info.height) == ("camera:0", 64, 48)
        assert (source.info.fps, source.info.frame_count) == (30.0, None)
        frames = list(islice(source, 4))
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.04, 0.08, 0.12])
    assert np.array_equal(frames[0].image, picture(0))
    assert capture.released == 1


def test_failures_are_counted() -> None:
    pictures = [picture(0), None, picture(1, 32, 32), picture(2)]
    with camera(FakeCapture(pictures)) as source:
        items = list(islice(source, 4))
    assert items[1:3] == [Unreadable(1, "undecodable"), Unreadable(2, "size")]
    assert items[3].index == 3


def test_a_clock_that_stands_still_is_counted() -> None:
    with camera(FakeCapture([picture(0), picture(1)]), clock=lambda: 5.0) as source:
        assert list(islice(source, 2))[1] == Unreadable(1, "timestamp")


def test_a_camera_that_stops_is_an_error() -> None:
    capture = FakeCapture([picture(0), picture(1)])
    with camera(capture) as source, pytest.raises(SourceError, match="stopped delivering"):
        list(islice(source, MAX_MISSES + 5))
    assert capture.released == 1


def test_a_camera_that_never_starts_is_an_error() -> None:
    capture = FakeCapture([])
    with pytest.raises(SourceError, match="delivers no picture"):
        camera(capture)
    assert capture.released == 1


def test_a_camera_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SourceError, match="no such camera"):
        camera(FakeCapture([], opened=False))


def test_the_frame_rate_is_asked_for_and_noted_when_unknown() -> None:
    capture = FakeCapture([picture(0)], fps=0.0)
    source = camera(capture, fps=60)
    assert capture.asked == [60]
    assert source.info.fps == 60
    assert source.info.notes == ("the camera states no frame rate; 60 per second assumed",)
    with pytest.raises(UsageError, match="frame rate"):
        camera(capture, fps=0)


@pytest.mark.parametrize("spec", ["7", "camera:7", "/dev/video7"])
def test_names_of_cameras(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def fake(device: int, *, fps: float | None = None) -> CameraSource:
        opened.append(device)
        return camera(FakeCapture([picture(0)]), fps=fps)

    monkeypatch.setattr("realtime.sources.CameraSource", fake)
    open_source(spec)
    assert opened == [7]


def test_other_names() -> None:
    with pytest.raises(SourceError, match="rtsp://host/stream: is a network stream"):
        open_source("rtsp://user:secret@host/stream")
    with pytest.raises(SourceError, match="no stream was named"):
        open_source("")
