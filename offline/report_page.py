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
_BLOCKS: Mapping[str, str] = {
    **BLOCKS,
    "u": "motion across the face",
    "v": "motion up and down",
    "strain": "strain of the skin",
    "plane_xy": "texture of the pictures (XY)",
    "plane_xt": "texture over time, across (XT)",
    "plane_yt": "texture over time, down (YT)",
}
"""Blocks of features of every method."""
_SHORT: Mapping[str, str] = {"lbp_top": "LBP-TOP", "hog": "HOG", "au": "AU regions"}
"""Shorter names where there is little room."""
_MOST_SHOWN = 60
"""Wrong labels that are drawn one by one."""
_MOST_EXPLAINED = 1000
"""Samples that are drawn one by one: four kilobytes each."""
_TOP_REGIONS = 5
_TOP_OF_SAMPLE = 3


@dataclass(frozen=True, slots=True)
class Rested:
    """What some decisions rested on."""

    face: Markup
    title: str
    blocks: list[tuple[str, float]]
    """Worth of every block of features, the largest first."""
    regions: list[tuple[str, float]]
    """Worth of the regions of the largest."""
    right: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """The samples of one person."""

    name: str
    right: int
    samples: list[Rested]


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each class of one dataset was taken for which."""

    name: str
    rows: list[tuple[str, int, list[tuple[int, float]]]]
    """True class, its samples, and per predicted class the count and the share of the true class, 0..1."""


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
            confusions=_confusions(results),
            rested=_per_class(predictions, explanations),
            blocks=_blocks_overall(explanations),
            worth=_worth(results),
            wrong=_wrong(predictions, explanations),
            people=_per_person(predictions, explanations),
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
        rows += [
            {"name": name, "score": part, "interval": part.get("interval_95", {})}
            for name, part in parts.items()
        ]
    return rows


def _confusions(results: Mapping[str, Any]) -> list[Confusion]:
    """One matrix per dataset where there are several; that of all of them is a figure."""
    parts = results.get("per_dataset", {})
    classes = [words(name) for name in results["classes"]]
    if len(parts) < 2:
        return []
    return [
        Confusion(
            name,
            [
                (true, sum(counts), [(count, count / max(sum(counts), 1)) for count in counts])
                for true, counts in zip(classes, part["confusion_matrix"], strict=True)
            ],
        )
        for name, part in parts.items()
    ]


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
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:_MOST_SHOWN].tolist()
    return [_sample(predictions, explanations, i, f"{predictions.subjects[i]}: ") for i in chosen]


def _per_person(predictions: Predictions, explanations: Sequence[Explanation]) -> list[Person]:
    """Every sample by itself, in the order of the predictions; the first of very many."""
    if not explanations:
        return []
    shown: dict[str, list[Rested]] = {}
    for i, subject in enumerate(predictions.subjects[:_MOST_EXPLAINED]):
        shown.setdefault(subject, []).append(_sample(predictions, explanations, i, f"{i}: "))
    return [Person(name, sum(item.right for item in of), of) for name, of in sorted(shown.items())]


def _sample(predictions: Predictions, explanations: Sequence[Explanation], index: int, start: str) -> Rested:
    """One sample; its title says what it is and what it was taken for."""
    true, given = (words(predictions.classes[of[index]]) for of in (predictions.true, predictions.predicted))
    right = true == given
    said = f"{given}, right" if right else f"{true} taken for {given}"
    sure = predictions.probabilities[index].max()
    return _rested(explanations[index], f"{start}{said} ({sure:.2f})", _TOP_OF_SAMPLE, right=right)


def _blocks_overall(explanations: Sequence[Explanation]) -> list[tuple[str, float]]:
    """Mean worth of every block over all samples, the largest first."""
    if not explanations:
        return []
    return _named_blocks(mean_explanation(explanations))


def _named_blocks(about: Explanation, names: Mapping[str, str] = _BLOCKS) -> list[tuple[str, float]]:
    blocks = sorted(about.blocks.items(), key=lambda item: -item[1])
    return [(names.get(name, name), round(value, 2) + 0.0) for name, value in blocks]  # + 0.0: no −0


def _worth(results: Mapping[str, Any]) -> str:
    """What takes the place of a block of features when its worth is measured."""
    about = results.get("explained", {})
    if about.get("blocks") == "permutation":
        return f"those of others' samples, {about['donors']} drawn from what the fold learned from"
    return "their mean"


def _rested(about: Explanation, title: str, top: int = _TOP_REGIONS, *, right: bool = True) -> Rested:
    largest = max([abs(value) for value in about.regions.values()] + [1e-6])
    scaled = {name: value / largest for name, value in about.regions.items()}
    ranked = sorted(about.regions.items(), key=lambda item: -item[1])[:top]
    said = ", ".join(f"{words(name)} {value:.2f}" for name, value in ranked)
    face = region_map(scaled, f"{title}; rested on {said}")
    return Rested(face, title, _named_blocks(about, {**_BLOCKS, **_SHORT}), ranked, right)


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
