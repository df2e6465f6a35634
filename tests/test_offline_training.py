"""Network, augmentation, samples and training, on a tiny set."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
import torch
from tiny_model import SETTINGS, tiny_model, tiny_samples

from offline.augment import Augmenter, AugmentSettings
from offline.member_training import class_weights, expanded_loss, fit_member, training_flows, unit_loss
from offline.network import (
    GlimpseNet,
    Member,
    NetworkSettings,
    Prior,
    UnitReadout,
    averaged,
    compressed,
    mirrored_flows,
)
from offline.prior import fit_readout, prior_shape
from offline.samples import (
    FOUR_CLASSES,
    MEGC_CLASSES,
    direct_samples,
    joined,
    protocol_classes,
    rendered_samples,
    sample_set,
)
from offline.svm_fitting import folds
from offline.timing import REST, timed_parts
from offline.training import add_scorer, fit_networks, network_output, predict, svm_views, train
from offline.training_settings import PriorSettings
from realtime.errors import ConfigError, DataError, UsageError
from realtime.features.spec import AU_NAMES

NO_CHANGE = AugmentSettings(**{field.name: 0.0 for field in dataclasses.fields(AugmentSettings)})


def inputs(count: int = 3, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 3, 3, size, size)
    return torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)


SHAPE = NetworkSettings(members=2, member_features=50, coarse=0, frames=True)
COARSE = NetworkSettings(members=2, frames=True)


def network(settings: NetworkSettings = SHAPE, prior: bool = True) -> GlimpseNet:
    torch.manual_seed(1)
    members = [Member(FOUR_CLASSES, settings.member_features, settings) for _ in range(settings.members)]
    shape = prior_shape(settings, PriorSettings())
    own = Prior(Member(FOUR_CLASSES, settings.prior_features, shape), UnitReadout(14)) if prior else None
    return GlimpseNet(members, own, settings, own_units=True).eval()


def test_a_member_has_five_convolutions_and_two_dense_layers():
    kinds = [type(module).__name__ for module in Member(FOUR_CLASSES, 50, SHAPE).modules()]
    assert kinds.count("Conv2d") == 5
    assert kinds.count("Linear") == 2


def test_members_and_prior_make_up_128_features():
    features, scores, units = network()(*inputs())
    assert features.shape == (3, 128)
    assert scores.shape == (3, 2, 4)
    assert units.shape == (3, 13, 2)
    alone = network(prior=False)(*inputs())
    torch.testing.assert_close(alone[0][:, :100], features[:, :100])
    assert not alone[0][:, 100:].any()
    assert not alone[1][:, 1].any()


def test_without_a_flow_branch_no_feature_knows_the_flow():
    frames, flows = inputs()
    net = network(dataclasses.replace(COARSE, flows=False), prior=False)
    with torch.no_grad():
        torch.testing.assert_close(net(frames, flows)[0], net(frames, 2.0 * flows + 1.0)[0])


def test_coarse_flow_and_prior_make_up_128_features():
    frames, flows = inputs()
    features, scores, _ = network(COARSE)(frames, flows)
    assert features.shape == (3, 128)
    cells = features[:, :108].reshape(3, 3, 6, 6)
    torch.testing.assert_close(cells, averaged(flows[:, 0], 6))
    alone = network(COARSE, prior=False)(frames, flows)
    torch.testing.assert_close(alone[0][:, :108], features[:, :108])
    assert features[:, 108:].any()
    assert not alone[0][:, 108:].any()
    turned = network(COARSE)(frames.flip(-1), mirrored_flows(flows))
    torch.testing.assert_close(turned[0][:, :108].reshape(3, 3, 6, 6), mirrored_flows(cells))
    torch.testing.assert_close(turned[0][:, 108:], features[:, 108:])
    torch.testing.assert_close(turned[1], scores)
    blind = network(dataclasses.replace(COARSE, strain=False))(frames, flows)[0]
    torch.testing.assert_close(blind[:, :72], features[:, :72])
    assert not blind[:, 72:108].any()


def test_compression_shortens_long_flow_and_keeps_its_direction():
    flows = torch.zeros(1, 1, 3, 1, 2)
    flows[0, 0, :, 0, 0] = torch.tensor([3.0, 4.0, 7.0])
    flows[0, 0, :, 0, 1] = torch.tensor([0.0, -0.5, 2.0])
    found = compressed(flows, 2.0)
    assert float(found[:, :, :2].square().mean()) == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(found[:, :, 2], flows[:, :, 2])
    long, short = found[0, 0, :2, 0, 0], found[0, 0, :2, 0, 1]
    assert float(long[0] / long[1]) == pytest.approx(0.75, abs=1e-4)
    ratio = math.asinh(10.0) / math.asinh(1.0)
    assert float(long.norm() / short.norm()) == pytest.approx(ratio, rel=1e-4)
    assert not compressed(torch.zeros_like(flows), 2.0).any()


def test_a_network_with_compression_sees_what_a_plain_one_sees_of_compressed_flow():
    frames, flows = inputs()
    settings = dataclasses.replace(COARSE, compression=1.0, strain=False)
    member = Member(FOUR_CLASSES, 24, settings).eval()
    plain = Member(FOUR_CLASSES, 24, dataclasses.replace(settings, compression=0.0)).eval()
    plain.load_state_dict(member.state_dict())
    assert not torch.allclose(member(frames, flows)[1], plain(frames, flows)[1])
    small = averaged(flows, settings.flow_size)
    small[:, :, :2] = compressed(small, 1.0)[:, :, :2]
    torch.testing.assert_close(member(frames, flows)[1], plain(frames, small)[1])


def test_the_mirror_image_has_the_same_classes_and_the_other_side():
    frames, flows = inputs()
    net = network()
    with torch.no_grad():
        features, scores, units = net(frames, flows)
        turned = net(frames.flip(-1), mirrored_flows(flows))
    torch.testing.assert_close(turned[0], features)
    torch.testing.assert_close(turned[1], scores)
    torch.testing.assert_close(turned[2], units.flip(-1))


def test_missing_modalities_have_no_influence():
    net = network()
    frames, flows = inputs()
    nothing = torch.zeros_like(frames)
    with torch.no_grad():
        empty = net(nothing, nothing)[0]
        assert not torch.equal(net(nothing, flows)[0], net(frames, flows)[0])
        short = net(nothing, torch.cat([flows[:, :1], nothing[:, 1:]], dim=1))
        torch.testing.assert_close(net(nothing, flows[:, :1]), short)
        for norm in net.members[0].flow_branch.norms:
            norm.bias.fill_(3.0)
        torch.testing.assert_close(net(nothing, nothing)[0], empty)


def test_a_branch_that_is_off_sees_nothing():
    frames, flows = inputs()
    net = network(
        NetworkSettings(members=1, member_features=128, coarse=0, frames=False, strain=False), prior=False
    )
    changed = torch.cat([flows[:, :, :2], flows[:, :, 2:] + 1.0], dim=2)
    with torch.no_grad():
        torch.testing.assert_close(net(frames, flows), net(0 * frames, changed))
        assert not torch.equal(net(frames, flows)[0], net(frames, 2 * flows)[0])


def test_frames_are_averaged_over_time_and_expanded_in_training():
    member = network().members[0]
    frames, flows = inputs()
    with torch.no_grad():
        turned = member(frames[:, [2, 0, 1]], flows)[0]
        torch.testing.assert_close(turned, member(frames, flows)[0], atol=1e-6, rtol=1e-5)
        still = frames[:, :1].expand(-1, 3, -1, -1, -1)
        expanded = member.expanded(frames, flows)[0]
        assert expanded.shape == (3, 3, 4)
        torch.testing.assert_close(expanded[:, 0], member(still, flows)[1], atol=1e-6, rtol=1e-5)
        attentive = network(dataclasses.replace(SHAPE, temporal="attention")).members[0]
        assert attentive.expanded(frames, flows)[0].shape == (3, 1, 4)


def test_missing_images_stay_out_of_the_batch_statistics():
    member = network().members[0].train()
    frames, flows = inputs(4, 32)
    member.expanded(torch.zeros_like(frames), flows)
    assert not member.frame_branch.norms[0].running_mean.any()
    assert member.flow_branch.norms[0].running_mean.any()


def test_images_are_averaged_down_to_any_size():
    image = torch.arange(36.0).reshape(1, 6, 6)
    torch.testing.assert_close(averaged(image, 3), torch.nn.functional.avg_pool2d(image, 2))
    uneven = averaged(image, 4)
    torch.testing.assert_close(uneven.mean(), image.mean())
    torch.testing.assert_close(
        uneven[0, 0, 0],
        (image[0, 0, 0] + 0.5 * (image[0, 0, 1] + image[0, 1, 0]) + 0.25 * image[0, 1, 1]) / 2.25,
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"flow_size": 4}, "network.flow_size"),
        ({"temporal": "lstm"}, "network.temporal"),
        ({"members": 0}, "network.members must be above 0"),
        ({"member_features": 0}, "network.member_features must be above 0"),
        ({"members": 6, "coarse": 0}, "network.members × network.member_features is 6 × 24"),
        ({"coarse": 7}, "network.coarse must lie in 0..6"),
        ({"channels": (8,)}, "network.channels"),
        ({"compression": -1.0}, "network.compression must lie in 0..100"),
        ({"compression": float("nan")}, "network.compression must lie in 0..100"),
        ({"dropout": 1.0}, "network.dropout"),
    ],
)
def test_impossible_networks_are_refused(wrong, named):
    with pytest.raises(ConfigError, match=re.escape(named)):
        NetworkSettings(**wrong)


def test_a_committee_of_one_cannot_be_trained():
    """Nobody would judge the samples that it has learned from."""
    alone = dataclasses.replace(SETTINGS, network=dataclasses.replace(SETTINGS.network, members=1))
    with pytest.raises(ConfigError, match=r"network\.members is 1"):
        train(tiny_samples(), alone)


def test_augmentation_without_ranges_changes_nothing():
    frames, flows = inputs(4, 32)
    new_frames, new_flows, flip = Augmenter(NO_CHANGE, 0)(frames, flows)
    assert not flip.any()
    torch.testing.assert_close(new_frames, frames, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(new_flows, flows, atol=1e-5, rtol=1e-4)


def test_mirroring_negates_u_alone():
    frames, flows = inputs(4, 32)
    _, mirrored, flip = Augmenter(dataclasses.replace(NO_CHANGE, mirror=1.0), 0)(frames, flows)
    assert flip.all()
    torch.testing.assert_close(mirrored, mirrored_flows(flows), atol=1e-5, rtol=1e-4)


def test_modality_dropout_leaves_zeros():
    frames, flows = inputs(4, 32)
    settings = dataclasses.replace(AugmentSettings(), drop_frames=1.0, drop_later_flows=1.0)
    new_frames, new_flows, _ = Augmenter(settings, 0)(frames, flows)
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


def test_action_units_count_only_where_they_are_known():
    logits = torch.zeros(2, 13, 2)
    targets = torch.full((2, 13, 2), torch.nan)
    assert float(unit_loss(logits, targets)) == 0.0
    targets[0, 3, 1] = 1.0
    assert float(unit_loss(logits, targets)) == pytest.approx(math.log(2))


def test_training_lowers_the_loss_and_is_repeatable():
    samples = direct_samples(96, 3, FOUR_CLASSES)
    settings = dataclasses.replace(SETTINGS, epochs=10, batch=16, learning_rate=4e-3)
    state = torch.random.get_rng_state()
    member, curve = fit_member(samples, settings, 2, 32)
    assert torch.equal(state, torch.random.get_rng_state())
    assert curve[-1].loss < 1.0 < math.log(4) < curve[0].loss + 0.5
    again, same = fit_member(samples, settings, 2, 32)
    assert same == curve
    for name, value in member.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_model_gives_probabilities_whatever_is_missing():
    samples = tiny_samples()
    for view in (samples, samples.flow_only()):
        probabilities = predict(tiny_model(), view)
        assert probabilities.shape == (len(samples), 4)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


def test_a_temperature_makes_the_same_verdicts_less_sure():
    samples = tiny_samples()
    settings = dataclasses.replace(SETTINGS, epochs=1)
    fitted = fit_networks(samples, settings)
    plain = predict(add_scorer(fitted, settings), samples)
    soft = predict(add_scorer(fitted, dataclasses.replace(settings, temperature=2.0)), samples)
    root = np.sqrt(plain)
    np.testing.assert_allclose(soft, root / root.sum(axis=1, keepdims=True))


def test_a_prior_for_classes_without_a_recipe_gives_features_and_no_scores():
    samples = tiny_samples()
    own = dataclasses.replace(samples, classes=("a", "b", "c", "d"))
    model = train(own, dataclasses.replace(SETTINGS, epochs=1))
    assert model.network.prior.class_names == MEGC_CLASSES
    assert model.svm_choice["weight_prior"] == 0.0
    found = network_output(model.network, own)
    assert found.features[:, -model.settings.network.prior_features :].any()
    assert not found.scores[:, 1].any()


def test_a_set_of_flow_alone_trains_without_a_warning_and_tells_what_its_time_went_into():
    with timed_parts() as seconds:
        model = train(tiny_samples().flow_only(), dataclasses.replace(SETTINGS, epochs=1))
    assert model.classes == FOUR_CLASSES
    assert set(seconds) == {REST, "network", "prior", "features", "svm"}


def test_svm_sees_each_drawn_sample_whole_and_as_flow_alone():
    samples = tiny_samples()
    views, origin = svm_views(
        samples, dataclasses.replace(SETTINGS, svm=dataclasses.replace(SETTINGS.svm, max_samples=40))
    )
    assert len(views) == len(origin) == 40
    np.testing.assert_array_equal(views.labels, samples.labels[origin])
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


def test_the_readout_tells_action_units_and_their_sides_apart():
    drawn = direct_samples(300, 3, ("happiness", "surprise"), 40)
    readout = fit_readout(drawn, 14)
    unseen = direct_samples(80, 4, ("happiness", "surprise"), 20)
    flows = training_flows(unseen, 14)
    with torch.no_grad():
        logits = readout(flows).numpy()
        mirrored = readout(mirrored_flows(flows)).numpy()
    moved = unseen.action_units > 0
    for name in ("AU2", "AU12"):
        unit = AU_NAMES.index(name)
        there, absent = logits[:, unit][moved[:, unit]], logits[:, unit][~moved[:, unit]]
        assert (there > 0).mean() > 0.7
        assert (absent < 0).mean() > 0.9
        turned = mirrored[:, unit, ::-1][moved[:, unit]]
        assert (turned > 0).mean() > 0.7
