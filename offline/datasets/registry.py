"""The datasets that can be read, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from offline.datasets import cas_me2, cas_me3, casme2, mmew, samm, samm_long, smic_hs
from offline.datasets.corpus import Corpus
from offline.datasets.frames import Variant
from realtime.errors import UsageError


class Loader(Protocol):
    """Reads one dataset; raises DataError or UsageError where it cannot be read."""

    def __call__(self, root: Path, frames: str | None = None, coding: str | None = None) -> Corpus: ...


@dataclass(frozen=True, slots=True)
class Dataset:
    """One entry of the registry."""

    name: str
    load: Loader
    frames: Mapping[str, Variant]
    """The forms in which its frames circulate, the preferred one first."""
    people: str
    """Whom it shows: datasets of the same people share this name."""


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        module.NAME: Dataset(
            module.NAME, module.load, module.FRAMES, samm.NAME if module is samm_long else module.NAME
        )
        for module in (casme2, samm, smic_hs, cas_me2, samm_long, cas_me3, mmew)
    }
)


def dataset(name: str) -> Dataset:
    """The dataset of that name, "smic-hs" being "smic_hs". Raises UsageError for an unknown one."""
    known = known_name(name)
    if known not in DATASETS:
        raise UsageError(f"unknown dataset '{name}': use one of {', '.join(DATASETS)}")
    return DATASETS[known]


def known_name(name: str) -> str:
    """The name as the registry spells it; one that is not in the registry stays as it is."""
    plain = name.lower().replace("-", "_")
    return plain if plain in DATASETS else name


def people_of(name: str) -> str:
    """Whom a dataset shows; one that is not in the registry shows people of its own."""
    return DATASETS[name].people if name in DATASETS else name


def person(name: str, subject: str) -> str:
    """The subject with its people's name before it, so that those of two datasets are never taken for one.

    A name that has it already stays as it is.
    """
    start = f"{people_of(name)}-"
    return subject if subject.startswith(start) else start + subject
