"""Objective classes: micro-expressions grouped by action units instead of estimated emotions."""

from __future__ import annotations

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII")


def objective_class(text: str) -> str | None:
    """ "I" to "VII" from 1 to 7 or from the Roman number itself; other text as it is; None from nothing.

    The classes are those of Davison et al. 2018, "Objective Classes for Micro-Facial Expression Recognition".
    """
    plain = text.strip().upper()
    if plain in map(str, range(1, len(_ROMAN) + 1)):
        return _ROMAN[int(plain) - 1]
    return plain or None
