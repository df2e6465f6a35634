"""An evaluation as one HTML page, in the look of the route's own reports, made from its folder alone."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from offline.explanations import mean_explanation, read_explanations
from offline.figures import figure_svgs
from offline.results import RESULTS, Predictions, read_evaluation
from realtime.errors import DataError
from realtime.types import Explanation
from realtime.view.event_card import settings_rows
from realtime.view.names import BLOCKS, words
from realtime.view.page import environment
from realtime.view.schematic import region_map

_CAPTIONS: Mapping[str, str] = {
    "confusion-matrix": "How often each class was taken for which, in counts and shares of the true class",
    "subjects": "How many samples of each left-out person were right",
    "training-curves": "Training over all folds",
    "reliability": "How often a label of some confidence is right; on the line, confidence can be trusted",
    "risk-coverage": "What share of the labels would be wrong if the least sure ones were left out",
}


_MOST_SHOWN = 60
"""Wrong labels that are drawn one by one."""
_TOP_REGIONS = 5


@dataclass(frozen=True, slots=True)
class Rested:
    """What some decisions rested on."""

    face: Markup
    title: str
    blocks: list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure with what stands under it."""

    picture: Markup
    caption: str


def render_evaluation(folder: Path) -> str:
    """The page of the evaluation in `folder`. Raises DataError where there is none, or parts are missing."""
    results, predictions = read_evaluation(folder)
    explanations = read_explanations(folder, len(predictions.true))
    page = environment("offline").get_template("evaluation.html.j2")
    try:
        return page.render(
            name=folder.resolve().name,
            method=predictions.method,
            how=_how(results),
            results=results,
            facts=_facts(results, predictions),
            rows=_rows(results),
            recalls=sorted(results["per_class_recall"].items(), key=lambda item: -item[1]),
            panels=_panels(results, predictions),
            rested=_per_class(predictions, explanations),
            wrong=_wrong(predictions, explanations),
            data=settings_rows(_known(results.get("data", {}))),
            settings=settings_rows(results.get("settings", {})),
            versions=settings_rows(results.get("versions", {})),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{folder / RESULTS} lacks what a report is made from: evaluate again with this version"
        ) from error


def _how(results: Mapping[str, Any]) -> str:
    """What was left out of what."""
    if "bundle" in results:
        return "a ready bundle, scored on the people that it was given"
    groups = results.get("groups")
    return f"leaving out {groups} groups of people in turn" if groups else "leaving out one person at a time"


def _facts(results: Mapping[str, Any], predictions: Predictions) -> list[tuple[str, str]]:
    facts = [
        ("Samples", str(results["total_samples"])),
        ("People", str(len(set(predictions.subjects)))),
        ("UF1", f"{results['uf1']:.3f}"),
        ("UAR", f"{results['uar']:.3f}"),
        ("Accuracy", f"{results['overall_accuracy']:.3f}"),
        ("Calibration error", f"{results['expected_calibration_error']:.3f}"),
    ]
    if "timing" in results:
        facts.append(("All folds took", f"{results['timing']['folds_s']:.0f} s"))
    return facts


def _rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for everything, with intervals over people, and one per dataset where there are several."""
    parts = results.get("per_dataset", {})
    rows = [{"name": "all", "score": results, "interval": results["interval_95"]}]
    if len(parts) > 1:
        rows += [{"name": name, "score": part, "interval": {}} for name, part in parts.items()]
    return rows


def _panels(results: Mapping[str, Any], predictions: Predictions) -> list[Panel]:
    panels = []
    for name, svg in figure_svgs(results, predictions).items():
        image = Markup('<img class="figure" alt="{}" src="data:image/svg+xml;base64,{}">')
        picture = image.format(_said(name, results), base64.b64encode(svg).decode())
        panels.append(Panel(picture, _CAPTIONS[name]))
    return panels


def _per_class(predictions: Predictions, explanations: Sequence[Explanation]) -> list[Rested]:
    """The mean over all samples that were given each class."""
    found = []
    for index, name in enumerate(predictions.classes):
        mine = [explanations[i] for i in np.flatnonzero(predictions.predicted == index) if explanations]
        if mine:
            right = int((predictions.true[predictions.predicted == index] == index).sum())
            title = f"{words(name)}: {len(mine)} labels, {right} right"
            found.append(_rested(mean_explanation(mine), title))
    return found


def _wrong(predictions: Predictions, explanations: Sequence[Explanation]) -> list[Rested]:
    """The labels that are wrong, the surest first."""
    if not explanations:
        return []
    wrong = np.flatnonzero(predictions.true != predictions.predicted)
    sure = predictions.probabilities.max(axis=1)
    names = predictions.classes
    return [
        _rested(
            explanations[i],
            f"{predictions.subjects[i]}: {words(names[predictions.true[i]])} taken for "
            f"{words(names[predictions.predicted[i]])} ({sure[i]:.2f})",
        )
        for i in wrong[np.argsort(-sure[wrong], kind="stable")][:_MOST_SHOWN].tolist()
    ]


def _rested(about: Explanation, title: str) -> Rested:
    largest = max([abs(value) for value in about.regions.values()] + [1e-6])
    scaled = {name: value / largest for name, value in about.regions.items()}
    ranked = sorted(about.regions.items(), key=lambda item: -item[1])[:_TOP_REGIONS]
    said = ", ".join(f"{words(name)} {value:.2f}" for name, value in ranked)
    blocks = sorted(about.blocks.items(), key=lambda item: -item[1])
    named = [(BLOCKS.get(name, name), value) for name, value in blocks]
    return Rested(region_map(scaled, f"{title}; rested on {said}"), title, [*named, *ranked])


def _said(name: str, results: Mapping[str, Any]) -> str:
    """What a figure says, for those who cannot see it."""
    if name != "confusion-matrix":
        return _CAPTIONS[name]
    classes = results["classes"]
    rows = [
        f"{true}: "
        + ", ".join(f"{count} {label}" for label, count in zip(classes, row, strict=True) if count)
        for true, row in zip(classes, results["confusion_matrix"], strict=True)
    ]
    return "Confusion matrix. True classes and what they were taken for: " + "; ".join(rows)


def _known(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if value is not None}
