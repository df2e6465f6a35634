"""Words for what the records name by a key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

UNITS: Mapping[str, str] = MappingProxyType(
    {
        "AU1": "inner brow raiser",
        "AU2": "outer brow raiser",
        "AU4": "brow lowerer",
        "AU5": "upper lid raiser",
        "AU6": "cheek raiser",
        "AU7": "lid tightener",
        "AU9": "nose wrinkler",
        "AU10": "upper lip raiser",
        "AU12": "lip corner puller",
        "AU14": "dimpler",
        "AU15": "lip corner depressor",
        "AU17": "chin raiser",
        "AU20": "lip stretcher",
    }
)
"""Action units by their names in FACS (Ekman, Friesen & Hager 2002)."""

CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "motion": "face or head in motion",
        "no_face": "no face",
        "turned_away": "turned away",
        "few_pixels": "face too small",
        "light": "too dark, too bright or flickering",
        "blur": "blurred",
        "frame_rate": "too few frames",
        "gap": "pictures missing",
        "warm_up": "warming up",
    }
)
"""Why a micro-expression could not have been seen."""

BLOCKS: Mapping[str, str] = MappingProxyType(
    {
        "cnn": "network",
        "lbp_top": "texture over time (LBP-TOP)",
        "hog": "edges (HOG)",
        "flow": "flow statistics",
        "au": "motion in action-unit regions",
    }
)
"""Blocks of features."""


def words(name: object) -> str:
    """A key as words: `mouth_corner_left` → "mouth corner left"."""
    return str(name).replace("_", " ")
