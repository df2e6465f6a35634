"""The spotter's network: a causal, dilated convolution over the rows of `Signal`, one row at a time.

Temporal convolutional networks (Bai, Kolter and Koltun 2018) of six residual layers, over two seconds. The
members differ in their seed alone and are averaged: each has false alarms of its own.
Every layer keeps the few rows of its past that it needs, so a row costs the same whatever came before.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from importlib import resources
from typing import IO

import numpy as np

from realtime.errors import GlimpseError
from realtime.spotting.signal import INPUTS
from realtime.types import F64, readonly

SCHEMA = "glimpse-spotter/2"
DILATIONS = (1, 2, 4, 8, 16, 32)
TAPS = 3
OUTPUTS = 4
REACH = 1 + (TAPS - 1) * sum(DILATIONS)
"""How many rows an output depends on: 127, two seconds."""
END_S = 0.05
"""A movement is told of where its offset is this long ago, s."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What m members of `width` channels have learned: h layers of `TAPS` taps each."""

    entry: F64
    """(m, INPUTS, width)"""
    entry_bias: F64
    """(m, width)"""
    layer: F64
    """(h, m, TAPS · width, width), the oldest tap first."""
    layer_bias: F64
    """(h, m, width)"""
    mix: F64
    """(h, m, width, width)"""
    mix_bias: F64
    """(h, m, width)"""
    exit: F64
    """(m, width, OUTPUTS)"""
    exit_bias: F64
    """(m, OUTPUTS)"""


class CausalNetwork:
    """`push(row)` gives what the network says at this time."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.reset()

    def reset(self) -> None:
        """Before the first row there is nothing: zeros in every layer."""
        members, width = self._weights.entry_bias.shape
        self._past = [np.zeros(((TAPS - 1) * dilation, members, width)) for dilation in DILATIONS]
        self._at = 0

    def push(self, row: F64) -> F64:
        """(OUTPUTS,) for a row (INPUTS,): log-odds that a micro-expression ended `END_S` ago, then how long
        its onset, apex and offset are ago, s; means of the members."""
        w = self._weights
        x = np.maximum(row @ w.entry + w.entry_bias, 0.0)
        for k, (dilation, past) in enumerate(zip(DILATIONS, self._past, strict=True)):
            oldest, middle = self._at % len(past), (self._at + dilation) % len(past)
            taps = np.concatenate([past[oldest], past[middle], x], axis=1)
            past[oldest] = x
            hidden = np.maximum(_each(taps, w.layer[k]) + w.layer_bias[k], 0.0)
            x = x + _each(hidden, w.mix[k]) + w.mix_bias[k]
        self._at += 1
        return np.asarray((_each(np.maximum(x, 0.0), w.exit) + w.exit_bias).mean(axis=0))


def _each(rows: F64, matrices: F64) -> F64:
    """Row i (m, a) times matrix i (m, a, b)."""
    return np.asarray(np.matmul(rows[:, None], matrices)[:, 0])


@lru_cache(maxsize=1)
def load_weights() -> Weights:
    """Those of the package."""
    with resources.files("realtime.spotting").joinpath("micro.npz").open("rb") as file:
        return read_weights(file)


def read_weights(file: IO[bytes]) -> Weights:
    """Read a network's file. Raises GlimpseError where it is of another schema or shape."""
    names = [field.name for field in fields(Weights)]
    with np.load(file, allow_pickle=False) as data:
        schema = str(data["schema"]) if "schema" in data else ""
        if schema != SCHEMA or any(name not in data for name in names):
            raise GlimpseError(f"the spotter's network is not of schema {SCHEMA}: install glimpse anew")
        weights = Weights(**{name: readonly(data[name].astype(np.float64)) for name in names})
    _check(weights)
    return weights


def blank_weights() -> Weights:
    """Those of a network that hears nothing and finds nothing."""
    shapes = _shapes(1, 1)
    arrays = {name: np.zeros(shape) for name, shape in shapes.items()}
    arrays["exit_bias"][:, 0] = -30.0
    return Weights(**{name: readonly(array) for name, array in arrays.items()})


def _shapes(members: int, width: int) -> dict[str, tuple[int, ...]]:
    layers = len(DILATIONS)
    return {
        "entry": (members, INPUTS, width),
        "entry_bias": (members, width),
        "layer": (layers, members, TAPS * width, width),
        "layer_bias": (layers, members, width),
        "mix": (layers, members, width, width),
        "mix_bias": (layers, members, width),
        "exit": (members, width, OUTPUTS),
        "exit_bias": (members, OUTPUTS),
    }


def _check(weights: Weights) -> None:
    if weights.entry_bias.ndim != 2:
        raise GlimpseError("the spotter's network is damaged (entry_bias): install glimpse anew")
    members, width = weights.entry_bias.shape
    for name, shape in _shapes(members, width).items():
        if getattr(weights, name).shape != shape:
            raise GlimpseError(f"the spotter's network is damaged ({name}): install glimpse anew")
