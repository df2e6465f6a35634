"""`glimpse-offline prepare`: from a coding file to a labels file that training can read."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Clip as FilmClip
from lookalikes import casme2_row, numbered, write_book, write_casme2, write_images

from offline.cli import main
from offline.datasets.corpus import Annotation, KeyNumbers
from offline.datasets.manifest import read_manifest
from offline.datasets.spotted import ApexFinder, apex_by_spotter
from offline.synthesis.truth import Truth
from realtime.errors import DataError
from realtime.pipeline import Pipeline

ROWS = (
    casme2_row("01", "EP02_01f", 46, 59, 66, 12, "happiness"),
    casme2_row("01", "EP03_01", 3, 5, 9, "4+L7", "disgust"),
    casme2_row("04", "EP12_01f", 261, "/", 270, "4", "disgust"),
    casme2_row("05", "EP12_03f", 3, 5, 9, "4", "disgust"),
    casme2_row("05", "EP13_01", 3, 5, 9, "4", "others"),
    casme2_row("05", "EP14_01", 3, 5, 99, "1+2", "surprise"),
    casme2_row("06", "EP01", 3, 9, 9, "1+2", "surprise"),
)


@pytest.fixture
def casme2_root(tmp_path: Path) -> Path:
    write_casme2(tmp_path / "casme2", ROWS)
    (tmp_path / "casme2" / "Cropped" / "sub05" / "EP14_01" / "reg_img99.jpg").unlink()
    return tmp_path / "casme2"


def write_mmew(root: Path) -> Path:
    rows = [
        (
            *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"),
            *("Estimated Emotion", "remarks"),
        ),
        (1, "S01-07-001", 1, 4, 9, "6+12", "happiness", None),
    ]
    write_book(root / "MMEW_Micro_Exp.xlsx", {"Sheet1": rows})
    write_images(root / "Micro_Expression" / "happiness" / "S01-07-001", numbered("{}.jpg", 1, 12))
    return root


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_labels_file_can_be_read_back(casme2_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = casme2_root.parent / "labels.csv"
    assert main(["prepare", "--dataset", "casme2", "--root", str(casme2_root), "--out", str(out)]) == 0
    clips = list(read_manifest(out))
    assert [(c.onset, c.apex, c.offset, c.label, c.subject) for c in clips] == [
        (0, 13, 20, "happiness", "casme2-sub01"),
        (0, 2, 6, "disgust", "casme2-sub01"),
        (0, 2, 6, "disgust", "casme2-sub05"),
        (0, 6, 6, "surprise", "casme2-sub06"),
    ]
    assert all(clip.path.is_dir() for clip in clips)
    first, second, *_ = rows_of(out)
    assert first["path"] == "casme2/Cropped/sub01/EP02_01f"
    assert [first[name] for name in ("dataset", "clip", "emotion", "action_units", "fps", "apex_source")] == [
        *("casme2", "EP02_01f", "happiness", "AU12", "200", "coded")
    ]
    assert second["action_units"] == "AU4+LAU7"
    left_out = rows_of(casme2_root.parent / "labels-left-out.csv")
    assert {row["clip"]: row["reason"].partition(" in ")[0] for row in left_out} == {
        "EP14_01": "column OffsetFrame: frame 99 lies beyond the last frame 98",
        "EP13_01": "emotion 'others' is none of happiness, surprise, disgust, repression",
        "EP12_01f": "no apex is coded (--spot-apex looks for one)",
    }
    assert {row["dataset"] for row in left_out} == {"casme2"}
    printed = capsys.readouterr().out
    assert "casme2: 7 clips in CASME2-coding-20140508.xlsx" in printed
    assert "casme2-4: 4 clips – happiness 1, surprise 1, disgust 2, repression 0" in printed
    assert "3 subjects: casme2-sub01 2, casme2-sub05 1, casme2-sub06 1" in printed
    assert "left out: 3" in printed


def test_paths_elsewhere_are_absolute_and_runs_are_identical(casme2_root: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    written = []
    for name in ("a.csv", "b.csv"):
        out = tmp_path / "lists" / name
        options = [
            "--protocol",
            "megc-3",
            "--out",
            str(out),
            "--left-out",
            str(tmp_path / "lists" / "no.csv"),
        ]
        assert main(["prepare", "--dataset", f"casme2={casme2_root}", *options]) == 0
        written.append(out.read_bytes())
    assert written[0] == written[1]
    assert sorted(p.name for p in (tmp_path / "lists").iterdir()) == ["a.csv", "b.csv", "no.csv"]
    clips = list(read_manifest(tmp_path / "lists" / "a.csv"))
    assert [clip.label for clip in clips] == ["positive", "negative", "surprise"]
    assert all(clip.path.is_dir() for clip in clips)
    assert all(Path(row["path"]).is_absolute() for row in rows_of(tmp_path / "lists" / "a.csv"))


def test_datasets_are_combined(casme2_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    datasets = [f"casme2:cropped={casme2_root}", f"mmew={write_mmew(tmp_path / 'mmew')}"]
    assert main(["prepare", "--dataset", *datasets, "--out", str(out)]) == 0
    found = [(row["dataset"], row["subject"], row["label"]) for row in rows_of(out)]
    assert found[0] == ("casme2", "casme2-sub01", "positive")
    assert found[-1] == ("mmew", "mmew-S01", "positive")
    assert {row["fps"] for row in rows_of(out)} == {"200", "90"}
    together, out = out.read_bytes(), tmp_path / "each.csv"
    each = [word for text in datasets for word in ("--dataset", text)]
    assert main(["prepare", *each, "--out", str(out)]) == 0
    assert out.read_bytes() == together


def test_kinds_of_expressions(tmp_path: Path) -> None:
    rows = [
        (1, "disgust1_1", 10, 14, 20, "4", "negative", "macro-expression", "disgust"),
        (1, "disgust1_2", 30, 0, 36, "12", "positive", "micro-expression", "happiness"),
    ]
    rules = {"naming rule1": [(15, "s15", 1)], "naming rule2": [("0101", "disgust1")]}
    write_book(tmp_path / "CAS(ME)^2code_final.xlsx", {"codes": rows, **rules})
    write_images(tmp_path / "rawpic" / "s15" / "15_0101disgustingteeth", numbered("img{}.jpg", 1, 40))
    out = tmp_path / "labels.csv"
    for kind, labels in (("micro", ["positive"]), ("macro", ["negative"]), ("all", ["negative", "positive"])):
        options = ["--dataset", f"cas_me2={tmp_path}", "--kind", kind, "--out", str(out)]
        assert main(["prepare", *options]) == 0
        assert [row["label"] for row in rows_of(out)] == labels
        other = [row["reason"] for row in rows_of(tmp_path / "labels-left-out.csv")]
        assert len(other) == 2 - len(labels)
        assert all(reason.endswith("-expression") for reason in other)
    assert rows_of(out)[1]["apex_source"] == "midpoint"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "casme2"], "--dataset casme2: which folder? Use casme2=DIR"),
        (["--dataset", "casme9=x"], "unknown dataset 'casme9'"),
        (["--dataset", "casme2:long=x"], "casme2 has no frames of the form 'long': use raw, cropped"),
        (["--dataset", "samm=x", "samm_long=x"], "hold the same expressions (samm)"),
        (["--dataset", "samm=x", "casme2=x", "--root", "x"], "--root goes with one"),
        (["--dataset", "samm=x", "casme2=x", "--coding", "x"], "--coding goes with one"),
        (["--dataset", "samm=x", "--left-out", "labels.csv"], "name two files"),
        (["--dataset", "samm=x", "--left-out", "-"], "the results need files"),
    ],
)
def test_wrong_usage(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", *options, "--out", "labels.csv"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_where_something_fails(
    casme2_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.csv"
    out.write_text("earlier")
    for options, message in (
        ([f"casme2={tmp_path / 'none'}"], "no such folder"),
        ([f"samm={casme2_root}"], "has no coding file SAMM_Micro_FACS_Codes_v2.xlsx"),
        ([f"casme2={casme2_root}", "--protocol", "objective"], "the coding file gives no objective class"),
        ([f"casme2={casme2_root}", "--coding", "other.xlsx"], "has no coding file other.xlsx"),
        (
            [f"casme2={casme2_root}", "--left-out", str(tmp_path / "no" / "x.csv")],
            "its folder does not exist",
        ),
    ):
        assert main(["prepare", "--dataset", *options, "--out", str(out)]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
        assert out.read_text() == "earlier"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["casme2", "labels.csv"]


def test_the_coding_file_is_not_written_over(casme2_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (coding,) = casme2_root.glob("*.xlsx")
    data, files = coding.read_bytes(), sorted(casme2_root.iterdir())
    labels = ["--out", str(casme2_root / "labels.csv"), "--left-out", str(coding)]
    for outputs in (["--out", str(coding)], labels):
        assert main(["prepare", "--dataset", f"casme2={casme2_root}", *outputs]) == 2
        assert "is both input and output" in capsys.readouterr().err
        assert coding.read_bytes() == data
        assert sorted(casme2_root.iterdir()) == files


def film_clip(clip: FilmClip, apex: int | None = None) -> tuple[Annotation, int]:
    truth = Truth.load(clip.truth)
    event = truth.events[0]
    numbers = KeyNumbers(event.onset_frame, apex, event.offset_frame)
    annotation = Annotation(
        dataset="smic_hs",
        subject="s01",
        clip="film",
        path=clip.video,
        index=numbers,
        number=KeyNumbers(numbers.onset + 5, apex, numbers.offset + 5),
        emotion="positive",
        action_units=(),
        objective_class=None,
        fps=truth.fps,
        kind="micro",
        apex_source="none",
        where="row 2",
    )
    return annotation, event.apex_frame


def test_an_apex_is_spotted_where_none_is_coded(clip: FilmClip) -> None:
    annotation, true_apex = film_clip(clip)
    with Pipeline() as pipeline:
        found = apex_by_spotter(annotation, pipeline)
    assert found.apex_source == "spotted"
    assert found.index.apex is not None
    assert abs(found.index.apex - true_apex) <= 4
    assert found.number.apex == found.index.apex + 5
    assert (found.index.onset, found.index.offset) == (annotation.index.onset, annotation.index.offset)


def test_where_no_apex_can_be_found(clip: FilmClip, casme2_root: Path) -> None:
    annotation, apex = film_clip(clip)
    with ApexFinder(spot=False) as finder, pytest.raises(DataError, match="no apex is coded"):
        finder.complete(annotation)
    complete, _ = film_clip(clip, apex)
    with ApexFinder(spot=False) as finder:
        assert finder.complete(complete) is complete
    out = casme2_root.parent / "labels.csv"
    options = ["--dataset", f"casme2={casme2_root}", "--spot-apex", "--out", str(out)]
    assert main(["prepare", *options]) == 0
    left_out = rows_of(casme2_root.parent / "labels-left-out.csv")
    assert any(row["clip"] == "EP12_01f" and "the spotter finds none" in row["reason"] for row in left_out)


def test_neither_torch_nor_tables_are_imported() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'pandas', 'openpyxl'): sys.modules[name] = None\n"
        "import offline.cli, offline.prepare_command\n"
        "offline.cli.build_parser()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
