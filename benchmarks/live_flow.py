"""Whether the flow that the live route measures between key frames scores as well as flow made directly.

    python -m benchmarks.live_flow [--model default] [--streams 4] [--fps 30 100 200] [--seed 2000]

Rendered streams of identities that no shipped bundle has seen go through the live route: it finds the
faces and the key frames, measures the flow, and the bundle says the class. The very same expressions are
then scored twice more: from key frames that are rendered and cut out where the face is known to be, and
from flow that is made directly, without a picture. What the route does not find is scored by none. Needs
the `train` extra.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from offline.comparison import compare
from offline.metrics import score_recognition, score_spotting
from offline.results import Predictions
from offline.samples import crop_flow_to_face
from offline.spot_streams import SyntheticSource, run_source
from offline.synthesis.direct import flows_of
from offline.synthesis.fields import Expression
from offline.synthesis.identities import Identity, make_identity
from offline.synthesis.keyframes import render_key_frames
from offline.synthesis.stream import StreamPlan, SyntheticStream
from realtime.api import load_recognizer
from realtime.features.key_flow import evidence_from_faces
from realtime.recognition import Recognizer
from realtime.types import F64, KeyFrameEvidence, readonly

WAYS = ("direct", "rendered", "live")
"""Flow made directly; measured between key frames that are given; measured by the live route."""
_LEAST = 1e-6
"""Probabilities below this count as this in the log loss."""


@dataclass(frozen=True, slots=True)
class Found:
    """One micro-expression that the route found."""

    subject: str
    label: str
    rows: dict[str, tuple[float, ...]]
    """Way of `WAYS` → probabilities, in the bundle's order of classes."""


def main(words: Sequence[str] | None = None) -> int:
    """Score all ways and print them, with paired differences to `direct`."""
    parser = argparse.ArgumentParser(description="Live key-frame flow beside flow made directly.")
    parser.add_argument("--model", default="default", metavar="NAME|DIR", help="model bundle (default)")
    parser.add_argument("--streams", type=int, default=4, help="streams per frame rate (4)")
    parser.add_argument("--fps", type=float, nargs="+", default=[30.0, 100.0, 200.0], help="30 100 200")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a stream (20)")
    parser.add_argument("--events", type=int, default=6, help="micro-expressions in a stream (6)")
    parser.add_argument("--seed", type=int, default=2000, help="seed and identity of the first stream (2000)")
    args = parser.parse_args(words)
    recognizer = load_recognizer(args.model, device="cpu")
    found: list[Found] = []
    for number in range(args.seed, args.seed + args.streams * len(args.fps)):
        plan = StreamPlan(
            make_identity(number),
            seconds=args.seconds,
            fps=args.fps[number % len(args.fps)],
            seed=number,
            events=args.events,
            classes=recognizer.bundle.classes,
        )
        found += score_stream(plan, recognizer)
    happened = args.events * args.streams * len(args.fps)
    print(f"{recognizer.bundle.name}: {len(found)} of {happened} micro-expressions found by the live route")
    print(table(found, recognizer.bundle.classes))
    return 0


def score_stream(plan: StreamPlan, recognizer: Recognizer) -> list[Found]:
    """What the live route finds of one stream (IoU >= 0.5), and all ways' probabilities for it."""
    stream = SyntheticStream(plan)
    result = run_source(plan.identity.name, SyntheticSource(stream), stream.truth, recognizer)
    happened = [event for event in stream.truth.events if event.kind == "micro_expression"]
    spotted = [event for event in result.spotted if event.kind == "micro_expression" and event.recognition]
    keys = [event.key_frames for event in spotted]
    score = score_spotting(
        [(event.onset_s, event.offset_s) for event in happened], [(k.onset_s, k.offset_s) for k in keys]
    )
    rows = []
    for index, hit in score.matches:
        recognition, expression = spotted[hit].recognition, stream.micro_expressions[index]
        assert recognition is not None
        ways = _other_ways(expression, plan.identity, recognizer, [plan.seed, 7, index])
        ways["live"] = tuple(recognition.probabilities[name] for name in recognizer.bundle.classes)
        rows.append(Found(plan.identity.name, str(happened[index].label), ways))
    return rows


def _other_ways(
    expression: Expression, identity: Identity, recognizer: Recognizer, seed: list[int]
) -> dict[str, tuple[float, ...]]:
    """The expression without a route: as flow made directly, and between rendered key frames."""
    rng = np.random.default_rng(seed)
    direct = KeyFrameEvidence(None, readonly(crop_flow_to_face(flows_of(rng, expression))))
    faces = render_key_frames(rng, identity, expression)
    rendered = evidence_from_faces(np.ascontiguousarray(faces[..., ::-1]))
    rows = recognizer.probabilities([direct, rendered])
    return {"direct": tuple(rows[0].tolist()), "rendered": tuple(rows[1].tolist())}


def table(found: Sequence[Found], classes: tuple[str, ...]) -> str:
    """Accuracy, UF1 and log loss of every way, and the difference in accuracy to `direct`."""
    lines = [
        f"{'flow':<10}{'accuracy':>10}{'UF1':>8}{'log loss':>10}   accuracy, minus direct (95 % interval)"
    ]
    told = {way: _predictions(way, found, classes) for way in WAYS}
    for way, said in told.items():
        score = score_recognition(said.true, said.predicted, classes)
        right = said.probabilities[np.arange(len(said.true)), said.true]
        loss = float(-np.log(np.maximum(right, _LEAST)).mean())
        change = compare(told["direct"], said).figures["accuracy"]
        paired = (
            "" if way == "direct" else f"{change.difference:+.3f} ({change.low:+.3f} to {change.high:+.3f})"
        )
        lines.append(f"{way:<10}{score.accuracy:>10.3f}{score.uf1:>8.3f}{loss:>10.3f}   {paired}".rstrip())
    return "\n".join(lines)


def _predictions(way: str, found: Sequence[Found], classes: tuple[str, ...]) -> Predictions:
    rows: F64 = np.array([item.rows[way] for item in found], dtype=np.float64).reshape(-1, len(classes))
    true = np.array([classes.index(item.label) for item in found], dtype=np.intp)
    subjects = tuple(item.subject for item in found)
    return Predictions(way, way, classes, subjects, true, rows.argmax(axis=1).astype(np.intp), rows)


if __name__ == "__main__":
    sys.exit(main())
