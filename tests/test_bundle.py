"""Bundles, inference, recognition and export, on a tiny trained model."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_model import tiny_bundle, tiny_model, tiny_samples, tiny_trained_folder

from export import bundle_writer, parity
from export.bundle_writer import export_bundle
from export.card import model_card
from export.cli import main as export_main
from export.to_onnx import network_to_onnx
from offline.network import GlimpseNet, Member
from offline.samples import FOUR_CLASSES
from offline.trained_model import load_trained
from offline.training import network_output, predict, with_handcrafted
from realtime import inference
from realtime.bundle import CARD, NETWORK, SCORER, find_bundle, load_bundle, shipped_bundles
from realtime.errors import BundleError, DataError, DeviceError, OutputError
from realtime.inference import CnnSession
from realtime.network_file import check_network
from realtime.recognition import Recognizer
from realtime.scorer_file import read_scorer, scorer_bytes


@pytest.fixture
def bundle(tmp_path):
    """A bundle folder of the test's own."""
    return shutil.copytree(tiny_bundle(), tmp_path / "bundle")


@pytest.fixture
def describe(bundle):
    """Change bundle.json."""

    def change(**changes):
        path = bundle / "bundle.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def replace_file(bundle, describe, name, data):
    """Put other bytes into a bundle, with honest checksums."""
    (bundle / name).write_bytes(data)
    files = json.loads((bundle / "bundle.json").read_text())["files"]
    files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    from realtime.bundle import content_id

    describe(files=files, id=content_id((bundle / NETWORK).read_bytes(), (bundle / SCORER).read_bytes()))


def one_line_refusal(bundle, words):
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bundle_is_loaded_and_verified(bundle):
    loaded = load_bundle(bundle)
    assert loaded.name == "tiny"
    assert loaded.classes == tiny_samples().classes
    assert loaded.folder == bundle
    assert sum(path.stat().st_size for path in bundle.iterdir()) < 5_000_000


@pytest.mark.parametrize("name", [NETWORK, SCORER, CARD])
def test_a_changed_byte_is_refused(bundle, name):
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    one_line_refusal(bundle, f"{name} has changed")


@pytest.mark.parametrize("name", [NETWORK, SCORER, CARD])
def test_a_missing_file_is_refused(bundle, name):
    (bundle / name).unlink()
    one_line_refusal(bundle, f"lacks {name}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": "glimpse-bundle/9"}, "schema"),
        ({"feature_spec": "000000000000"}, "feature spec"),
        ({"classes": ["a", "b"]}, "wrong classes"),
        ({"classes": ["a", "a", "b", "c"]}, "wrong classes"),
        ({"classes": "abcd"}, "wrong classes"),
        ({"files": {}}, "does not list"),
        ({"files": None}, "does not list"),
        ({"id": "0"}, "damaged"),
    ],
)
def test_wrong_descriptions_are_refused(bundle, describe, changes, words):
    describe(**changes)
    one_line_refusal(bundle, words)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_description_that_is_none_is_refused(bundle, text):
    (bundle / "bundle.json").write_text(text)
    with pytest.raises(BundleError):
        load_bundle(bundle)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/../../secret"])
def test_a_path_that_climbs_out_is_refused(bundle, describe, name):
    (bundle.parent / "secret").write_text("x")
    files = json.loads((bundle / "bundle.json").read_text())["files"]
    describe(files={**files, name: {"size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}})
    one_line_refusal(bundle, "does not list just")


def test_a_link_out_of_the_folder_is_refused(bundle):
    (bundle / CARD).rename(bundle.parent / "card")
    (bundle / CARD).symlink_to(bundle.parent / "card")
    one_line_refusal(bundle, "outside its folder")


def rewritten(**arrays):
    """The tiny bundle's scorer with some arrays replaced, left out (None) or added."""
    with np.load(tiny_bundle() / SCORER, allow_pickle=False) as found:
        kept = {name: found[name] for name in found.files} | arrays
    out = io.BytesIO()
    np.savez_compressed(out, **{name: array for name, array in kept.items() if array is not None})
    return out.getvalue()


@pytest.mark.parametrize(
    "arrays",
    [
        {"svm_mean": np.array([os.system] * 224, dtype=object)},
        {"weights": None},
        {"extra": np.zeros(3)},
        {"unit_slopes": None},
        {"unit_offsets": None},
        {"weights": np.zeros(4)},
        {"weights": np.zeros(3, np.float32)},
        {"offsets": np.full(4, np.nan)},
        {"svm_vectors": np.zeros((1, 224))},
        {"svm_gamma": np.array(np.inf)},
        {"svm_support": np.array([-1, 5, 5, 5])},
        {"svm_support": np.zeros(0, np.int64)},
        {"svm_support": np.array([2.0, 2.0])},
    ],
)
def test_a_scorer_of_anything_but_its_numbers_is_refused(bundle, describe, arrays):
    replace_file(bundle, describe, SCORER, rewritten(**arrays))
    one_line_refusal(bundle, "export the bundle again")


def test_a_scorer_for_other_classes_is_refused(bundle, describe):
    describe(classes=["a", "b", "c"])
    one_line_refusal(bundle, "its SVM knows 4, it names 3")


@pytest.mark.parametrize("data", [b"", b"\x80\x04cos\nsystem\n", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_refused(bundle, describe, data):
    replace_file(bundle, describe, SCORER, data)
    one_line_refusal(bundle, "not a readable scorer")


def test_a_scorer_that_unpacks_to_gigabytes_is_not_unpacked(bundle, describe):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("svm_mean.npy", bytes(80_000_000))
    replace_file(bundle, describe, SCORER, packed.getvalue())
    one_line_refusal(bundle, "not a readable scorer")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1), mask=st.integers(1, 255))
def test_a_flipped_byte_never_gets_past_the_reader_as_another_error(place, mask):
    data = bytearray((tiny_bundle() / SCORER).read_bytes())
    data[int(place * (len(data) - 1))] ^= mask
    with contextlib.suppress(BundleError):
        read_scorer(bytes(data), "scorer.npz")


def test_a_broken_network_is_refused(bundle, describe):
    replace_file(bundle, describe, NETWORK, b"no network")
    one_line_refusal(bundle, "it is no ONNX file")


def test_a_folder_of_the_same_name_takes_no_shipped_bundles_place(tmp_path, monkeypatch):
    (tmp_path / "default").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_bundle("default") == shipped_bundles()["default"]
    assert os.path.samefile(find_bundle("./default"), tmp_path / "default")
    assert find_bundle(Path("default")) == Path("default")


def test_unknown_names_list_the_shipped_bundles():
    with pytest.raises(BundleError, match="no model bundle 'nosuch'"):
        find_bundle("nosuch")
    for name, folder in shipped_bundles().items():
        assert find_bundle(name) == folder
        load_bundle(name)


def test_recognition_agrees_with_the_trained_model():
    samples, model = tiny_samples(), tiny_model()
    recognizer = Recognizer(load_bundle(tiny_bundle()), "cpu")
    evidence = [samples.evidence(i) for i in range(len(samples))]
    expected = with_handcrafted(network_output(model.network, samples).features, samples)
    np.testing.assert_allclose(recognizer.features(evidence), expected, atol=1e-5)
    np.testing.assert_allclose(recognizer.probabilities(evidence), predict(model, samples), atol=1e-4)


def test_the_label_is_the_argmax_and_one_by_one_equals_many():
    samples = tiny_samples()
    recognizer = Recognizer(load_bundle(tiny_bundle()), "cpu")
    assert recognizer.provider == "cpu"
    evidence = [samples.evidence(i) for i in (0, 20, 40)]
    many = recognizer.recognize_many(evidence)
    for item, together in zip(evidence, many, strict=True):
        alone = recognizer.recognize(item)
        assert alone.label == max(alone.probabilities, key=alone.probabilities.__getitem__)
        assert tuple(alone.probabilities) == recognizer.bundle.classes
        assert sum(alone.probabilities.values()) == pytest.approx(1.0)
        assert dict(alone.probabilities) == pytest.approx(dict(together.probabilities), abs=1e-6)
        assert recognizer.recognize(item) == alone
    assert recognizer.recognize_many([]) == []


def test_cuda_that_is_not_there_is_an_error_and_auto_says_what_it_got(monkeypatch):
    monkeypatch.setattr(inference, "_cuda_device_present", lambda: False)
    network = (tiny_bundle() / NETWORK).read_bytes()
    with pytest.raises(DeviceError, match="CUDA is not available"):
        CnnSession(network, "cuda")
    assert CnnSession(network, "auto").provider == "cpu"
    with pytest.raises(DeviceError, match="use auto"):
        CnnSession(network, "tpu")


def test_two_installed_runtimes_are_told_apart(monkeypatch):
    monkeypatch.setattr(inference, "_installed", lambda name: True)
    with pytest.raises(DeviceError, match="both installed"):
        CnnSession(b"", "cuda")


def test_telemetry_is_off_before_the_runtime_is_imported():
    code = (
        "import sys, os, realtime.inference as i\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "i.load_runtime()\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1' and 'torch' not in sys.modules\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_trained_models_survive_the_disk():
    model, about = load_trained(tiny_trained_folder())
    original = tiny_model()
    assert model.settings == original.settings
    assert model.curve == original.curve
    assert about["versions"]["torch"]
    part = tiny_samples().subset(range(30, 36))
    np.testing.assert_array_equal(predict(model, part), predict(original, part))


def test_a_committee_without_a_prior_can_be_a_bundle():
    check_network(network_to_onnx(tiny_model().network.without_prior()), "cnn.onnx")


def test_what_sees_compressed_flow_is_exported_as_it_was_trained():
    network = tiny_model().network
    settings = replace(network.settings, compression=1.5)
    members = [Member(FOUR_CLASSES, settings.member_features, settings) for _ in network.members]
    for member, known in zip(members, network.members, strict=True):
        member.load_state_dict(known.state_dict())
    changed = replace(tiny_model(), network=GlimpseNet(members, network.prior, settings, True).eval())
    data = network_to_onnx(changed.network)
    check_network(data, "cnn.onnx")
    assert parity.check_network(changed, data) <= parity.TOLERANCE  # a missing field must not be divided by 0


def test_the_same_model_gives_the_same_bytes():
    again, _ = load_trained(tiny_trained_folder())
    assert (
        scorer_bytes(tiny_model().scorer)
        == scorer_bytes(again.scorer)
        == (tiny_bundle() / SCORER).read_bytes()
    )


def test_a_folder_without_a_trained_model_is_refused(tmp_path):
    with pytest.raises(DataError, match="no trained model"):
        load_trained(tmp_path)
    shutil.copytree(tiny_trained_folder(), tmp_path / "other")
    path = tmp_path / "other" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "feature_spec": "x"}))
    with pytest.raises(DataError, match="feature spec"):
        load_trained(tmp_path / "other")
    for weights in (
        {"x": np.array([print], dtype=object)},
        {"x": np.zeros(3)},
        {str(n): np.int64(n) for n in range(10_001)},
    ):
        np.savez(tmp_path / "other" / "network.npz", **weights)
        with pytest.raises(DataError, match="no trained model"):
            load_trained(tmp_path / "other")


def test_a_network_that_differs_is_not_exported(tmp_path, monkeypatch):
    network = (tiny_bundle() / NETWORK).read_bytes()
    monkeypatch.setattr(bundle_writer, "network_to_onnx", lambda _: network)
    monkeypatch.setattr(parity, "TOLERANCE", -1.0)
    with pytest.raises(OutputError, match="torch and ONNX differ"):
        export_bundle(tiny_trained_folder(), tmp_path / "out", "x", {})
    assert list(tmp_path.iterdir()) == []


def test_an_svm_that_differs_is_not_exported(tmp_path, monkeypatch):
    network = (tiny_bundle() / NETWORK).read_bytes()
    monkeypatch.setattr(bundle_writer, "network_to_onnx", lambda _: network)

    def other(data, name):
        scorer = read_scorer(data, name)
        return replace(scorer, fusion=replace(scorer.fusion, offsets=np.arange(4.0)))

    monkeypatch.setattr(bundle_writer, "read_scorer", other)
    with pytest.raises(OutputError, match="other probabilities"):
        export_bundle(tiny_trained_folder(), tmp_path / "out", "x", {})
    assert list(tmp_path.iterdir()) == []


def test_export_replaces_bundles_and_nothing_else(tmp_path, monkeypatch, capsys):
    network = (tiny_bundle() / NETWORK).read_bytes()
    monkeypatch.setattr(bundle_writer, "network_to_onnx", lambda _: network)
    out = tmp_path / "out"
    arguments = [str(tiny_trained_folder()), "--out", str(out), "--name", "again", "--command", "remake me"]
    assert export_main(arguments) == 0
    assert export_main(arguments) == 0
    assert load_bundle(out).name == "again"
    assert "wrote" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("keep")
    assert export_main([str(tiny_trained_folder()), "--out", str(tmp_path / "mine"), "--name", "x"]) == 1
    assert (tmp_path / "mine" / "diary.txt").read_text() == "keep"
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bundle_that_cannot_take_its_place_leaves_the_earlier_one(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "bundle.json").write_text("earlier")
    with pytest.raises(FileNotFoundError):
        bundle_writer._replace(out, tmp_path / "missing", tmp_path / "aside")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out / "bundle.json").read_text() == "earlier"


def test_the_network_holds_no_trace_of_the_machine():
    data = (tiny_bundle() / NETWORK).read_bytes()
    assert b".py" not in data
    assert os.getcwd().encode() not in data


def test_the_card_says_what_must_be_said():
    card = (tiny_bundle() / CARD).read_text()
    for words in ("synthetic data alone", "Article 5(1)(f)", "no lie detector", "person must check"):
        assert words in card


def test_the_card_says_how_often_the_classes_are_expected():
    description = json.loads((tiny_bundle() / "bundle.json").read_text())
    assert "expect the classes" not in model_card(description)
    description["settings"]["class_shares"] = [2.0, *[1.0] * (len(description["classes"]) - 1)]
    share = 2.0 / (len(description["classes"]) + 1)
    assert f"this often: {description['classes'][0]} {share:.2f}, " in model_card(description)


def test_the_card_says_that_the_scores_are_softened():
    description = json.loads((tiny_bundle() / "bundle.json").read_text())
    assert "is divided by" not in model_card(description)
    description["settings"]["temperature"] = 2.5
    assert "The sum of the scores is divided by 2.5: " in model_card(description)
