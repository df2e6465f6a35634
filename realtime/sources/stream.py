"""One connection to a URL, through FFmpeg's own libraries (PyAV)."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from realtime.errors import SourceError
from realtime.redaction import shown_url
from realtime.sources.common import DEFAULT_FPS, check_size, is_sane_fps
from realtime.sources.feed import FeedInfo, Shot
from realtime.types import U8, readonly

_NO_TIMESTAMPS = 0x0080
"""FFmpeg's AVFMT_NOTIMESTAMPS."""
_MAX_MISSES = 25
"""Faults in a row after which what comes is no video any more."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How to connect."""

    open_timeout_s: float = 8.0
    read_timeout_s: float = 5.0
    rtsp_transport: str = "tcp"


class StreamFeed:
    """A URL. Unlike OpenCV, it sees a change of the picture's size, each picture that cannot be decoded,
    and whether a connection broke off or came to its end.

    Time stamps are the container's, from the start of the video. A feed of bare pictures (MJPEG over HTTP)
    has none: FFmpeg counts them at 25 a second whatever their rate, and says so of the format.
    """

    def __init__(self, url: str, options: StreamOptions) -> None:
        self._url, self._options = url, options
        self._name = shown_url(url)
        self._container: InputContainer | None = None
        self._packets: Iterator[Packet[VideoStream]] = iter(())
        self._decoded: deque[VideoFrame | None] = deque()
        self._reformatter = VideoReformatter()  # keeps its tables from one picture to the next
        self._arrival = (0.0, 0.0)
        self._number = -1

    def open(self) -> FeedInfo:
        rtsp = {"rtsp_transport": self._options.rtsp_transport}
        with self._errors("cannot be opened"):
            self._container = container = av.open(
                self._url,
                timeout=(self._options.open_timeout_s, self._options.read_timeout_s),
                options=rtsp if self._scheme.startswith("rtsp") else {},
                metadata_errors="replace",  # a title in another encoding is no reason to refuse a film
            )
            best = container.streams.best("video")
            if not isinstance(best, VideoStream):
                raise SourceError(f"{self._name}: has no video")
            for other in container.streams:
                if other is not best:
                    other.discard = Discard.all  # or each quality of a playlist would be fetched
            self._video = video = best
            video.thread_count = 1  # several decode several pictures at once, and deliver them later
            self._packets = container.demux(video)
        self._is_stamped = not container.format.flags & _NO_TIMESTAMPS
        self._start_s = float((video.start_time or 0) * (video.time_base or 0))
        return self._info(container, video)

    def read(self) -> Shot | None:
        ends_s = time.monotonic() + self._options.open_timeout_s + self._options.read_timeout_s
        while not self._decoded:
            if time.monotonic() > ends_s:  # or an abandoned reader would go on for as long as data come
                raise SourceError(f"{self._name}: sends data that show no picture")
            if not self._take_packet():
                return None
        frame = self._decoded.popleft()
        self._number += 1
        stamp_s = math.nan
        if frame is not None and self._is_stamped and frame.time is not None:
            stamp_s = frame.time - self._start_s
        return Shot(self._number, *self._arrival, stamp_s, None if frame is None else self._picture(frame))

    def close(self) -> None:
        if self._container is not None:
            self._packets = iter(())
            self._container.close()
            self._container = None

    @property
    def _scheme(self) -> str:
        return self._url.split("://", 1)[0].lower()

    def _info(self, container: InputContainer, video: VideoStream) -> FeedInfo:
        stated = float(video.guessed_rate or 0.0)
        notes = [] if self._is_stamped else ["has no time stamps; those of arrival are used"]
        if not is_sane_fps(stated):
            notes.append(f"states no frame rate; {DEFAULT_FPS:g} per second assumed")
        rate = stated if is_sane_fps(stated) else DEFAULT_FPS
        # RTSP servers state a duration, and some cameras a length of their MJPEG, for what is live
        bounded = container.duration or (self._is_stamped and container.size > 0)
        finite = bool(bounded) and self._scheme in ("http", "https", "ftp")
        return FeedInfo(rate, finite, tuple(notes))

    def _take_packet(self) -> bool:
        """Decode the next packet; False at the end of the stream."""
        assert self._container is not None
        misses = 0
        with self._errors("broke off"):
            while misses < _MAX_MISSES:
                try:
                    packet = next(self._packets, None)
                    break
                except av.error.InvalidDataError:
                    misses += 1
                    self._packets = self._container.demux(self._video)
            else:
                raise SourceError(f"{self._name}: sends what is no video")
        if packet is None:
            return False
        self._arrival = (time.monotonic(), time.time())
        try:
            self._decoded.extend(packet.decode())
        except av.error.FFmpegError:
            self._decoded.append(None)
        return True

    def _picture(self, frame: VideoFrame) -> U8 | None:
        """BGR, upright; None for a picture that came damaged, whose patches would look like motion."""
        if frame.is_corrupt:
            return None
        check_size(self._name, frame.width, frame.height)
        try:
            shown = self._reformatter.reformat(frame, format="bgr24", interpolation="BICUBIC")
        except (av.error.FFmpegError, ValueError):
            return None
        image = np.rot90(shown.to_ndarray(), frame.rotation // 90)
        return readonly(np.ascontiguousarray(image, dtype=np.uint8))

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """FFmpeg's faults as `SourceError`, without the URL that they name."""
        try:
            yield
        except av.error.ExitError as error:
            raise SourceError(f"{self._name}: {what}: no answer in time") from error
        except av.error.FFmpegError as error:
            raise SourceError(f"{self._name}: {what}: {error.strerror}") from error
