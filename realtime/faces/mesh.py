"""mediapipe's face detector and face mesh, quiet, and with failures mapped to glimpse's errors."""

from __future__ import annotations

import contextlib
import importlib
import math
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from realtime.errors import FaceModelError
from realtime.types import F32, U8

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels."""


# The graphs start, and talk, with their first image: they get it while stderr is turned away.
_BLANK: U8 = np.zeros((64, 64, 3), np.uint8)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere: mediapipe's C++ start-up chatter has no switch."""
    try:
        saved = os.dup(2)
    except OSError:  # a process without stderr is quiet already
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(sink)
        os.close(saved)


def load_mediapipe() -> Any:
    """mediapipe's bundled solutions. Raises `FaceModelError` where they cannot be loaded."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        # only mediapipe's drawing helpers use it, and it takes longer to load than all the rest
        with _postponed("matplotlib.pyplot"):
            import mediapipe
    except ImportError as error:
        raise FaceModelError(
            f"mediapipe cannot be loaded ({error}); it needs the system library libGL "
            "(Debian: apt-get install libgl1 libglib2.0-0)"
        ) from error
    if not hasattr(mediapipe, "solutions"):
        raise FaceModelError("this mediapipe carries no face models; install mediapipe==0.10.21")
    return mediapipe.solutions


class _Later(types.ModuleType):
    """Stands for a module that is imported when something in it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _postponed(name: str) -> Iterator[None]:
    """What is imported here gets the module `name` only when it first uses it."""
    if name in sys.modules:
        yield
        return
    later = sys.modules[name] = _Later(name)
    try:
        yield
    finally:
        if sys.modules.get(name) is later:
            del sys.modules[name]


class FaceFinder:
    """Finds faces anywhere in an image: full-range detector first, short-range for near faces."""

    def __init__(self, confidence: float) -> None:
        with quiet_stderr():
            detection = load_mediapipe().face_detection
            self._detectors = [
                detection.FaceDetection(model_selection=model, min_detection_confidence=confidence)
                for model in (1, 0)
            ]
            for detector in self._detectors:
                detector.process(_BLANK)

    def find(self, image: U8) -> list[Box]:
        """Boxes of the faces in a BGR image, largest first; empty where there is none."""
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        for detector in self._detectors:
            found = detector.process(rgb).detections or []
            hits = (hit.location_data.relative_bounding_box for hit in found)
            boxes = [b for b in hits if all(map(math.isfinite, (b.xmin, b.ymin, b.width, b.height)))]
            if boxes:
                scaled = [
                    (b.xmin * width, b.ymin * height, b.width * width, b.height * height) for b in boxes
                ]
                return sorted(scaled, key=lambda box: -box[2] * box[3])
        return []

    def close(self) -> None:
        for detector in self._detectors:
            detector.close()


class FaceMesh:
    """The 468 landmarks of the one face in a window of the frame, tracked from call to call."""

    def __init__(self, confidence: float) -> None:
        with quiet_stderr():
            self._mesh = load_mediapipe().face_mesh.FaceMesh(
                static_image_mode=False,
                max_num_faces=1,
                refine_landmarks=False,
                min_detection_confidence=confidence,
                min_tracking_confidence=confidence,
            )
            self._mesh.process(_BLANK)
        self._used = False

    def landmarks(self, window: U8) -> F32 | None:
        """(468, 3) float32 in pixels of the BGR window, or None where there is no face."""
        rgb = cv2.cvtColor(window, cv2.COLOR_BGR2RGB)
        with contextlib.nullcontext() if self._used else quiet_stderr():
            faces = self._mesh.process(rgb).multi_face_landmarks
        self._used = True
        if not faces:
            return None
        height, width = window.shape[:2]
        return _points(faces[0]) * np.array([width, height, width], dtype=np.float32)

    @property
    def is_fresh(self) -> bool:
        """Whether the next call detects: no face is tracked yet."""
        return not self._used

    def reset(self) -> None:
        """Forget the tracked face: the next call detects anew."""
        if self._used:
            with quiet_stderr():
                self._mesh.reset()
                self._mesh.process(_BLANK)
            self._used = False

    def close(self) -> None:
        self._mesh.close()


_WIRE = np.dtype([(name, kind) for axis in "xyz" for name, kind in ((f"tag_{axis}", "u1"), (axis, "<f4"))])
_LANDMARK = np.dtype([("tag", "u1"), ("length", "u1"), ("point", _WIRE)])
"""A landmark as protobuf writes it: before each float32 a byte that says which it is."""


def _points(landmarks: Any) -> F32:
    """(n, 3) float32 of mediapipe's list, from its bytes: asking for each number takes .4 ms."""
    count = len(landmarks.landmark)
    raw = landmarks.SerializeToString()
    if len(raw) != count * _LANDMARK.itemsize:  # a model that says more of each landmark
        return np.array([(p.x, p.y, p.z) for p in landmarks.landmark], dtype=np.float32)
    points = np.frombuffer(raw, _LANDMARK)["point"]
    return np.asarray(np.stack([points[axis] for axis in "xyz"], axis=1), np.float32)
