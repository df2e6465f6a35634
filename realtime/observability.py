"""Where the stream could not have shown a micro-expression, and why: silence is not calmness."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from realtime.errors import ConfigError
from realtime.types import FacialEvent, FrameRow, Unobservable

_CAUSES: Mapping[str, str] = {
    "blurred": "blur",
    "small_face": "few_pixels",
    "turned_away": "turned_away",
    "no_face": "no_face",
    "dark": "light",
    "black": "light",
    "saturated": "light",
}


def cause_of(skipped: str) -> str:
    """The cause of an unobservable stretch, from that of a frame without evidence."""
    return _CAUSES.get(skipped, "gap")


@dataclass(frozen=True, slots=True)
class ObservabilityConfig:
    """What is told of the stretches in which a micro-expression could not have been seen."""

    few_pixels_below_px: float = 40.0
    """With less between the eyes the picture's own noise hides small movements, pixels."""
    few_pixels_motion: float = 0.5
    """Motion up to which it is taken for that noise there, percent of the eye distance per lag."""
    longest_step_s: float = 0.045
    """Frames further apart than this are too few: a micro-expression may rise within 1/25 s."""
    merge_s: float = 0.4
    """Stretches closer together than this are one: no micro-expression fits between them, s."""
    least_s: float = 0.1
    """Shorter stretches hide nothing, s."""
    afterglow_s: float = 0.4
    """How long a micro-expression that was found goes on counting as motion after its decision, s."""
    report_s: float = 10.0
    """A stretch that lasts longer is told in parts of this length, s."""

    def cause(self, cause: str | None, motion: float, eye_distance_px: float) -> str | None:
        """What the spotter says, told apart: "motion" that is but noise on a small face is "few_pixels"."""
        small = eye_distance_px < self.few_pixels_below_px and motion < self.few_pixels_motion
        return "few_pixels" if cause == "motion" and small else cause

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not 0.0 < getattr(self, name) <= 1000.0:
                raise ConfigError(f"observability.{name} must lie above 0, up to 1000")


@dataclass(frozen=True, slots=True)
class _Piece:
    from_s: float
    to_s: float
    cause: str

    @property
    def length_s(self) -> float:
        return self.to_s - self.from_s


class Timeline:
    """One face's stretches: `push(time, cause)` gives those that are over, `flush` the last one.

    The time between two frames belongs to the later one. Merging and the least length keep the stream
    from being flooded, so a stretch is told `merge_s` after its end.
    """

    def __init__(self, config: ObservabilityConfig, face: int | None = None) -> None:
        self._config = config
        self._face = face
        self._pieces: list[_Piece] = []
        self._last_s: float | None = None
        self._seen_s = (math.inf, -math.inf)
        self.length_s = 0.0
        """Time watched, s."""

    def push(self, time_s: float, cause: str | None) -> tuple[Unobservable, ...]:
        """Take a frame's time, which never falls, and why nothing could be seen in it, or None."""
        from_s = time_s if self._last_s is None else self._last_s
        self._last_s = time_s
        self.length_s += time_s - from_s
        if cause is None and time_s - from_s > self._config.longest_step_s:
            cause = "frame_rate"
        if cause is not None and not (cause == "motion" and self._seen_s[0] <= time_s <= self._seen_s[1]):
            self._add(_Piece(from_s, time_s, cause))
        if not self._pieces:
            return ()
        first_s, last_s = self._pieces[0].from_s, self._pieces[-1].to_s
        silent_s, length_s = time_s - last_s + 1e-6, last_s - first_s + 1e-6
        over = silent_s >= self._config.merge_s or length_s >= self._config.report_s
        return self.flush() if over else ()

    def seen(self, from_s: float, to_s: float) -> None:
        """A micro-expression was found here: what moved was the micro-expression, and it hid nothing."""
        self._seen_s = (from_s, to_s)
        kept: list[_Piece] = []
        for piece in self._pieces:
            if piece.cause != "motion" or piece.to_s <= from_s or piece.from_s >= to_s:
                kept.append(piece)
                continue
            rest = (_Piece(piece.from_s, from_s, piece.cause), _Piece(to_s, piece.to_s, piece.cause))
            kept += [part for part in rest if part.length_s > 0.0]
        self._pieces = kept

    def flush(self) -> tuple[Unobservable, ...]:
        """The stretch that is open, because the stream or the face ends. Idempotent."""
        pieces, self._pieces = self._pieces, []
        least_s = self._config.least_s
        return tuple(
            Unobservable(piece.from_s, piece.to_s, piece.cause, self._face)
            for run in _runs(pieces, self._config.merge_s)
            if run[-1].to_s - run[0].from_s >= least_s - 1e-9
            for piece in _simplify(run, least_s)
        )

    def _add(self, piece: _Piece) -> None:
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.cause == piece.cause and last.to_s == piece.from_s:
            self._pieces[-1] = _Piece(last.from_s, piece.to_s, piece.cause)
        elif piece.length_s > 0.0:
            self._pieces.append(piece)


class Observability:
    """All faces' stretches of a stream: `push(rows, events)` gives those that are over.

    With `several` faces each has a timeline of its own, and so has the time in which there is none;
    else there is one timeline for the stream.
    """

    def __init__(self, config: ObservabilityConfig | None = None, *, several: bool = False) -> None:
        self.config = config or ObservabilityConfig()
        self._several = several
        self.reset()

    def reset(self) -> None:
        self._timelines: dict[int | None, Timeline] = {}
        self._watched_s = 0.0
        self._spent_s: defaultdict[str, float] = defaultdict(float)

    def push(self, rows: Sequence[FrameRow], events: Sequence[FacialEvent]) -> tuple[Unobservable, ...]:
        """Take the rows of one frame, and the events that it decided."""
        for event in events:
            timeline = self._timelines.get(self._key(event.face))
            if timeline is not None and event.kind == "micro_expression":
                keys = event.key_frames
                timeline.seen(keys.onset_s, keys.decided_s + self.config.afterglow_s)
        here = {self._key(row.face_id): row for row in rows if row.time_s is not None}
        if not here:
            return ()
        told = self._end(key for key in list(self._timelines) if key not in here)
        for key, row in here.items():
            if key not in self._timelines:
                self._timelines[key] = Timeline(self.config, key)
            assert row.time_s is not None
            told += self._timelines[key].push(row.time_s, row.unobservable)
        return self._told(told)

    def flush(self) -> tuple[Unobservable, ...]:
        """What is open, because the stream ends. Idempotent."""
        return self._told(self._end(list(self._timelines)))

    @property
    def shares(self) -> Mapping[str, float]:
        """Share of the time in which a face was looked for that could not be observed, by cause, 0..1."""
        length_s = self._watched_s + sum(timeline.length_s for timeline in self._timelines.values())
        return {cause: s / length_s for cause, s in sorted(self._spent_s.items()) if length_s > 0.0}

    def _key(self, face: int | None) -> int | None:
        return face if self._several else None

    def _end(self, keys: Iterable[int | None]) -> tuple[Unobservable, ...]:
        told: tuple[Unobservable, ...] = ()
        for key in keys:
            timeline = self._timelines.pop(key)
            self._watched_s += timeline.length_s
            told += timeline.flush()
        return told

    def _told(self, stretches: tuple[Unobservable, ...]) -> tuple[Unobservable, ...]:
        for stretch in stretches:
            self._spent_s[stretch.cause] += stretch.to_s - stretch.from_s
        return stretches


def _runs(pieces: Sequence[_Piece], merge_s: float) -> Iterator[list[_Piece]]:
    """Pieces that are close together, with no time left out between them."""
    run: list[_Piece] = []
    for piece in pieces:
        if run and piece.from_s - run[-1].to_s >= merge_s:
            yield run
            run = []
        if run:
            run[-1] = _Piece(run[-1].from_s, piece.from_s, run[-1].cause)
        run.append(piece)
    if run:
        yield run


def _simplify(run: Sequence[_Piece], least_s: float) -> list[_Piece]:
    """The same time in pieces of at least `least_s`, as far as it is that long, neighbours distinct."""
    joined: list[_Piece] = []
    for piece in run:
        last = joined[-1] if joined else None
        if last is None:
            joined.append(piece)
        elif piece.cause == last.cause or piece.length_s < least_s:
            joined[-1] = _Piece(last.from_s, piece.to_s, last.cause)
        elif last.length_s < least_s:
            joined[-1] = _Piece(last.from_s, piece.to_s, piece.cause)
        else:
            joined.append(piece)
    return joined
