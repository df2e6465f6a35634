"""The network as one ONNX file with a free batch size."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from offline.network import GlimpseNet
from realtime.errors import OutputError
from realtime.features.spec import FACE_SIZE

OPSET = 18


def network_to_onnx(network: GlimpseNet) -> bytes:
    """Export a network: inputs `frames`, `flows` (n, 3, 3, 64, 64); outputs as of `GlimpseNet.forward`.

    Raises OutputError where the exporter fails.
    """
    network.eval()
    example = tuple(torch.zeros(2, 3, 3, FACE_SIZE, FACE_SIZE) for _ in range(2))
    batch = torch.export.Dim("n", min=1, max=4096)
    try:
        with _quiet():
            program = torch.onnx.export(
                network,
                example,
                input_names=["frames", "flows"],
                output_names=["features", "scores", "action_units"],
                dynamic_shapes=({0: batch}, {0: batch}),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            assert program is not None
            return bytes(_stripped(program.model_proto).SerializeToString())
    except Exception as error:  # the exporter raises classes of many libraries
        raise OutputError(f"the network cannot be exported to ONNX: {error}".splitlines()[0]) from error


def _stripped(model: Any) -> Any:
    """Without the exporter's notes: they hold paths and source lines of the machine that exported."""
    del model.metadata_props[:]
    for item in (model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        del item.metadata_props[:]
        item.doc_string = ""
    for item in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter talks on stdout and warns of its own deprecated calls."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
