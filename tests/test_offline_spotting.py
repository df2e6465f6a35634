"""The figures of `glimpse-offline spot`, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import offline.cli
from offline.spot_command import table
from offline.spot_streams import Case, StreamResult, SyntheticSource, run_case
from offline.spotting import evaluate
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import CALM, StreamPlan, SyntheticStream
from offline.synthesis.truth import Confounder, TrueEvent, Truth
from realtime.spotting import SpotterConfig
from realtime.types import EventKind, FacialEvent, KeyFrames, Provisional, Recognition, Unobservable

CLASSES = ("happiness", "disgust", "surprise")
FPS = 100.0


def true_event(onset_s: float, apex_s: float, offset_s: float, label: str, kind: EventKind) -> TrueEvent:
    frames = (round(time_s * FPS) for time_s in (onset_s, apex_s, offset_s))
    return TrueEvent(kind, label, onset_s, apex_s, offset_s, *frames, ("AU12",), "both", 1.0)


def spotted(
    onset_s: float, apex_s: float, offset_s: float, decided_s: float, label: str | None, kind: EventKind
) -> FacialEvent:
    frames = (round(time_s * FPS) for time_s in (onset_s, apex_s, offset_s))
    keys = KeyFrames(kind, onset_s, apex_s, offset_s, *frames, 9.0, {"chin": 1.0}, decided_s)
    return FacialEvent(f"0-{onset_s}", 0, keys, Recognition(label, {label: 1.0}) if label else None)


def truth(events: tuple[TrueEvent, ...], confounders: tuple[Confounder, ...] = ()) -> Truth:
    return Truth(FPS, 3000, 640, 480, 1, "nobody", events, confounders)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """Two streams of 30 s.

    One: a happiness that is found 20 ms late, called disgust; a surprise that is missed, for the
    interval over it has an IoU of 0.2 / 0.6 only; a false alarm at a blink, one at nothing; a
    macro-expression that is found as such. Two: a disgust that is found and called disgust.
    """
    micro: EventKind = "micro_expression"
    macro: EventKind = "macro_expression"
    one = StreamResult(
        "one",
        truth(
            (
                true_event(2.0, 2.2, 2.4, "happiness", micro),
                true_event(6.0, 6.2, 6.4, "surprise", micro),
                true_event(10.0, 11.0, 12.0, "happiness", macro),
            ),
            (Confounder("blink", 15.0, 15.3),),
        ),
        (
            spotted(2.04, 2.22, 2.4, 2.5, "disgust", micro),
            spotted(6.2, 6.35, 6.6, 6.7, "surprise", micro),
            spotted(10.1, 11.1, 12.1, 12.2, None, macro),
            spotted(14.8, 14.9, 15.05, 15.2, "disgust", micro),
            spotted(20.0, 20.1, 20.2, 20.3, "disgust", micro),
        ),
        (
            Provisional("0-2.04", 0, 2.05, 2.21, 5.0, 2.26),
            Provisional("0-24", 0, 24.0, 24.1, 5.0, 24.2),
            Unobservable(22.0, 28.0, "motion"),
        ),
    )
    two = StreamResult(
        "two",
        truth((true_event(3.0, 3.1, 3.3, "disgust", micro),)),
        (spotted(3.0, 3.06, 3.3, 3.4, "disgust", micro),),
    )
    return evaluate([one, two], CLASSES)


def test_micro_expressions_are_counted(figures: dict[str, Any]) -> None:
    micro = figures["micro_expression"]
    assert (micro["true_positives"], micro["false_positives"], micro["false_negatives"]) == (2, 3, 1)
    assert (micro["precision"], micro["recall"]) == (2 / 5, 2 / 3)
    assert micro["f1"] == pytest.approx(2 * 2 / (2 * 2 + 3 + 1))


def test_macro_expressions_and_both_together(figures: dict[str, Any]) -> None:
    macro, both = figures["macro_expression"], figures["both"]
    assert (macro["true_positives"], macro["false_positives"], macro["false_negatives"]) == (1, 0, 0)
    assert (both["true_positives"], both["false_positives"], both["false_negatives"]) == (3, 3, 1)


def test_times_are_those_of_the_right_ones(figures: dict[str, Any]) -> None:
    micro = figures["micro_expression"]
    assert micro["apex_error_ms"] == pytest.approx({"median": 30.0, "p95": 39.0})
    assert micro["decided_after_apex_ms"] == pytest.approx({"median": 300.0, "p95": 300.0})
    assert micro["decided_after_offset_ms"] == pytest.approx({"median": 100.0, "p95": 100.0})


def test_false_alarms_have_a_cause(figures: dict[str, Any]) -> None:
    assert figures["false_alarm_causes"] == {"blink": 1, "imprecise times": 1, "nothing known": 1}
    assert figures["seconds"] == 60.0
    assert figures["false_alarms_per_minute"] == 3.0


def test_recognition_is_scored_on_what_was_spotted(figures: dict[str, Any]) -> None:
    """Of happiness and disgust, both called disgust: F1 0 and 2/3."""
    recognition = figures["recognition"]
    assert recognition["total_samples"] == 2
    assert recognition["overall_accuracy"] == 0.5
    assert recognition["uf1"] == pytest.approx(1 / 3)
    assert recognition["confusion_matrix"] == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert figures["strs"] == pytest.approx(0.5 * 1 / 3)


def test_the_figures_are_ready_for_json(figures: dict[str, Any]) -> None:
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_nothing_gives_figures_too() -> None:
    for results in ([], [StreamResult("empty", truth(()), ())]):
        figures = evaluate(results, CLASSES)
        micro = figures["micro_expression"]
        assert (micro["f1"], micro["apex_error_ms"], figures["recognition"]) == (0.0, None, None)
        assert "strs" not in figures
        json.dumps(figures, allow_nan=False)
    header, line, *_ = table({"all": figures}).splitlines()
    assert " ".join(line.split()) == "all 0 0.000 0.000 0.000 – – 0.00 nan"
    assert len(header) == len(line)


def test_the_table_has_a_line_per_frame_rate(figures: dict[str, Any]) -> None:
    header, line, last, *below = table({"100": figures, "all": figures}).splitlines()
    assert line.split() == [
        "100",
        "3",
        "0.400",
        "0.667",
        "0.500",
        "30",
        "/",
        "39",
        "300",
        "/",
        "300",
        "3.00",
        "0.500",
    ]
    assert last.split()[0] == "all"
    assert len(header) == len(line) == len(last)
    assert below == [
        "macro-expressions: precision 1.000, recall 1.000, f1 1.000",
        "both kinds: precision 0.500, recall 0.750, f1 0.600",
        "decided after the offset: 100 / 100 ms; STRS: 0.167",
        "false alarms: blink 1, imprecise times 1, nothing known 1",
        "provisional: 2, of which confirmed 1; told after the apex: 60 / 60 ms",
        "time that was unobservable: motion 10.0%",
    ]


def test_a_plan_is_a_source_like_any_other() -> None:
    plan = StreamPlan(
        make_identity(2), seconds=2.0, fps=25.0, width=160, height=120, face_width_px=60.0, events=0,
        confounders=CALM,
    )  # fmt: skip
    with SyntheticSource(SyntheticStream(plan)) as source:
        frames = list(source)
    assert (source.info.width, source.info.height, source.info.fps, source.info.frame_count) == (
        160,
        120,
        25.0,
        50,
    )
    assert [frame.index for frame in frames] == list(range(50))
    assert frames[-1].time_s == 49 / 25
    assert not frames[0].image.flags.writeable
    result = run_case(Case("quiet", plan=plan), None)
    assert (result.name, result.spotted, result.truth.frames) == ("quiet", (), 50)


def spot(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = offline.cli.main(["spot", *words])
    told = capsys.readouterr()
    if code:
        assert told.out == ""
        (line,) = told.err.splitlines()
        assert line.startswith("glimpse-offline: ")
        return code, line
    return code, told.out


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ((), "--dataset"),
        (("--dataset", "x", "--synthetic", "1"), "--synthetic"),
        (("--synthetic", "0"), "--synthetic is 0"),
        (("--synthetic", "1", "--fps", "5"), "fps is 5"),
        (("--synthetic", "1", "--fps", "100", "--seconds", "3", "--events", "30"), "do not fit"),
        (("--synthetic", "1", "--jobs", "0"), "--jobs"),
        (("--synthetic", "1", "--seed", "-1"), "seed"),
    ],
)
def test_commands_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], name: str
) -> None:
    code, line = spot(capsys, *words, "--model", "none")
    assert code == 2
    assert name in line


def test_folders_without_streams(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "film.mkv").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "film.mkv"):
        code, line = spot(capsys, "--dataset", str(folder), "--model", "none")
        assert code == 1
        assert str(folder) in line
    (tmp_path / "film.json").write_text("{}")
    code, line = spot(capsys, "--dataset", str(tmp_path), "--model", "none")
    assert code == 1
    assert "film" in line
    code, line = spot(capsys, "--synthetic", "1", "--model", "nonesuch")
    assert code == 1
    assert "nonesuch" in line


def test_a_folder_of_streams_gives_a_table_and_results(
    capsys: pytest.CaptureFixture[str], clip: Any, tmp_path: Path
) -> None:
    """The clip is cut after its first expression, its truth is not: one found, one missed."""
    out = tmp_path / "results"
    code, told = spot(capsys, "--dataset", str(clip.video.parent), "--model", "none", "--out", str(out))
    assert code == 0
    assert [line.split()[0] for line in told.splitlines()][:3] == ["fps", "100", "all"]
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    micro = results["all"]["micro_expression"]
    assert (micro["true_positives"], micro["false_positives"], micro["false_negatives"]) == (1, 0, 1)
    assert results["100"] == results["all"]
    as_set = next(point for point in results["curve"] if point["threshold"] == SpotterConfig().confidence)
    assert (as_set["precision"], as_set["recall"]) == (micro["precision"], micro["recall"])
    assert {path.name for path in out.iterdir()} == {"results.json", "curve.png", "curve.svg"}
