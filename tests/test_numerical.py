"""No NaN and no infinity leaves a stage, whatever the picture or the landmarks are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_faces_alignment import landmarks

from realtime.api import load_recognizer
from realtime.faces import FaceAligner, follower
from realtime.faces.follower import FaceFollower
from realtime.faces.landmarks import LEFT_EYE_CORNERS, RIGHT_EYE_CORNERS
from realtime.features.extract import handcrafted, network_input
from realtime.features.hog import hog
from realtime.features.key_flow import evidence_from_faces, evidence_of
from realtime.features.lbp_top import lbp_top
from realtime.features.normalise import normalise_flow
from realtime.features.strain import optical_strain
from realtime.flow import FlowMeter
from realtime.pipeline import Pipeline
from realtime.quality import FaceGate, FrameGate, sharpness
from realtime.sinks.records import event_record, notice_record
from realtime.spotting import Spotter
from realtime.types import F32, U8, Face, Frame, KeyFrameEvidence, Motion, readonly

SIZE = (240, 320, 3)


def assert_finite(thing: Any, where: str = "") -> None:
    """Every number in arrays, records and containers."""
    if is_dataclass(thing) and not isinstance(thing, type):
        for field in fields(thing):
            assert_finite(getattr(thing, field.name), f"{where}.{field.name}")
    elif isinstance(thing, np.ndarray):
        assert thing.dtype.kind != "f" or np.isfinite(thing).all(), where
    elif isinstance(thing, float):
        assert math.isfinite(thing), where
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            assert_finite(value, f"{where}[{key}]")
    elif isinstance(thing, Sequence) and not isinstance(thing, str | bytes):
        for number, value in enumerate(thing):
            assert_finite(value, f"{where}[{number}]")


PICTURES = (
    "black",
    "white",
    "grey",
    "noise",
    "black and white in turn",
    "checks in turn",
    "half black, half white",
    "noise and grey in turn",
)


def pictures(name: str, shape: tuple[int, int, int], count: int) -> U8:
    """A sequence of pictures, (count, *shape), that no camera should give."""
    rng = np.random.default_rng(0)
    even = np.arange(count).reshape(-1, 1, 1, 1) % 2 == 0
    y, x, _ = np.indices(shape, sparse=True)
    checks = (y + x) % 2 * 255
    noise = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    shown = {
        "black": 0,
        "white": 255,
        "grey": 128,
        "noise": noise,
        "black and white in turn": np.where(even, 0, 255),
        "checks in turn": np.where(even, checks, 255 - checks),
        "half black, half white": np.where(x < shape[1] // 2, 0, 255),
        "noise and grey in turn": np.where(even, noise, 128),
    }[name]
    return np.ascontiguousarray(np.broadcast_to(shown, (count, *shape)), dtype=np.uint8)


def degenerate() -> dict[str, F32]:
    """Landmarks of no face."""
    good = landmarks()
    eyes = good.copy()
    eyes[[*LEFT_EYE_CORNERS, *RIGHT_EYE_CORNERS]] = eyes[LEFT_EYE_CORNERS[0]]
    found = {
        "all equal": np.full((468, 3), 100.0),
        "all zero": np.zeros((468, 3)),
        "on a horizontal line": good * [1.0, 0.0, 1.0] + [0.0, 90.0, 0.0],
        "on a vertical line": good * [0.0, 1.0, 1.0] + [90.0, 0.0, 0.0],
        "eyes in one point": eyes,
        "outside the picture": good + np.array([5000.0, -3000.0, 0.0]),
        "far outside the picture": good + np.array([1e7, 1e7, 0.0]),
        "huge": good * 1e4,
        "tiny": good * 1e-4,
        "mirrored": good * [-1.0, 1.0, 1.0],
        "deep": good + np.array([0.0, 0.0, 1e6]),
    }
    return {name: points.astype(np.float32) for name, points in found.items()}


@pytest.mark.parametrize("name", degenerate())
@pytest.mark.parametrize("first", [0, 8], ids=["from the start", "later"])
def test_degenerate_landmarks(name: str, first: int) -> None:
    """A face that is none for a while, then one again, goes through every stage that knows landmarks."""
    odd, image = degenerate()[name], readonly(pictures("noise", SIZE, 1)[0])
    aligner, gate, meter = FaceAligner(), FaceGate(), FlowMeter()
    for index in range(24):
        points = odd if first <= index < 16 else landmarks()
        face = aligner.push(Frame(index, index / 50.0, image), Face(0, readonly(points), True))
        assert_finite(face, "face")
        assert max(face.crop.shape) <= aligner.config.max_crop_px
        gate.push(face)
        for motion in meter.push(face):
            assert_finite(motion, "motion")
        if index % 8 == 0:
            evidence = evidence_of(face, face, face)
            assert_finite(evidence, "evidence")
            assert_finite(handcrafted(evidence), "features")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_landmarks_that_are_no_numbers_are_no_face(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mesh:
        is_fresh = True

        def __init__(self, confidence: float) -> None:
            self.points = landmarks()
            self.points[77, 1] = value

        def landmarks(self, window: U8) -> F32:
            return self.points

        def reset(self) -> None:
            pass

    monkeypatch.setattr(follower, "FaceMesh", Mesh)
    face = FaceFollower(0.5, 3.0)
    assert not face.start(pictures("noise", SIZE, 1)[0], (100.0, 50.0, 100.0, 100.0))
    assert face.points is None


@pytest.fixture(scope="module")
def pipeline(tiny_bundle: Path) -> Iterator[Pipeline]:
    with Pipeline(recognizer=load_recognizer(tiny_bundle)) as shared:
        yield shared


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_nothing_through_the_route(
    name: str, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole route, with a tracker that sees a face in everything and gates that let all pass."""
    points = readonly(landmarks())
    monkeypatch.setattr(pipeline._tracker, "push", lambda frame: (Face(0, points, True),))
    monkeypatch.setattr(FrameGate, "push", lambda gate, frame: None)
    monkeypatch.setattr(FaceGate, "push", lambda gate, face: None)
    pipeline.reset()
    for index, image in enumerate(pictures(name, SIZE, 40)):
        events = pipeline.push(Frame(index, index / 50.0, readonly(image)))
        assert_finite(pipeline.observations, "row")
        assert_finite([event_record(event) for event in events], "event")
    last = [event_record(e) for e in pipeline.flush()] + [notice_record(n) for n in pipeline.notices]
    assert_finite(last, "end")
    assert_finite(pipeline.unobservable, "shares")


@pytest.mark.parametrize("name", PICTURES)
def test_features_of_pictures_of_nothing(name: str) -> None:
    shown = pictures(name, (128, 128, 3), 3)
    evidence = evidence_from_faces(shown)
    assert_finite(evidence, "evidence")
    assert_finite(handcrafted(evidence), "by hand")
    assert_finite(network_input(evidence), "network")
    grey = shown[:, ::2, ::2, 1]
    assert_finite([lbp_top(grey), hog(grey), np.array(sharpness(grey[0]))])


def test_movements_of_nothing_are_recognised_with_probabilities() -> None:
    recognizer = load_recognizer("default")
    movements = [evidence_from_faces(pictures(name, (128, 128, 3), 3)) for name in PICTURES]
    rng = np.random.default_rng(1)
    for size in (0.0, 1e-30, 1.0, 1e6, 1e18, 1e30):
        flows = np.asarray(size * rng.standard_normal((3, 2, 64, 64)), dtype=np.float32)
        movements.append(KeyFrameEvidence(None, flows))
    movements.append(KeyFrameEvidence(movements[0].frames, np.full((3, 2, 64, 64), np.nan, np.float32)))
    assert_finite(recognizer.features(movements)[:, :128], "network's features")
    for found in recognizer.recognize_many(movements):
        assert_finite(found)
        assert sum(found.probabilities.values()) == pytest.approx(1.0)
    for movement in (movements[0], movements[3]):
        assert_finite(recognizer.explain(movement), "explanation")


@pytest.mark.parametrize("size", [0.0, 1e-38, 1e-6, 1.0, 1e8, 1e12, 1e19, 3e38])
def test_flow_of_any_size_is_normalised_to_numbers(size: float) -> None:
    flow = np.random.default_rng(2).choice([-1.0, 1.0], (3, 2, 64, 64)) * size
    normalised = normalise_flow(flow.astype(np.float32))
    assert_finite(normalised)
    assert float(np.abs(normalised).max()) < 100.0
    if size <= 1e8:
        assert_finite(optical_strain(flow))


def motions(name: str) -> Iterator[Motion]:
    """Six seconds of motion as it should not be."""
    rng = np.random.default_rng(3)
    still = Motion(
        0, 0.0, 0.133, np.zeros((17, 2), np.float32), np.zeros((2, 2), np.float32), 0.0, 0.0, 100.0, 0.0, 0.3
    )
    for index in range(600):
        regions, about = np.zeros((17, 2)), {"aperture": 0.3}
        if name == "constant":
            regions, about = regions + 3.0, {"residual": 3.0}
        elif name in ("noise", "huge noise", "tiny noise"):
            size = {"noise": 5.0, "huge noise": 1e6, "tiny noise": 1e-12}[name]
            regions, about = size * rng.standard_normal((17, 2)), {"residual": size, "rigid": size}
        elif name == "spikes":
            regions = regions + (1e9 if index % 100 == 50 else 0.0)
        elif name == "light":
            about = {
                "brightness": 255.0 * (index // 50 % 2),
                "brightness_change": 255.0 * (-1) ** (index // 50),
            }
        elif name == "eyes that are not open":
            regions = regions + 2.0 * math.sin(index / 4.0) * (300 < index < 330)
            about = {"aperture": 0.0}
        yield replace(
            still, index=index, time_s=index / 100.0, regions=readonly(regions.astype(np.float32)), **about
        )


@pytest.mark.parametrize(
    "name",
    ["zero", "constant", "noise", "huge noise", "tiny noise", "spikes", "light", "eyes that are not open"],
)
def test_motion_of_nothing_gives_movements_of_numbers(name: str) -> None:
    spotter = Spotter()
    for motion in motions(name):
        assert_finite(spotter.push(motion), "movement")
        assert_finite(spotter.way_out, "way out")
        assert math.isfinite(spotter.activity)
    assert_finite(spotter.flush(), "movement")
