"""Network, augmentation, samples and training, on a tiny set."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from tiny_model import SETTINGS, tiny_model, tiny_samples

from offline.augment import Augmenter, AugmentSettings
from offline.network import GlimpseNet
from offline.samples import (
    FOUR_CLASSES,
    direct_samples,
    joined,
    protocol_classes,
    rendered_samples,
    sample_set,
)
from offline.svm_fitting import folds
from offline.training import (
    all_features,
    class_weights,
    expanded_loss,
    fit_network,
    svm_views,
    train,
)
from realtime.errors import DataError, UsageError

NO_CHANGE = AugmentSettings(**{field.name: 0.0 for field in dataclasses.fields(AugmentSettings)})


def inputs(count: int = 3, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, 3, size, size)
    return torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)


def test_network_has_five_convolutions_two_dense_layers_and_128_features():
    network = GlimpseNet(4).eval()
    kinds = [type(module).__name__ for module in network.modules()]
    assert kinds.count("Conv2d") == 5
    assert kinds.count("Linear") == 2
    features, logits = network(*inputs())
    assert features.shape == (3, 128)
    assert logits.shape == (3, 4)


def test_missing_modalities_have_no_influence():
    torch.manual_seed(1)
    network = GlimpseNet(4).eval()
    frames, flows = inputs()
    nothing = torch.zeros_like(frames)
    with torch.no_grad():
        empty = network(nothing, nothing)[0]
        torch.testing.assert_close(empty, torch.relu(network.fuse.bias).expand_as(empty))
        only_flow = network(nothing, flows)[0]
        flow_branch = network.flow_branch
        assert not torch.equal(only_flow, network(frames, flows)[0])
        for norm in flow_branch.norms:
            norm.bias.fill_(3.0)
        torch.testing.assert_close(network(nothing, nothing)[0], empty)


def test_frames_are_averaged_over_time_and_expanded_in_training():
    network = GlimpseNet(4).eval()
    frames, flows = inputs()
    with torch.no_grad():
        turned = network(frames[:, [2, 0, 1]], flows)[0]
        torch.testing.assert_close(turned, network(frames, flows)[0], atol=1e-6, rtol=1e-5)
        still = frames[:, :1].expand(-1, 3, -1, -1, -1)
        expanded = network.expanded(frames, flows)
        assert expanded.shape == (3, 3, 4)
        torch.testing.assert_close(expanded[:, 0], network(still, flows)[1], atol=1e-6, rtol=1e-5)


def test_missing_images_stay_out_of_the_batch_statistics():
    network = GlimpseNet(4).train()
    frames, flows = inputs(4, 32)
    network.expanded(torch.zeros_like(frames), flows)
    norm = network.frame_branch.norms[0]
    assert not norm.running_mean.any()
    assert network.flow_branch.norms[0].running_mean.any()


def test_augmentation_without_ranges_changes_nothing():
    frames, flows = inputs(4, 32)
    new_frames, new_flows = Augmenter(NO_CHANGE, 0)(frames, flows)
    torch.testing.assert_close(new_frames, frames, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(new_flows, flows, atol=1e-5, rtol=1e-4)


def test_mirroring_negates_u_alone():
    frames, flows = inputs(4, 32)
    _, mirrored = Augmenter(dataclasses.replace(NO_CHANGE, mirror=1.0), 0)(frames, flows)
    sign = torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
    torch.testing.assert_close(mirrored, flows.flip(-1) * sign, atol=1e-5, rtol=1e-4)


def test_modality_dropout_leaves_zeros():
    frames, flows = inputs(4, 32)
    settings = dataclasses.replace(AugmentSettings(), drop_frames=1.0, drop_later_flows=1.0)
    new_frames, new_flows = Augmenter(settings, 0)(frames, flows)
    assert not new_frames.any()
    assert not new_flows[:, 1:].any()
    assert new_flows[:, 0].any()


def test_augmentation_is_seeded_and_leaves_its_input_alone():
    frames, flows = inputs(4, 32)
    before = flows.clone()
    first, again, other = (Augmenter(AugmentSettings(), seed)(frames, flows)[1] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(flows, before)


def test_loss_weighs_classes_and_counts_every_key_frame():
    logits = torch.zeros(2, 3, 4)
    weights = torch.tensor([1.0, 1.0, 1.0, 5.0])
    loss = expanded_loss(logits, torch.tensor([0, 3]), weights, 0.0)
    assert float(loss) == pytest.approx(math.log(4))
    logits[1, :, 3] = 2.0
    expected = (math.log(4) + 5 * (math.log(3 + math.exp(2)) - 2)) / 6
    assert float(expanded_loss(logits, torch.tensor([0, 3]), weights, 0.0)) == pytest.approx(expected)


def test_class_weights_are_inverse_shares():
    samples = tiny_samples().subset([0, 4, 8, 1, 2, 3])
    np.testing.assert_allclose(class_weights(samples).numpy(), [0.5, 1.5, 1.5, 1.5])


def test_training_lowers_the_loss_and_is_repeatable():
    samples = direct_samples(96, 3, FOUR_CLASSES)
    settings = dataclasses.replace(SETTINGS, epochs=6, batch=16)
    network, curve = fit_network(samples, settings)
    assert curve[-1].loss < 0.8 < math.log(4) < curve[0].loss + 0.5
    again, same = fit_network(samples, settings)
    assert same == curve
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_model_gives_probabilities_whatever_is_missing():
    samples = tiny_samples()
    model = tiny_model()
    for view in (samples, samples.flow_only()):
        probabilities = model.svm.predict_proba(all_features(model.network, view))
        assert probabilities.shape == (len(samples), 4)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_a_set_of_flow_alone_trains_without_a_warning():
    model = train(tiny_samples().flow_only(), dataclasses.replace(SETTINGS, epochs=1))
    assert model.classes == FOUR_CLASSES


def test_svm_sees_each_drawn_sample_whole_and_as_flow_alone():
    samples = tiny_samples()
    views = svm_views(
        samples, dataclasses.replace(SETTINGS, svm=dataclasses.replace(SETTINGS.svm, max_samples=40))
    )
    assert len(views) == 40
    assert int(np.isnan(views.flows[:, 1:]).all(axis=(1, 2, 3, 4)).sum()) == 20


def test_folds_keep_subjects_apart_where_there_are_enough():
    samples = direct_samples(64, 5, FOUR_CLASSES, 16)
    splits = folds(samples, 4, 0)
    assert len(splits) == 4
    for training, held_out in splits:
        assert not {samples.subjects[i] for i in training} & {samples.subjects[i] for i in held_out}
    assert len(folds(tiny_samples().subset(range(8)), 5, 0)) == 2


def test_a_class_without_samples_is_refused():
    with pytest.raises(DataError, match="surprise"):
        train(tiny_samples().subset([0, 2, 3, 4, 6, 7]), SETTINGS)


def test_subset_and_join_keep_frames_with_their_samples():
    samples = tiny_samples()
    part = samples.subset([40, 3, 47])
    assert part.evidence(1).frames is None
    for index, original in enumerate([40, 3, 47]):
        np.testing.assert_array_equal(part.flows[index], samples.flows[original])
    np.testing.assert_array_equal(part.evidence(2).frames, samples.evidence(47).frames)
    both = joined([part, samples])
    np.testing.assert_array_equal(both.evidence(3 + 40).frames, part.evidence(0).frames)
    with pytest.raises(DataError):
        joined([samples, sample_set(samples.flows[:1], [0], ("other",), ["a"])])


def test_rendered_samples_are_measured_from_pictures_and_seeded():
    first = rendered_samples([3], 4, 0, FOUR_CLASSES)
    assert first.flows.shape == (4, 3, 2, 64, 64)
    assert sorted(first.labels.tolist()) == [0, 1, 2, 3]
    assert first.evidence(2).frames is not None
    again = rendered_samples([3], 4, 0, FOUR_CLASSES)
    np.testing.assert_array_equal(first.flows, again.flows)


def test_unknown_protocol_is_refused():
    assert protocol_classes("megc-3") == ("negative", "positive", "surprise")
    with pytest.raises(UsageError, match="four"):
        protocol_classes("five")
