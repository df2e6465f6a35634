"""The 224 features: names, the one normalisation, and every handcrafted block."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage.feature import local_binary_pattern

from realtime.features import (
    BLOCKS,
    FEATURE_NAMES,
    FEATURE_SPEC_ID,
    evidence_from_faces,
    handcrafted,
    key_frame_flows,
    network_input,
    normalise_flow,
)
from realtime.features.action_units import action_unit_statistics, region_weights
from realtime.features.flow_stats import flow_statistics
from realtime.features.hog import hog
from realtime.features.lbp_top import lbp_top, plane_codes
from realtime.features.spec import AU_REGIONS, HANDCRAFTED_BLOCKS, PARAMETERS, spec_id
from realtime.features.strain import optical_strain
from realtime.geometry import EYE_DISTANCE, FACE_UNIT_Y, unit_grid
from realtime.types import KeyFrameEvidence


def textured_face(rng: np.random.Generator, size: int = 128) -> np.ndarray:
    coarse = rng.uniform(30, 220, (size // 4, size // 4, 3)).astype(np.float32)
    return np.kron(coarse, np.ones((4, 4, 1), np.float32)).astype(np.uint8)


def evidence(seed: int = 0) -> KeyFrameEvidence:
    rng = np.random.default_rng(seed)
    return KeyFrameEvidence(
        frames=rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8),
        flows=rng.normal(size=(3, 2, 64, 64)).astype(np.float32),
    )


def test_there_are_224_different_names_in_contiguous_blocks():
    assert len(FEATURE_NAMES) == len(set(FEATURE_NAMES)) == 224
    sizes = {name: block.stop - block.start for name, block in BLOCKS.items()}
    assert sizes == {"cnn": 128, "lbp_top": 18, "hog": 18, "flow": 12, "au": 48}
    assert FEATURE_NAMES[BLOCKS["au"]][:2] == ("au1_strain_mean", "au1_strain_std")


def test_spec_id_changes_with_any_parameter_or_name():
    assert spec_id(FEATURE_NAMES, PARAMETERS) == FEATURE_SPEC_ID
    changed = {**PARAMETERS, "flow_looks": [[32, 7], [64, 5]]}
    assert spec_id(FEATURE_NAMES, changed) != FEATURE_SPEC_ID
    assert spec_id(("other", *FEATURE_NAMES[1:]), PARAMETERS) != FEATURE_SPEC_ID


def test_strain_of_a_linear_field_is_the_one_calculated_by_hand():
    x, y = unit_grid(64)
    flow = np.stack([0.3 * x + 0.1 * y, 0.5 * x - 0.2 * y])
    expected = np.sqrt(0.3**2 + 0.2**2 + 2.0 * (0.5 * (0.1 + 0.5)) ** 2)
    np.testing.assert_allclose(optical_strain(flow), expected, rtol=1e-3)


def test_normalisation_removes_drift_and_scale():
    flow = np.random.default_rng(1).normal(size=(2, 16, 16))
    once = normalise_flow(flow)
    np.testing.assert_allclose(
        normalise_flow(flow * 7.0 + np.array([3.0, -2.0])[:, None, None]), once, atol=1e-4
    )
    np.testing.assert_allclose(np.median(once[:2], axis=(1, 2)), 0.0, atol=1e-6)
    assert np.sqrt((once[0] ** 2 + once[1] ** 2).mean()) == pytest.approx(np.sqrt(2.0), abs=1e-4)
    assert np.sqrt((once[2] ** 2).mean()) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 5.3, np.nan, np.inf])
def test_constant_and_unknown_maps_become_zeros(value):
    flows = np.random.default_rng(2).normal(size=(3, 2, 8, 8)).astype(np.float32)
    flows[1] = value
    normalised = normalise_flow(flows)
    assert np.isfinite(normalised).all()
    assert not normalised[1].any()
    np.testing.assert_array_equal(normalised[0], normalise_flow(flows[0]))


def test_xy_plane_agrees_with_skimage():
    volume = np.random.default_rng(3).integers(0, 8, (3, 40, 50)).astype(np.uint8)
    reference = local_binary_pattern(volume[1], P=4, R=1, method="uniform")[1:-1, 1:-1]
    np.testing.assert_array_equal(plane_codes(volume, 0)[0], reference.astype(int))


def test_time_planes_agree_with_skimage_on_a_turned_volume():
    volume = np.random.default_rng(4).integers(0, 8, (5, 12, 9)).astype(np.uint8)
    for row in range(1, 11):
        reference = local_binary_pattern(volume[:, row, :], P=4, R=1, method="uniform")
        np.testing.assert_array_equal(plane_codes(volume, 1)[:, row - 1, :], reference[1:-1, 1:-1])


def test_lbp_top_of_a_flat_volume_is_all_ones():
    np.testing.assert_array_equal(
        lbp_top(np.full((3, 10, 10), 9)).reshape(3, 6), np.eye(6, dtype=np.float32)[[4] * 3]
    )


def test_hog_sees_what_changes_and_where():
    volume = np.full((3, 64, 64), 90, np.uint8)
    assert not hog(volume).any()
    volume[1, 40:44] = 200
    vector = hog(volume)
    assert vector.shape == (18,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-3)
    assert vector[9:].max() > 0.9
    assert vector[:9].max() < 1e-6


def test_flow_statistics_counted_by_hand():
    field = np.zeros((3, 2, 2), np.float32)
    field[0] = [[3, -1], [0, 0]]
    field[1] = [[0, 0], [1, -1]]
    statistics = flow_statistics(field)
    np.testing.assert_allclose(statistics[:4], [0.5, 0.0, 2.25, 0.5], atol=1e-6)
    np.testing.assert_allclose(statistics[4:], [0.5, 0, 1 / 6, 0, 1 / 6, 0, 1 / 6, 0], atol=1e-6)
    assert not flow_statistics(np.zeros((3, 2, 2), np.float32)).any()


def test_a_raised_brow_shows_in_its_region_alone():
    x, y = unit_grid(64)
    field = np.zeros((3, 64, 64), np.float32)
    field[1] = -np.exp(-((np.abs(x) - 0.19) ** 2 + (y + 0.27) ** 2) / 0.02)
    mean_v = action_unit_statistics(field).reshape(8, 6)[:, 5]
    assert np.argmin(mean_v) == list(AU_REGIONS).index("au1")
    assert abs(mean_v[list(AU_REGIONS).index("au17")]) < 1e-3
    np.testing.assert_allclose(region_weights(64).sum(axis=1), 1.0)


def test_widening_mouth_counts_outwards_on_both_sides():
    field = np.zeros((3, 64, 64), np.float32)
    field[0] = np.sign(unit_grid(64)[0])
    np.testing.assert_allclose(action_unit_statistics(field).reshape(8, 6)[:, 4], 1.0, atol=1e-6)


def test_key_frame_flow_finds_a_shift_in_percent_of_the_eye_distance():
    face = np.random.default_rng(5).uniform(0, 255, (40, 40)).astype(np.float32)
    still = cv2.resize(face, (128, 128), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    moved = np.roll(still, (2, 3), axis=(0, 1))
    flows = key_frame_flows(np.stack([still, moved, still]))
    assert flows.shape == (3, 2, 64, 64)
    assert flows.dtype == np.float32
    inner = flows[:, :, 16:-16, 16:-16].mean(axis=(2, 3))
    per_pixel = 100.0 / 128.0 / np.array([EYE_DISTANCE, FACE_UNIT_Y])
    np.testing.assert_allclose(inner[0], [3, 2] * per_pixel, rtol=0.1)
    np.testing.assert_allclose(inner[1], [-3, -2] * per_pixel, rtol=0.1)
    np.testing.assert_allclose(inner[2], 0.0, atol=1e-4)


@pytest.mark.parametrize("size", [64, 128, 200])
def test_evidence_from_faces_of_any_size(size):
    face = np.zeros((3, size, size, 3), np.uint8)
    face[..., 2] = 200
    face.setflags(write=False)
    result = evidence_from_faces(face)
    assert result.frames is not None
    assert result.frames.shape == (3, 64, 64, 3)
    assert result.frames[0, 0, 0].tolist() == [200, 0, 0]
    np.testing.assert_allclose(result.flows, 0.0, atol=1e-4)
    assert not result.frames.flags.writeable


def test_network_input_shapes_range_and_emphasis():
    item = evidence()
    frames, flows = network_input(item)
    assert frames.shape == flows.shape == (1, 3, 3, 64, 64)
    assert frames.dtype == flows.dtype == np.float32
    assert item.frames is not None
    red = item.frames[1, :, :, 0] / np.float32(255)
    np.testing.assert_allclose(frames[0, 1, 0, 20:40, 25:40], red[20:40, 25:40] * 1.3, rtol=1e-6)
    np.testing.assert_allclose(frames[0, 1, 0, :20], red[:20], rtol=1e-6)


def test_missing_modalities_are_zeros_for_the_network_and_nan_by_hand():
    item = evidence()
    flows = item.flows.copy()
    flows[1:] = np.nan
    without = KeyFrameEvidence(frames=None, flows=flows)
    frames, fields = network_input(without)
    assert not frames.any()
    assert fields[0, 0].any()
    assert not fields[0, 1:].any()
    vector, whole = handcrafted(without), handcrafted(item)
    assert np.isnan(vector[:36]).all()
    np.testing.assert_array_equal(vector[36:], whole[36:])
    blind = handcrafted(KeyFrameEvidence(frames=item.frames, flows=np.full_like(item.flows, np.nan)))
    np.testing.assert_array_equal(np.isnan(blind), np.arange(96) >= HANDCRAFTED_BLOCKS["flow"].start)


def test_blocks_that_are_not_wanted_stay_unknown():
    whole = handcrafted(evidence())
    for name, block in HANDCRAFTED_BLOCKS.items():
        alone = handcrafted(evidence(), blocks={name})
        np.testing.assert_array_equal(alone[block], whole[block])
        assert np.isfinite(alone).sum() == block.stop - block.start


def test_features_are_deterministic_and_finite():
    assert np.isfinite(handcrafted(evidence())).all()
    np.testing.assert_array_equal(handcrafted(evidence(7)), handcrafted(evidence(7)))
    np.testing.assert_array_equal(
        handcrafted(evidence(7), network_input(evidence(7))[1][0, 0]), handcrafted(evidence(7))
    )
