from __future__ import annotations

import os
import socket
import struct
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media import encode, jpeg, picture, write_mkv, write_video

from realtime.errors import SourceError, UsageError
from realtime.sources import VideoSource, open_source
from realtime.sources.stream import StreamFeed, StreamOptions
from realtime.types import U8, Frame, Unreadable


def turned(path: Path, image: U8) -> None:
    """A film as of a telephone that was held upright: to be turned by 90° to the right when it is shown
    (ISO 14496-12, 8.3.2: the matrix of the track header)."""
    encode(str(path), "mp4", [image] * 3)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, image.shape[0] << 16, 0, 1 << 30)
    path.write_bytes(data)


def test_a_film_that_was_taken_upright_is_shown_upright(tmp_path: Path) -> None:
    path, image = tmp_path / "film.mp4", picture(1, 128, 96)
    turned(path, image)
    source = VideoSource(path)
    assert (source.info.width, source.info.height) == (96, 128)
    frames = frames_of(source)
    assert np.abs(frames[0].image.astype(int) - np.rot90(image, -1)).mean() < 12
    feed = StreamFeed(f"file:{path}", StreamOptions())
    feed.open()
    shot = feed.read()
    feed.close()
    assert shot is not None
    assert shot.image is not None
    assert np.abs(frames[0].image.astype(int) - shot.image).max() <= 2


def frames_of(source: Any) -> list[Frame]:
    with source:
        items = list(source)
    assert all(isinstance(item, Frame) for item in items)
    return items


@pytest.mark.parametrize(
    ("codec", "suffix", "exact"),
    [("FFV1", "mkv", True), ("FFV1", "avi", True), ("mp4v", "mp4", False), ("MJPG", "avi", False)],
)
def test_reads_the_usual_containers(tmp_path: Path, codec: str, suffix: str, exact: bool) -> None:
    path = tmp_path / f"video.{suffix}"
    pictures = write_video(path, codec, 9)
    source = VideoSource(path)
    assert (source.info.width, source.info.height, source.info.fps) == (64, 48, 100.0)
    assert (source.info.source, source.info.notes) == (str(path), ())
    frames = frames_of(source)
    assert [frame.index for frame in frames] == list(range(9))
    assert [frame.time_s for frame in frames] == pytest.approx([index / 100 for index in range(9)])
    for frame, expected in zip(frames, pictures, strict=True):
        error = np.abs(frame.image.astype(int) - expected).mean()
        assert error <= (3 if exact else 12)
        assert frame.image.dtype == np.uint8
        assert not frame.image.flags.writeable


def test_two_runs_are_alike(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    write_video(path, "mp4v", 6)
    first, second = frames_of(VideoSource(path)), frames_of(VideoSource(path))
    assert [frame.time_s for frame in first] == [frame.time_s for frame in second]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))


def test_variable_frame_rate_comes_from_the_stamps(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mkv"
    times_ms = [0, 33, 100, 105, 110, 300, 333, 366]
    pictures = [picture(seed) for seed in range(8)]
    write_mkv(path, [jpeg(image) for image in pictures], times_ms)
    frames = frames_of(VideoSource(path))
    assert [round(frame.time_s * 1000) for frame in frames] == times_ms
    for frame, expected in zip(frames, pictures, strict=True):  # the stamp belongs to this very picture
        assert np.abs(frame.image.astype(int) - expected).mean() < 12


def test_times_count_from_the_start_of_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "late.mkv"
    write_mkv(path, [jpeg(picture(seed)) for seed in range(3)], [7000, 7033, 7066])
    assert [round(frame.time_s * 1000) for frame in frames_of(VideoSource(path))] == [0, 33, 66]


def test_no_timestamps_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "zero.mkv"
    write_mkv(path, [jpeg(picture(seed)) for seed in range(5)], [0] * 5, fps=50)
    source = VideoSource(path)
    frames = frames_of(source)
    assert [frame.time_s for frame in frames] == pytest.approx([i / source.info.fps for i in range(5)])
    assert any("no timestamps" in note for note in source.info.notes)


@pytest.mark.parametrize("times_ms", [[0, 33, 66, 50, 133, 166], [0, 33, 66, 90_000, 90_033, 90_066]])
def test_lying_timestamps_are_noted_once(tmp_path: Path, times_ms: list[int]) -> None:
    path = tmp_path / "lies.mkv"
    write_mkv(path, [jpeg(picture(seed)) for seed in range(6)], times_ms)
    source = VideoSource(path)
    times_s = [frame.time_s for frame in frames_of(source)]
    assert all(0 < b - a < 0.1 for a, b in pairwise(times_s))
    assert len(source.notes) == 1
    assert "first at frame 3" in source.notes[0]


def test_unknown_frame_rate_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "rate.mkv"
    write_mkv(path, [jpeg(picture(seed)) for seed in range(8)], [0, 7, 20, 25, 32, 42, 45, 52], fps=None)
    info = VideoSource(path).info
    assert 100 < info.fps < 200
    assert any("1000" in note for note in info.notes)


def test_a_given_frame_rate_replaces_the_stamps(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    write_video(path, "MJPG", 4, fps=25)
    source = VideoSource(path, fps=200)
    assert source.info.fps == 200
    assert any("200" in note for note in source.info.notes)
    assert [frame.time_s for frame in frames_of(source)] == [0.0, 0.005, 0.01, 0.015]


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), 1e6])
def test_an_impossible_frame_rate_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(UsageError, match="frame rate"):
        VideoSource(tmp_path / "video.avi", fps=fps)


def test_damaged_frames_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mkv"
    frames = [jpeg(picture(seed)) for seed in range(8)]
    frames[3] = b"\x00" * 40
    frames[5] = frames[5][:300]
    write_mkv(path, frames, [round(index * 1000 / 30) for index in range(8)])
    with VideoSource(path) as source:
        items = list(source)
    assert [item.index for item in items] == list(range(8))
    assert [item for item in items if isinstance(item, Unreadable)] == [
        Unreadable(3, "undecodable"),
        Unreadable(5, "undecodable"),
    ]
    assert items[4].time_s == pytest.approx(0.133, abs=0.001)


@pytest.mark.parametrize("share", [0.4, 0.75])
def test_a_file_that_is_cut_off_ends(tmp_path: Path, share: float) -> None:
    whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
    write_video(whole, "MJPG", 40)
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    items = list(VideoSource(cut))
    assert 0.5 * share * 40 < len(items) <= 40 * share + 1
    assert [item.index for item in items] == list(range(len(items)))


def test_a_stream_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    write_video(path, "MJPG", 2)
    source = VideoSource(path)
    assert len(list(source)) == 2
    with pytest.raises(UsageError, match="read already"):
        list(source)


def test_leaving_early_closes(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    write_video(path, "MJPG", 5)
    before = set(threading.enumerate())
    with VideoSource(path) as source:
        stream = iter(source)
        next(stream)
    assert next(stream, None) is None
    assert not set(threading.enumerate()) - before


def test_an_iteration_that_is_let_go_of_stops_its_thread(tmp_path: Path) -> None:
    path = tmp_path / "video.avi"
    write_video(path, "MJPG", 50)
    before = set(threading.enumerate())
    stream = iter(VideoSource(path))
    next(stream)
    (thread,) = set(threading.enumerate()) - before
    del stream
    thread.join(5.0)
    assert not thread.is_alive()


def test_no_video(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "whole.mp4"
    write_video(whole, "mp4v", 5)
    contents = {
        "empty.mp4": b"",
        "text.mp4": b"This is no video, it is only called one.\n" * 50,
        "notes.txt": b"Neither is this.\n" * 50,
        "noise.mkv": np.random.default_rng(0).bytes(5000),
        "cut.mp4": whole.read_bytes()[:600],
    }
    capfd.readouterr()
    for name, data in contents.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(SourceError) as error:
            open_source(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["film.mp4", "film.m3u8", "film.sdp", "film.ffconcat", "film.mpd"])
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{url}\n#EXT-X-ENDLIST\n",
        '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:2.0,\nfilm.mp4\n'
        "#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{url}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP/TCP 96\n"
        "a=rtpmap:96 H264/90000\na=control:rtsp://127.0.0.1:{port}/\n",
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
    ],
    ids=["playlist", "key", "concat", "session", "manifest"],
)
def test_a_file_that_leads_elsewhere_is_no_film_and_nobody_is_called(
    tmp_path: Path, name: str, text: str
) -> None:
    """FFmpeg opens playlists, which may name addresses; from a file it must not follow them."""
    path = tmp_path / name
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        path.write_text(text.replace("{url}", f"http://127.0.0.1:{port}/a.ts").replace("{port}", str(port)))
        with pytest.raises(SourceError, match=name):
            VideoSource(path)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is no regular file"):
        VideoSource(tmp_path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        open_source(tmp_path / "none.mp4")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(SourceError, match="cannot be read"):
        open_source(path)


def test_frames_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "video.avi"
    write_video(path, "MJPG", 2)
    monkeypatch.setattr("realtime.sources.common.MAX_SIDE_PX", 60)
    with pytest.raises(SourceError, match="64×48 pixels are too large; the limit is 60"):
        open_source(path)
