"""How well the live route spots: the SAME pipeline over streams whose truth is known.

Figures follow the MEGC spotting protocol: a spotted interval is right where its intersection over
union with a true one is at least 0.5; F1 comes from the pooled counts; recognition is scored on the
true positives, and STRS is the product of the two F1 (Li et al., MEGC 2022).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from offline.metrics import SpottingScore, apex_errors, pooled_spotting, score_recognition, score_spotting
from offline.spot_alarms import cause_of_alarm
from offline.spot_streams import StreamResult
from realtime.features.spec import AU_NAMES
from realtime.recognition import PRESENT
from realtime.types import EventKind, FacialEvent, KeyFrames

KINDS: tuple[EventKind, ...] = ("micro_expression", "macro_expression")
MIDDLE = ("AU17",)
"""Action units in the middle of the face: they have no side."""


def evaluate(results: Sequence[StreamResult], classes: Sequence[str]) -> dict[str, Any]:
    """All figures of a set of streams, JSON-ready. Times in ms of stream time."""
    figures: dict[str, Any] = {kind: _spotting(results, kind) for kind in KINDS}
    figures["both"] = _spotting(results, None)
    seconds = sum(r.seconds for r in results)
    causes = Counter(cause for r in results for cause in _false_alarms(r))
    figures["seconds"] = seconds
    figures["false_alarms_per_minute"] = sum(causes.values()) / seconds * 60.0 if seconds else None
    figures["false_alarm_causes"] = dict(sorted(causes.items()))
    figures["action_units"] = _action_units(results)
    figures["recognition"] = recognition = _recognition(results, classes)
    if recognition:
        figures["strs"] = figures["micro_expression"]["f1"] * recognition["uf1"]
    figures["provisional"] = _provisional(results)
    figures["unobservable"] = _unobservable(results, seconds)
    return figures


def curve(results: Sequence[StreamResult]) -> list[dict[str, Any]]:
    """Micro-expressions at every threshold that the streams were watched with, JSON-ready."""
    seconds = sum(r.seconds for r in results)
    points = []
    for threshold in sorted({t for result in results for t in result.by_threshold}):
        scores = []
        for result in results:
            spotted = [k for k in result.by_threshold.get(threshold, ()) if k.kind == "micro_expression"]
            scores.append(_score(_split(result, "micro_expression")[0], spotted))
        pooled = pooled_spotting(scores)
        points.append(
            {
                "threshold": threshold,
                "precision": pooled.precision,
                "recall": pooled.recall,
                "f1": pooled.f1,
                "false_alarms_per_minute": pooled.false_positives / seconds * 60.0 if seconds else None,
            }
        )
    return points


def _split(result: StreamResult, kind: EventKind | None) -> tuple[list[Any], list[FacialEvent]]:
    true = [event for event in result.truth.events if kind in (None, event.kind)]
    spotted = [event for event in result.spotted if kind in (None, event.kind)]
    return true, spotted


def _score(true: Sequence[Any], spotted: Sequence[KeyFrames]) -> SpottingScore:
    return score_spotting(
        [(t.onset_s, t.offset_s) for t in true], [(keys.onset_s, keys.offset_s) for keys in spotted]
    )


def _keys(events: Sequence[FacialEvent]) -> list[KeyFrames]:
    return [event.key_frames for event in events]


def _spotting(results: Sequence[StreamResult], kind: EventKind | None) -> dict[str, Any]:
    scores, after_apex, after_offset = [], [], []
    errors: list[float] = []
    for result in results:
        true, spotted = _split(result, kind)
        score = _score(true, _keys(spotted))
        scores.append(score)
        errors.extend(
            apex_errors([t.apex_s for t in true], [s.key_frames.apex_s for s in spotted], score) * 1e3
        )
        for i, j in score.matches:
            decided_s = spotted[j].key_frames.decided_s
            after_apex.append((decided_s - true[i].apex_s) * 1e3)
            after_offset.append((decided_s - true[i].offset_s) * 1e3)
    pooled = pooled_spotting(scores)
    return {
        "true_positives": pooled.true_positives,
        "false_positives": pooled.false_positives,
        "false_negatives": pooled.false_negatives,
        "precision": pooled.precision,
        "recall": pooled.recall,
        "f1": pooled.f1,
        "apex_error_ms": _quantiles(np.abs(errors)),
        "decided_after_apex_ms": _quantiles(after_apex),
        "decided_after_offset_ms": _quantiles(after_offset),
    }


def _quantiles(values: Any) -> dict[str, float] | None:
    """Median and 95th percentile; None where there is nothing."""
    if len(values) == 0:
        return None
    return {"median": float(np.median(values)), "p95": float(np.percentile(values, 95))}


def _false_alarms(result: StreamResult) -> list[str]:
    """For each spotted micro-expression that is none: what happened there."""
    true, spotted = _split(result, "micro_expression")
    matched = {j for _, j in _score(true, _keys(spotted)).matches}
    return [
        cause_of_alarm(result.truth, s, result.measured) for j, s in enumerate(spotted) if j not in matched
    ]


def _action_units(results: Sequence[StreamResult]) -> dict[str, Any] | None:
    """F1 of every action unit that occurs among the true positives, and how often its side is right.

    A unit is taken to be there from a probability of `PRESENT` on. None where no model knows any.
    """
    found, true, sides = [], [], []
    for result in results:
        happened, spotted = _split(result, "micro_expression")
        for i, j in _score(happened, _keys(spotted)).matches:
            recognition = spotted[j].recognition
            if recognition is None or not recognition.action_units:
                continue
            found.append([recognition.action_units[name] >= PRESENT for name in AU_NAMES])
            true.append([name in happened[i].action_units for name in AU_NAMES])
            both = set(recognition.sides) & set(happened[i].action_units)
            sides += [recognition.sides[name] == happened[i].side for name in both if name not in MIDDLE]
    if not found:
        return None
    hits, seen, there = (np.sum(part, axis=0) for part in (np.logical_and(found, true), found, true))
    f1 = {
        name: 2.0 * float(hits[k]) / float(seen[k] + there[k]) for k, name in enumerate(AU_NAMES) if there[k]
    }
    return {
        "events": len(found),
        "f1": f1,
        "macro_f1": float(np.mean(list(f1.values()))),
        "side_accuracy": float(np.mean(sides)) if sides else None,
    }


def _recognition(results: Sequence[StreamResult], classes: Sequence[str]) -> dict[str, Any] | None:
    """Recognition on the true positives; None where nothing was labelled."""
    true_labels, found_labels = [], []
    for result in results:
        true, spotted = _split(result, "micro_expression")
        for i, j in _score(true, _keys(spotted)).matches:
            label = spotted[j].label
            if label in classes and true[i].label in classes:
                true_labels.append(classes.index(true[i].label))
                found_labels.append(classes.index(label))
    if not true_labels:
        return None
    return {"classes": list(classes), **score_recognition(true_labels, found_labels, classes).as_dict()}


def _provisional(results: Sequence[StreamResult]) -> dict[str, Any]:
    """How many movements that were told early became an event, and how long after the true apex they came.

    The delay is that of the first one told during each true micro-expression, in ms.
    """
    told = confirmed = 0
    delays: list[float] = []
    for result in results:
        ids = {event.id for event in result.spotted}
        told += len(result.provisional)
        confirmed += sum(p.id in ids for p in result.provisional)
        for true in _split(result, "micro_expression")[0]:
            early = [p for p in result.provisional if true.onset_s <= p.apex_s <= true.offset_s]
            delays += [(p.decided_s - true.apex_s) * 1e3 for p in early[:1]]
    return {
        "told": told,
        "confirmed": confirmed,
        "true_events_told": len(delays),
        "told_after_apex_ms": _quantiles(delays),
    }


def _unobservable(results: Sequence[StreamResult], seconds: float) -> dict[str, float]:
    """Share of the time of all streams in which nothing could have been seen, by cause, 0..1."""
    spent: Counter[str] = Counter()
    for result in results:
        for stretch in result.stretches:
            spent[stretch.cause] += stretch.to_s - stretch.from_s  # type: ignore[assignment]
    return {cause: s / seconds for cause, s in sorted(spent.items())} if seconds else {}
