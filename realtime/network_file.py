"""What a bundle's ONNX network may hold, checked in the file itself before ONNX Runtime sees it.

Read with descriptors of our own of just the parts that matter (ONNX IR, https://onnx.ai/onnx/repo-docs/IR.html),
through the same library and therefore the same rules as the runtime's: what it would see is what is checked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from realtime.errors import BundleError
from realtime.features.spec import AU_NAMES, CNN_SIZE, FACE_SIZE

INPUTS: Mapping[str, tuple[int | None, ...]] = dict.fromkeys(
    ("frames", "flows"), (None, 3, 3, FACE_SIZE, FACE_SIZE)
)
"""Names and shapes, float32; None: any number."""
OUTPUTS: Mapping[str, tuple[int | None, ...]] = {
    "features": (None, CNN_SIZE),
    "scores": (None, 2, None),
    "action_units": (None, len(AU_NAMES), 2),
}
OPERATORS = frozenset(
    """
    Abs Add AveragePool BatchNormalization Cast Clip Concat Conv Div Equal Exp Expand Flatten Gather
    Gemm GlobalAveragePool GlobalMaxPool Greater Identity Less Log MatMul Max MaxPool Min Mul Neg
    Not Pow ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Shape Sigmoid Slice Softmax Split
    Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
    """.split()  # noqa: SIM905
)
"""Of ONNX's own domain; none of them loops, branches, draws numbers or opens anything."""

_MOST_NODES = 20_000
_DOMAINS = (b"", b"ai.onnx")
_BYTES = {1: 4, 6: 4, 7: 8, 9: 1, 11: 8}
"""Of one number of the tensor types that may occur: float32, int32, int64, bool, float64."""
_FLOAT = 1
_ORT_FORMAT = b"ORTM"
"""Marks a file of the runtime's own format, at byte 4: it would be read by other rules."""

# Message → its fields: name, number, type; "*" is a repeated one, "raw" bytes, text or a message as it is.
_PARTS: Mapping[str, tuple[tuple[str, int, str], ...]] = {
    "Model": (
        ("opset_import", 8, "*Opset"),
        ("graph", 7, "Graph"),
        ("metadata_props", 14, "*raw"),
        ("training_info", 20, "*raw"),
        ("functions", 25, "*raw"),
    ),
    "Opset": (("domain", 1, "raw"), ("version", 2, "int64")),
    "Graph": (
        ("node", 1, "*Node"),
        ("initializer", 5, "*Tensor"),
        ("input", 11, "*Value"),
        ("output", 12, "*Value"),
        ("sparse_initializer", 15, "*raw"),
    ),
    "Node": (("op_type", 4, "raw"), ("attribute", 5, "*Attribute"), ("domain", 7, "raw")),
    "Attribute": (
        ("t", 5, "raw"),
        ("g", 6, "raw"),
        ("tensors", 10, "*raw"),
        ("graphs", 11, "*raw"),
        ("ref_attr_name", 21, "raw"),
        ("sparse_tensor", 22, "raw"),
        ("sparse_tensors", 23, "*raw"),
    ),
    "Tensor": (
        ("dims", 1, "*int64"),
        ("data_type", 2, "int32"),
        ("segment", 3, "raw"),
        ("name", 8, "raw"),
        ("raw_data", 9, "raw"),
        ("external_data", 13, "*raw"),
        ("data_location", 14, "int32"),
    ),
    "Value": (("name", 1, "raw"), ("type", 2, "Type")),
    "Type": (("tensor_type", 1, "TensorType"),),
    "TensorType": (("elem_type", 1, "int32"), ("shape", 2, "Shape")),
    "Shape": (("dim", 1, "*Dimension"),),
    "Dimension": (("dim_value", 1, "int64"),),
}
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "raw": _Field.TYPE_BYTES,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
}


def check_network(network: bytes, name: str) -> None:
    """Refuse what is not a plain network of the right inputs and outputs; `name` is the file's.

    Raises BundleError for anything that reaches outside the file, loops, brings code or operators of its
    own, announces more numbers than it holds, or has other inputs or outputs.
    """
    if reason := next(_objections(network), None):
        raise BundleError(f"{name} is not used: it {reason}; export the bundle again")


def _objections(network: bytes) -> Iterator[str]:
    if network[4:8] == _ORT_FORMAT:
        yield "is no ONNX file"
    try:
        model = _model_class().FromString(network)
    except DecodeError:
        yield "is no ONNX file"
        return
    graph = model.graph
    if not graph.node:
        yield "is no ONNX file"
    if len(graph.node) > _MOST_NODES:
        yield f"has more than {_MOST_NODES} operators"
    if model.functions or model.training_info or model.metadata_props or graph.sparse_initializer:
        yield "brings functions, settings or sparse tensors of its own"
    yield from _foreign(item.domain for item in (*model.opset_import, *graph.node))
    for node in graph.node:
        yield from _of_node(node)
    for tensor in graph.initializer:
        yield from _of_tensor(tensor)
    held = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    if not (_fit(inputs, INPUTS) and _fit(graph.output, OUTPUTS)):
        yield "has other inputs or outputs than this version runs"


def _foreign(domains: Iterable[bytes]) -> Iterator[str]:
    for domain in domains:
        if domain not in _DOMAINS:
            yield f"needs operators of the domain {_text(domain)!r}"


def _of_node(node: Any) -> Iterator[str]:
    operator = _text(node.op_type)
    if operator not in OPERATORS:
        yield f"has the operator {operator!r}, which no network of glimpse needs"
    if any(attribute.ListFields() for attribute in node.attribute):
        yield f"has a graph or tensors within an operator {operator}"


def _of_tensor(tensor: Any) -> Iterator[str]:
    if tensor.external_data or tensor.data_location:
        yield "keeps weights outside its file"
    if tensor.data_type not in _BYTES or tensor.segment:
        yield f"holds a tensor of type {tensor.data_type}"
    elif min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) * _BYTES[tensor.data_type] != len(
        tensor.raw_data
    ):
        yield "announces a tensor of another size than it holds"


def _fit(values: Iterable[Any], wanted: Mapping[str, tuple[int | None, ...]]) -> bool:
    """Whether these are just the wanted ones, in their order, as float32 of the wanted shapes."""
    found = list(values)
    return [_text(value.name) for value in found] == list(wanted) and all(
        value.type.tensor_type.elem_type == _FLOAT and _is_of(value.type.tensor_type.shape.dim, shape)
        for value, shape in zip(found, wanted.values(), strict=True)
    )


def _is_of(dimensions: Sequence[Any], shape: tuple[int | None, ...]) -> bool:
    return len(dimensions) == len(shape) and all(
        size is None or dimension.dim_value == size for dimension, size in zip(dimensions, shape, strict=True)
    )


def _text(name: bytes) -> str:
    return name[:60].decode("utf-8", "replace")


@lru_cache(maxsize=1)
def _model_class() -> Any:
    """The class of a model, in a pool of its own: the `onnx` package's classes do not come into it."""
    file = descriptor_pb2.FileDescriptorProto(name="network.proto", package="network", syntax="proto2")
    for name, parts in _PARTS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in parts:
            many, kind = kind.startswith("*"), kind.removeprefix("*")
            entry = message.field.add(
                name=field,
                number=number,
                label=_Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL,
                type=_TYPES.get(kind, _Field.TYPE_MESSAGE),
            )
            if kind not in _TYPES:
                entry.type_name = f".network.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("network.Model"))
