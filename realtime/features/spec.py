"""The 224 features of one movement: their names, their blocks and the id of how they are computed.

Everything that changes a number of the vector stands in `PARAMETERS`; the feature modules read it
from there, so `FEATURE_SPEC_ID` cannot stay the same when the computation changes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from realtime import geometry, grid_flow
from realtime.grid_flow import Look

FACE_SIZE = 64
"""Pixels: width and height of the faces and flow fields that the features see."""
FLOW_FACE_SIZE = 128
"""Pixels: width and height of the canonical face on which the flow is measured."""

FLOW_LOOKS = (Look(cells=32, window=7), Look(cells=64, window=7))
"""Of the flow between key frames: windows of 28, then of 14 pixels. Nearer to the truth than OpenCV's dense
flow of three rounds and 15 pixels, for movements of .8, 2 and 4 % of the eye distance drawn on a portrait."""
EMPHASIS_ROWS = (20, 40)
EMPHASIS_COLUMNS = (25, 40)
EMPHASIS_GAIN = 1.3
"""AU 9 / AU 10: this rectangle of every 64×64 key frame is multiplied by the gain."""

LBP_PLANES = ("xy", "xt", "yt")
LBP_BINS = 6
"""Rotation-invariant uniform patterns of 4 neighbours: 0..4 ones, and one bin for the rest."""
HOG_ORIENTATIONS = 9
HOG_CELLS = (2, 1)
"""Rows and columns of cells: the upper and the lower half of the face."""
HOG_INPUT = "apex-onset"
FLOW_STATISTICS = ("mean_u", "mean_v", "var_u", "var_v")
DIRECTION_BINS = 8

AU_STATISTICS = ("strain_mean", "strain_std", "magnitude_mean", "magnitude_std", "mean_u", "mean_v")
AU_REGIONS: dict[str, tuple[str, ...]] = {
    "au1": ("brow_inner_left", "brow_inner_right"),
    "au2": ("brow_outer_left", "brow_outer_right"),
    "au4": ("glabella",),
    "au6": ("cheek_left", "cheek_right"),
    "au9_10": ("nose_wing_left", "nose_wing_right", "lip_upper_left", "lip_upper_right"),
    "au12": ("mouth_corner_left", "mouth_corner_right"),
    "au15": ("cheek_lower_left", "cheek_lower_right"),
    "au17": ("lip_lower", "chin"),
}
"""Action-unit regions and the patches of `geometry.REGIONS` that make them up."""

AU_NAMES = (
    "AU1",
    "AU2",
    "AU4",
    "AU5",
    "AU6",
    "AU7",
    "AU9",
    "AU10",
    "AU12",
    "AU14",
    "AU15",
    "AU17",
    "AU20",
)
"""Action units that are recognised, numbered as in FACS (Ekman, Friesen & Hager 2002)."""


def _names() -> dict[str, tuple[str, ...]]:
    halves = ("upper", "lower")
    return {
        "cnn": tuple(f"cnn_{i:03d}" for i in range(128)),
        "lbp_top": tuple(f"lbp_top_{plane}_{i}" for plane in LBP_PLANES for i in range(LBP_BINS)),
        "hog": tuple(f"hog_{half}_{i}" for half in halves for i in range(HOG_ORIENTATIONS)),
        "flow": tuple(f"flow_{name}" for name in FLOW_STATISTICS)
        + tuple(f"flow_direction_{i}" for i in range(DIRECTION_BINS)),
        "au": tuple(f"{region}_{name}" for region in AU_REGIONS for name in AU_STATISTICS),
    }


def _blocks(names: dict[str, tuple[str, ...]]) -> dict[str, slice]:
    blocks, start = {}, 0
    for block, members in names.items():
        blocks[block] = slice(start, start + len(members))
        start += len(members)
    return blocks


BLOCK_NAMES = _names()
FEATURE_NAMES: tuple[str, ...] = tuple(name for names in BLOCK_NAMES.values() for name in names)
"""All 224 names, in the order of the vector."""
BLOCKS: dict[str, slice] = _blocks(BLOCK_NAMES)
"""Block name → its slice of the 224-vector: cnn, lbp_top, hog, flow, au."""
CNN_SIZE = len(BLOCK_NAMES["cnn"])
HANDCRAFTED_SIZE = len(FEATURE_NAMES) - CNN_SIZE
HANDCRAFTED_BLOCKS: dict[str, slice] = {
    name: slice(block.start - CNN_SIZE, block.stop - CNN_SIZE)
    for name, block in BLOCKS.items()
    if name != "cnn"
}
"""The same slices within the 96 handcrafted numbers."""

PARAMETERS: dict[str, Any] = {
    "computation": 4,
    "face_size": FACE_SIZE,
    "flow_face_size": FLOW_FACE_SIZE,
    "flow_expansion": [grid_flow.RADIUS, grid_flow.SIGMA],
    "flow_looks": [[look.cells, look.window] for look in FLOW_LOOKS],
    "flow_fields": ["onset-apex", "apex-offset", "onset-offset"],
    "flow_unit": "percent of the eye distance",
    "normalisation": "median u, median v; joint rms u v; rms strain",
    "strain": "central differences, face units, infinitesimal",
    "emphasis": [EMPHASIS_ROWS, EMPHASIS_COLUMNS, EMPHASIS_GAIN],
    "lbp_top": {"points": 4, "radius": 1, "planes": LBP_PLANES, "frames": "onset apex offset"},
    "hog": {"orientations": HOG_ORIENTATIONS, "cells": HOG_CELLS, "input": HOG_INPUT, "norm": "L2"},
    "flow": {"field": "onset-apex", "direction_bins": DIRECTION_BINS},
    "au": {
        "field": "onset-apex",
        "u": "outwards",
        "patches": {
            name: [
                [region.name, region.x, region.y, region.sigma]
                for region in geometry.REGIONS
                if region.name in patches
            ]
            for name, patches in AU_REGIONS.items()
        },
    },
    "geometry": [geometry.EYE_ROW, geometry.EYE_DISTANCE, geometry.FACE_UNIT_Y],
}
"""Everything that the numbers depend on."""


def spec_id(names: tuple[str, ...], parameters: dict[str, Any]) -> str:
    """Short hash (12 hexadecimal digits of SHA-256) of feature names and computation parameters."""
    text = json.dumps([names, parameters], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


FEATURE_SPEC_ID = spec_id(FEATURE_NAMES, PARAMETERS)
