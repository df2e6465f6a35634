"""Ready flow maps, on a small look-alike of their folder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from offline.datasets.flow_maps import load_flow_maps, map_to_flow
from realtime.errors import DataError
from realtime.features.normalise import normalise_flow
from realtime.features.strain import optical_strain


def min_max(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return np.round(255 * (values - low) / (high - low)).astype(np.uint8)


def flow_map(rng: np.random.Generator, u_gain: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A map as the dataset stores it, and the flow it was made from."""
    u, v = (cv2.resize(rng.normal(size=(5, 5)), (28, 28), interpolation=cv2.INTER_CUBIC) for _ in range(2))
    flow = np.stack([u * u_gain, v])
    channels = [min_max(flow[0]), min_max(flow[1]), min_max(optical_strain(flow, (1.0, 1.0)))]
    return np.stack(channels, axis=-1), flow


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for subject, label, name in [("sub01", 0, "a "), ("sub01", 2, "b"), ("s02", 1, "c"), ("006", 0, "d")]:
        path = tmp_path / subject / "u_test" / str(label)
        path.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path / f"{name}.png"), flow_map(rng)[0][..., ::-1])
    repeated = tmp_path / "sub01" / "u_train" / "1"
    repeated.mkdir(parents=True)
    cv2.imwrite(str(repeated / "c.png"), flow_map(rng)[0])
    return tmp_path


def test_reads_test_maps_only_and_spaces_in_names(folder):
    samples = load_flow_maps(folder)
    assert samples.classes == ("negative", "positive", "surprise")
    assert samples.subjects == ("006", "s02", "sub01", "sub01")
    assert samples.labels.tolist() == [0, 1, 0, 2]
    assert samples.flows.shape == (4, 3, 2, 64, 64)
    assert np.isfinite(samples.flows[:, 0]).all()
    assert np.isnan(samples.flows[:, 1:]).all()
    assert samples.evidence(0).frames is None
    assert samples.datasets == ("samm", "smic_hs", "casme2", "casme2")


def test_the_lost_ratio_is_taken_back_at_half_strength():
    rng = np.random.default_rng(1)
    for gain in (0.4, 2.5):
        image, flow = flow_map(rng, gain)
        found = map_to_flow(image)
        stored = image.astype(float)
        lost = (np.ptp(flow[0]) / np.ptp(stored[..., 0])) / (np.ptp(flow[1]) / np.ptp(stored[..., 1]))
        given_back = np.ptp(found[0]) / np.ptp(found[1])
        assert given_back == pytest.approx(np.sqrt(lost), rel=0.1)


def test_directions_survive_the_coding():
    image, flow = flow_map(np.random.default_rng(2))
    found = normalise_flow(map_to_flow(image))
    for channel in (0, 1):
        assert np.corrcoef(found[channel].ravel(), flow[channel].ravel())[0, 1] > 0.999


def test_a_flat_map_is_no_error():
    assert not normalise_flow(map_to_flow(np.full((28, 28, 3), 128, np.uint8))).any()


def test_refusals_name_the_folder_or_file(tmp_path, folder):
    with pytest.raises(DataError, match="no folder"):
        load_flow_maps(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no flow maps"):
        load_flow_maps(tmp_path / "empty")
    (folder / "006" / "u_test" / "0" / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"broken\.png"):
        load_flow_maps(folder)
