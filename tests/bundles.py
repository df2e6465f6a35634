"""A very small model bundle, made by hand in a second: the network is one matrix, the SVM fits noise."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from realtime.bundle import CARD, DESCRIPTION, FILES, NETWORK, SCHEMA, SCORER, content_id
from realtime.features.spec import AU_NAMES, CNN_SIZE, FEATURE_NAMES, FEATURE_SPEC_ID
from realtime.fusion import Fusion, Scorer, UnitCalibration
from realtime.scorer_file import scorer_bytes
from realtime.svm import RbfSvm

CLASSES = ("happiness", "disgust", "surprise")


def network() -> bytes:
    """An ONNX model of the right signature: the means over the pictures times a fixed matrix."""
    shape = ("n", 3, 3, 64, 64)
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("frames", "flows")]
    sizes = {"features": (CNN_SIZE,), "scores": (2, len(CLASSES)), "action_units": (len(AU_NAMES), 2)}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", *size)) for name, size in sizes.items()
    ]
    rng = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(np.array([3, 4], np.int64), "axes"),
        numpy_helper.from_array(np.array([0, 18], np.int64), "flat"),
    ]
    nodes = [
        *(
            helper.make_node("ReduceMean", [name, "axes"], [f"{name}_mean"], keepdims=0)
            for name in ("frames", "flows")
        ),
        helper.make_node("Concat", ["frames_mean", "flows_mean"], ["both"], axis=1),
        helper.make_node("Reshape", ["both", "flat"], ["row"]),
    ]
    for name, size in sizes.items():
        weights = rng.normal(size=(18, int(np.prod(size)))).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"{name}_weights"))
        constants.append(numpy_helper.from_array(np.array([0, *size], np.int64), f"{name}_shape"))
        nodes.append(helper.make_node("MatMul", ["row", f"{name}_weights"], [f"{name}_flat"]))
        nodes.append(helper.make_node("Reshape", [f"{name}_flat", f"{name}_shape"], [name]))
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def scorer() -> bytes:
    """A fitted scaler and SVM over 224 features, and how all sources are fused."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % len(CLASSES)
    samples = rng.normal(size=(60, len(FEATURE_NAMES))) + labels[:, None]
    machine = make_pipeline(StandardScaler(), SVC(class_weight="balanced")).fit(samples, labels)
    fusion = Fusion(np.array([0.3, 0.0, 1.0]), np.zeros(len(CLASSES)))
    units = UnitCalibration(np.ones(len(AU_NAMES)), np.zeros(len(AU_NAMES)))
    return scorer_bytes(Scorer(RbfSvm.of(machine), fusion, units))


def write_bundle(folder: Path, **changes: Any) -> Path:
    """Write the bundle; `changes` replace entries of bundle.json."""
    contents = {NETWORK: network(), SCORER: scorer(), CARD: b"# tiny\n"}
    assert set(contents) == set(FILES)
    description = {
        "schema": SCHEMA,
        "name": "tiny",
        "id": content_id(contents[NETWORK], contents[SCORER]),
        "classes": list(CLASSES),
        "feature_spec": FEATURE_SPEC_ID,
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in contents.items()
        },
        **changes,
    }
    folder.mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
    return folder
