"""The prior: what has learned classes and action units from synthetic flow alone."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from torch.nn import functional

from offline.augment import AugmentSettings
from offline.member_training import fit_member, training_flows
from offline.network import NetworkSettings, Prior, UnitReadout, mirrored_flows
from offline.samples import SampleSet, crop_flow_to_face, sample_set
from offline.synthesis.direct import ANYTHING, make_flow_set
from offline.synthesis.recipes import MEGC_CLASSES, MIXTURES
from offline.timing import part
from offline.training_settings import PriorSettings, TrainingSettings

_RIDGE = 1e-3
"""Penalty on the squares of the readout's weights, beside the mean log loss of all units together."""
_ROUNDS = 150


@part("prior")
def fit_prior(classes: tuple[str, ...], settings: TrainingSettings) -> Prior | None:
    """The prior for a set of classes, fitted once per process; None where there is none.

    Where a class has no recipe it learns the three of the MEGC 2019 composite instead: its features and
    action units are of use all the same, its class scores are not. Of the settings only those of the prior,
    the network, the augmentation and of directly made flow count.
    """
    prior, network = settings.prior, settings.network
    if prior.samples == 0 or network.prior_features == 0:
        return None
    wanted = classes if all(name in MIXTURES for name in classes) else MEGC_CLASSES
    return _fitted(wanted, prior, prior_shape(network, prior), settings.augment, settings.as_measured)


def prior_shape(network: NetworkSettings, settings: PriorSettings) -> NetworkSettings:
    """Shape of the prior beside a committee: flow without strain, wider."""
    return replace(network, channels=settings.channels, strain=False, frames=False, flows=True)


@lru_cache(maxsize=8)
def _fitted(
    classes: tuple[str, ...],
    settings: PriorSettings,
    network: NetworkSettings,
    augment: AugmentSettings,
    as_measured: bool,
) -> Prior:
    drawn = make_flow_set(settings.seed, settings.samples, (*classes, ANYTHING), as_measured=as_measured)
    flows = np.full((len(drawn.labels), 3, *drawn.flows.shape[1:]), np.nan, dtype=np.float32)
    flows[:, 0] = crop_flow_to_face(drawn.flows)
    labels = [classes.index(label) if label in classes else -1 for label in drawn.labels]
    samples = sample_set(flows, labels, classes, drawn.subjects, action_units=drawn.action_units)
    training = TrainingSettings(epochs=settings.epochs, network=network, augment=augment, seed=settings.seed)
    member, _ = fit_member(samples, training, settings.seed, network.prior_features)
    return Prior(member, fit_readout(samples, network.flow_size))


def fit_readout(samples: SampleSet, size: int) -> UnitReadout:
    """Logistic regressions on the samples and their mirror images; all action units must be known.

    One straight line per unit tells more of them apart than the networks do, whose features serve the
    classes: rare units are lost there.
    """
    flows = training_flows(samples, size)[:, :1]
    both = torch.cat([flows, mirrored_flows(flows)])
    units = torch.from_numpy(samples.action_units.copy())
    wanted = torch.cat([units, units.flip(-1)])
    readout = UnitReadout(size)
    weight, bias = readout.linear.weight, readout.linear.bias
    torch.nn.init.zeros_(weight)
    torch.nn.init.zeros_(bias)
    search = torch.optim.LBFGS(readout.parameters(), max_iter=_ROUNDS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        total = functional.binary_cross_entropy_with_logits(readout(both), wanted, reduction="sum") / len(
            both
        )
        total = total + _RIDGE * (weight**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    search.step(loss)  # type: ignore[no-untyped-call]
    return readout.eval()
