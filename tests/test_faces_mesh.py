"""What mediapipe's mesh gives, as numbers."""

import numpy as np
from mediapipe.framework.formats import landmark_pb2

from realtime.faces.mesh import _points


def landmarks(more: bool) -> landmark_pb2.NormalizedLandmarkList:
    rng = np.random.default_rng(0)
    points = landmark_pb2.NormalizedLandmarkList()
    for index in range(468):
        x, y, z = (0.0, -1.5, 3e-9) if index == 7 else rng.normal(size=3).tolist()
        points.landmark.add(x=x, y=y, z=z, **({"visibility": 0.5} if more else {}))
    return points


def test_bytes_of_landmarks_are_their_numbers() -> None:
    for more in (False, True):
        made = landmarks(more)
        named = np.array([(p.x, p.y, p.z) for p in made.landmark], np.float32)
        found = _points(made)
        assert found.dtype == np.float32
        assert np.array_equal(found, named)


def test_no_landmarks() -> None:
    assert _points(landmark_pb2.NormalizedLandmarkList()).shape == (0, 3)
