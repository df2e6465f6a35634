"""Rules that hold for any records, figures, label files and stored folds, not for examples alone."""

from __future__ import annotations

import contextlib
import csv
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offline.comparison import mcnemar_exact
from offline.datasets.manifest import COLUMNS, read_manifest
from offline.datasets.tables import Sheet, read_bare_table, read_table
from offline.fold_store import FoldResult, FoldStore
from offline.metrics import (
    Interval,
    bootstrap_over_subjects,
    interval_iou,
    pooled_spotting,
    score_recognition,
    score_spotting,
)
from realtime.errors import DataError
from realtime.geometry import REGION_NAMES
from realtime.sinks.records import event_record, notice_record, stream_record, summary_record, to_line
from realtime.truth import read_truth
from realtime.types import (
    Explanation,
    FacialEvent,
    KeyFrames,
    ModelInfo,
    Provisional,
    Recognition,
    RunSummary,
    StreamInfo,
    Unobservable,
    Withdrawn,
)

QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # a folder that every example writes anew
)
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
TIMES_S = st.floats(0.0, 1e6)
SHARES = st.floats(0.0, 1.0)
NUMBERS = st.integers(0, 10**9)
WORTH = st.floats(-1.0, 1.0)

# --- events


@st.composite
def recognitions(draw: st.DrawFn) -> Recognition:
    probabilities = draw(st.dictionaries(WORDS, SHARES, min_size=1, max_size=4))
    units = draw(st.dictionaries(st.sampled_from(["AU1", "AU4", "AU12"]), SHARES))
    regions = st.dictionaries(st.sampled_from(REGION_NAMES), WORTH)
    return Recognition(
        label=draw(st.sampled_from(sorted(probabilities))),
        probabilities=probabilities,
        uncertain=draw(st.none() | st.booleans()),
        explanation=draw(
            st.none()
            | st.builds(Explanation, regions, st.dictionaries(st.sampled_from(["cnn", "au"]), WORTH))
        ),
        action_units=units,
        sides={name: draw(st.sampled_from(["both", "left", "right"])) for name in units},
    )


@st.composite
def events(draw: st.DrawFn) -> FacialEvent:
    onset_s, apex_s, offset_s = sorted(draw(st.tuples(TIMES_S, TIMES_S, TIMES_S)))
    keys = KeyFrames(
        draw(st.sampled_from(["micro_expression", "macro_expression"])),
        onset_s, apex_s, offset_s, *sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS))),
        strength=draw(st.floats(0.0, 1e6)),
        regions=draw(st.dictionaries(st.sampled_from(REGION_NAMES), SHARES)),
        decided_s=offset_s + draw(SHARES),
    )  # fmt: skip
    return FacialEvent(draw(WORDS), draw(st.integers(0, 15)), keys, draw(st.none() | recognitions()))


NOTICES = (
    st.builds(
        Unobservable, TIMES_S, TIMES_S, st.sampled_from(["motion", "no_face", "gap"]), st.none() | NUMBERS
    )
    | st.builds(Provisional, WORDS, NUMBERS, TIMES_S, TIMES_S, st.floats(0.0, 1e6), TIMES_S)
    | st.builds(Withdrawn, WORDS, NUMBERS, TIMES_S)
)
NOTES = st.lists(WORDS, max_size=2).map(tuple)
STREAMS = st.builds(
    StreamInfo, WORDS, st.integers(1, 10**5), st.integers(1, 10**5), st.floats(1.0, 1000.0), notes=NOTES
)
SUMMARIES = st.builds(
    RunSummary, NUMBERS, NUMBERS, NUMBERS,
    st.dictionaries(st.sampled_from(["blurred", "no_face"]), st.integers(1, 10**9)),
    st.dictionaries(st.sampled_from(["motion", "no_face"]), SHARES), st.none() | TIMES_S, NOTES,
)  # fmt: skip
RECORDS = (
    events().map(event_record)
    | NOTICES.map(notice_record)
    | st.builds(stream_record, STREAMS, st.none() | st.builds(ModelInfo, WORDS, WORDS))
    | SUMMARIES.map(summary_record)
)


@cache
def validator() -> Any:
    schema = json.loads(files("realtime").joinpath("schema/glimpse-1.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


@QUICK
@given(record=RECORDS)
def test_any_record_is_one_line_that_fits_the_schema_and_comes_back(record: Any) -> None:
    line = to_line(record)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line) == record
    validator().validate(record)


@QUICK
@given(event=events())
def test_rounding_keeps_the_order_of_times_and_the_label(event: FacialEvent) -> None:
    record = event_record(event)
    assert record["onset_s"] <= record["apex_s"] <= record["offset_s"] <= record["decided_s"]
    assert record["onset_frame"] <= record["apex_frame"] <= record["offset_frame"]
    assert record["duration_ms"] == pytest.approx(1000.0 * (record["offset_s"] - record["onset_s"]), abs=0.5)
    assert (record["label"] is None) == (record["probabilities"] is None)
    assert record["label"] is None or record["label"] in record["probabilities"]


# --- recognition


LABELS = st.integers(2, 5).flatmap(
    lambda classes: st.tuples(
        st.just([f"class {i}" for i in range(classes)]),
        st.lists(st.tuples(*[st.integers(0, classes - 1)] * 2), min_size=1, max_size=40),
    )
)


@QUICK
@given(LABELS, st.randoms(use_true_random=False))
def test_recognition_scores(data: tuple[list[str], list[tuple[int, int]]], random: Any) -> None:
    classes, pairs = data
    true, predicted = (list(values) for values in zip(*pairs, strict=True))
    score = score_recognition(true, predicted, classes)
    for figure in (score.accuracy, score.uar, score.uf1, score.weighted_f1):
        assert 0.0 <= figure <= 1.0
    assert score.total == sum(map(sum, score.confusion)) == len(pairs)
    assert {n for n, recall in score.per_class_recall.items() if recall is None} == {
        name for i, name in enumerate(classes) if i not in true
    }
    perfect = score_recognition(true, true, classes)
    assert (perfect.accuracy, perfect.uar, perfect.uf1, perfect.weighted_f1) == pytest.approx((1, 1, 1, 1))
    random.shuffle(pairs)
    assert score_recognition(*zip(*pairs, strict=True), classes) == score
    order = list(range(len(classes)))
    random.shuffle(order)  # other names for the classes change no figure
    renamed = score_recognition([order[i] for i in true], [order[i] for i in predicted], classes)
    assert (renamed.uar, renamed.uf1) == pytest.approx((score.uar, score.uf1))


@QUICK
@given(LABELS, st.integers(0, 9))
def test_intervals_over_people_lie_in_their_range(
    data: tuple[list[str], list[tuple[int, int]]], seed: int
) -> None:
    classes, pairs = data
    true, predicted = zip(*pairs, strict=True)
    people = [str(i % 4) for i in range(len(pairs))]
    interval = bootstrap_over_subjects(true, predicted, people, classes, seed, rounds=20)
    for low, high in (interval.uf1, interval.uar):
        assert 0.0 <= low <= high <= 1.0
    assert interval == bootstrap_over_subjects(true, predicted, people, classes, seed, rounds=20)


@QUICK
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar(first: int, second: int) -> None:
    p = mcnemar_exact(first, second)
    assert 0.0 <= p <= 1.0
    assert p == mcnemar_exact(second, first)
    assert mcnemar_exact(first, first) == 1.0


# --- spotting


INTERVALS = st.tuples(st.integers(0, 1000), st.integers(1, 200)).map(
    lambda item: (item[0], item[0] + item[1])
)
SEVERAL = st.lists(INTERVALS, max_size=8)


@QUICK
@given(INTERVALS, INTERVALS, st.integers(-500, 500))
def test_overlap(first: Interval, second: Interval, shift: int) -> None:
    overlap = interval_iou(first, second)
    assert 0.0 <= overlap <= 1.0
    assert overlap == interval_iou(second, first)
    assert interval_iou(first, first) == 1.0
    moved = [(start + shift, end + shift) for start, end in (first, second)]
    assert interval_iou(*moved) == overlap
    assert (overlap > 0.0) == (max(first[0], second[0]) < min(first[1], second[1]))


@QUICK
@given(SEVERAL, SEVERAL, st.randoms(use_true_random=False), st.floats(0.1, 1.0))
def test_spotting_scores(true: list[Interval], found: list[Interval], random: Any, least: float) -> None:
    score = score_spotting(true, found, least)
    assert score.true_positives + score.false_negatives == len(true)
    assert score.true_positives + score.false_positives == len(found)
    for figure in (score.precision, score.recall, score.f1):
        assert 0.0 <= figure <= 1.0
    for side in zip(*score.matches, strict=True):
        assert len(set(side)) == len(side), "an interval was matched twice"
    assert all(interval_iou(true[i], found[j]) >= least for i, j in score.matches)
    again = score_spotting(true, true, least)
    assert (again.f1, again.false_positives) == (float(bool(true)), 0)
    if len({interval_iou(a, b) for a in true for b in found}) == len(true) * len(found):
        # without ties, no order of the intervals matters
        random.shuffle(true)
        random.shuffle(found)
        other = score_spotting(true, found, least)
        assert (other.true_positives, other.f1) == (score.true_positives, score.f1)
    both = pooled_spotting([score, again])
    assert both.true_positives == score.true_positives + len(true)


# --- label files


@QUICK
@given(text=st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_manifest_or_one_clear_line(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "labels.csv"
    heading = ",".join(COLUMNS).encode() + b"\n"
    data = text if isinstance(text, bytes) else heading + text.encode("utf-8", "surrogatepass")
    path.write_bytes(data)
    try:
        for clip in read_manifest(path):
            assert 0 <= clip.onset < clip.offset
            assert clip.apex is None or clip.onset <= clip.apex <= clip.offset
            assert clip.label.strip()
            assert clip.subject.strip()
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), max_size=8).map(
    lambda t: f"a{t}".strip()
)


@QUICK
@given(
    rows=st.lists(
        st.tuples(CELLS, st.integers(0, 99), st.integers(1, 99), st.integers(0, 99), CELLS, CELLS),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_written_to_a_manifest_is_read(tmp_path: Path, rows: list[Any]) -> None:
    path = tmp_path / "labels.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for name, onset, length, apex, label, subject in rows:
            offset = onset + length
            table.writerow([name, onset, onset + apex % (length + 1), offset, label, subject])
    clips = list(read_manifest(path))
    found = [(str(c.path.relative_to(tmp_path)), c.onset, c.offset, c.label, c.subject) for c in clips]
    assert found == [
        (str(Path(name)), onset, onset + length, label, subject)
        for name, onset, length, _, label, subject in rows
    ]


@QUICK
@given(
    st.lists(
        st.lists(
            st.none()
            | st.text(max_size=8)
            | st.integers()
            | st.floats()
            | st.sampled_from(["Subject", "Clip"]),
            max_size=5,
        ).map(tuple),
        max_size=6,
    ).map(tuple)
)
def test_any_sheet_is_a_table_or_one_clear_complaint(rows: tuple[tuple[object, ...], ...]) -> None:
    sheet = Sheet(Path("coding.xlsx"), "sheet", rows)
    for read in (read_table, read_bare_table):
        with contextlib.suppress(DataError):
            for row in read(sheet, ("Subject", "Clip", "Onset")):
                assert row.frame_or_none("Onset") is None or row.frame("Onset") >= 0


@QUICK
@given(
    data=st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["events", "onset_s", "apex_s", "offset_s", "label"]), inner)
        ),
        max_leaves=10,
    )
)
def test_any_json_is_a_truth_file_or_one_clear_line(tmp_path: Path, data: object) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(data))
    try:
        for interval in read_truth(str(path)):
            assert np.isfinite([interval.onset_s, interval.offset_s]).all()
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


# --- stored folds


@QUICK
@given(
    rows=st.lists(st.lists(SHARES, min_size=3, max_size=3), min_size=1, max_size=4),
    curve=st.lists(st.floats(0.0, 10.0), max_size=3).map(tuple),
    subjects=st.lists(WORDS, min_size=1, max_size=3).map(tuple),
    place=st.floats(0.0, 1.0),
    noise=st.binary(min_size=1, max_size=4),
)
def test_a_fold_comes_back_to_the_last_bit_and_a_damaged_one_not_at_all(
    tmp_path: Path, rows: Any, curve: Any, subjects: Any, place: float, noise: bytes
) -> None:
    store = FoldStore(tmp_path / "folds", "identity")
    result = FoldResult(subjects, np.arange(len(rows)), np.array(rows), curve, {"fit": 1.5})
    store.save(result)
    found = store.load(subjects)
    assert found is not None
    np.testing.assert_array_equal(found.probabilities, result.probabilities)
    assert (found.indices.tolist(), found.curve, found.timing) == (
        result.indices.tolist(),
        curve,
        {"fit": 1.5},
    )
    assert FoldStore(tmp_path / "folds", "other").load(subjects) is None
    path = store._path(subjects)
    data = path.read_bytes()
    at = int(place * len(data))
    path.write_bytes(data[:at] + noise + data[at:])
    found = store.load(subjects)  # what was kept or nothing: no other number, and never an error
    assert found is None or found.probabilities.tobytes() == result.probabilities.tobytes()
    path.write_bytes(data[: at // 2])
    assert store.load(subjects) is None
