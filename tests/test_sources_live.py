"""Live sources over feeds that stall, drop, hang and end, and over a real MJPEG feed that does the same."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_servers import Raw, encoder, free_port, mjpeg, rtsp, transport_stream, until, web_server
from media import encode, jpeg, picture, write_mkv

from realtime.errors import SourceError
from realtime.sources.buffer import ShotBuffer
from realtime.sources.feed import DeviceFeed, Feed, FeedInfo, Shot, device_number, is_device, is_url
from realtime.sources.live import LiveSource
from realtime.sources.moments import FeedClock, Moments
from realtime.sources.reader import Pace, Reader
from realtime.sources.stream import StreamFeed, StreamOptions
from realtime.sources.stream_status import LivePolicy, StreamStatus
from realtime.types import Frame, Unreadable

QUICK = LivePolicy(stall_s=0.2, open_timeout_s=5.0, read_timeout_s=0.5, backoff_s=0.02, backoff_max_s=0.1)


class ScriptedFeed:
    """A connection that plays a script: pictures by number, "fail" to open, "hang" or "end"."""

    def __init__(self, script: Sequence[Any], released: threading.Event) -> None:
        self._script = iter(script)
        self._released = released
        self._count = -1

    def open(self) -> FeedInfo:
        first = next(self._script)
        if first == "fail":
            raise SourceError("nobody is there")
        assert isinstance(first, FeedInfo)
        return first

    def read(self) -> Shot | None:
        step = next(self._script, "end")
        if step == "hang":
            self._released.wait()
            return None
        if step == "end":
            return None
        self._count += 1
        image = picture(step) if step is not None else None
        return Shot(self._count, time.monotonic(), time.time(), math.nan, image)

    def close(self) -> None:
        pass


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Lets go of everything that hangs."""
    event = threading.Event()
    yield event
    event.set()


INFO = FeedInfo(30.0)


def scripted(
    released: threading.Event, *scripts: Sequence[Any], policy: LivePolicy = QUICK
) -> tuple[LiveSource, list[StreamStatus]]:
    left = iter(scripts)
    statuses: list[StreamStatus] = []

    def connect() -> Feed:
        return ScriptedFeed(next(left, ["fail"]), released)

    return LiveSource("door", connect, policy, statuses.append, seed=1), statuses


def states(statuses: list[StreamStatus]) -> list[str]:
    """Runs of states, warnings left out."""
    found = [status.state for status in statuses if status.warning is None]
    return [state for n, state in enumerate(found) if n == 0 or found[n - 1] != state]


def policy(**changes: Any) -> LivePolicy:
    values = {name: getattr(QUICK, name) for name in QUICK.__dataclass_fields__}
    return LivePolicy(**{**values, **changes})


def test_frames_of_all_connections_are_one_sequence(released: threading.Event) -> None:
    source, statuses = scripted(
        released, [INFO, 1, 2], ["fail"], [FeedInfo(25.0), 3, 4], policy=policy(retries=3)
    )
    with source:
        assert source.connect()
        frames = [item for item in source if isinstance(item, Frame)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    times = [frame.time_s for frame in frames]
    assert times == sorted(set(times))
    assert times[0] == 0.0
    assert states(statuses) == ["starting", "running", "reconnecting", "running", "reconnecting", "failed"]
    back = [status for status in statuses if status.state == "running"][1]
    assert back.gap_s is not None
    assert back.gap_s > 0
    assert back.info is not None
    assert back.info.fps == 25.0
    assert source.reconnects == 1
    assert source.gap_s == back.gap_s
    assert any("lost and found again" in note for note in source.notes)


def test_a_first_connection_that_fails_is_tried_again(released: threading.Event) -> None:
    source, statuses = scripted(released, ["fail"], ["fail"], [INFO, 1], policy=policy(seconds=20.0))
    with source:
        assert source.connect()
        assert next(iter(source)).index == 0
    assert states(statuses) == ["starting", "reconnecting", "running"]
    waits = [status.wait_s for status in statuses if status.wait_s is not None]
    assert 0.01 <= waits[0] <= 0.02
    assert 0.02 <= waits[1] <= 0.04
    assert statuses[1].reason == "nobody is there"


def test_giving_up(released: threading.Event) -> None:
    source, statuses = scripted(released, policy=policy(retries=2))
    with source:
        assert not source.connect()
    assert states(statuses) == ["starting", "reconnecting", "failed"]
    assert statuses[-1].attempt == 3


def test_attempts_of_an_earlier_process_count(released: threading.Event) -> None:
    statuses: list[StreamStatus] = []
    feed = ScriptedFeed(["fail"], released)
    with LiveSource("door", lambda: feed, policy(retries=9), statuses.append, attempt=9) as source:
        assert not source.connect()
    assert (statuses[-1].state, statuses[-1].attempt) == ("failed", 10)


def test_a_feed_that_hangs_is_stalled_then_left_behind(released: threading.Event) -> None:
    source, statuses = scripted(
        released, [INFO, 1, "hang"], [INFO, 2], policy=policy(retries=1, read_timeout_s=0.3)
    )
    with source:
        assert source.connect()
        seen = [item.index for item in source]
    assert seen == [0, 1]
    assert states(statuses)[:5] == ["starting", "running", "stalled", "reconnecting", "running"]


def test_a_feed_that_hangs_while_it_opens_is_left_behind(released: threading.Event) -> None:
    class Hanging(ScriptedFeed):
        def open(self) -> FeedInfo:
            released.wait()
            return INFO

    statuses: list[StreamStatus] = []
    limits = policy(open_timeout_s=0.1, read_timeout_s=0.1, retries=0)
    with LiveSource("door", lambda: Hanging([], released), limits, statuses.append) as source:
        assert not source.connect()
    assert (statuses[-1].state, statuses[-1].reason) == ("failed", "does not answer")


def test_too_many_that_hang_ask_for_a_new_process(
    released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.sources.live.MAX_HUNG", 1)
    source, statuses = scripted(released, *[[INFO, 1, "hang"]] * 3, policy=policy(read_timeout_s=0.1))
    with source:
        assert source.connect()
        assert len(list(source)) == 2
    assert source.is_clogged
    assert source.attempt == 2
    assert statuses[-1].state == "reconnecting", "what is going on is decided before the end"


def test_a_recording_ends_and_is_not_connected_again(released: threading.Event) -> None:
    source, statuses = scripted(released, [FeedInfo(30.0, finite=True), 1, 2])
    with source:
        assert source.connect()
        assert [item.index for item in source] == [0, 1]
    assert states(statuses) == ["starting", "running", "ended"]


def test_without_retries_the_end_of_a_stream_is_the_end(released: threading.Event) -> None:
    source, statuses = scripted(released, [INFO, 1], policy=policy(retries=0))
    with source:
        assert source.connect()
        list(source)
    assert states(statuses) == ["starting", "running", "ended"]


def test_stop_ends_the_stream_from_any_thread(released: threading.Event) -> None:
    stop = threading.Event()
    statuses: list[StreamStatus] = []
    feed = ScriptedFeed([INFO, 1, 2, "hang"], released)
    with LiveSource("door", lambda: feed, LivePolicy(), statuses.append, stop=stop) as source:
        assert source.connect()
        for item in source:
            if item.index == 1:
                stop.set()
    assert (statuses[-1].state, statuses[-1].reason) == ("ended", "stopped")


def test_seconds_end_a_run_that_never_connects(released: threading.Event) -> None:
    source, statuses = scripted(released, policy=policy(seconds=0.2))
    with source:
        assert not source.connect()
    assert (statuses[-1].state, statuses[-1].reason) == ("ended", "the time of the run is over")


def test_pictures_that_cannot_be_decoded_are_counted(released: threading.Event) -> None:
    source, _ = scripted(released, [FeedInfo(30.0, finite=True), 1, None, 2])
    with source:
        assert source.connect()
        items = list(source)
    assert [isinstance(item, Frame) for item in items] == [True, False, True]
    assert isinstance(items[1], Unreadable)
    assert items[1].cause == "undecodable"


def shot(number: int, arrival_s: float, stamp_s: float = math.nan) -> Shot:
    return Shot(number, arrival_s, 1000.0 + arrival_s, stamp_s, picture(number % 7))


def test_the_buffer_drops_the_oldest_by_time() -> None:
    buffer = ShotBuffer(1.0)
    for number in range(40):
        buffer.put(shot(number, number * 0.1))
    taken = []
    while buffer.first_picture(0.0) is not None:
        item = buffer.take(0.0)
        assert item is not None
        taken.append(item.number)
    assert taken == list(range(29, 40))
    assert buffer.take(0.0) is None
    buffer.end()
    assert buffer.is_over


def test_the_buffer_is_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sources.buffer.MAX_BYTES", 3 * picture(0).nbytes)
    buffer = ShotBuffer(1000.0)
    for number in range(10):
        buffer.put(shot(number, number * 0.1))
    assert buffer.take(0.0).number == 7  # type: ignore[union-attr]


def test_pictures_that_cannot_be_decoded_neither_block_nor_pile_up(
    released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = ScriptedFeed([FeedInfo(30.0, finite=True), *[None] * 20, 1], released)
    with LiveSource("film", lambda: feed, policy(lossless=True, seconds=60.0), lambda _: None) as source:
        assert source.connect()
        assert [isinstance(item, Frame) for item in source] == [False] * 20 + [True]
    monkeypatch.setattr("realtime.sources.buffer.MAX_BYTES", 10 * 1024)
    buffer = ShotBuffer(600.0)
    for number in range(1000):
        buffer.put(Shot(number, 1.0, 1.0, math.nan, None))
    assert buffer.take(0.0).number == 990  # type: ignore[union-attr]


def test_dropped_frames_count_in_the_index_and_are_warned_of(released: threading.Event) -> None:
    """A route that takes every fifth frame of a fast feed."""
    statuses: list[StreamStatus] = []
    now = [0.0]

    class Fast(ScriptedFeed):
        def read(self) -> Shot | None:
            item = super().read()
            if item is None:
                return None
            return Shot(item.number * 5, item.arrival_s, item.wall_s, math.nan, item.image)

    feed = Fast([FeedInfo(100.0, finite=True), *range(60)], released)
    with pytest.MonkeyPatch.context() as patch:
        source = LiveSource("door", lambda: feed, policy(buffer_s=100.0), statuses.append)
        with source:
            assert source.connect()
            patch.setattr("realtime.sources.live.time.monotonic", lambda: now[0])
            items = []
            for item in source:
                items.append(item)
                now[0] += 0.1 if isinstance(item, Frame) else 0.0
    assert [item.index for item in items] == list(range(len(items)))
    lost = [item for item in items if isinstance(item, Unreadable)]
    assert {item.cause for item in lost} == {"dropped"}
    assert len(lost) == 4 * (len(items) - len(lost) - 1)
    (warning,) = [status.warning for status in statuses if status.warning]
    assert "80%" in warning
    assert "10 per second" in warning
    assert any("may have been missed" in note for note in source.notes)


def test_stamps_count_within_a_connection_and_the_clock_between_them() -> None:
    clock = FeedClock()
    clock.begin()
    jittery = [clock.stamp(shot(n, 10.0 + n * 0.1 + 0.03 * (n % 2), 5.0 + n * 0.1)) for n in range(5)]
    np.testing.assert_allclose(jittery, [0.0, 0.1, 0.2, 0.3, 0.4])
    clock.begin()
    again = [clock.stamp(shot(n, 20.0 + n * 0.1, 0.1 * n)) for n in range(3)]
    np.testing.assert_allclose(again, [10.0, 10.1, 10.2])


def test_stamps_that_cannot_be_right_give_way_to_the_clock() -> None:
    clock = FeedClock()
    clock.begin()
    stamps = [0.0, 0.1, 0.1, 50.0, 50.1, math.nan]
    times = [clock.stamp(shot(n, 3.0 + n * 0.1, stamp)) for n, stamp in enumerate(stamps)]
    np.testing.assert_allclose(times, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_recording_keeps_its_own_times() -> None:
    clock = FeedClock()
    clock.begin(recorded=True)
    stamps = [0.02, 0.12, 0.22]
    assert [clock.stamp(shot(n, 3.0 + 0.01 * n, stamp)) for n, stamp in enumerate(stamps)] == stamps


def test_moments_are_those_of_the_fastest_frame() -> None:
    moments = Moments()
    for index, late_s in enumerate((0.05, 0.0, 0.02)):
        moments.add(index, 0.1 * index, shot(index, 10.0 + 0.1 * index + late_s))
    third = moments.at(2)
    assert third is not None
    assert third.monotonic_s == pytest.approx(10.2)
    assert third.wall_s == pytest.approx(1010.2)
    assert moments.at(7) is None


def test_a_frame_rate_that_changes_is_told(released: threading.Event) -> None:
    """A camera in a room that grows dark: 30 pictures a second, then 15; some are dropped here besides."""

    class Dimmed(ScriptedFeed):
        def read(self) -> Shot | None:
            item = super().read()
            if item is None:
                return None
            number = item.number * 2 if item.number % 10 else item.number * 2 + 1
            stamp_s = number / 30 if number < 300 else 10 + (number - 300) / 15
            return Shot(number, stamp_s, stamp_s, stamp_s, item.image)

    statuses: list[StreamStatus] = []
    feed = Dimmed([FeedInfo(30.0), *range(400)], released)
    source = LiveSource("door", lambda: feed, policy(buffer_s=600.0, retries=0), statuses.append)
    with source:
        assert source.connect()
        list(source)
    told = [(s.reason, s.info.fps) for s in statuses if s.info and s.reason]
    assert len(told) == 1
    assert told[0][1] == pytest.approx(15.0, rel=0.05)
    assert told[0][0].startswith("not 30 but 15")


@pytest.mark.parametrize("rate", [1 - 1e-4, 1 + 1e-4])
def test_moments_follow_a_clock_that_runs_wrong_for_hours(rate: float) -> None:
    """Three hours at 10 pictures a second over a network that delays each by 5 to 50 ms."""
    moments = Moments()
    late_s = 0.005 + np.random.default_rng(0).exponential(0.01, 108_000).clip(0.0, 0.045)
    worst_s = 0.0
    for index, delay_s in enumerate(late_s):
        captured_s = 50.0 + 0.1 * index
        arrival_s = captured_s + float(delay_s)
        moments.add(index, 0.1 * index * rate, Shot(index, arrival_s, 1e9 + arrival_s, 0.0, None))
        found = moments.at(index)
        assert found is not None
        assert found.wall_s - found.monotonic_s == pytest.approx(1e9)
        worst_s = max(worst_s, abs(found.monotonic_s - captured_s - 0.005)) if index > 100 else 0.0
    assert worst_s < 0.003


def test_a_leap_of_the_stamps_is_no_burst() -> None:
    pace = Pace()
    stamps = [0.0, 0.1, 0.2, 5.0, 5.1, 3.0, 3.1, 12.9, 13.0]
    ahead = [pace.ahead_s(shot(n, 7.0 + 0.1 * n, stamp)) for n, stamp in enumerate(stamps)]
    np.testing.assert_allclose(ahead, 0.0, atol=0.001)
    burst = [pace.ahead_s(shot(9 + n, 7.9, 13.1 + 0.1 * n)) for n in range(40)]
    np.testing.assert_allclose(burst[-1], 3.9, atol=0.01)
    leap = pace.ahead_s(shot(50, 7.9, 90.0))
    np.testing.assert_allclose(leap, 3.9, atol=0.01)


def test_bursts_are_taken_at_the_pace_of_their_stamps(released: threading.Event) -> None:
    """As HLS delivers: a segment at once. Nothing is dropped, though it is far more than the buffer holds."""

    class Burst(ScriptedFeed):
        def read(self) -> Shot | None:
            item = super().read()
            if item is None:
                return None
            return Shot(item.number, item.arrival_s, item.wall_s, 0.05 * item.number, item.image)

    reader = Reader(Burst([INFO, *range(30)], released), span_s=0.3)
    taken = []
    while not reader.buffer.is_over:
        item = reader.buffer.take(1.0)
        if item is not None:
            taken.append(item.number)
    assert taken == list(range(30))


@pytest.mark.parametrize(
    ("spec", "number"),
    [("0", 0), ("camera:2", 2), ("/dev/video7", 7), ("film.mp4", None), ("rtsp://0", None), ("12345", None)],
)
def test_devices_by_number_and_path(spec: str, number: int | None) -> None:
    assert device_number(spec) == number
    assert is_url(spec) == ("://" in spec)


class FakeDevice:
    """A driver that delivers the given pictures, None being a failure, then failures."""

    def __init__(self, pictures: Sequence[Any], *, fps: float = 30.0, is_open: bool = True) -> None:
        self._pictures, self._fps, self._is_open = iter(pictures), fps, is_open
        self._current: Any = None
        self.asked: list[float] = []
        self.released = 0

    def isOpened(self) -> bool:
        return self._is_open

    def grab(self) -> bool:
        self._current = next(self._pictures, None)
        return self._current is not None

    def retrieve(self) -> tuple[bool, Any]:
        return True, self._current

    def get(self, propId: int, /) -> float:
        return self._fps

    def set(self, propId: int, value: float, /) -> bool:
        self.asked.append(value)
        return True

    def release(self) -> None:
        self.released += 1


def test_a_device_over_failures_of_its_driver() -> None:
    grey = picture(3)[:, :, 0]
    device = FakeDevice([picture(1), None, None, grey, np.zeros((0, 0, 3), np.uint8), picture(2)], fps=0.0)
    feed = DeviceFeed(3, 50.0, opener=lambda number: device)
    info = feed.open()
    shots = [feed.read() for _ in range(5)]
    feed.close()
    feed.close()
    assert (info.fps, info.finite, device.asked, device.released) == (50.0, False, [50.0], 1)
    assert "no frame rate" in info.notes[0]
    assert [one and (one.number, one.image is None) for one in shots] == [
        (0, False), (1, False), (2, True), (3, False), None,
    ]  # fmt: skip
    assert shots[1].image.shape == (48, 64, 3)  # type: ignore[union-attr]
    assert math.isnan(shots[0].stamp_s)  # type: ignore[union-attr]


def test_a_device_that_is_unplugged_and_comes_back() -> None:
    plugged = iter([FakeDevice([]), FakeDevice([picture(1)]), FakeDevice([], is_open=False)])
    last = FakeDevice([picture(2)])
    statuses: list[StreamStatus] = []
    source = LiveSource(
        "door",
        lambda: DeviceFeed(0, opener=lambda _: next(plugged, last)),
        policy(retries=3),
        statuses.append,
    )
    with source:
        assert source.connect()
        assert [item.index for item in islice(source, 2)] == [0, 1]
    assert states(statuses) == ["starting", "reconnecting", "running", "reconnecting", "running"]


def test_a_driver_that_takes_its_time_to_fail_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]

    class Slow(FakeDevice):
        def grab(self) -> bool:
            now_s[0] += 10.0
            return False

    monkeypatch.setattr("realtime.sources.feed.time.monotonic", lambda: now_s[0])
    feed = DeviceFeed(0, opener=lambda _: Slow([]))
    feed.open()
    assert feed.read() is None
    assert now_s == [110.0]


def test_a_device_by_a_link_is_found_again_under_another_number(tmp_path: Path) -> None:
    link, opened = tmp_path / "door", []

    def opener(number: int) -> FakeDevice:
        opened.append(number)
        return FakeDevice([picture(1)])

    spec = f"/dev/../{link}"
    assert is_device(spec)
    feed = DeviceFeed(spec, opener=opener)
    with pytest.raises(SourceError, match="no such camera"):
        feed.open()
    for target in ("/dev/video901", "/dev/video902"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        assert is_device(spec)
        feed = DeviceFeed(spec, opener=opener)
        feed.open()
    assert opened == [901, 902]


def test_no_such_device() -> None:
    feed = DeviceFeed(7, opener=lambda _: FakeDevice([], is_open=False))
    with pytest.raises(SourceError, match="camera:7"):
        feed.open()
    with pytest.raises(SourceError, match="camera:99"):
        DeviceFeed(99).open()


# a real feed

JPEGS = [jpeg(picture(seed)) for seed in range(4)]
LARGE = jpeg(picture(9, 128, 96))
BEAT = 0.03


def beats(*steps: Any) -> list[Any]:
    return [part for step in steps for part in (step, BEAT)]


def capture(url: str) -> Callable[[], Feed]:
    return lambda: StreamFeed(url, StreamOptions(open_timeout_s=5.0, read_timeout_s=2.0))


def watch(
    url: str, enough: Callable[[list[Frame], list[StreamStatus]], bool]
) -> tuple[list[Frame], list[str]]:
    """Read a feed until it was enough."""
    stop = threading.Event()
    statuses: list[StreamStatus] = []
    frames: list[Frame] = []
    limits = policy(read_timeout_s=2.0, seconds=90.0)
    with LiveSource("feed", capture(url), limits, statuses.append, stop=stop) as source:
        assert source.connect(), statuses
        for item in source:
            if isinstance(item, Frame):
                frames.append(item)
            if enough(frames, statuses):
                stop.set()
    assert statuses[-1].reason == "stopped", "it took too long"
    return frames, states(statuses)


def test_bare_pictures_over_http_have_no_stamps() -> None:
    with mjpeg([*JPEGS, "hang"]) as server:
        feed = capture(server.url)()
        try:
            info = feed.open()
            first = feed.read()
        finally:
            feed.close()
    assert not info.finite
    assert first is not None
    assert first.image is not None
    assert first.image.shape == (48, 64, 3)
    assert math.isnan(first.stamp_s)


def test_a_title_in_another_encoding_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    write_mkv(path, JPEGS, range(0, 160, 40), fps=25)
    path.write_bytes(path.read_bytes().replace(b"tests", b"t\xe9sts"))
    feed = StreamFeed(f"file://{path}", StreamOptions())
    assert feed.open().fps == 25.0
    feed.close()


@pytest.mark.parametrize("prefix", ["file://", "", "concat:", "subfile,,start,0,end,99999,,:"])
def test_a_feed_does_not_lead_to_files_of_this_machine(tmp_path: Path, prefix: str) -> None:
    """FFmpeg opens from HTTP what HTTP may lead to, and that are no files."""
    encode(str(tmp_path / "own.ts"), "mpegts", [picture(n) for n in range(10)])
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{}\n#EXT-X-ENDLIST\n"
    (tmp_path / "own.m3u8").write_text(text.format("own.ts"))
    (tmp_path / "other.m3u8").write_text(text.format(f"{prefix}{tmp_path / 'own.ts'}"))
    with web_server(tmp_path) as port:
        feed = StreamFeed(f"http://127.0.0.1:{port}/own.m3u8", StreamOptions())
        feed.open()
        assert feed.read() is not None
        feed.close()
        with pytest.raises(SourceError, match="cannot be opened"):
            StreamFeed(f"http://127.0.0.1:{port}/other.m3u8", StreamOptions()).open()


def test_data_that_never_show_a_picture_are_given_up() -> None:
    """A decoder that waits for a key frame says nothing, however much comes."""

    class Silent:
        def decode(self) -> list[Any]:
            return []

    with mjpeg([*JPEGS, "hang"]) as server:
        feed = StreamFeed(server.url, StreamOptions(open_timeout_s=5.0, read_timeout_s=2.0))
        feed.open()
        feed._options = StreamOptions(open_timeout_s=0.1, read_timeout_s=0.1)
        feed._packets = repeat(Silent())  # type: ignore[arg-type]
        try:
            with pytest.raises(SourceError, match="no picture"):
                feed.read()
        finally:
            feed.close()


def test_a_feed_that_ends_is_found_again() -> None:
    with mjpeg(beats(*JPEGS * 10)) as server:
        frames, seen = watch(server.url, lambda frames, statuses: server.connections > 2 and len(frames) > 60)
    assert seen[:4] == ["starting", "running", "reconnecting", "running"]
    assert frames[0].image.shape == (48, 64, 3)
    assert all(later.time_s > earlier.time_s for earlier, later in pairwise(frames))


def test_a_feed_that_hangs_without_closing_is_given_up() -> None:
    with mjpeg([*beats(*JPEGS * 10), "hang"], beats(*JPEGS * 10)) as server:
        _, seen = watch(server.url, lambda frames, statuses: states(statuses).count("running") > 2)
    assert seen[:4] == ["starting", "running", "stalled", "reconnecting"]


def test_a_feed_that_sends_garbage_is_survived() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8).tobytes()
    with mjpeg([Raw(noise)], [*beats(*JPEGS * 8), Raw(noise)], beats(*JPEGS * 20)) as server:
        frames, seen = watch(server.url, lambda frames, statuses: len(frames) > 50)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert "running" in seen


def test_a_change_of_size_within_a_connection_is_told() -> None:
    stop = threading.Event()
    statuses: list[StreamStatus] = []
    shapes: list[tuple[int, ...]] = []
    with (
        mjpeg([*beats(*JPEGS * 5, *[LARGE] * 20), "hang"]) as server,
        LiveSource("feed", capture(server.url), policy(seconds=90.0), statuses.append, stop=stop) as source,
    ):
        assert source.connect()
        for item in source:
            assert isinstance(item, Frame)
            shapes.append(item.image.shape[:2])
            if shapes[-1] == (96, 128):
                stop.set()
    assert server.connections == 1
    assert set(shapes) == {(48, 64), (96, 128)}
    shown = [(s.info.width, s.info.height) for s in statuses if s.info]
    assert shown == [(64, 48), (128, 96)]
    assert statuses[-2].reason == "the picture has changed from 64×48"


def test_pictures_that_cannot_be_decoded_are_none() -> None:
    """A feed of nothing else stalls and is given up."""
    damaged = Raw(
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 300\r\n\r\n"
        + JPEGS[0][:20]
        + bytes(280)
        + b"\r\n"
    )
    with mjpeg([*beats(*JPEGS * 5), *beats(*[damaged] * 200)], beats(*JPEGS * 40)) as server:
        _, seen = watch(server.url, lambda frames, statuses: states(statuses).count("running") > 1)
    assert seen[:5] == ["starting", "running", "stalled", "reconnecting", "running"]


class Cut:
    """A recording over HTTP of which only a part arrives, though all of it was promised."""

    def __init__(self, data: bytes, share: float) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: int(share * len(data))])

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/film.mkv"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize(("share", "end"), [(1.0, "ended"), (0.6, "failed")])
def test_a_recording_that_breaks_off_is_told_from_one_that_ends(
    tmp_path: Path, share: float, end: str
) -> None:
    path = tmp_path / "film.mkv"
    write_mkv(path, JPEGS * 10, range(0, 40 * 20, 20), fps=50)
    server = Cut(path.read_bytes(), share)
    statuses: list[StreamStatus] = []
    try:
        with LiveSource("feed", capture(server.url), policy(seconds=90.0), statuses.append) as source:
            assert source.connect(), statuses
            frames = list(source)
    finally:
        server.close()
    assert states(statuses) == ["starting", "running", end]
    assert (len(frames) == 40) == (share == 1.0)
    if end == "failed":
        assert "broke off" in (statuses[-1].reason or "")


def assert_stamped(frames: list[Frame], seen: list[str]) -> None:
    """At the camera's own 25 pictures a second, however they came."""
    assert seen[:2] == ["starting", "running"]
    steps = np.diff([frame.time_s for frame in frames])
    np.testing.assert_allclose(steps, 0.04, atol=0.001)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}


def test_a_transport_stream_over_http() -> None:
    with transport_stream() as url:
        assert_stamped(*watch(url, lambda frames, statuses: len(frames) > 30))


def test_a_live_playlist(tmp_path: Path) -> None:
    """HLS, which comes in bursts: a segment at a time, of which the folder keeps three."""
    options = {"hls_time": "0.4", "hls_list_size": "3", "hls_flags": "delete_segments"}
    playlist = tmp_path / "live.m3u8"
    with encoder(str(playlist), "hls", **options), web_server(tmp_path) as port:
        until(lambda: playlist.exists() and playlist.read_text().count(".ts") == 3, "the playlist")
        url = f"http://127.0.0.1:{port}/live.m3u8"
        assert_stamped(*watch(url, lambda frames, statuses: len(frames) > 60))


def test_a_playlist_that_ends_is_a_recording(tmp_path: Path) -> None:
    images = [picture(number % 5) for number in range(40)]
    encode(str(tmp_path / "film.m3u8"), "hls", images, options={"hls_time": "0.4", "hls_list_size": "0"})
    statuses: list[StreamStatus] = []
    with web_server(tmp_path) as port:
        feed = capture(f"http://127.0.0.1:{port}/film.m3u8")
        with LiveSource("film", feed, policy(seconds=90.0), statuses.append) as source:
            assert source.connect(), statuses
            assert len(list(source)) == 40
    assert states(statuses) == ["starting", "running", "ended"]


def test_a_transport_stream_by_udp_that_falls_silent_and_returns() -> None:
    """Without a connection nobody says that it is over."""
    address = f"udp://127.0.0.1:{free_port()}"
    with encoder(f"{address}?pkt_size=1316", "mpegts") as camera:
        stop = threading.Event()
        statuses: list[StreamStatus] = []
        count = 0

        def tell(status: StreamStatus) -> None:
            statuses.append(status)
            if status.state == "reconnecting" and camera._off.is_set():
                camera.start()

        limits = policy(read_timeout_s=2.0, seconds=90.0)
        with LiveSource("udp", capture(address), limits, tell, stop=stop) as source:
            assert source.connect(), statuses
            for item in source:
                count += isinstance(item, Frame)
                if count == 30:
                    camera.stop()
                if "reconnecting" in states(statuses) and source.state == "running":
                    stop.set()
    seen = states(statuses)
    assert seen[:3] == ["starting", "running", "stalled"]
    assert seen[-3:] == ["reconnecting", "running", "ended"]


def test_a_change_of_size_over_rtsp_is_told(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    write_mkv(path, [*JPEGS * 8, *[LARGE] * 30], range(0, 62 * 40, 40), fps=25)
    with rtsp(path) as server:
        stop = threading.Event()
        statuses: list[StreamStatus] = []
        limits = policy(read_timeout_s=2.0, seconds=90.0)
        with LiveSource("feed", capture(server.url), limits, statuses.append, stop=stop) as source:
            assert source.connect(), statuses
            for item in source:
                if isinstance(item, Frame) and item.image.shape == (96, 128, 3):
                    stop.set()
    shown = [(s.state, s.info.width, s.info.height) for s in statuses if s.info]
    assert shown == [("running", 64, 48), ("running", 128, 96)]
