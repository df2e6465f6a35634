"""Long videos of datasets as streams, spotters side by side, and what a false alarm was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import Film, Run
from lookalikes import numbered, write_book, write_images

from offline.datasets.selection import select
from offline.spot_alarms import Measured, cause_of_alarm
from offline.spot_curve import Bank
from offline.spot_streams import StreamResult, dataset_cases, run_case
from offline.spotting import curve, evaluate
from offline.synthesis.truth import Confounder, TrueEvent, Truth
from realtime.config import PipelineConfig
from realtime.types import FacialEvent, FrameRow, KeyFrames


def write_cas_me2(root: Path, film: Film, frames: int) -> Path:
    """A look-alike whose one video is the film at 30 frames a second, coded by the film's truth."""
    first, second = film.truth.events
    numbers = (first.onset_frame + 1, first.apex_frame + 1, first.offset_frame + 1)
    rows = [
        (1, "disgust1_1", *numbers, "4", "negative",
         "micro-expression", "disgust"),
        (1, "disgust1_2", frames - 20, 0, frames - 1, "12", "positive", "macro-expression", "happiness"),
        (1, "disgust1_3", 1, 5, 99999, "12", "positive", "micro-expression", "happiness"),
    ]  # fmt: skip
    assert second.offset_frame > frames
    write_book(
        root / "CAS(ME)^2code_final.xlsx",
        {"code": rows, "naming rule2": [("0101", "disgust1")], "naming rule1": [(15, "s15", 1)]},
    )
    folder = root / "rawpic" / "s15" / "15_0101disgustingteeth"
    folder.mkdir(parents=True)
    for index, frame in enumerate(film.frames[:frames], 1):
        cv2.imwrite(str(folder / f"img{index}.jpg"), frame.image)
    return root


def test_cas_me2_gives_long_streams_with_both_kinds(film: Film, tmp_path: Path) -> None:
    root = write_cas_me2(tmp_path, film, 170)
    (case,) = dataset_cases(select(f"cas_me2={root}"))
    assert case.name == "15_0101disgustingteeth"
    _, truth = case.open()
    assert (truth.fps, truth.frames, truth.width, truth.height) == (30.0, 170, 240, 200)
    assert [(e.kind, e.label) for e in truth.events] == [
        ("micro_expression", "negative"),
        ("macro_expression", "positive"),
    ]
    micro, macro = truth.events
    true = film.truth.events[0]
    assert micro.onset_s == pytest.approx(true.onset_frame / 30.0)
    assert macro.apex_frame == (macro.onset_frame + macro.offset_frame) // 2
    result = run_case(case, None)
    assert result.truth.frames == 170
    figures = evaluate([result], ())
    assert figures["macro_expression"]["false_negatives"] + figures["macro_expression"]["true_positives"] == 1


def test_samm_long_gives_streams_without_classes(tmp_path: Path) -> None:
    headings = ("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset", "Duration", "Type")
    rows = [
        *[("remark",) for _ in range(9)],
        (*headings, "Action Units", "Notes"),
        (9, "009_4_1", 4, 3, 5, 9, 7, "Macro", "12", None),
        (9, "009_4_2", 4, 10, 12, 16, 7, "Micro - 1/2", "4", None),
    ]
    write_book(tmp_path / "SAMM_LongVideos_V3_Release.xlsx", {"FACS_Movement_Only": rows})
    write_images(tmp_path / "SAMM_longvideos" / "009_4", numbered("009_4_{:04d}.jpg", 1, 20))
    (case,) = dataset_cases(select(f"samm_long={tmp_path}"))
    _, truth = case.open()
    assert (truth.fps, truth.frames, [e.label for e in truth.events]) == (200.0, 20, [None, None])
    assert [e.kind for e in truth.events] == ["macro_expression", "micro_expression"]
    assert truth.events[1].onset_s == 9 / 200.0


def test_the_bank_agrees_with_the_pipeline(film_run: Run) -> None:
    """At the threshold that is set, the spotter of the bank finds what that of the pipeline found."""
    config = PipelineConfig()
    bank = Bank(config, (config.spotter.confidence, 0.999999))
    for row in film_run.rows:
        assert row is not None
        bank.push([row])
    found = bank.done()
    assert found[config.spotter.confidence] == tuple(event.key_frames for event in film_run.events)
    assert not [keys for keys in found[0.999999] if keys.kind == "micro_expression"]


def test_the_bank_starts_anew_where_the_face_is_lost(film_run: Run) -> None:
    """The face is lost before the first expression is over: it cannot be decided later."""
    first = film_run.events[0].key_frames
    rows = [row for row in film_run.rows if row is not None]
    lost = [
        FrameRow(row.index, row.time_s, skipped="no_face") if row.index == first.apex_frame else row
        for row in rows
    ]
    bank = Bank(PipelineConfig(), (0.5,))
    for row in lost:
        bank.push([row])
    (second,) = bank.done()[0.5]
    assert abs(second.apex_s - film_run.events[1].key_frames.apex_s) < 0.02


def keys_at(onset_s: float, offset_s: float) -> KeyFrames:
    return KeyFrames("micro_expression", onset_s, (onset_s + offset_s) / 2, offset_s, 0, 1, 2, 5.0, {}, 9.0)


def event_at(onset_s: float, offset_s: float) -> FacialEvent:
    return FacialEvent("0-0", 0, keys_at(onset_s, offset_s), None)


TRUE = TrueEvent("micro_expression", None, 1.0, 1.2, 1.4, 100, 120, 140, (), "both", 1.0)
TRUTH = Truth(100.0, 6000, 64, 48, 0, "x", (TRUE,), ())


def test_a_curve_counted_by_hand() -> None:
    result = StreamResult("x", TRUTH, (), by_threshold={2.0: (keys_at(1.0, 1.4), keys_at(5.0, 5.3)), 9.0: ()})
    assert curve([result]) == [
        {"threshold": 2.0, "precision": 0.5, "recall": 1.0, "f1": 2 / 3, "false_alarms_per_minute": 1.0},
        {"threshold": 9.0, "precision": 0.0, "recall": 0.0, "f1": 0.0, "false_alarms_per_minute": 0.0},
    ]


def quiet() -> dict[str, Any]:
    time_s = np.arange(0.0, 10.0, 0.01)
    still = np.full(time_s.shape, 0.1)
    return {
        "time_s": time_s, "rigid": still, "residual": still, "light": 0 * still, "aperture": 3 * still,
        "lids": still, "largest": 2 * still, "mouth": still,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "factor", "offset", "around_s", "cause"),
    [
        ("aperture", 0.5, 0.0, 0.0, "blink"),
        ("light", 1.0, 0.1, 0.0, "light"),
        ("lids", 3.0, 0.0, 0.0, "gaze"),
        ("rigid", 5.0, 0.0, 0.0, "head motion"),
        ("mouth", 9.0, 0.0, 1.2, "talking"),
        ("mouth", 9.0, 0.0, 0.0, "nothing known"),
    ],
)
def test_what_a_false_alarm_was_is_measured(
    column: str, factor: float, offset: float, around_s: float, cause: str
) -> None:
    columns = quiet()
    time_s = columns["time_s"]
    there = (time_s >= 5.0 - around_s) & (time_s <= 5.3 + around_s)
    columns[column] = np.where(there, factor * columns[column] + offset, columns[column])
    assert cause_of_alarm(TRUTH, event_at(5.0, 5.3), Measured(**columns)) == cause


def test_the_truth_knows_better_what_a_false_alarm_was() -> None:
    busy = replace(TRUTH, confounders=(Confounder("head_turn", 5.0, 6.0), Confounder("blink", 1.1, 1.3)))
    measured = Measured(**quiet())
    assert cause_of_alarm(busy, event_at(5.5, 5.8), measured) == "head_turn"
    assert cause_of_alarm(busy, event_at(1.1, 1.9), measured) == "blink"
    assert cause_of_alarm(TRUTH, event_at(1.3, 1.9), measured) == "imprecise times"
    assert cause_of_alarm(TRUTH, event_at(5.5, 5.8), None) == "nothing known"
