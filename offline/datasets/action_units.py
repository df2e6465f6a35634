"""Action units as coders write them: 4, "4+7+L10", "R14A or 17A", "AU6+12?"."""

from __future__ import annotations

import re

_UNIT = re.compile(r"([LR]?)(?:AU|A)?([0-9]{1,2})[A-E]?", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:[+,;/&]|\bor\b|\band\b|\s)\s*", re.IGNORECASE)


def parse_action_units(text: str) -> tuple[str, ...]:
    """Action units of the Facial Action Coding System, in the coders' order, each once.

    "AU4" is on both sides, "LAU10" on the left only. A trailing "?" marks units that the coders doubted,
    alternatives joined by "or", and entries that are no action unit, which are kept as they are.
    Intensity letters (A–E) are left off.
    """
    alternatives = re.search(r"\bor\b", text, re.IGNORECASE) is not None
    joined = re.sub(r"\bAU\s+(?=[0-9])", "AU", text, flags=re.IGNORECASE)
    units: dict[str, None] = {}
    for part in _BETWEEN.split(joined):
        token = part.strip("() ")
        if not token:
            continue
        match = _UNIT.fullmatch(token.replace("?", ""))
        if match is None:
            units[token.replace("?", "") + "?"] = None
            continue
        doubt = "?" if alternatives or "?" in token else ""
        units[f"{match[1].upper()}AU{int(match[2])}{doubt}"] = None
    return tuple(units)
