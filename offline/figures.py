"""Figures of an evaluation: drawn from its folder, in one style, as SVG and PNG.

Colours are those of Okabe & Ito (2008), chosen so that they differ in grey as well; what matters is also
told apart by marks, lines or numbers. The same results give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from offline.calibration import risk_curve
from offline.figure_file import METADATA, picture_bytes
from offline.results import RESULTS, Predictions, read_evaluation
from realtime.errors import DataError
from realtime.sinks.files import output_errors, write_together

FIGURES = "figures"
_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#8a8a8a"
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "glimpse",
    "svg.fonttype": "path",
}
_STEADY = 0.05
"""The risk of a smaller share than this is that of a handful of samples, and need not fit the axes."""

Draw = Callable[[Figure, Mapping[str, Any], Predictions], None]


def draw_figures(folder: Path) -> list[Path]:
    """Draw every figure that an evaluation has the data for, into `folder`/figures; their PNG files.

    Raises DataError where the folder holds no evaluation, OutputError where it cannot be written.
    """
    results, predictions = read_evaluation(folder)
    target = folder / FIGURES
    with output_errors(str(target)):
        target.mkdir(exist_ok=True)
    drawn = []
    for name in DRAWINGS:
        path = target / name
        try:
            with _drawn(name, results, predictions) as figure:
                if figure is None:
                    _forget(path)
                else:
                    drawn.append(_save(figure, path))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{folder / RESULTS} lacks what {name} is drawn from: evaluate again with this version"
            ) from error
    return drawn


def figure_svgs(results: Mapping[str, Any], predictions: Predictions) -> dict[str, bytes]:
    """Every figure that there is the data for, by name, as SVG without a ground."""
    found = {}
    for name in DRAWINGS:
        with _drawn(name, results, predictions) as figure:
            if figure is not None:
                found[name] = picture_bytes(figure, "svg", transparent=True)
    return found


@contextmanager
def _drawn(name: str, results: Mapping[str, Any], predictions: Predictions) -> Iterator[Figure | None]:
    """A figure, in its style; None where there is nothing to draw."""
    if name == "training-curves" and not any(results.get("training_curves", {}).values()):
        yield None
        return
    with style.context(["default", _STYLE]):
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        DRAWINGS[name](figure, results, predictions)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once, not anew for every form
        yield figure


def _forget(path: Path) -> None:
    """Take away what an earlier evaluation has drawn."""
    with output_errors(str(path)):
        for form in METADATA:
            path.with_suffix(f".{form}").unlink(missing_ok=True)


def _save(figure: Figure, path: Path) -> Path:
    write_together({path.with_suffix(f".{form}"): picture_bytes(figure, form) for form in METADATA})
    return path.with_suffix(".png")


def confusion_matrix(figure: Figure, results: Mapping[str, Any], _: Predictions) -> None:
    """Share of every true class in grey levels, with the counts."""
    counts, classes = np.array(results["confusion_matrix"]), results["classes"]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.6 + 0.72 * len(classes)
    figure.set_size_inches(side + 1.4, side)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Greys", vmin=0.0, vmax=1.0)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.55 else "black"
        text = f"{count}\n{100 * shares[row, column]:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, [f"{name} ({n})" for name, n in zip(classes, counts.sum(axis=1), strict=True)])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set(xlabel="predicted", ylabel="true (samples)", title="Confusion matrix")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    bar.outline.set_linewidth(0.4)


def subjects(figure: Figure, results: Mapping[str, Any], _: Predictions) -> None:
    """Samples of every subject, those that are right filled; in columns where there are many."""
    parts = sorted(results["subject_results"].items())
    columns = min(4, -(-len(parts) // 24))
    rows = -(-len(parts) // columns)
    figure.set_size_inches(max(5.6, 2.6 * columns), 1.3 + 0.17 * rows)
    most = max(part["samples"] for _, part in parts)
    for column, axes in enumerate(np.atleast_1d(figure.subplots(1, columns, sharex=True))):
        chosen = parts[column * rows : (column + 1) * rows]
        total = np.array([part["samples"] for _, part in chosen])
        right = np.array([round(part["samples"] * part["accuracy"]) for _, part in chosen])
        places = np.arange(len(chosen))
        axes.barh(places, total, height=0.72, color="white", edgecolor=_GREY, linewidth=0.7)
        axes.barh(places, right, height=0.72, color=_BLUE)
        for place, (n, of) in enumerate(zip(right, total, strict=True)):
            axes.text(of + 0.02 * most, place, f"{n}/{of}", va="center", fontsize=6.5, color="#333333")
        axes.set_yticks(places, [name for name, _ in chosen], fontsize=7)
        axes.set_ylim(rows - 0.4, -0.6)
        axes.set_xlim(0, 1.18 * most)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=4)
        axes.tick_params(axis="y", length=0)
    figure.suptitle(
        "Samples of every subject; filled: right", x=0.01, ha="left", fontsize=10, fontweight="bold"
    )
    figure.supxlabel("samples", fontsize=9)


def training_curves(figure: Figure, results: Mapping[str, Any], _: Predictions) -> None:
    """Median over the folds, and the band that holds all of them and the middle half."""
    curves = [curve for curve in results["training_curves"].values() if curve]
    names = [name for name in curves[0][0] if name != "epoch"]
    figure.set_size_inches(3.6 * len(names), 3.0)
    titles = {"loss": "Loss (nats)", "accuracy": "Accuracy on training samples"}
    epochs = min(len(curve) for curve in curves)
    for name, axes in zip(names, np.atleast_1d(figure.subplots(1, len(names))), strict=True):
        values = np.array([[record[name] for record in curve[:epochs]] for curve in curves])
        x = [record["epoch"] for record in curves[0][:epochs]]
        marker = "o" if epochs < 3 else None
        axes.fill_between(x, values.min(axis=0), values.max(axis=0), color="#d7e6f0", label="all folds")
        low, middle, high = np.percentile(values, [25, 50, 75], axis=0)
        axes.fill_between(x, low, high, color="#8fbcd8", label="middle half")
        axes.plot(x, middle, color="#003f66", linewidth=1.6, marker=marker, label="median")
        axes.set(xlabel="epoch", title=titles.get(name, name))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y")
        if name == "accuracy":
            axes.set_ylim(0.0, 1.02)
    axes.legend(loc="best", title=f"{len(curves)} folds", title_fontsize=9)


def reliability(figure: Figure, results: Mapping[str, Any], _: Predictions) -> None:
    """Accuracy over confidence, and under it how many samples say so."""
    bins = [part for part in results["reliability"] if part["samples"]]
    figure.set_size_inches(4.6, 5.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = bins[0]["high"] - bins[0]["low"]
    middles = [(part["low"] + part["high"]) / 2 for part in bins]
    accuracy = [part["accuracy"] for part in bins]
    upper.bar(middles, accuracy, width, color="#a9cde2", edgecolor=_BLUE, linewidth=0.8, label="accuracy")
    upper.plot([0, 1], [0, 1], color="#444444", linewidth=1.0, linestyle="--", label="perfect")
    confidence = [part["confidence"] for part in bins]
    upper.plot(confidence, accuracy, "o", color=_ORANGE, markersize=4, label="mean confidence")
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right")
    figure.legend(loc="outside lower center", ncols=3, columnspacing=1.2, handlelength=1.6)
    about = f"ECE {results['expected_calibration_error']:.3f}, Brier {results['brier_score']:.3f}"
    kind = "Reliability, not calibrated" if results.get("calibrated") is False else "Reliability"
    upper.set_title(f"{kind} ({about})")
    counts = [part["samples"] for part in bins]
    lower.bar(middles, counts, width, color="#cccccc", edgecolor="#666666", linewidth=0.8)
    for x, count in zip(middles, counts, strict=True):
        lower.annotate(str(count), (x, count), (0, 1), textcoords="offset points", ha="center", fontsize=7)
    lower.set(ylim=(0, 1.25 * max(counts)), ylabel="samples", xlabel="confidence (largest probability)")


def risk_coverage(figure: Figure, results: Mapping[str, Any], predictions: Predictions) -> None:
    """Share of wrong labels over the share of samples that get one, and the threshold that does it."""
    coverage, threshold, risk = risk_curve(predictions.true, predictions.probabilities)
    figure.set_size_inches(5.2, 3.4)
    axes = figure.add_subplot()
    axes.plot(coverage, risk, color=_BLUE, linewidth=1.6, label="wrong labels")
    axes.axhline(risk[-1], color=_GREY, linewidth=0.9, linestyle=":")
    aurc = results["risk_coverage"]["aurc"]
    axes.set(
        xlim=(0, 1), xlabel="share of the samples that are labelled (coverage)", ylabel="share wrong (risk)"
    )
    top = 1.15 * float(risk[int(_STEADY * len(risk)) :].max())
    axes.set(ylim=(0, max(top, 0.05)), title=f"Risk and coverage (AURC {aurc:.3f})")
    other = axes.twinx()
    other.spines["right"].set_visible(True)
    other.plot(coverage, threshold, color=_ORANGE, linewidth=1.2, linestyle="--", label="threshold")
    other.set(ylim=(0, 1.02), ylabel="least confidence (uncertain_below)")
    lines = [*axes.get_lines()[:1], *other.get_lines()]
    axes.grid()
    figure.legend(handles=lines, loc="outside lower center", ncols=2)


DRAWINGS: dict[str, Draw] = {
    "confusion-matrix": confusion_matrix,
    "subjects": subjects,
    "training-curves": training_curves,
    "reliability": reliability,
    "risk-coverage": risk_coverage,
}
"""File name → what draws it."""
