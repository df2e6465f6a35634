"""Rendered people who show no micro-expression: the ground onto which some are planted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np

from offline.synthesis.identities import face_number, make_identity
from offline.synthesis.living import LivingPlan, LivingStream
from offline.synthesis.stream import CALM, Confounders, StreamPlan, SyntheticStream
from realtime.types import U8, Frame, FrameSource, StreamInfo, readonly

HostKind = Literal["calm", "all", "mid", "live", "quiet"]
"""Who sits before the camera: "calm" blinks and sways, "all" does everything there is, one thing after the
other; "quiet", "mid" and "live" do it at once, hardly, moderately and of any liveliness."""
HOST_KINDS: tuple[HostKind, ...] = get_args(HostKind)
_FPS = 30.0


class Host:
    """A rendered recording in memory: a source that can be opened again and again."""

    def __init__(self, name: str, frames: Sequence[U8]) -> None:
        height, width = frames[0].shape[:2]
        self._frames = frames
        self.info = StreamInfo(name, width, height, _FPS, len(frames))

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self._frames):
            yield Frame(index, index / _FPS, readonly(image))

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


def render_host(kind: HostKind, seed: int, seconds: float = 20.0) -> Host:
    """30 frames a second of a seed's person, made from the portrait or painted; calm and "all" have faces of
    200 px, the others of 80 to 200."""
    return Host(f"{kind}:{seed}", list(_frames(kind, seed, seconds)))


def _frames(kind: HostKind, seed: int, seconds: float) -> Iterator[U8]:
    identity = face_number(seed, "both")
    if kind in ("calm", "all"):
        plan = StreamPlan(
            make_identity(identity), seconds=seconds, fps=_FPS, seed=seed, events=0,
            face_width_px=200.0, width=400, height=340, confounders=CALM if kind == "calm" else Confounders(),
        )  # fmt: skip
        yield from SyntheticStream(plan).frames()
        return
    rng = np.random.default_rng([seed, 99])
    width = float(np.exp(rng.uniform(np.log(80.0), np.log(200.0))))
    live, mid, quiet = rng.uniform(size=3).tolist()
    liveliness = {"live": live**1.5, "mid": 0.1 + 0.4 * mid, "quiet": 0.14 * quiet}[kind]
    living = LivingPlan(
        seed=seed, identity=identity, seconds=seconds, fps=_FPS, face_width_px=width, liveliness=liveliness,
        events_per_minute=0.0, noise=float(rng.uniform(0.7, 2.5)),
    )  # fmt: skip
    yield from (image for _, image in LivingStream(living).frames())
