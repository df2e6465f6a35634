"""Training of the spotter's model: templates from the action units, trees from living motion.

Everything is synthetic: hours of motion on living faces (`synthesis.living_motion`) with known
micro-expressions in it go through the live route's own candidate finder, and the trees learn which
candidates are micro-expressions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from offline.synthesis.action_units import ACTION_UNITS, Bump
from offline.synthesis.fields import Side, bump_displacement, scale_to_peak
from offline.synthesis.living import LivingPlan, LivingStream
from offline.synthesis.living_motion import FLOW_BLUR_CELLS, living_motions
from offline.synthesis.relief import face_relief
from offline.synthesis.schedule import Pulse
from realtime.flow import GRID, motion_from_grid
from realtime.geometry import unit_grid
from realtime.spotting import SpotterConfig
from realtime.spotting.candidates import Candidate, CandidateFinder
from realtime.spotting.features import FEATURES
from realtime.spotting.model import SCHEMA, MicroModel, Trees
from realtime.types import F32, F64

COMBINATIONS = ["1+2", "1+2+5", "6+12", "4+7", "4+9", "4+10", "4+7+10"]
COMBINATIONS += ["12+14", "15+17", "17+24", "1+2+26", "12+25", "14+17", "6+7+12"]
"""The most frequent combinations of the recipes."""
MATCH_IOU = 0.45
"""A candidate that overlaps with an event by at least this is taken for it; its times are refined later."""


def make_templates() -> tuple[tuple[str, ...], F64]:
    """Names and (k, 38) templates: each action unit, both-sided and one-sided, and common combinations."""
    names, rows = [], []
    for unit, bumps in ACTION_UNITS.items():
        sides: tuple[Side, ...] = ("both", "left", "right") if any(b.x for b in bumps) else ("both",)
        for side in sides:
            names.append(unit if side == "both" else f"{unit} {side}")
            rows.append(_template(bumps, side))
    for combination in COMBINATIONS:
        units = [f"AU{number}" for number in combination.split("+")]
        names.append("+".join(units))
        rows.append(_template([bump for unit in units for bump in ACTION_UNITS[unit]], "both"))
    return tuple(names), np.round(rows, 4)


def _template(bumps: Sequence[Bump], side: Side) -> F64:
    rows = []
    for b in bumps:
        if b.x == 0.0 or side != "right":
            rows.append([b.x, b.y, b.sigma_x, b.sigma_y, b.dx, b.dy])
        if b.x != 0.0 and side != "left":
            rows.append([-b.x, b.y, b.sigma_x, b.sigma_y, -b.dx, b.dy])
    x, y = unit_grid(GRID)
    moved = bump_displacement(scale_to_peak(np.array(rows)), x, y)
    u, v = (100.0 * cv2.GaussianBlur(part, (0, 0), FLOW_BLUR_CELLS) for part in moved)
    motion = motion_from_grid(
        u,
        v,
        face_relief(x, y).astype(np.float32),
        index=0,
        time_s=0.0,
        lag_s=0.1,
        brightness=(1.0, 1.0),
        aperture=0.3,
    )
    channels = np.concatenate([motion.regions.ravel(), motion.lids.ravel()])
    return np.asarray(channels.astype(np.float64) / 100.0)


def draw_motion_plan(seed: int, seconds: float = 60.0) -> LivingPlan:
    """A living face whose motion is made directly: frame rate and liveliness drawn."""
    rng = np.random.default_rng([seed, 24])
    fps = float(rng.choice([25.0, 30.0, 30.0, 60.0]))
    return LivingPlan(seed=seed, seconds=seconds, fps=fps, liveliness=float(rng.uniform()) ** 1.5)


def training_rows(stream: LivingStream, model: MicroModel) -> Iterator[tuple[F64, int]]:
    """Features and class (1 micro-expression, 0 none) of each candidate of a stream.

    Candidates that touch a micro-expression without being it are left out.
    """
    finder = CandidateFinder(SpotterConfig(), model)
    found: list[Candidate] = []
    for motion in living_motions(stream):
        found += finder.push(motion)
    for candidate in (*found, *finder.flush()):
        overlaps = [_iou(candidate, event) for event in stream.events]
        best = max(overlaps, default=0.0)
        if best >= MATCH_IOU or best == 0.0:
            yield candidate.features, int(best > 0.0)


def _iou(candidate: Candidate, event: Pulse) -> float:
    shared = min(candidate.offset_s, event.end_s) - max(candidate.onset_s, event.start_s)
    union = max(candidate.offset_s, event.end_s) - min(candidate.onset_s, event.start_s)
    return max(shared, 0.0) / union


def grow_trees(features: F64, labels: Sequence[int]) -> Trees:
    """Fit boosted trees of depth 3; the same data gives the same trees."""
    from sklearn.ensemble import GradientBoostingClassifier

    fitted = GradientBoostingClassifier(
        n_estimators=160, learning_rate=0.08, max_depth=3, min_samples_leaf=25, subsample=0.7, random_state=0
    ).fit(features, labels)
    share = float(np.mean(labels))
    trees = [stage[0].tree_ for stage in fitted.estimators_]
    nodes = max(tree.node_count for tree in trees)

    def table(name: str, fill: float, scale: float = 1.0) -> Any:
        columns = [np.ravel(getattr(tree, name)) * scale for tree in trees]
        return np.array([np.pad(c, (0, nodes - c.size), constant_values=fill) for c in columns])

    feature = table("feature", -1).astype(np.int64)
    return Trees(
        feature=np.maximum(feature, -1),
        threshold=table("threshold", 0.0),
        left=np.maximum(table("children_left", 0), 0).astype(np.int64),
        right=np.maximum(table("children_right", 0), 0).astype(np.int64),
        value=table("value", 0.0, fitted.learning_rate),
        bias=float(np.log(share / (1.0 - share))),
    )


def train_model(seeds: Sequence[int], seconds: float = 60.0) -> MicroModel:
    """Templates and trees, from one living face per seed."""
    names, templates = make_templates()
    blank = MicroModel(names, templates, FEATURES, _no_trees())
    rows = [
        row for seed in seeds for row in training_rows(LivingStream(draw_motion_plan(seed, seconds)), blank)
    ]
    features = np.array([row[0] for row in rows])
    return MicroModel(names, templates, FEATURES, grow_trees(features, [row[1] for row in rows]))


def _no_trees() -> Trees:
    index, value = np.full((1, 1), -1), np.zeros((1, 1))
    return Trees(index, value, index, index, value, 0.0)


def to_json(model: MicroModel) -> str:
    """The model's file, ending in a line break."""
    trees = model.trees
    data = {
        "schema": SCHEMA,
        "names": model.names,
        "templates": model.templates.tolist(),
        "features": model.features,
        "trees": {
            "bias": round(trees.bias, 6),
            "feature": trees.feature.tolist(),
            "left": trees.left.tolist(),
            "right": trees.right.tolist(),
            # nine digits tell any two numbers of single precision apart
            "threshold": _round(trees.threshold, 9),
            "value": _round(trees.value, 6),
        },
    }
    return json.dumps(data, separators=(",", ":")) + "\n"


def _round(values: F64 | F32, digits: int) -> list[list[float]]:
    return [[float(f"{value:.{digits}g}") for value in row] for row in values.tolist()]
