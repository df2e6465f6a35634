"""A long run on a short stream, over and over: does memory grow, do events stay the same, is all closed?

    python -m benchmarks.soak --frames 1000000 [--minutes 60] [--max-faces 2] [--json FILE]

About 20 s of a synthetic stream are rendered once and pushed again and again, as fast as they are taken, with
stream time going on: people who come and go one after the other, pictures without anybody, a feed that hangs,
black and unreadable frames, and two connections with pictures of different sizes; between them the feed is
lost for a while, and what was going on is decided as `glimpse live` does it. What each round gives is held
against a short run of its own. Memory is that of the process: its slope is taken over the second half.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from offline.synthesis.identities import make_identity
from offline.synthesis.stream import CALM, StreamPlan, SyntheticStream
from realtime.api import load_recognizer
from realtime.bench.environment import environment
from realtime.bench.memory import peak_mb, resident_mb, slope
from realtime.config import PipelineConfig
from realtime.pipeline import Pipeline
from realtime.types import U8, FacialEvent, Frame, Notice, Unobservable, Unreadable, readonly

OUTAGE_S = 1.5
SIZES = ((160, 120, 80.0), (192, 144, 96.0))
"""Width, height and width of the face, pixels, of the two connections."""
SAY_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What one connection shows, in order; None is a frame that cannot be decoded."""

    pictures: tuple[U8 | None, ...]


def scenes(fps: float, seconds: float) -> tuple[Scene, ...]:
    """The two connections of a round; each person is seen for `seconds`."""
    first, second = SIZES
    nobody = _noise(first, round(fps), seed=1)
    hangs = [nobody[-1]] * round(0.4 * fps)
    black: list[U8 | None] = [np.zeros_like(nobody[0])] * round(0.3 * fps)
    broken: list[U8 | None] = [None] * 5
    return (
        Scene((*_person(3, first, fps, seconds), *nobody, *hangs, *_person(8, first, fps, seconds))),
        Scene((*_person(5, second, fps, seconds), *broken, *black)),
    )


def _person(seed: int, size: tuple[int, int, float], fps: float, seconds: float) -> list[U8]:
    plan = StreamPlan(
        make_identity(seed), seconds=seconds, fps=fps, width=size[0], height=size[1], face_width_px=size[2],
        seed=seed, events=round(seconds / 3.0), amplitude_percent=(1.0, 1.5), confounders=CALM,
    )  # fmt: skip
    return [readonly(picture) for picture in SyntheticStream(plan).frames()]


def _noise(size: tuple[int, int, float], count: int, seed: int) -> list[U8]:
    rng = np.random.default_rng(seed)
    return [readonly(rng.integers(90, 110, (size[1], size[0], 3), dtype=np.uint8)) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Seen:
    """An event, its times and numbers counted from the start of its round."""

    kind: str
    face: int
    label: str | None
    onset_frame: int
    apex_frame: int
    offset_frame: int
    decided_frame: int
    strength: float
    probabilities: tuple[float, ...]

    def differs(self, other: Seen) -> float:
        """Largest relative difference of what is measured; infinite where anything else differs."""
        if replace(self, strength=0.0, probabilities=()) != replace(other, strength=0.0, probabilities=()):
            return float("inf")
        pairs = zip((self.strength, *self.probabilities), (other.strength, *other.probabilities), strict=True)
        return max(abs(a - b) / max(abs(a), abs(b), 1e-9) for a, b in pairs)


@dataclass(slots=True)
class Round:
    """What one round gave."""

    events: list[Seen] = field(default_factory=list)
    stretches: list[tuple[str, int, int]] = field(default_factory=list)
    """Cause and length of what was unobservable: from, to in ms of the round."""
    skipped: dict[str, int] = field(default_factory=dict)


class Soak:
    """The route over the scenes, round after round."""

    def __init__(self, pipeline: Pipeline, shown: Sequence[Scene], fps: float) -> None:
        self._pipeline, self._scenes, self._fps = pipeline, shown, fps
        self._index, self._start_s = 0, 0.0
        self.frames_per_round = sum(len(scene.pictures) for scene in shown)

    def run(self) -> Round:
        """One round."""
        first, start_s, found = self._index, self._start_s, Round()
        before = dict(self._pipeline.skipped)
        for scene in self._scenes:
            for frame in self._frames(scene):
                decided = self._pipeline.push(frame)
                if decided or self._pipeline.notices:
                    self._note(found, decided, first, start_s)
            decided = self._pipeline.flush()  # nothing spans an outage
            self._note(found, decided, first, start_s)
            self._start_s += len(scene.pictures) / self._fps + OUTAGE_S
        found.skipped = {
            cause: count - before.get(cause, 0) for cause, count in self._pipeline.skipped.items()
        }
        return found

    def _frames(self, scene: Scene) -> Iterator[Frame | Unreadable]:
        for number, picture in enumerate(scene.pictures):
            index, self._index = self._index, self._index + 1
            if picture is None:
                yield Unreadable(index, "undecodable")
            else:
                yield Frame(index, self._start_s + number / self._fps, picture)

    def _note(self, found: Round, decided: Sequence[FacialEvent], first: int, start_s: float) -> None:
        for event in decided:
            keys = event.key_frames
            after_s = keys.decided_s - start_s
            recognition = event.recognition
            found.events.append(
                Seen(
                    event.kind,
                    event.face,
                    event.label,
                    keys.onset_frame - first,
                    keys.apex_frame - first,
                    keys.offset_frame - first,
                    round(after_s * self._fps),
                    keys.strength,
                    tuple(recognition.probabilities.values()) if recognition else (),
                )
            )
        found.stretches += [
            _stretch(n, start_s) for n in self._pipeline.notices if isinstance(n, Unobservable)
        ]


def _stretch(notice: Notice, start_s: float) -> tuple[str, int, int]:
    assert isinstance(notice, Unobservable)
    return notice.cause, round(1000 * (notice.from_s - start_s)), round(1000 * (notice.to_s - start_s))


@dataclass(slots=True)
class Course:
    """What was read off the process after each round."""

    frames: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    private_mb: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def read(self, frames: int) -> None:
        """Take a reading."""
        self.frames.append(frames)
        self.resident_mb.append(resident_mb() or 0.0)
        self.private_mb.append(private_mb())
        self.threads.append(len(os.listdir("/proc/self/task")))
        self.files.append(len(os.listdir("/proc/self/fd")))


def private_mb() -> float:
    """Memory that this process shares with nobody, MB."""
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return sum(int(row.split()[1]) for row in text.splitlines() if row.startswith("Private_")) / 1024.0


def soak(
    frames: int,
    *,
    minutes: float = math.inf,
    fps: float = 200.0,
    seconds: float = 5.0,
    max_faces: int = 1,
    model: str = "default",
) -> dict[str, Any]:
    """Run at least `frames` frames, in whole rounds, or what fits into `minutes`; gives the record."""
    cv2.setNumThreads(1)  # as in `glimpse live`
    shown = scenes(fps, seconds)
    config = PipelineConfig().with_max_faces(max_faces)
    recognizer = None if model == "none" else load_recognizer(model, config=config.recognition)
    with Pipeline(config, recognizer) as pipeline:
        short = Soak(pipeline, shown, fps)
        expected = [short.run(), short.run()]
    course, unequal, worst = Course(), 0, 0.0
    started_s = said_s = time.monotonic()
    with Pipeline(config, recognizer) as pipeline:
        run = Soak(pipeline, shown, fps)
        while pipeline.counts["frames"] < frames and time.monotonic() - started_s < 60.0 * minutes:
            found, wanted = run.run(), expected[min(len(course.frames), 1)]
            difference = _difference(found, wanted)
            unequal += difference == float("inf")
            worst = max(worst, difference if difference < float("inf") else 0.0)
            course.read(pipeline.counts["frames"])
            if time.monotonic() - said_s > SAY_EVERY_S:
                said_s = time.monotonic()
                print(_line(course, unequal), file=sys.stderr, flush=True)
        counts = dict(pipeline.counts)
    wall_s = time.monotonic() - started_s
    return _record(course, counts, wall_s) | {
        "max_faces": max_faces,
        "events_per_round": len(expected[1].events),
        "rounds": len(course.frames),
        "rounds_unlike_the_short_run": unequal,
        "largest_relative_difference": worst,
    }


def _difference(found: Round, wanted: Round) -> float:
    """Largest difference of two rounds; infinite where they do not have the same events and stretches."""
    same = found.stretches == wanted.stretches and found.skipped == wanted.skipped
    if not same or len(found.events) != len(wanted.events):
        return float("inf")
    return max((a.differs(b) for a, b in zip(found.events, wanted.events, strict=True)), default=0.0)


def _record(course: Course, counts: dict[str, int], wall_s: float) -> dict[str, Any]:
    tail = len(course.frames) // 10
    return {
        "environment": environment(),
        "frames": counts["frames"],
        "face_frames": counts["face_frames"],
        "events": counts["events"],
        "wall_s": round(wall_s, 1),
        "fps": counts["frames"] / wall_s,
        "resident_mb": _growth(course.frames, course.resident_mb) | {"peak": peak_mb()},
        "private_mb": _growth(course.frames, course.private_mb),
        "threads": sorted(set(course.threads[tail:])),
        "files": sorted(set(course.files[tail:])),
    }


def _growth(frames: Sequence[float], memory: Sequence[float]) -> dict[str, Any]:
    """First, middle and last reading, and the slope over the second half with its interval."""
    found = slope(frames, memory)
    per_100k = {key: 100.0 * found[key] for key in ("mb_per_1000_frames", "low", "high")} if found else None
    return {
        "after_one_round": memory[0],
        "in_the_middle": memory[len(memory) // 2],
        "at_the_end": memory[-1],
        "mb_per_100k_frames": per_100k and per_100k["mb_per_1000_frames"],
        "interval": per_100k and [per_100k["low"], per_100k["high"]],
    }


def _line(course: Course, unequal: int) -> str:
    return (
        f"{course.frames[-1]:>9.0f} frames  {course.resident_mb[-1]:8.1f} MB "
        f"({course.private_mb[-1]:.1f} private)  {course.threads[-1]} threads  {course.files[-1]} files  "
        f"{unequal} rounds unlike the short run"
    )


def table(record: dict[str, Any]) -> str:
    """The record as a table for people."""
    rows = [
        ("frames", f"{record['frames']} ({record['face_frames']} with a face), {record['fps']:.0f} a second"),
        ("rounds", f"{record['rounds']}, {record['events_per_round']} events each"),
        ("rounds unlike the short run", str(record["rounds_unlike_the_short_run"])),
        ("largest relative difference", f"{record['largest_relative_difference']:.1e}"),
        ("memory", _memory(record["resident_mb"])),
        ("of it private", _memory(record["private_mb"])),
        ("threads", " or ".join(map(str, record["threads"]))),
        ("open files", " or ".join(map(str, record["files"]))),
    ]
    return "\n".join(f"{name:<30}{value}" for name, value in rows)


def _memory(memory: dict[str, Any]) -> str:
    text = (
        " → ".join(f"{memory[key]:.1f}" for key in ("after_one_round", "in_the_middle", "at_the_end")) + " MB"
    )
    if memory["mb_per_100k_frames"] is None:
        return text
    low, high = memory["interval"]
    return f"{text}; {memory['mb_per_100k_frames']:+.2f} MB per 100,000 frames ({low:+.2f} to {high:+.2f})"


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print the table; gives the exit code: 1 where a round differed from the short run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="end after so much time")
    parser.add_argument("--max-faces", type=int, default=1)
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    record = soak(options.frames, minutes=options.minutes, max_faces=options.max_faces, model=options.model)
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(table(record))
    return int(record["rounds_unlike_the_short_run"] > 0)


if __name__ == "__main__":
    sys.exit(main())
