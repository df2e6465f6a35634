"""What is known of a candidate when it is judged: numbers that a small model can weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.spotting.matched import SHAPES, Match
from realtime.spotting.model import MicroModel
from realtime.types import F64, Motion

FEATURES: tuple[str, ...] = (
    "coherence",
    "part_coherence",
    "explained",
    "part_explained",
    "log_signal",
    "log_amplitude",
    "rise_s",
    "fall_s",
    "lid_share",
    "log_residual",
    "log_residual_before",
    "log_residual_usual",
    "log_rigid",
    "log_rigid_before",
    "closing",
    "opening",
    "light",
    "log_noise",
    "rival",
    "log_energy_over_before",
    "log_energy_at_end",
    "eyes",
    "brows",
    "mouth",
    "log_lid_energy",
    "log_amplitude_over_before",
    "recent",
    "recent_elsewhere",
    "log_unmixed_signal",
    "unmixed_coherence",
    "unmixed_gain",
)
"""Their names, in order."""

REGIONS, LIDS = slice(0, 34), slice(34, 38)
BROWS, MOUTH = slice(0, 10), slice(18, 34)
"""Where parts of the face stand among the 38 channels."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The motion of one frame, or the mean of several."""

    time_s: float
    lag_s: float
    channels: F64
    """(38,) u and v of the 17 regions and of the two lids, percent of the eye distance."""
    state: F64
    """(4,) residual, rigid motion, opening of the eyes, size of the light's change."""

    @classmethod
    def of(cls, motion: Motion) -> Sample:
        channels = np.concatenate([motion.regions.ravel(), motion.lids.ravel()]).astype(np.float64)
        state = np.array([motion.residual, motion.rigid, motion.aperture, abs(motion.brightness_change)])
        return cls(motion.time_s, motion.lag_s, channels, state)

    @classmethod
    def mean(cls, samples: Sequence[Sample]) -> Sample:
        if len(samples) == 1:
            return samples[0]
        return cls(
            sum(s.time_s for s in samples) / len(samples),
            sum(s.lag_s for s in samples) / len(samples),
            np.mean([s.channels for s in samples], axis=0),
            np.mean([s.state for s in samples], axis=0),
        )


def describe(
    samples: Sequence[Sample],
    during: NDArray[np.bool_],
    before: NDArray[np.bool_],
    match: Match,
    g: int,
    k: int,
    model: MicroModel,
    past: Mapping[str, float],
) -> F64:
    """Features of template k with pulse g: (f,) in the order of `FEATURES`.

    `during` and `before` say which of the samples belong to the candidate and to the time before it;
    `past` holds those features that need a longer memory.
    """
    values = {
        **_pattern(match, g, k, model),
        **_motion(samples, during, before, match.precision[g]),
        **past,
    }
    values["log_amplitude_over_before"] = values["log_amplitude"] - max(
        values["log_residual_before"], float(np.log(0.03))
    )
    return np.array([values[name] for name in FEATURES])


def _pattern(match: Match, g: int, k: int, model: MicroModel) -> dict[str, float]:
    """How well it fits, and what it would be."""
    template = np.abs(model.templates[k])
    signal, coherence, amplitude = match.unmixed(g, model.templates[k])
    alone = model.names[k].split()[0] in ("AU5", "AU7")
    return {
        "coherence": float(match.coherence[g, k]),
        "part_coherence": float(match.part_coherence[g, k]),
        "explained": float(match.explained[g, k]),
        "part_explained": float(match.part_explained[g, k]),
        "log_signal": _log(match.signal[g, k]),
        "log_amplitude": _log(match.amplitude[g, k]),
        "rise_s": SHAPES[g][0],
        "fall_s": SHAPES[g][1],
        "rival": float(np.where(model.alike[k], 0.0, match.part_explained[g]).max()),
        "log_noise": _log((match.precision[g][REGIONS] ** -0.5).mean()),
        "eyes": float(alone),
        "brows": float(template[BROWS].max() > 0.3),
        "mouth": float(template[MOUTH].max() > 0.2),
        "log_unmixed_signal": _log(signal),
        "unmixed_coherence": coherence,
        "unmixed_gain": amplitude / float(match.amplitude[g, k]),
    }


def _motion(
    samples: Sequence[Sample], during: NDArray[np.bool_], before: NDArray[np.bool_], precision: F64
) -> dict[str, float]:
    """What the face and the picture did meanwhile and before."""
    channels = np.array([sample.channels for sample in samples])
    residual, rigid, aperture, light = np.array([sample.state for sample in samples]).T
    power = (channels**2) @ precision
    power_during = max(float(power[during].mean()), 1e-9)
    lids, rest = (float(np.abs(channels[during, part]).max()) for part in (LIDS, REGIONS))
    lid_power = float((channels[during, LIDS] ** 2 @ precision[LIDS]).mean())
    open_eyes = max(float(np.median(aperture[before])), 1e-6)
    return {
        "lid_share": lids / max(rest, 1e-6),
        "log_residual": _log(np.median(residual[during])),
        "log_residual_before": _log(np.median(residual[before])),
        "log_rigid": _log(np.median(rigid[during])),
        "log_rigid_before": _log(np.median(rigid[before])),
        "closing": 1.0 - float(aperture[during].min()) / open_eyes,
        "opening": float(aperture[during].max()) / open_eyes - 1.0,
        "light": float(light[during].max()),
        "log_energy_over_before": _log(power_during / max(float(power[before].mean()), 1e-9)),
        "log_energy_at_end": _log(float(power[-1]) / power_during),
        "log_lid_energy": _log(lid_power / power_during),
    }


def _log(value: float | np.floating[Any]) -> float:
    return float(np.log(max(float(value), 1e-3)))
