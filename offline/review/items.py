"""What there is to review: the clips of datasets, or the events that were found in a film."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.datasets.combined import Source, labelled_clips
from offline.datasets.corpus import KeyNumbers
from offline.datasets.flow_maps import NAME as FLOW_MAPS
from offline.datasets.protocols import protocol
from offline.review.applied import clip_ids, clip_keys
from offline.review.table import KEYS, UNKNOWN, Times, checked_keys
from realtime.errors import DataError, UsageError
from realtime.sinks.records import SCHEMA
from realtime.sources import open_source
from realtime.truth import MAX_TIME_S

_MOST = 10**9


@dataclass(frozen=True, slots=True)
class Item:
    """One clip or event to look at."""

    id: str
    source: str
    """Name of the dataset or film."""
    subject: str
    path: Path
    """Video file or folder of images."""
    fps: float | None
    """Frame rate of a folder of images; None takes what a video says."""
    keys: KeyNumbers
    """Key frames as coded or found."""
    label: str
    times: Times = UNKNOWN
    """Times of the key frames, where the coding states them, s."""


@dataclass(frozen=True, slots=True)
class Agenda:
    """Everything to review, and the labels to choose from."""

    items: tuple[Item, ...]
    labels: tuple[str, ...]
    title: str


def agenda_of_datasets(sources: Sequence[Source], protocol_name: str) -> Agenda:
    """The labelled clips of some datasets.

    Raises UsageError for flow maps, which have no frames; DataError where there is nothing to look at.
    """
    if any(source.kind == FLOW_MAPS for source in sources):
        raise UsageError("flow maps have no frames to review: use the datasets that they were made from")
    labels = protocol(protocol_name)
    items: dict[str, Item] = {}
    for source in sources:
        clips, _ = labelled_clips(source, labels)
        for name, clip in zip(clip_ids(clips), clips, strict=True):
            if name in items:
                raise DataError(f"two clips are both called {name}: name them apart in column clip")
            keys = clip_keys(clip)
            items[name] = Item(name, clip.dataset, clip.subject, clip.path, clip.fps, keys, clip.label)
    if not items:
        raise DataError(f"no clip has a class under protocol {protocol_name}: nothing to review")
    first = next(iter(items.values()))
    if not any(item.path.exists() for item in items.values()):
        raise DataError(f"not one of the {len(items)} clips is there; the first: {first.path}")
    names = dict.fromkeys((*labels.classes, *sorted({item.label for item in items.values()})))
    return Agenda(tuple(items.values()), tuple(names), ", ".join(dict.fromkeys(s.path.name for s in sources)))


def agenda_of_events(events: Path, film: Path) -> Agenda:
    """The micro-expressions that `glimpse process` found in `film`.

    Raises DataError where `events` is no file of its events, holds none, or is of another film;
    SourceError where the film cannot be opened.
    """
    records = _records(events)
    stream = records[0]
    found = [record for record in records if record.get("type") == "micro_expression"]
    if not found:
        raise DataError(f"{events}: holds no micro-expression to review")
    fps = float(stream["fps"])
    with open_source(film, fps=fps if film.is_dir() else None) as source:
        info = source.info
    if (info.width, info.height) != (stream["width"], stream["height"]):
        raise DataError(
            f"{events}: was made from {stream['width']}×{stream['height']} pixels, but {film} has "
            f"{info.width}×{info.height}: name the film that it was made from"
        )
    last = max(_event(events, record).keys.offset for record in found)
    if info.frame_count is not None and last > 1.02 * info.frame_count + 5:
        raise DataError(
            f"{events}: its last event ends at frame {last}, but {film} has {info.frame_count}: "
            "name the film that it was made from"
        )
    name = _writable(film.name)
    items: dict[str, Item] = {}
    for record in found:
        event = _event(events, record)
        item = Item(
            id=" ".join(f"events/{name}/{event.id}".split()),
            source=name,
            subject="",
            path=film,
            fps=fps if film.is_dir() else None,
            keys=event.keys,
            label=event.label,
            times=event.times,
        )
        if item.id in items:
            raise DataError(f"{events}: holds two events {event.id}: review one run at a time")
        items[item.id] = item
    labels = dict.fromkeys(label for record in found for label in _labels(record))
    return Agenda(tuple(items.values()), tuple(labels), name)


@dataclass(frozen=True, slots=True)
class _Event:
    id: str
    keys: KeyNumbers
    times: Times
    label: str


def _records(events: Path) -> list[dict[str, Any]]:
    """All records; the first is the one record of a stream."""
    wrong = f"{events}: is no event file of one film, as glimpse process writes it"
    try:
        text = events.read_text(encoding="utf-8")
        records = [json.loads(line) for line in text.split("\n") if line.strip()]
    except OSError as error:
        raise DataError(f"{events}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(wrong) from error
    if not records or not all(isinstance(record, dict) for record in records):
        raise DataError(wrong)
    streams = [record for record in records if record.get("type") == "stream"]
    if len(streams) != 1 or records[0] is not streams[0] or streams[0].get("schema") != SCHEMA:
        raise DataError(wrong)
    sizes = [streams[0].get(key) for key in ("width", "height", "fps")]
    if not all(isinstance(size, int | float) and 0 < size < _MOST for size in sizes):
        raise DataError(wrong)
    return records


def _event(events: Path, record: dict[str, Any]) -> _Event:
    try:
        onset, apex, offset = (record[f"{name}_frame"] for name in KEYS)
        times = tuple(float(record[f"{name}_s"]) for name in KEYS)
        if not all(type(n) is int and 0 <= n < _MOST for n in (onset, apex, offset)):
            raise ValueError("a frame number is none")
        if not all(0.0 <= time_s <= MAX_TIME_S for time_s in times):  # NaN is refused too
            raise ValueError("a time is out of range")
        keys = checked_keys(KeyNumbers(onset, apex, offset))
        name, label = _writable(str(record["id"])), _writable(str(record.get("label") or ""))
        return _Event(name, keys, (times[0], times[1], times[2]), label)
    except (KeyError, TypeError, ValueError, OverflowError, DataError) as error:
        raise DataError(f"{events}: event {record.get('id')!s:.40} is damaged ({error})") from error


def _labels(record: dict[str, Any]) -> list[str]:
    """Classes of the model that labelled an event, and its label."""
    probabilities = record.get("probabilities")
    names = list(probabilities) if isinstance(probabilities, dict) else []
    return [_writable(name) for name in (*names, str(record.get("label") or "")) if name]


def _writable(text: str) -> str:
    """Text that can be written as UTF-8, which half a character (in JSON or a file's name) cannot."""
    return text.encode("utf-8", "backslashreplace").decode()
