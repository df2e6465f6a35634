"""Points of mediapipe's 468-point face mesh that glimpse uses, and what follows from them."""

from __future__ import annotations

import math

import numpy as np

from realtime.types import F32, F64, HeadPose

# Corners of the eyes; "left" is the person's left, at larger x in an unmirrored image.
LEFT_EYE_CORNERS = (362, 263)
RIGHT_EYE_CORNERS = (133, 33)
LEFT_LIDS = ((385, 380), (386, 374), (387, 373))
RIGHT_LIDS = ((160, 144), (159, 145), (158, 153))
FOREHEAD, CHIN = 10, 152


def eye_centres(points: F32 | F64) -> tuple[F64, F64]:
    """Midpoints of the eye corners: (left, right), each (d,) for points of shape (468, d)."""
    left = points[list(LEFT_EYE_CORNERS)].mean(axis=0)
    right = points[list(RIGHT_EYE_CORNERS)].mean(axis=0)
    return left.astype(np.float64), right.astype(np.float64)


def head_pose(landmarks_px: F32) -> HeadPose:
    """Position, size and rotation of the head from (468, 3) landmarks.

    Yaw and pitch are estimates: they rest on the mesh's own depth, which is learned, not measured.
    """
    left, right = eye_centres(landmarks_px)
    across = left - right
    down = (landmarks_px[CHIN] - landmarks_px[FOREHEAD]).astype(np.float64)
    centre = (left + right) / 2.0
    return HeadPose(
        x_px=float(centre[0]),
        y_px=float(centre[1]),
        eye_distance_px=float(math.hypot(across[0], across[1])),
        roll_deg=math.degrees(math.atan2(across[1], across[0])),
        yaw_deg=math.degrees(math.atan2(across[2], math.hypot(across[0], across[1]))),
        pitch_deg=math.degrees(math.atan2(down[2], math.hypot(down[0], down[1]))),
    )


def eye_aperture(landmarks_px: F32) -> float:
    """Mean height of the two eye openings over their width (eye aspect ratio, Soukupová & Čech 2016)."""
    ratios = []
    for corners, lids in ((LEFT_EYE_CORNERS, LEFT_LIDS), (RIGHT_EYE_CORNERS, RIGHT_LIDS)):
        width = float(np.linalg.norm(landmarks_px[corners[0], :2] - landmarks_px[corners[1], :2]))
        upper, lower = (landmarks_px[[pair[k] for pair in lids], :2] for k in (0, 1))
        ratios.append(float(np.linalg.norm(upper - lower, axis=1).mean()) / max(width, 1e-6))
    return sum(ratios) / 2.0
