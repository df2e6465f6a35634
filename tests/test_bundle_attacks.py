"""Bundles made to harm: each is refused with its reason before anything of it is used."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from bundles import network, scorer, write_bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from realtime import inference
from realtime.bundle import CARD, DESCRIPTION, FILES, NETWORK, SCORER, content_id, load_bundle, read_card
from realtime.errors import BundleError
from realtime.network_file import OPERATORS, check_network
from realtime.recognition import Recognizer
from realtime.scorer_file import read_scorer

Change = Callable[[Any], None]
QUICK = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # only `nothing_runs`
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for tests that leave it as it was."""
    return write_bundle(tmp_path_factory.mktemp("shared") / "bundle")


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime is never asked: whatever is refused is refused before."""

    def forbidden() -> None:
        raise AssertionError("a refused bundle was run")

    monkeypatch.setattr(inference, "load_runtime", forbidden)


def refused(folder: Path, reason: str) -> None:
    with pytest.raises(BundleError, match=reason) as caught:
        Recognizer(load_bundle(folder), "cpu")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def put(folder: Path, name: str, data: bytes) -> None:
    """Other bytes for a file, with honest checksums."""
    (folder / name).write_bytes(data)
    about = json.loads((folder / DESCRIPTION).read_text())
    about["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    about["id"] = content_id((folder / NETWORK).read_bytes(), (folder / SCORER).read_bytes())
    (folder / DESCRIPTION).write_text(json.dumps(about))


def describe(folder: Path, **changes: Any) -> None:
    about = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**about, **changes}))


def test_a_card_that_changes_after_it_was_checked_is_not_shown(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert read_card(loaded)
    (bundle / CARD).write_text("another")
    with pytest.raises(BundleError, match=r"MODEL_CARD\.md has changed"):
        read_card(loaded)


# The description


def test_unknown_keys(bundle: Path) -> None:
    describe(bundle, code="import os")
    refused(bundle, "unknown key 'code'")


def test_a_key_that_stands_twice(bundle: Path) -> None:
    text = (bundle / DESCRIPTION).read_text()
    (bundle / DESCRIPTION).write_text(text.replace("{", '{"id": "0", ', 1))
    refused(bundle, "the key 'id' stands twice")


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[2J", "n" * 101, 3, ["x"], None])
def test_names_that_are_none(bundle: Path, name: object) -> None:
    describe(bundle, name=name)
    refused(bundle, "has the wrong name")


@pytest.mark.parametrize(
    "classes",
    [
        ["a"],
        ["a", "a", "b"],
        ["a", "b", ""],
        ["a", "b", "x\ny"],
        ["a", "b", "=cmd|' /C calc'!A0"],
        ["a", "b", 3],
        [str(i) for i in range(101)],
        {},
    ],
)
def test_classes_that_are_none(bundle: Path, classes: object) -> None:
    describe(bundle, classes=classes)
    refused(bundle, "wrong classes")


def test_other_classes_than_the_scorer_knows(bundle: Path) -> None:
    describe(bundle, classes=["a", "b"])
    refused(bundle, "its SVM knows 3, it names 2")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a": ' * 10_000, "\ufeff{}", "1" * 5000, '"' + "x" * 5_000_000 + '"']
)
def test_descriptions_that_cost_much(bundle: Path, text: str) -> None:
    (bundle / DESCRIPTION).write_text(text)
    refused(bundle, "cannot read|schema|larger than")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/../../secret", "..\\secret"])
def test_files_that_climb_out(bundle: Path, name: str) -> None:
    files = json.loads((bundle / DESCRIPTION).read_text())["files"]
    describe(bundle, files={**files, name: files[CARD]})
    refused(bundle, "does not list just")
    describe(bundle, files={name: files[CARD], **{other: files[other] for other in FILES[:2]}})
    refused(bundle, "does not list just")


# What lies in the folder


@pytest.mark.parametrize("name", [*FILES, DESCRIPTION])
@pytest.mark.parametrize("kind", ["link", "link inside", "broken link", "fifo", "folder", "device"])
def test_what_is_no_plain_file(bundle: Path, name: str, kind: str) -> None:
    path, outside = bundle / name, bundle.parent / "outside"
    path.rename(outside)
    if kind == "link":
        path.symlink_to(outside)
    elif kind == "link inside":
        outside.rename(bundle / "other")
        path.symlink_to("other")
    elif kind == "broken link":
        path.symlink_to("nowhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    refused(bundle, "is a link|is no plain file")


@pytest.mark.parametrize("name", [*FILES, DESCRIPTION])
def test_files_that_are_too_large_are_not_read_to_their_end(bundle: Path, name: str) -> None:
    with (bundle / name).open("r+b") as file:
        file.truncate(300_000_000)  # a hole: takes no room on the disk
    refused(bundle, "larger than")


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_missing_or_changed(bundle: Path, name: str) -> None:
    data = (bundle / name).read_bytes()
    (bundle / name).write_bytes(data + b"x")
    refused(bundle, f"{name} has changed")
    (bundle / name).unlink()
    refused(bundle, f"lacks {name}")


# The network


def changed(change: Change) -> bytes:
    model = onnx.load_from_string(network())
    change(model)
    return bytes(model.SerializeToString())


def foreign_domain(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node[0].domain = "com.microsoft"


def foreign_operator(model: Any) -> None:
    model.graph.node[0].op_type = "NonZero"


def endless_loop(model: Any) -> None:
    body = helper.make_graph([helper.make_node("Identity", ["c"], ["d"])], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", "", "row"], ["x"], body=body))


def hidden_graph(model: Any) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", body))


def hidden_tensor(model: Any) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32))
    model.graph.node[0].attribute.append(helper.make_attribute("value", tensor))


def outside_weights(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def half_outside_weights(model: Any) -> None:
    """Only the list: a runtime might follow it all the same."""
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def announced_weights(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [1 << 40]


def overflowing_weights(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [1 << 32, 1 << 32]


def negative_weights(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [-1, -2]


def text_weights(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_type, tensor.string_data[:] = TensorProto.STRING, [b"x"]


def own_functions(model: Any) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [node], model.opset_import))


def runtime_settings(model: Any) -> None:
    model.metadata_props.add(key="ort_config", value='{"session_options": {}}')


def other_input(model: Any) -> None:
    model.graph.input[0].name = "pictures"


def other_input_shape(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 65


def other_input_type(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def further_output(model: Any) -> None:
    model.graph.output.append(helper.make_tensor_value_info("secret", TensorProto.FLOAT, ("n", 1)))


def other_output_shape(model: Any) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 127


def an_input_that_is_fixed(model: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "frames"))


def many_operators(model: Any) -> None:
    node = helper.make_node("Relu", ["row"], ["row"])
    model.graph.node.extend([node] * 20_001)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (foreign_domain, "operators of the domain 'com.microsoft'"),
        (foreign_operator, "has the operator 'NonZero'"),
        (endless_loop, "has the operator 'Loop'"),
        (hidden_graph, "a graph or tensors within an operator"),
        (hidden_tensor, "a graph or tensors within an operator"),
        (outside_weights, "keeps weights outside its file"),
        (half_outside_weights, "keeps weights outside its file"),
        (announced_weights, "another size than it holds"),
        (overflowing_weights, "another size than it holds"),
        (negative_weights, "another size than it holds"),
        (text_weights, "holds a tensor of type 8"),
        (own_functions, "brings functions"),
        (runtime_settings, "brings functions, settings"),
        (other_input, "other inputs or outputs"),
        (other_input_shape, "other inputs or outputs"),
        (other_input_type, "other inputs or outputs"),
        (further_output, "other inputs or outputs"),
        (other_output_shape, "other inputs or outputs"),
        (an_input_that_is_fixed, "other inputs or outputs"),
        (many_operators, "more than 20000 operators"),
    ],
)
def test_networks_that_reach_further(bundle: Path, change: Change, reason: str) -> None:
    put(bundle, NETWORK, changed(change))
    refused(bundle, reason)


def test_a_file_of_the_runtimes_own_format(bundle: Path) -> None:
    """Well-formed by ONNX's rules as well: the mark stands in a field of no use."""
    put(bundle, NETWORK, b"\xfa\x3f\x06\x00ORTM\x00" + network())
    refused(bundle, "is no ONNX file")


@pytest.mark.parametrize("data", [b"", b"\xff" * 50, b"\x0a\x80\x80\x80\x80\x70", b"\x3a" * 2000])
def test_what_is_no_network(bundle: Path, data: bytes) -> None:
    put(bundle, NETWORK, data)
    refused(bundle, "is no ONNX file")


def test_no_operator_runs_others() -> None:
    assert not {"If", "Loop", "Scan", "SequenceMap", "Constant", "RandomNormal", "Resize", "Tile"} & OPERATORS


@QUICK
@given(place=st.floats(0, 1), data=st.binary(min_size=1, max_size=6))
def test_spliced_networks_end_in_a_refusal_or_pass(place: float, data: bytes) -> None:
    sound = network()
    at = int(place * (len(sound) - 1))
    try:
        check_network(sound[:at] + data + sound[at + len(data) :], "cnn.onnx")
    except BundleError as error:
        assert "\n" not in str(error)  # noqa: PT017


# The scorer


def packed(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def array(value: Any, **changes: Any) -> bytes:
    """An array's file; `changes` are written into its heading, over the truth."""
    out = io.BytesIO()
    numbers = np.asarray(value)
    about = {
        "descr": np.lib.format.dtype_to_descr(numbers.dtype),
        "fortran_order": False,
        "shape": numbers.shape,
    }
    np.lib.format.write_array_header_1_0(out, {**about, **changes})  # type: ignore[no-untyped-call]
    return out.getvalue() + (b"" if numbers.dtype.hasobject else numbers.tobytes())


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(scorer())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pickled() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([os.system], dtype=object), allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pickled(), "in place of numbers"),
        (array(np.zeros(3), descr="|O"), "in place of numbers"),
        (array(np.zeros(3), descr="<U4"), "in place of numbers"),
        (array(np.zeros(3), descr=">f8"), "in place of numbers"),
        (array(np.zeros(3), shape=(1 << 40,)), "announces another size"),
        (array(np.zeros(3), shape=(1 << 32, 1 << 32)), "announces another size"),
        (array(np.zeros(3), shape=(-1,)), "announces another size"),
        (array(np.zeros(224)) + b"more", "announces another size"),
        (array(np.zeros(223)), "another type or shape"),
        (b"\x80\x04cos\nsystem\n(S'true'\ntR.", "not a readable scorer"),
    ],
)
def test_arrays_that_are_not_what_they_should_be(bundle: Path, data: bytes, reason: str) -> None:
    put(bundle, SCORER, packed(list((members() | {"svm_scale.npy": data}).items())))
    refused(bundle, reason)


def test_archives_with_names_twice_too_many_or_unknown(bundle: Path) -> None:
    sound = list(members().items())
    put(bundle, SCORER, packed(sound))
    load_bundle(bundle)
    with pytest.warns(UserWarning, match="Duplicate name"):
        put(bundle, SCORER, packed([*sound, sound[0]]))
    refused(bundle, "stands in it twice")
    put(bundle, SCORER, packed([*sound, ("../../evil.npy", array(np.zeros(1)))]))
    refused(bundle, r"unknown array '../../evil'")
    put(bundle, SCORER, packed([*sound, *((f"{i}.npy", b"") for i in range(1000))]))
    refused(bundle, "it unpacks to more than")
    put(bundle, SCORER, packed([item for item in sound if item[0] != "weights.npy"]))
    refused(bundle, "weights is missing")


def test_archives_that_unpack_to_much_are_not_unpacked(bundle: Path) -> None:
    put(bundle, SCORER, packed([("svm_mean.npy", bytes(80_000_000))]))
    refused(bundle, "it unpacks to more than")


def test_archives_that_lie_about_what_they_unpack_to() -> None:
    """What is read ends at the announced size, however much more the packed bytes hold."""
    data = bytearray(packed([("svm_mean.npy", bytes(30_000_000))]))
    at = data.rindex(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", 1000)
    with pytest.raises(BundleError, match="not a readable scorer"):
        read_scorer(bytes(data), "scorer.npz")


@QUICK
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    ),
    st.sampled_from(["schema", "name", "id", "classes", "feature_spec", "files", "uncertain_below", None]),
)
def test_any_json_ends_in_a_bundle_or_a_refusal(shared: Path, value: object, key: str | None) -> None:
    sound = (shared / DESCRIPTION).read_text()
    if key is None:
        (shared / DESCRIPTION).write_text(json.dumps(value))
    else:
        describe(shared, **{key: value})
    try:
        assert load_bundle(shared).classes
    except BundleError as error:
        assert len(str(error)) < 600  # noqa: PT017
    finally:
        (shared / DESCRIPTION).write_text(sound)
