"""What each action unit does to a face: Gaussian displacement bumps in face units.

Face units are those of `realtime.geometry`: origin midway between the eyes, unit = eye distance, x to
the image's right (the person's left is positive), y down. The numbering of the units is FACS's
(Ekman, Friesen and Hager, "Facial Action Coding System", 2002).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Bump:
    """One Gaussian displacement on the person's left half of the face (x >= 0), face units.

    A bump off the middle (x > 0) has a twin at −x that moves by (−dx, dy).
    """

    x: float
    y: float
    sigma_x: float
    sigma_y: float
    dx: float
    dy: float


def _bumps(*rows: tuple[float, float, float, float, float, float]) -> tuple[Bump, ...]:
    return tuple(Bump(*row) for row in rows)


ACTION_UNITS: Mapping[str, tuple[Bump, ...]] = MappingProxyType(
    {
        "AU1": _bumps((0.17, -0.30, 0.17, 0.16, 0.02, -1.0)),
        "AU2": _bumps((0.60, -0.30, 0.22, 0.16, 0.05, -1.0)),
        "AU4": _bumps((0.18, -0.27, 0.20, 0.15, -0.45, 0.8), (0.48, -0.30, 0.22, 0.14, -0.15, 0.7)),
        "AU5": _bumps((0.50, -0.07, 0.18, 0.06, 0.0, -1.0)),
        "AU6": _bumps((0.58, 0.33, 0.25, 0.16, -0.1, -0.6), (0.72, 0.05, 0.12, 0.14, -0.25, 0.1)),
        "AU7": _bumps((0.50, 0.10, 0.18, 0.07, -0.05, -0.6), (0.50, -0.06, 0.18, 0.06, 0.0, 0.4)),
        "AU9": _bumps(
            (0.15, 0.35, 0.12, 0.22, 0.0, -0.8),
            (0.18, -0.20, 0.18, 0.13, -0.2, 0.5),
            (0.30, 0.55, 0.16, 0.15, 0.05, -0.5),
        ),
        "AU10": _bumps((0.22, 0.82, 0.18, 0.12, 0.05, -0.9), (0.30, 0.60, 0.14, 0.16, 0.05, -0.5)),
        "AU12": _bumps((0.43, 1.00, 0.20, 0.18, 0.55, -0.8), (0.55, 0.62, 0.24, 0.22, 0.25, -0.55)),
        "AU14": _bumps((0.48, 1.04, 0.17, 0.15, 0.7, -0.05)),
        "AU15": _bumps((0.42, 1.10, 0.17, 0.17, 0.1, 0.9)),
        "AU17": _bumps((0.0, 1.38, 0.25, 0.18, 0.0, -0.9), (0.0, 1.12, 0.25, 0.10, 0.0, -0.4)),
        "AU20": _bumps((0.45, 1.08, 0.20, 0.17, 0.9, 0.15)),
        "AU24": _bumps((0.15, 0.92, 0.20, 0.06, 0.0, 0.4), (0.15, 1.15, 0.20, 0.07, 0.0, -0.4)),
        "AU25": _bumps((0.12, 1.20, 0.25, 0.12, 0.0, 0.7)),
        "AU26": _bumps((0.0, 1.35, 0.50, 0.25, 0.0, 0.9)),
    }
)
"""Displacement of each action unit, in arbitrary strength; `fields` scales the sum."""

MEASURED: Mapping[str, tuple[Bump, ...]] = MappingProxyType(
    {
        **ACTION_UNITS,
        "AU12": _bumps((0.46, 1.06, 0.20, 0.22, 0.5, -0.8), (0.58, 0.66, 0.24, 0.22, 0.35, -0.45)),
    }
)
"""The same as flow algorithms measure it: what a smile does to the corner of the mouth is carried on into the
skin below it and beside it, which has little texture to hold it."""

BLINK: tuple[Bump, ...] = _bumps((0.50, -0.05, 0.18, 0.07, 0.0, 1.0))
"""The lids closing."""
