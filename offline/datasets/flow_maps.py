"""Ready onset→apex flow images, the form in which the MEGC 2019 composite circulates.

    <root>/<subject>/u_test/<class 0|1|2>/<clip>.png

28×28 (or any size), 8-bit RGB: red the flow u (to the right), green v (down), blue the optical strain,
each scaled min–max per map. 0 negative, 1 positive, 2 surprise. `u_train` only repeats the other
subjects and is not read: folds are made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from offline.datasets import casme2, samm, smic_hs
from offline.samples import SampleSet, crop_flow_to_face, sample_set
from offline.synthesis.recipes import MEGC_CLASSES
from realtime.errors import DataError
from realtime.features.spec import FACE_SIZE
from realtime.features.strain import optical_strain
from realtime.types import F32, U8

NAME = "flow-maps"

_LOG_RATIOS = np.linspace(-1.5, 1.5, 61)
_RATIO_STRENGTH = 0.5
"""The ratio is estimated from 8-bit maps: half of its logarithm is taken back, not all."""


@dataclass(frozen=True, slots=True)
class _Clip:
    path: Path
    subject: str
    label: int


def load_flow_maps(root: Path) -> SampleSet:
    """Read a folder of flow maps: samples with the field onset→apex alone.

    Raises DataError where the folder holds no maps, and for a map that cannot be read.
    """
    clips = _find_clips(root)
    if not clips:
        raise DataError(f"no flow maps in {root}: expected <subject>/u_test/<class 0|1|2>/<clip>.png")
    flows = np.full((len(clips), 3, 2, FACE_SIZE, FACE_SIZE), np.nan, dtype=np.float32)
    for index, clip in enumerate(clips):
        field = crop_flow_to_face(map_to_flow(_read(clip.path)))
        flows[index, 0] = [
            cv2.resize(part, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_CUBIC) for part in field
        ]
    subjects = [clip.subject for clip in clips]
    datasets = [composite_part(subject) for subject in subjects]
    return sample_set(flows, [clip.label for clip in clips], MEGC_CLASSES, subjects, datasets=datasets)


def composite_part(subject: str) -> str:
    """Dataset of a subject of the MEGC 2019 composite, read from its name (`sub01`, `s1`, `006`)."""
    if subject.startswith("sub"):
        return casme2.NAME
    return smic_hs.NAME if subject.startswith("s") else samm.NAME


def map_to_flow(image: U8) -> F32:
    """Flow of one map, with the lost ratio of the scales of u and v taken back at half strength.

    The ratio r is the one for which the strain of (r·u, v) looks most like the strain in the map;
    u is multiplied by √r.

    Args:
        image: uint8 (H, W, 3) RGB.

    Returns:
        float32 (2, H, W): u, v in an arbitrary common unit.
    """
    u, v, strain = np.moveaxis(image.astype(np.float32) / np.float32(255.0), -1, 0)
    ratios = np.exp(_LOG_RATIOS)[:, None, None]
    candidates = np.stack([u * ratios, np.broadcast_to(v, (len(ratios), *v.shape))], axis=1)
    found = optical_strain(candidates, (1.0, 1.0)).reshape(len(ratios), -1)
    found = found - found.mean(axis=1, keepdims=True)
    wanted = (strain - strain.mean()).ravel()
    likeness = (found @ wanted) / np.maximum(np.linalg.norm(found, axis=1), 1e-9)
    ratio = np.exp(_RATIO_STRENGTH * _LOG_RATIOS[int(np.argmax(likeness))]) if wanted.any() else 1.0
    return np.stack([u * np.float32(ratio), v])


def _find_clips(root: Path) -> list[_Clip]:
    if not root.is_dir():
        raise DataError(f"no folder {root}: give the folder that holds one folder per subject")
    return [
        _Clip(path, subject.name, label)
        for subject in sorted(root.iterdir())
        for label in range(len(MEGC_CLASSES))
        for path in sorted((subject / "u_test" / str(label)).glob("*.png"))
    ]


def _read(path: Path) -> U8:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"cannot read the flow map {path}: not a PNG image")
    return np.ascontiguousarray(image[..., ::-1]).astype(np.uint8)
