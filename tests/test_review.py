"""A review: its file, what it makes of a dataset, and how two raters are compared. Counted by hand."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lookalikes import casme2_row, write_casme2

from offline import cli
from offline.datasets.clips import Clip
from offline.datasets.combined import Source, labelled_clips
from offline.datasets.corpus import KeyNumbers, LeftOut
from offline.datasets.protocols import protocol
from offline.review.agreement import agreement_text, compare_reviews, kappa
from offline.review.applied import apply_review, clip_ids
from offline.review.desk import Answer, Desk, answer_from
from offline.review.items import Agenda, Item, agenda_of_datasets, agenda_of_events
from offline.review.table import COLUMNS, UNKNOWN, Review, Times, read_reviews, write_reviews
from realtime.errors import DataError, GlimpseError, UsageError

CLASSES = ("disgust", "happiness", "surprise")


def review(name: str = "a", **changes: object) -> Review:
    keys = KeyNumbers(10, 15, 20)
    plain = Review(
        f"manifest/p1/{name}", "manifest", "p1", keys, "disgust", "anna", "accept", keys, (0.1, 0.15, 0.2),
        "disgust", "", "2026-01-02T03:04:05+00:00",
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def clip(name: str = "a", **changes: object) -> Clip:
    plain = Clip(Path(name), 10, 15, 20, "disgust", "p1", f"labels.csv, {name}", name=name)
    return replace(plain, **changes)  # type: ignore[arg-type]


def written(path: Path, *reviews: Review) -> Path:
    write_reviews(path, reviews)
    return path


# ------------------------------------------------------------------------------------------ the file


def test_a_review_is_read_as_it_was_written(tmp_path: Path) -> None:
    reviews = [
        review(comment='"late", says=1; ünsicher', keys=KeyNumbers(9, 16, 20), label="surprise"),
        review("b", decision="reject", times=UNKNOWN, comment="=1+1"),
        review("c", decision="", coded=KeyNumbers(3, None, 9), keys=KeyNumbers(3, None, 9)),
    ]
    found = read_reviews(written(tmp_path / "r.csv", *reviews))
    assert list(found.values()) == reviews
    assert [item.moved for item in reviews] == [True, False, False]
    assert [item.relabelled for item in reviews] == [True, False, False]


def test_the_columns_are_those_that_are_described(tmp_path: Path) -> None:
    from offline.review import table

    heading = written(tmp_path / "r.csv").read_text().strip().split(",")
    assert tuple(heading) == COLUMNS
    assert all(name in (table.__doc__ or "") for name in COLUMNS)
    assert read_reviews(tmp_path / "r.csv") == {}


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("id", "", "line 2: column id is empty"),
        ("rater", " ", "line 2: column rater is empty"),
        ("decision", "yes", "line 2: column decision is 'yes', not accept, reject or blank"),
        ("onset_frame", "-1", "line 2: column onset_frame is '-1', not a frame number"),
        ("onset_frame", "", "line 2: column onset_frame is empty"),
        ("apex_frame", "", "line 2: column apex_frame is empty, but the clip is accepted"),
        ("apex_frame", "21", "line 2: onset 10, apex 21 and offset 20 are not in order"),
        ("coded_offset_frame", "10", "line 2: onset 10, apex 15 and offset 10 are not in order"),
        ("apex_s", "nan", "line 2: column apex_s is 'nan', not a time in seconds"),
        ("apex_s", "soon", "line 2: column apex_s is 'soon', not a time in seconds"),
    ],
)
def test_a_bad_cell_is_named_by_line_and_column(
    tmp_path: Path, column: str, value: str, complaint: str
) -> None:
    path = written(tmp_path / "r.csv", review())
    (row,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerow({**row, column: value})
    with pytest.raises(DataError) as caught:
        read_reviews(path)
    assert f"r.csv, {complaint}" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is no review file: it has no column id, source, subject …"),
        (b"path,onset,apex,offset,label,subject\n", "is no review file: it has no column"),
        (b"\xff\xfe\x00", "is no CSV file in UTF-8"),
        (b'id,"sour', "is no CSV file in UTF-8"),
        (b"\x00\n", "is no"),
    ],
)
def test_a_file_made_by_something_else_is_refused(tmp_path: Path, data: bytes, complaint: str) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_reviews(path)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_file_is_of_one_rater_and_says_each_thing_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="by anna and ben: one file per rater"):
        read_reviews(written(tmp_path / "r.csv", review(), review("b", rater="ben")))
    with pytest.raises(DataError, match="line 3: a second review of manifest/p1/a"):
        read_reviews(written(tmp_path / "r.csv", review(), review()))


@pytest.mark.parametrize("path", ["", "gone.csv", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_reviews(tmp_path / path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_whatever_a_file_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(",".join(COLUMNS).encode() + b"\n" + data)
    with suppress(DataError):
        read_reviews(path)


# ------------------------------------------------------------------------- what it makes of a dataset


def test_clips_are_named_by_dataset_person_and_clip() -> None:
    clips = [clip(), clip("b"), clip("b", onset=11), clip("b", onset=11), clip("x\ny/../z")]
    assert clip_ids(clips) == [
        *("manifest/p1/a", "manifest/p1/b@10", "manifest/p1/b@11"),
        *("manifest/p1/b@11#2", "manifest/p1/x y/../z"),
    ]


def test_rejected_clips_go_and_accepted_ones_change(tmp_path: Path) -> None:
    clips = [clip(), clip("b"), clip("c"), clip("d"), clip("e", apex=None)]
    path = written(
        tmp_path / "r.csv",
        review(keys=KeyNumbers(9, 16, 21), label="surprise"),
        review("b", decision="reject", keys=KeyNumbers(1, 2, 3)),
        review("c", decision="", keys=KeyNumbers(1, 2, 3), label="surprise"),
        review("e", coded=KeyNumbers(10, None, 20), keys=KeyNumbers(10, 12, 20)),
    )
    found = apply_review(path, [clips], [], CLASSES)
    assert found.clips == (
        replace(clips[0], onset=9, apex=16, offset=21, label="surprise"),
        clips[2],
        clips[3],
        replace(clips[4], apex=12),
    )
    assert [item.subject for item in found.clips] == ["p1"] * 4
    assert found.left_out == (
        LeftOut("manifest", "p1", "b", "labels.csv, b", "rejected in the review by anna"),
    )
    assert found.account == {
        "file": "r.csv", "raters": ["anna"], "accepted": 2, "key_frames_changed": 2, "relabelled": 1,
        "rejected": 1, "undecided": 1, "not_reviewed": 1, "of_other_datasets": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reviews", "complaint"),
    [
        ([review("x"), review("y")], r"2 of its clips are not in the data \(manifest/p1/x, manifest/p1/y\)"),
        ([review(coded=KeyNumbers(9, 15, 20))], r"1 of its clips were annotated anew .*\(manifest/p1/a\)"),
        ([review(label="joy")], "label 'joy' of manifest/p1/a is none of disgust, happiness, surprise"),
        (
            [review(coded_label="negative", label="positive")],
            "manifest/p1/a was relabelled from 'negative', but is 'disgust' here: use the --protocol",
        ),
        ([review(source="samm", id="samm/p1/a")], "reviews samm, none of it among manifest"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, reviews: list[Review], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        apply_review(written(tmp_path / "r.csv", *reviews), [[clip()]], [], CLASSES)


def test_a_label_that_was_not_changed_fits_every_protocol(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", review(coded_label="negative", label="negative"))
    assert apply_review(path, [[clip()]], [], CLASSES).clips == (clip(),)
    own = written(tmp_path / "own.csv", review(label="joy"))
    assert apply_review(own, [[clip()]], [], ()).clips == (clip(label="joy"),)


def test_reviews_of_other_datasets_and_of_clips_without_a_class_are_no_fault(tmp_path: Path) -> None:
    path = written(
        tmp_path / "r.csv",
        review(),
        review("b", source="samm", id="samm/samm-p1/b"),
        review("c", id="manifest/manifest-p1/c"),
    )
    found = apply_review(path, [[clip()]], [LeftOut("manifest", "p1", "c", "", "no class")], CLASSES)
    assert found.clips == (clip(),)
    assert (found.account["accepted"], found.account["of_other_datasets"]) == (1, 1)


def test_a_dataset_is_reviewed_under_one_protocol_and_used_under_another(tmp_path: Path) -> None:
    rows = [
        casme2_row("01", "EP1", 20, 24, 30, 12, "happiness"),
        casme2_row("01", "EP2", 20, 24, 30, 12, "disgust"),
        casme2_row("02", "EP1", 20, 24, 30, 12, "others"),
    ]
    source = Source("casme2", write_casme2(tmp_path / "casme2", rows), "cropped")
    agenda = agenda_of_datasets([source], "casme2-5")
    assert [item.id for item in agenda.items] == [
        f"casme2/casme2-{name}" for name in ("sub01/EP1", "sub01/EP2", "sub02/EP1")
    ]
    assert agenda.items[0].keys == KeyNumbers(0, 4, 10)
    desk = Desk(agenda, tmp_path / "r.csv", None)
    for number, item in enumerate(agenda.items):
        keys = replace(item.keys, apex=5)
        desk.say(number, Answer("accept", keys, item.label, ""), no_times)
    clips, left_out = labelled_clips(source, protocol("megc-3"))
    found = apply_review(tmp_path / "r.csv", [clips], left_out, protocol("megc-3").classes)
    assert [(item.apex, item.label, item.subject) for item in found.clips] == [
        *((5, "positive", "casme2-sub01"), (5, "negative", "casme2-sub01"))
    ]


# ------------------------------------------------------------------------------------------ the desk


def no_times(item: Item, keys: KeyNumbers) -> Times:
    return UNKNOWN


def agenda(*names: str) -> Agenda:
    items = tuple(
        Item(f"manifest/p1/{name}", "manifest", "p1", Path(name), None, KeyNumbers(10, 15, 20), "disgust")
        for name in names
    )
    return Agenda(items, CLASSES, "labels.csv")


ACCEPTED = Answer("accept", KeyNumbers(10, 15, 20), "disgust", "")


def test_every_change_is_in_the_file_at_once_and_can_be_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    desk = Desk(agenda("a", "b"), path, "anna")
    assert read_reviews(path) == {}
    desk.say(1, ACCEPTED, no_times)
    desk.say(0, replace(ACCEPTED, label="surprise", comment=" two\n lines\x00 "), no_times)
    found = read_reviews(path)
    assert list(found) == ["manifest/p1/a", "manifest/p1/b"]
    assert (found["manifest/p1/a"].label, found["manifest/p1/a"].comment) == ("surprise", "two lines")
    assert desk.counts() == {"accepted": 2, "rejected": 0, "open": 0}
    assert [desk.undo(), desk.undo(), desk.undo()] == [0, 1, None]
    assert read_reviews(path) == {}
    assert not [name for name in os.listdir(tmp_path) if name != "r.csv"]


def test_a_review_goes_on_where_it_was(tmp_path: Path) -> None:
    Desk(agenda("a", "b"), tmp_path / "r.csv", "anna").say(0, ACCEPTED, no_times)
    again = Desk(agenda("a", "b"), tmp_path / "r.csv", None)
    assert (again.rater, again.answer(0), again.answer(1).decision) == ("anna", ACCEPTED, "")
    with pytest.raises(UsageError, match=r"is the review of anna: name another file with --out for ben"):
        Desk(agenda("a", "b"), tmp_path / "r.csv", "ben")


def test_a_comment_that_grows_is_taken_back_as_a_whole(tmp_path: Path) -> None:
    desk = Desk(agenda("a"), tmp_path / "r.csv", None)
    desk.say(0, ACCEPTED, no_times)
    for text in ("l", "la", "late"):
        desk.say(0, replace(ACCEPTED, comment=text), no_times)
    desk.undo()
    assert desk.answer(0) == ACCEPTED


def test_what_makes_no_sense_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(agenda("a"), tmp_path / "r.csv", None)
    for wrong in (
        replace(ACCEPTED, keys=KeyNumbers(10, None, 20)),
        replace(ACCEPTED, keys=KeyNumbers(20, 20, 20)),
        replace(ACCEPTED, label="joy"),
        replace(ACCEPTED, comment="x" * 2001),
    ):
        with pytest.raises(DataError):
            desk.say(0, wrong, no_times)
    assert read_reviews(tmp_path / "r.csv") == {}
    assert not desk.can_undo


def test_a_file_that_somebody_else_changed_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    desk = Desk(agenda("a", "b"), path, None)
    Desk(agenda("a", "b"), path, None).say(1, ACCEPTED, no_times)
    with pytest.raises(DataError, match="changed by somebody else"):
        desk.say(0, ACCEPTED, no_times)
    path.unlink()
    with pytest.raises(GlimpseError, match="cannot be read back"):
        desk.say(0, ACCEPTED, no_times)


def test_a_file_about_other_clips_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", review("x"))
    with pytest.raises(DataError, match=r"reviews other clips than these \(manifest/p1/x\)"):
        Desk(agenda("a"), path, None)
    written(path, review(coded=KeyNumbers(1, 2, 3)))
    with pytest.raises(DataError, match="1 clips were annotated anew"):
        Desk(agenda("a"), path, None)


def test_rows_about_clips_of_other_data_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "r.csv", review("x"), review("a"))
    Desk(agenda("a", "b"), path, None).say(1, replace(ACCEPTED, decision="reject"), no_times)
    assert set(read_reviews(path)) == {"manifest/p1/x", "manifest/p1/a", "manifest/p1/b"}


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"onset": 1}, *({**json.loads('{"onset":1,"apex":2,"offset":3,"decision":"","label":"",'
     '"comment":""}'), key: value} for key, value in [("onset", True), ("onset", 1.5), ("offset", None),
     ("apex", -1), ("decision", "maybe"), ("label", 3), ("onset", 10**12)])],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused(data: object) -> None:
    with pytest.raises(DataError, match="no answer to a clip"):
        answer_from(data)


# ---------------------------------------------------------------------------------------- two raters


def test_kappa_of_a_table_counted_by_hand() -> None:
    """20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: po = 0.7, pe = 0.5 · 0.6 + 0.5 · 0.4 = 0.5, kappa = 0.4.

    Fleiss, Cohen & Everitt: (0.10972 + 0.10188 − 0.01) / (50 · 0.25) = 0.016128, its root 0.12700.
    """
    answers = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    found = kappa(answers)
    assert (found.items, found.agreed) == (50, 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx((0.4 - 1.96 * 0.12700, 0.4 + 1.96 * 0.12700), abs=1e-3)


def test_the_interval_is_that_of_drawing_again() -> None:
    rng = np.random.default_rng(0)
    names = np.array(["a", "b", "c"])
    first = rng.integers(0, 3, 400)
    second = np.where(rng.random(400) < 0.7, first, rng.integers(0, 3, 400))
    pairs = list(zip(names[first].tolist(), names[second].tolist(), strict=True))
    draws = [kappa([pairs[i] for i in rng.integers(0, 400, 400)]).kappa for _ in range(200)]
    found = kappa(pairs)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.std(draws), rel=0.15)


def test_kappa_where_it_says_nothing() -> None:
    assert kappa([]).items == 0
    assert math.isnan(kappa([]).kappa)
    alike = kappa([("y", "y")] * 3)
    assert alike.agreed == 1.0
    assert math.isnan(alike.kappa)
    opposed = kappa([("y", "n"), ("n", "y")])
    assert opposed.kappa == -1.0


def two_files(folder: Path) -> tuple[Path, Path]:
    """Three that both accepted, one that one of them rejected, one undecided, one in each file alone."""

    def keys(onset: int, apex: int, offset: int) -> dict[str, object]:
        times = tuple(frame / 100 for frame in (onset, apex, offset))
        return {"keys": KeyNumbers(onset, apex, offset), "times": times}

    one = [
        review("a", **keys(10, 15, 20)),
        review("b", **keys(10, 15, 20), label="surprise"),
        review("c", keys=KeyNumbers(10, 15, 20), times=UNKNOWN),
        review("d", decision="reject"),
        review("e", decision=""),
        review("f"),
    ]
    two = [
        review("a", **keys(10, 16, 24)),
        review("b", **keys(11, 19, 20), label="surprise"),
        review("c", keys=KeyNumbers(12, 15, 20), times=(0.12, 0.15, 0.2), label="surprise"),
        review("d", decision="accept"),
        review("e", decision="accept"),
        review("g"),
    ]
    written(folder / "one.csv", *one)
    written(folder / "two.csv", *(replace(item, rater="ben") for item in two))
    return folder / "one.csv", folder / "two.csv"


def test_two_raters_counted_by_hand(tmp_path: Path) -> None:
    found = compare_reviews(*two_files(tmp_path), tolerance_ms=40.0)
    assert (found.raters, found.both, found.only) == (("anna", "ben"), 5, (1, 1))
    assert (found.decision.items, found.decision.agreed) == (4, 0.75)
    assert found.decision.kappa == 0.0  # 3/4 alike, and 3/4 by chance
    assert (found.label.items, found.label.agreed) == (3, pytest.approx(2 / 3))
    # disgust 2 and 1 of 3, surprise 1 and 2: chance 4/9, kappa (6/9 − 4/9) / (5/9)
    assert found.label.kappa == pytest.approx(0.4)
    onset, apex, offset = found.key_frames.values()
    assert (onset.mean_frames, onset.median_frames, onset.within_one_frame) == (
        1.0,
        1.0,
        pytest.approx(2 / 3),
    )
    assert (onset.items, onset.timed, onset.mean_ms) == (3, 2, pytest.approx(5.0))
    assert (apex.mean_frames, apex.median_frames) == (pytest.approx(5 / 3), 1.0)
    assert (apex.mean_ms, apex.within_tolerance) == (pytest.approx(25.0), 1.0)
    assert (offset.mean_frames, offset.median_frames, offset.median_ms) == pytest.approx((4 / 3, 0.0, 20.0))


def test_the_command_prints_and_writes_the_agreement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = map(str, two_files(tmp_path))
    out = tmp_path / "agreement.json"
    assert cli.main(["review", "--agreement", one, two, "--tolerance-ms", "20", "--json", str(out)]) == 0
    said = capsys.readouterr().out
    assert "accept or reject: 4 answered by both, 75% alike, Cohen's kappa 0.000" in said
    assert "apex: mean 1.67, median 1 frames apart" in said
    found = json.loads(out.read_text())
    assert found["label"]["kappa"] == pytest.approx(0.4)
    assert found["key_frames"]["apex"]["within_tolerance"] == 0.5
    assert found["raters"] == ["anna", "ben"]


def test_figures_that_are_not_defined_are_said_to_be_so(tmp_path: Path) -> None:
    one = written(tmp_path / "one.csv", review())
    two = written(tmp_path / "two.csv", review(decision="reject"))
    found = compare_reviews(one, two, 33.0)
    assert found.raters == (str(one), str(two))
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["label"]["kappa"] is None
    assert "nothing that both answered" in agreement_text(found)
    same = written(tmp_path / "same.csv", review())
    assert "not defined where there is only one answer" in agreement_text(compare_reviews(one, same, 33.0))


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (review("x"), "have no clip in common"),
        (review(coded=KeyNumbers(9, 15, 20)), "1 clips were shown with different key frames"),
    ],
)
def test_files_that_cannot_be_compared(tmp_path: Path, other: Review, complaint: str) -> None:
    one, two = written(tmp_path / "one.csv", review()), written(tmp_path / "two.csv", other)
    with pytest.raises(DataError, match=complaint):
        compare_reviews(one, two, 33.0)


# --------------------------------------------------------------------------------- the command's edges

STREAM = {"type": "stream", "schema": "glimpse/1", "source": "f", "width": 240, "height": 200, "fps": 100.0}
EVENT = {
    "type": "micro_expression", "id": "0-10", "onset_s": 0.1, "apex_s": 0.15, "offset_s": 0.2,
    "onset_frame": 10, "apex_frame": 15, "offset_frame": 20, "label": None, "probabilities": None,
}  # fmt: skip


def lines(*records: object) -> str:
    return "\n".join(json.dumps(record) for record in records) + "\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no event file of one film"),
        ("frame,time\n1,2\n", "is no event file of one film"),
        (lines([1]), "is no event file of one film"),
        (lines(EVENT), "is no event file of one film"),
        (lines({**STREAM, "schema": "other/1"}, EVENT), "is no event file of one film"),
        (lines({**STREAM, "width": "wide"}, EVENT), "is no event file of one film"),
        (lines({**STREAM, "fps": 10**400}, EVENT), "is no event file of one film"),
        (lines(STREAM, EVENT, STREAM), "is no event file of one film"),
        (lines(STREAM), "holds no micro-expression to review"),
        (lines(STREAM, {**EVENT, "apex_frame": 99}), "event 0-10 is damaged"),
        (lines(STREAM, {**EVENT, "apex_s": "NaN"}), "event 0-10 is damaged"),
        (lines(STREAM, {"type": "micro_expression"}), "is damaged"),
        (lines(STREAM, EVENT, EVENT), "holds two events 0-10"),
        (lines({**STREAM, "width": 640}, EVENT), "was made from 640×200 pixels, but"),
        (
            lines(STREAM, {**EVENT, "offset_frame": 1000}),
            "its last event ends at frame 1000",
        ),
    ],
)
def test_events_that_cannot_be_reviewed_are_one_line(
    clip: object, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(text)
    film = str(clip.video)  # type: ignore[attr-defined]
    out = str(tmp_path / "r.csv")
    assert cli.main(["review", "--events", str(path), "--source", film, "--out", out]) == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


def test_half_characters_in_events_are_written_as_what_they_are(clip: object, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(lines(STREAM, {**EVENT, "id": "\ud800", "label": "\ud801"}))
    agenda = agenda_of_events(path, clip.video)  # type: ignore[attr-defined]
    assert (agenda.items[0].id[-6:], agenda.items[0].label) == ("\\ud800", "\\ud801")
    assert agenda.labels == ("\\ud801",)


@pytest.mark.parametrize(
    ("options", "code", "complaint"),
    [
        ([], 2, "what is to be reviewed?"),
        (["--events", "e.jsonl"], 2, "--events goes with --source"),
        (["--source", "f.mp4"], 2, "--events goes with --source"),
        (["--events", "e.jsonl", "--source", "f.mp4", "--dataset", "manifest=a.csv"], 2, "what is to be"),
        (
            ["--events", "e.jsonl", "--source", "f.mp4", "--protocol", "own"],
            2,
            "--protocol goes with --dataset",
        ),
        (["--events", "gone.jsonl", "--source", "f.mp4"], 1, "gone.jsonl: cannot be read"),
        (["--dataset", "manifest=gone.csv"], 1, "gone.csv: cannot be read"),
        (["--dataset", "flow-maps=maps"], 2, "flow maps have no frames to review"),
        (["--dataset", "nothing=x"], 2, "unknown dataset 'nothing'"),
        (["--dataset", "manifest=a.csv", "--port", "70000"], 2, "--port is 70000"),
        (["--dataset", "manifest=a.csv", "--around", "nan"], 2, "--around is nan"),
        (["--dataset", "manifest=a.csv", "--out", "-"], 2, "--out needs a file"),
        (["--dataset", "manifest=a.csv", "--json", "x.json"], 2, "go with --agreement"),
        (["--agreement", "a.csv", "a.csv"], 2, "needs the files of two raters"),
        (["--agreement", "a.csv", "b.csv", "--rater", "x"], 2, "--agreement compares two files"),
        (["--agreement", "a.csv", "b.csv", "--tolerance-ms", "-1"], 2, "--tolerance-ms is -1"),
        (["--agreement", "gone.csv", "b.csv"], 1, "gone.csv: cannot be read"),
    ],
)
def test_wrong_use_is_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, complaint: str
) -> None:
    assert cli.main(["review", *options]) == code
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "code", "complaint"),
    [
        (["--synthetic", "8"], 2, "--review go with a --dataset of clips"),
        (["--dataset", "flow-maps=maps"], 2, "flow maps have no frames"),
        (["--dataset", "manifest=labels.csv"], 1, "gone.csv: cannot be read"),
    ],
)
def test_a_review_needs_clips(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: Sequence[str],
    code: int,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text("path,onset,apex,offset,label,subject\na,0,1,2,disgust,p\n")
    assert cli.main(["evaluate", *options, "--review", "gone.csv", "--out", "out"]) == code
    assert complaint in capsys.readouterr().err


def test_not_one_clip_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,onset,apex,offset,label,subject\na,0,1,2,disgust,p\nb,0,1,2,disgust,p\n")
    assert cli.main(["review", "--dataset", f"manifest={table}", "--out", str(tmp_path / "r.csv")]) == 1
    assert f"not one of the 2 clips is there; the first: {tmp_path / 'a'}" in capsys.readouterr().err
    assert not (tmp_path / "r.csv").exists()
