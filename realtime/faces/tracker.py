"""The faces in the frame, followed by time: the mesh runs every `interval_s`, not on every frame.

With frames much closer together than that the mesh has a thread of its own, so that no frame waits for it.
What it finds is taken up a fixed stream time later, so results do not depend on how fast the machine is.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from realtime.errors import ConfigError
from realtime.faces.follower import FaceFollower, box_around, extent
from realtime.faces.mesh import Box, FaceFinder
from realtime.threads import give_way
from realtime.types import F32, U8, Face, Frame

MAX_FACES = 16
_LEAST_BOX_PX = 8
_SPARE_BOXES = 2
"""Boxes that are tried beyond the number of faces that are missing: some hold no face."""


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """Settings of the face tracker."""

    interval_s: float = 0.05
    """The mesh runs when at least this much stream time has passed since its last run, s."""
    detection_confidence: float = 0.5
    """Least confidence of the detector and of the mesh, 0..1."""
    window_scale: float = 3.0
    """Side of the square in which the mesh looks, in face widths."""
    max_faces: int = 1
    """Most faces that are followed at once."""
    search_s: float = 0.5
    """With several faces: how often the frame is searched for one more while some are in view, s."""
    remember_s: float = 1.0
    """With several faces: one that is hidden for at most this long keeps its number, s. A single face
    gets a new number whenever it was lost."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.interval_s <= 1.0:
            raise ConfigError(f"tracker.interval_s must lie in 0..1, not {self.interval_s}")
        if not 0.0 < self.detection_confidence < 1.0:
            raise ConfigError(
                f"tracker.detection_confidence must lie between 0 and 1, not {self.detection_confidence}"
            )
        if not 1.5 <= self.window_scale <= 10.0:
            raise ConfigError(f"tracker.window_scale must lie in 1.5..10, not {self.window_scale}")
        if not 1 <= self.max_faces <= MAX_FACES:
            raise ConfigError(f"tracker.max_faces must lie in 1..{MAX_FACES}, not {self.max_faces}")
        if not 0.1 <= self.search_s <= 60.0:
            raise ConfigError(f"tracker.search_s must lie in 0.1..60, not {self.search_s}")
        if not 0.0 <= self.remember_s <= 10.0:
            raise ConfigError(f"tracker.remember_s must lie in 0..10, not {self.remember_s}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """Where a face was seen last, and when."""

    points: F32
    time_s: float


@dataclass(frozen=True, slots=True)
class _Look:
    """A look of the mesh that goes on in its thread."""

    future: Future[None]
    due_s: float


def _shift(before: F32, now: F32) -> float:
    """How far a face moved between two measurements, as a share of its size."""
    jump = np.abs(now[:, :2].mean(axis=0) - before[:, :2].mean(axis=0)).max()
    return float(jump) / extent(before)


def _centre_inside(points: F32, box: Box) -> bool:
    x, y = points[:, :2].mean(axis=0)
    return bool(box[0] <= x <= box[0] + box[2] and box[1] <= y <= box[1] + box[3])


class FaceTracker:
    """The largest faces of the stream: `push(frame)` gives them by number, none where none is seen.

    The detector looks at whole frames until a face is found, and every `search_s` for further ones
    where several are wanted; from then on a mesh follows each in a window of the frame, which also
    lets it see faces that are small in the frame. Between two runs of the mesh the last landmarks are
    held. Numbers rest on place alone: nothing is kept that could tell one person from another.
    Time comes from the frames alone.

    Where frames are at most half the interval apart, the mesh looks while further ones pass: its
    landmarks then belong to the face half an interval earlier, which the alignment smooths over anyway.
    """

    def __init__(self, config: TrackerConfig | None = None) -> None:
        self.config = config or TrackerConfig()
        # the models are made where they will run: their own threads take after that one
        self._thread = ThreadPoolExecutor(1, "face-mesh", initializer=give_way)
        try:
            self._finder = self._thread.submit(FaceFinder, self.config.detection_confidence).result()
            self._all: list[FaceFollower] = []
            self._idle = [self._thread.submit(self._follower).result()]
        except BaseException:
            self._thread.shutdown()
            raise
        self._active: dict[int, FaceFollower] = {}
        self._look: _Look | None = None
        self.reset()

    def reset(self) -> None:
        """As new; numbers start from 0 again."""
        look, self._look = self._look, None
        if look is not None:
            wait([look.future])  # whatever becomes of it
        self._active = {}
        self._idle = self._all.copy()
        for follower in self._idle:
            self._thread.submit(follower.reset).result()
        self._next_id = 0
        self._known: dict[int, _Seen] = {}
        self._ran_s: float | None = None
        self._searched_s: float | None = None
        self._looked_s = -np.inf
        self._last_s: float | None = None
        self._shown: tuple[tuple[int, F32], ...] = ()

    def push(self, frame: Frame) -> tuple[Face, ...]:
        """The faces in this frame, measured afresh or held from the last measurement."""
        now_s = frame.time_s
        half_s = self.config.interval_s / 2.0
        quick = self._last_s is not None and now_s - self._last_s <= half_s + 1e-6
        self._last_s = now_s
        due = self._ran_s is None or now_s - self._ran_s >= self.config.interval_s - 1e-6
        measured = False
        if self._look is not None and (due or now_s >= self._look.due_s - 1e-6):
            self._finish()
            measured = True
        if due:
            self._ran_s = now_s
            if quick and self._shown:
                future = self._thread.submit(self._look_at, frame.image, now_s)
                self._look = _Look(future, now_s + half_s)
            else:
                self._look_at(frame.image, now_s)
                self._show()
                measured = True
        return tuple(Face(number, points, measured) for number, points in self._shown)

    def close(self) -> None:
        """Free the models."""
        self._thread.shutdown()
        self._finder.close()
        for follower in self._all:
            follower.close()

    def _follower(self) -> FaceFollower:
        self._all.append(FaceFollower(self.config.detection_confidence, self.config.window_scale))
        return self._all[-1]

    def _finish(self) -> None:
        """Wait for the look that goes on, if there is one, and show what it found."""
        look, self._look = self._look, None
        if look is not None:
            look.future.result()
            self._show()

    def _show(self) -> None:
        active = sorted(self._active.items())
        self._shown = tuple((number, f.points) for number, f in active if f.points is not None)

    def _look_at(self, image: U8, now_s: float) -> None:
        try:
            self._follow(image, now_s)
        except BaseException:  # no follower is lost: each holds a model
            self._idle = [f for f in self._all if f not in self._active.values()]
            raise

    def _follow(self, image: U8, now_s: float) -> None:
        before, self._active = self._active, {}
        for number, follower in before.items():
            if follower.follow(image, self._others(before, number)) and not self._covered(follower.points):
                self._adopt(follower, now_s, number)
            else:
                self._rest(follower)
        if self._search_is_due(now_s, lost=len(self._active) < len(before)):
            self._searched_s = now_s
            self._search(image, now_s)
        self._looked_s = now_s

    def _search_is_due(self, now_s: float, *, lost: bool) -> bool:
        if len(self._active) >= self.config.max_faces:
            return False
        rested = self._searched_s is None or now_s - self._searched_s >= self.config.search_s - 1e-6
        return not self._active or lost or rested

    def _search(self, image: U8, now_s: float) -> None:
        """Take up faces that are not followed yet, largest first."""
        boxes = [box for box in self._finder.find(image) if min(box[2], box[3]) >= _LEAST_BOX_PX]
        taken = [f.points for f in self._active.values() if f.points is not None]
        new = [box for box in boxes if not any(_centre_inside(points, box) for points in taken)]
        several = self.config.max_faces > 1
        for box in new[: self.config.max_faces - len(self._active) + _SPARE_BOXES]:
            if len(self._active) == self.config.max_faces:
                break
            others = [other for other in boxes if other is not box] if several else []
            follower = self._idle.pop() if self._idle else self._follower()
            if follower.start(image, box, others) and not self._covered(follower.points):
                self._adopt(follower, now_s)
            else:
                self._rest(follower)

    def _others(self, followers: dict[int, FaceFollower], number: int) -> list[Box]:
        return [box_around(f.points) for n, f in followers.items() if n != number and f.points is not None]

    def _covered(self, points: F32 | None) -> bool:
        """Whether these are the points of a face that another mesh follows already."""
        if points is None:
            return False
        followed = (f.points for f in self._active.values())
        return any(p is not None and _shift(p, points) < 0.5 for p in followed)

    def _adopt(self, follower: FaceFollower, now_s: float, number: int | None = None) -> None:
        """Give the face its number: its own unless it has jumped, else a remembered or a new one."""
        assert follower.points is not None
        if number is None or _shift(self._known[number].points, follower.points) >= 0.5:
            number = self._recall(follower.points)
        self._active[number] = follower
        self._known[number] = _Seen(follower.points, now_s)

    def _recall(self, points: F32) -> int:
        """The number of the face that was last seen here, or a new one.

        A face that was hidden may have moved on by its own size in a second.
        """
        several = self.config.max_faces > 1
        memory_s = self.config.remember_s + self.config.search_s if several else 0.0
        last_s = self._looked_s
        self._known = {
            n: seen
            for n, seen in self._known.items()
            if n in self._active or last_s - seen.time_s <= memory_s
        }
        shifts = {
            n: _shift(seen.points, points) - (last_s - seen.time_s)
            for n, seen in self._known.items()
            if n not in self._active
        }
        nearest = min(shifts, key=lambda n: shifts[n], default=None)
        if nearest is not None and shifts[nearest] < 0.5:
            return nearest
        self._next_id += 1
        return self._next_id - 1

    def _rest(self, follower: FaceFollower) -> None:
        follower.lose()
        self._idle.append(follower)
