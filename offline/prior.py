"""The prior: a small network that has learned classes and action units from synthetic flow alone."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from offline.member_training import fit_member
from offline.network import Member, NetworkSettings
from offline.samples import crop_flow_to_face, sample_set
from offline.synthesis.direct import ANYTHING, make_flow_set
from offline.synthesis.recipes import MEGC_CLASSES, MIXTURES
from offline.timing import part
from offline.training_settings import PriorSettings, TrainingSettings


@part("prior")
def fit_prior(classes: tuple[str, ...], settings: PriorSettings, network: NetworkSettings) -> Member | None:
    """The prior for a set of classes, fitted once per process; None where there is none.

    Where a class has no recipe it learns the three of the MEGC 2019 composite instead: its features and
    action units are of use all the same, its class scores are not.
    """
    if settings.samples == 0 or network.prior_features == 0:
        return None
    wanted = classes if all(name in MIXTURES for name in classes) else MEGC_CLASSES
    return _fitted(wanted, settings, prior_shape(network, settings))


def prior_shape(network: NetworkSettings, settings: PriorSettings) -> NetworkSettings:
    """Shape of the prior beside a committee: flow without strain, wider."""
    return replace(network, channels=settings.channels, strain=False, frames=False, flows=True)


@lru_cache(maxsize=8)
def _fitted(classes: tuple[str, ...], settings: PriorSettings, network: NetworkSettings) -> Member:
    drawn = make_flow_set(settings.seed, settings.samples, (*classes, ANYTHING))
    flows = np.full((len(drawn.labels), 3, *drawn.flows.shape[1:]), np.nan, dtype=np.float32)
    flows[:, 0] = crop_flow_to_face(drawn.flows)
    labels = [classes.index(label) if label in classes else -1 for label in drawn.labels]
    samples = sample_set(flows, labels, classes, drawn.subjects, action_units=drawn.action_units)
    training = TrainingSettings(epochs=settings.epochs, network=network, seed=settings.seed)
    member, _ = fit_member(samples, training, settings.seed, network.prior_features)
    return member
