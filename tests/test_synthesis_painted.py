"""Painted identities: found by the tracker, unlike each other, and moving as they are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from offline import cli
from offline.sample_options import SampleChoice, collect_samples
from offline.synthesis.canonical import canonical_face
from offline.synthesis.canvas import Canvas, area, ellipse, grain, stroke
from offline.synthesis.fields import draw_expression
from offline.synthesis.identities import PAINTED_FROM, Identity, face_number, make_identity
from offline.synthesis.keyframes import render_key_frames
from offline.synthesis.render import FaceState, FrameRenderer
from realtime.faces import FaceTracker
from realtime.faces.landmarks import eye_centres
from realtime.features.key_flow import evidence_from_faces
from realtime.geometry import unit_grid
from realtime.types import Frame, readonly


@pytest.fixture(scope="module")
def painted() -> Identity:
    return make_identity(PAINTED_FROM + 1)


def test_a_number_is_always_the_same_face(painted: Identity) -> None:
    make_identity.cache_clear()
    again = make_identity(PAINTED_FROM + 1)
    for part in ("image", "person", "backdrop", "lids"):
        np.testing.assert_array_equal(getattr(painted, part), getattr(again, part))
        assert not getattr(painted, part).flags.writeable
    assert painted.name == f"identity-{PAINTED_FROM + 1}"


def test_faces_differ(painted: Identity) -> None:
    other = make_identity(PAINTED_FROM + 4)
    face = np.s_[200:500, 380:620]
    assert np.abs(painted.image[face].astype(float) - other.image[face]).mean() > 5.0
    assert np.abs(painted.lids - other.lids).max() > 0.01


def test_the_tracker_finds_a_painted_face_where_it_is(painted: Identity) -> None:
    image = FrameRenderer(painted, (320, 300), 130.0).render(FaceState())
    tracker = FaceTracker()
    try:
        (face,) = tracker.push(Frame(0, 0.0, readonly(image)))
    finally:
        tracker.close()
    left, right = eye_centres(face.landmarks_px[:, :2])
    assert np.hypot(*(left - right)) == pytest.approx(130.0 / 2.2, rel=0.08)
    assert (left + right) / 2.0 == pytest.approx([160.0, 126.0], abs=4.0)


def test_measured_flow_is_that_which_was_planted(painted: Identity) -> None:
    x, y = unit_grid(64)
    likeness = []
    for index, label in enumerate(("happiness", "surprise", "disgust")):
        rng = np.random.default_rng(index)
        expression = draw_expression(rng, label)
        faces = render_key_frames(rng, painted, expression, amplitude_percent=(1.2, 1.5))
        measured = evidence_from_faces(np.ascontiguousarray(faces[..., ::-1])).flows[0].astype(float)
        planted = np.stack(expression.displacement(x, y))
        pair = [flow - np.median(flow, axis=(1, 2), keepdims=True) for flow in (measured, planted)]
        likeness.append((pair[0] * pair[1]).sum() / np.sqrt((pair[0] ** 2).sum() * (pair[1] ** 2).sum()))
    assert np.median(likeness) > 0.6


def test_the_canonical_face_is_symmetric_with_its_mouth_shut() -> None:
    points = canonical_face().landmarks
    assert points.shape == (468, 2)
    for left, right in ((263, 33), (291, 61), (454, 234), (336, 107)):
        assert points[left] == pytest.approx(points[right] * (-1.0, 1.0), abs=0.02)
    assert 0.0 < points[14][1] - points[13][1] < 0.05
    normals = canonical_face().normals
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1.0).max() < 1e-4
    # the cheeks look outwards, the head's sides more so
    row = normals[400, :, 0]
    assert row[620] > 0.1 > -0.1 > row[380]


def test_numbers_of_each_kind() -> None:
    assert [face_number(n, "portrait") for n in (0, 1)] == [0, 1]
    assert [face_number(n, "painted") for n in (0, 1)] == [PAINTED_FROM, PAINTED_FROM + 1]
    assert [face_number(n, "both") for n in (0, 1, 2)] == [0, PAINTED_FROM + 1, 2]


def test_both_kinds_in_one_set_of_samples() -> None:
    samples = collect_samples(SampleChoice("four", rendered=2, faces=2, kind="both"), 0).samples
    assert samples.subjects == ("identity-0000", f"identity-{PAINTED_FROM + 1}")
    assert samples.frames.shape == (2, 3, 64, 64, 3)


def test_a_portrait_of_ones_own_is_not_painted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--face", "me.png", "--faces", "painted", "--out", str(tmp_path / "x")]
    assert cli.main(["synthesize", *options]) == 2
    assert "--face is a portrait" in capsys.readouterr().err


def test_shapes_on_a_canvas() -> None:
    canvas = Canvas((50.0, 0.0, 0.0))
    disc = ellipse(0.0, 0.0, 0.5, 0.5)
    assert disc[300, 500] == pytest.approx(1.0)
    assert disc[300, 500 + 70] == 0.0
    assert disc.sum() == pytest.approx(np.pi * 60.0**2, rel=0.02)
    canvas.cover(disc, (90.0, 0.0, 0.0))
    canvas.shade(area(np.array([[1.0, 1.0], [2.0, 1.0], [2.0, 2.0]])), -30.0)
    canvas.cover(stroke(np.array([[-2.0, 0.0], [-1.0, 0.0]]), 0.1), (10.0, 0.0, 0.0))
    assert canvas.lab[300, 500, 0] == pytest.approx(90.0)
    assert canvas.lab[450, 720, 0] == pytest.approx(20.0, abs=0.5)
    assert canvas.lab[300, 330, 0] == pytest.approx(10.0, abs=0.5)
    assert canvas.lab[0, 0, 0] == 50.0
    assert canvas.bgr()[300, 500].min() > canvas.bgr()[0, 0].max()
    noise = grain(np.random.default_rng(0), 2.0, 30.0)
    assert (noise.std(), noise.shape) == (pytest.approx(1.0, abs=1e-3), (960, 1000))
