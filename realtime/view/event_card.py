"""One event as a page shows it: what stands in its record, ranked and named, and its drawings."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from realtime.sinks.records import Record
from realtime.sinks.trace import Trace
from realtime.view.curve import draw_curve
from realtime.view.names import BLOCKS, UNITS, words
from realtime.view.pictures import FACE_NAMES, FIELD_NAMES, EventPictures
from realtime.view.schematic import LEAST_SCALE, arrow_gain, motion_map, region_map

_TOP_REGIONS = 5
_TOP_REASONS = 4
_PRESENT = 0.5
_LEAST_UNIT = 0.2
_LEAST_WORTH = 0.01

Ranked = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture with what stands under it."""

    picture: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class EventCard:
    """An event, ready to be laid out."""

    record: Record
    number: int
    kind: str
    """"micro" or "macro"."""
    delay_ms: int
    """Time from the apex to the decision."""
    probabilities: Ranked | None
    """Largest first."""
    units: list[tuple[str, str, float, str]]
    """Action unit, what it does, probability, and the side where it is likelier there than not."""
    places: Ranked
    """The regions that moved most."""
    reasons: Ranked
    """What spoke for the label, and against it."""
    curve: Markup
    maps: list[Drawing]
    region_face: Markup
    reason_face: Markup | None
    faces: list[Drawing]
    """Key frames; empty where faces are not shown."""

    @property
    def units_there(self) -> list[str]:
        """Names of the action units that are likelier there than not."""
        return [name for name, _, value, _ in self.units if value >= _PRESENT]


def event_card(number: int, event: Record, trace: Trace, pictures: EventPictures | None = None) -> EventCard:
    """The card of an event of schema glimpse/1."""
    probabilities, explanation = event["probabilities"], event.get("explanation")
    places = _ranked(event["regions"])[:_TOP_REGIONS]
    return EventCard(
        record=event,
        number=number,
        kind=event["type"].removesuffix("_expression"),
        delay_ms=round((event["decided_s"] - event["apex_s"]) * 1000),
        probabilities=None if probabilities is None else _ranked(probabilities),
        units=_units(event),
        places=places,
        reasons=_reasons(explanation),
        curve=draw_curve(trace, event),
        maps=_maps(pictures),
        region_face=region_map(event["regions"], "Regions that moved most: " + _said(places)),
        reason_face=_reason_face(explanation),
        faces=_faces(pictures),
    )


def _ranked(values: Mapping[str, float]) -> Ranked:
    return sorted(values.items(), key=lambda item: -item[1])


def _said(values: Ranked) -> str:
    return ", ".join(f"{words(name)} {value:.2f}" for name, value in values)


def _units(event: Record) -> list[tuple[str, str, float, str]]:
    sides = event.get("sides", {})
    ranked = _ranked(event.get("action_units", {}))
    return [(n, UNITS.get(n, ""), value, sides.get(n, "")) for n, value in ranked if value >= _LEAST_UNIT]


def _reasons(explanation: Record | None) -> Ranked:
    """Blocks, then regions, that mattered most."""
    if explanation is None:
        return []
    blocks = {BLOCKS.get(name, name): value for name, value in explanation["blocks"].items()}
    chosen: Ranked = []
    for values in (blocks, explanation["regions"]):
        strongest = sorted(values.items(), key=lambda item: -abs(item[1]))[:_TOP_REASONS]
        chosen += sorted(((n, v) for n, v in strongest if abs(v) >= _LEAST_WORTH), key=lambda item: -item[1])
    return chosen


def _reason_face(explanation: Record | None) -> Markup | None:
    if explanation is None:
        return None
    regions = explanation["regions"]
    largest = max([abs(value) for value in regions.values()] + [1e-6])
    scaled = {name: value / largest for name, value in regions.items()}
    return region_map(
        scaled, "Regions by their worth to the label: " + _said(_ranked(regions)[:_TOP_REGIONS])
    )


def _maps(pictures: EventPictures | None) -> list[Drawing]:
    if pictures is None:
        return []
    lengths = np.hypot(pictures.fields[:, 0], pictures.fields[:, 1])
    largest = [float(np.quantile(length, 0.995)) for length in lengths]
    top = max(largest)
    gain = arrow_gain(top)
    drawings = []
    for field, name, most in zip(pictures.fields, FIELD_NAMES, largest, strict=True):
        text = f"Motion from {name.replace('→', 'to')}, up to {most:.1f} percent of the eye distance"
        aside = f", arrows ×{gain}" if most >= LEAST_SCALE else ", at rest"
        drawings.append(Drawing(motion_map(field, top, text), f"{name}: up to {most:.1f} %{aside}"))
    return drawings


def _faces(pictures: EventPictures | None) -> list[Drawing]:
    if pictures is None or not pictures.faces:
        return []
    drawings = []
    for name, data in zip(FACE_NAMES, pictures.faces, strict=True):
        caption = f"apex, motion ×{pictures.gain:.0f}" if name == "magnified" else name
        source = base64.b64encode(data).decode()
        image = Markup('<img class="shot" alt="Face at the {}" src="data:image/jpeg;base64,{}">')
        drawings.append(Drawing(image.format(caption, source), caption))
    return drawings


def settings_rows(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows of dotted name and value."""
    rows: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            rows += settings_rows(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", str(value)))
    return rows
