"""How many times faster the route is than the literal pipeline that it replaces, both in one run.

    python -m benchmarks.naive [film.mp4] [--blocks 6] [--frames 50] [--json FILE]

The literal pipeline runs, on every frame: mediapipe's face mesh with refined landmarks, Farneback's flow
over the whole frame, and on every window of three frames the torch network (the shape of glimpse's own,
over full 64×64 inputs; random weights, only its time counts), the handcrafted features and an RBF SVM
through scikit-learn. Blocks of the two alternate over the same frames, decoding included, so that what else
the machine does meets both; the first block of each is warm-up. Needs the `train` extra.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from offline.network import Member, NetworkSettings
from realtime.api import load_recognizer
from realtime.bench.environment import environment
from realtime.bench.sample import write_sample
from realtime.bench.streams import Repeated
from realtime.faces.mesh import load_mediapipe
from realtime.features.extract import handcrafted, network_input
from realtime.features.spec import FACE_SIZE, FEATURE_NAMES
from realtime.pipeline import Pipeline
from realtime.sources import open_source
from realtime.types import F32, U8, Frame, KeyFrameEvidence

CLASSES = ("happiness", "surprise", "disgust", "repression")
_GOAL = 30.0
_FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)
"""Scale, levels, window, iterations, poly_n, poly_sigma, flags: usual values."""


class NaivePipeline:
    """Everything on every frame, as the description has it."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self._mesh = load_mediapipe().face_mesh.FaceMesh(
            static_image_mode=False, max_num_faces=1, refine_landmarks=True
        )
        settings = NetworkSettings(
            members=1,
            member_features=128,
            coarse=0,
            frames=True,
            flow_size=FACE_SIZE,
            frame_size=FACE_SIZE,
        )
        self._network = Member(CLASSES, 128, settings).eval()
        self._svm = _fitted_svm(seed)
        self._before: U8 | None = None
        self._window: deque[tuple[U8, F32]] = deque(maxlen=3)

    def push(self, frame: Frame) -> str | None:
        """Class of the window that ends with this frame; None until there is one."""
        points = self._landmarks(frame.image)
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        before, self._before = self._before, grey
        if points is None or before is None:
            return None
        whole = cv2.calcOpticalFlowFarneback(
            before, grey, np.zeros((*grey.shape, 2), np.float32), *_FARNEBACK
        )
        self._window.append(_cut(frame.image, np.asarray(whole, dtype=np.float32), points))
        return self._classify() if len(self._window) == 3 else None

    def close(self) -> None:
        """Free the face model."""
        self._mesh.close()

    def _landmarks(self, image: U8) -> F32 | None:
        found = self._mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        if not found:
            return None
        height, width = image.shape[:2]
        return np.array([(p.x * width, p.y * height) for p in found[0].landmark], dtype=np.float32)

    def _classify(self) -> str:
        frames = np.stack([face for face, _ in self._window])
        flows = np.stack([flow for _, flow in self._window])
        evidence = KeyFrameEvidence(frames, flows)
        with torch.no_grad():
            inputs = [torch.from_numpy(part) for part in network_input(evidence)]
            features, _, _ = self._network(*inputs)
        row = np.concatenate([features.numpy()[0], handcrafted(evidence)]).astype(np.float64)
        return CLASSES[int(np.argmax(self._svm.predict_proba(row[None])[0]))]


def _cut(image: U8, flow: F32, points: F32) -> tuple[U8, F32]:
    """The face's box as RGB (64, 64, 3) and its flow (2, 64, 64)."""
    low = np.maximum(points.min(axis=0).astype(int), 0)
    high = np.maximum(points.max(axis=0).astype(int), low + 2)
    part = (slice(low[1], high[1]), slice(low[0], high[0]))
    size = (FACE_SIZE, FACE_SIZE)
    face = cv2.cvtColor(cv2.resize(image[part], size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    field = cv2.resize(flow[part], size, interpolation=cv2.INTER_AREA)
    return np.asarray(face, dtype=np.uint8), np.ascontiguousarray(np.moveaxis(field, -1, 0), dtype=np.float32)


def _fitted_svm(seed: int) -> Any:
    """Scaler, RBF SVM and Platt's sigmoid (2000), fitted to 400 random movements: only its time counts."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(CLASSES)), 100)
    rows = rng.normal(size=(len(labels), len(FEATURE_NAMES))) + labels[:, None]
    svm = CalibratedClassifierCV(SVC(class_weight="balanced"), method="sigmoid", ensemble=False)
    return make_pipeline(StandardScaler(), svm).fit(rows, labels)


def measure(path: str, *, blocks: int, frames: int) -> dict[str, Any]:
    """Times per frame of both, block by block in turn, and the ratios; the first block is left out."""
    recognizer = load_recognizer("default", device="cpu")
    times: dict[str, list[float]] = {"naive": [], "glimpse": []}
    with (
        closing(NaivePipeline()) as naive,
        Pipeline(recognizer=recognizer) as pipeline,
        _endless(path) as ours,
        _endless(path) as theirs,
    ):
        takers: list[tuple[str, Iterator[Any], Callable[[Any], object]]] = [
            ("naive", iter(theirs), naive.push),
            ("glimpse", iter(ours), pipeline.push),
        ]
        for block in range(blocks + 1):
            for name, items, push in takers:
                took = [_timed(items, push) for _ in range(frames)]
                times[name] += took if block else []
    return {name: _figures(values) for name, values in times.items()} | _ratios(times)


def _endless(path: str) -> Repeated:
    return Repeated(lambda: open_source(path), fps=None, frames=None, enough=threading.Event())


def _timed(items: Iterator[Any], push: Callable[[Any], object]) -> float:
    """Seconds for decoding the next frame and pushing it."""
    started_s = time.perf_counter()
    for frame in islice(items, 1):
        push(frame)
    return time.perf_counter() - started_s


def _figures(times_s: list[float]) -> dict[str, float]:
    p50, p99 = np.quantile(times_s, [0.5, 0.99])
    return {"fps": len(times_s) / sum(times_s), "p50_ms": 1000.0 * float(p50), "p99_ms": 1000.0 * float(p99)}


def _ratios(times: dict[str, list[float]]) -> dict[str, Any]:
    naive, ours = times["naive"], times["glimpse"]
    return {
        "frames": len(ours),
        "ratio_of_medians": median(naive) / median(ours),
        "ratio_of_throughput": sum(naive) / sum(ours),
    }


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", nargs="?", help="video file (default: the own stream of glimpse bench)")
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--frames", type=int, default=50, help="in each block")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if options.blocks < 1 or options.frames < 4:
        parser.error("at least one block of four frames")
    machine = environment()
    with tempfile.TemporaryDirectory() as folder:
        path = options.source or os.fspath(write_sample(Path(folder), 200.0)[0])
        found = measure(path, blocks=options.blocks, frames=options.frames)
    for name in ("naive", "glimpse"):
        row = found[name]
        print(f"{name:<9}{row['fps']:>8.1f} frames/s{row['p50_ms']:>9.2f} ms p50{row['p99_ms']:>9.2f} ms p99")
    print(
        f"glimpse has {found['ratio_of_throughput']:.1f} times the throughput (goal {_GOAL:g}); medians: "
        f"{found['ratio_of_medians']:.1f} times; {found['frames']} frames each, "
        f"load average {machine['load_average']}"
    )
    if options.json:
        Path(options.json).write_text(
            json.dumps({**found, "environment": machine}, indent=1), encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
