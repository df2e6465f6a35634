"""Which action units make up each class, and how often.

Four classes follow the shares of action units in CASME II's coding (Yan et al. 2014), three classes
are those of the MEGC 2019 composite (See et al. 2019). Shares are relative and need not sum to one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from realtime.errors import UsageError

Mixture = tuple[tuple[float, tuple[str, ...]], ...]
"""(share, action units) of each combination of a class."""


def _mixture(text: str) -> Mixture:
    """Read "4+7 .22, 14 .09" into its shares."""
    rows = (row.split() for row in text.split(","))
    return tuple((float(share), tuple(f"AU{unit}" for unit in units.split("+"))) for units, share in rows)


MIXTURES: Mapping[str, Mixture] = MappingProxyType(
    {
        "happiness": _mixture(
            "12 .46, 6+12 .24, 14 .07, 12+14 .07, 12+15 .05, 12+25 .04, 6+7+12 .03, 6 .02, 14+15 .02"
        ),
        "surprise": _mixture("1+2 .50, 1+2+5 .14, 2 .10, 1+2+25 .08, 1+2+26 .07, 1 .06, 5 .05"),
        "disgust": _mixture(
            "4 .24, 4+7 .28, 4+9 .10, 4+7+9 .08, 4+10 .12, 4+7+10 .08, 4+14 .02, 4+15 .02, "
            "10 .03, 9 .02, 7+10 .01"
        ),
        "repression": _mixture("17 .36, 15+17 .25, 15 .14, 14 .10, 17+24 .06, 14+17 .05, 24 .04"),
        "negative": _mixture(
            "4 .22, 4+7 .22, 14 .09, 4+9 .06, 10 .06, 15 .06, 17 .06, 4+7+9 .05, 7 .05, 9 .04, "
            "4+10 .04, 15+17 .03, 4+14 .03, 20 .02, 1+4 .02, 4+15 .02, 24 .02"
        ),
        "positive": _mixture("12 .45, 6+12 .38, 12+14 .05, 12+25 .05, 6+7+12 .04, 6 .03"),
    }
)
"""Every class that can be drawn."""

FOUR_CLASSES: tuple[str, ...] = ("happiness", "surprise", "disgust", "repression")
"""The classes of the default protocol."""

MEGC_CLASSES: tuple[str, ...] = ("negative", "positive", "surprise")
"""The classes of the MEGC 2019 composite, in the order of its class numbers."""


def draw_action_units(rng: np.random.Generator, label: str) -> tuple[str, ...]:
    """Draw one combination of action units of a class.

    Raises UsageError for a class without a recipe.
    """
    if label not in MIXTURES:
        raise UsageError(f"no recipe for class {label!r}: use one of {', '.join(MIXTURES)}")
    mixture = MIXTURES[label]
    shares = np.array([share for share, _ in mixture])
    return mixture[int(rng.choice(len(mixture), p=shares / shares.sum()))][1]
