"""Datasets as samples: several together, their people apart, and an account of what is left out."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import Clip as FilmClip
from conftest import Film
from lookalikes import casme2_row, write_book, write_images
from lookalikes import write_casme2 as write_casme2_with

from offline import cli
from offline.datasets import evidence
from offline.datasets.clips import Clip, clip_evidence
from offline.datasets.combined import Source, choose_protocol, load_sources, parse_source
from offline.datasets.evidence import measure_clips
from offline.evidence_cache import EvidenceCache
from offline.synthesis.truth import Truth
from realtime.errors import DataError, UsageError
from realtime.faces import FaceTracker

SAMM_HEADINGS = (
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame", "Duration"),
    *("Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
)
LEAD = 12


@pytest.fixture(scope="module")
def faces(film: Film, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first movement of the film as images numbered from 1 on; the onset is number 1 + LEAD."""
    folder = tmp_path_factory.mktemp("faces")
    event = film.truth.events[0]
    for number, frame in enumerate(
        film.frames[event.onset_frame - LEAD : event.offset_frame + 2 : 2], start=1
    ):
        cv2.imwrite(str(folder / f"img{number}.jpg"), frame.image)
    return folder


@pytest.fixture(scope="module")
def keys(film: Film) -> tuple[int, int, int]:
    """Numbers of the onset, apex and offset among those images."""
    event = film.truth.events[0]
    start = event.onset_frame - LEAD
    onset, apex, offset = (
        (frame - start) // 2 + 1 for frame in (event.onset_frame, event.apex_frame, event.offset_frame)
    )
    return onset, apex, offset


def link(faces: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(faces, target_is_directory=True)


def write_casme2(root: Path, faces: Path, keys: Sequence[int]) -> Path:
    rows = [
        casme2_row(subject, f"EP{n}", *keys, 12, emotion)
        for subject in ("01", "02")
        for n, emotion in enumerate(("happiness", "surprise", "disgust", "others"))
    ]
    rows.append(casme2_row("02", "EP9", *keys, 12, "happiness"))
    write_casme2_with(root, rows, base="CASME2_RAW_selected", pattern="img{}.jpg")
    for row in rows[:-1]:
        folder = root / "CASME2_RAW_selected" / f"sub{row[0]}" / str(row[1])
        for image in folder.iterdir():
            image.unlink()
        folder.rmdir()
        link(faces, folder)
    return root


def write_samm(root: Path, faces: Path, keys: Sequence[int]) -> Path:
    rows = [
        ("006", f"006_1_{n}", 1, *keys, 9, "1/2", "12", emotion, 1, None)
        for n, emotion in enumerate(("Happiness", "Surprise", "Anger"))
    ]
    remarks = [("remark",)] * 13
    write_book(root / "SAMM_Micro_FACS_Codes_v2.xlsx", {"MICRO_ONLY": [*remarks, SAMM_HEADINGS, *rows]})
    for row in rows:
        link(faces, root / "006" / str(row[1]))
    return root


def write_maps(root: Path, *subjects: str) -> Path:
    rng = np.random.default_rng(0)
    for subject in subjects:
        for label in range(3):
            path = root / subject / "u_test" / str(label)
            path.mkdir(parents=True)
            cv2.imwrite(str(path / "a.png"), rng.integers(0, 256, (28, 28, 3), dtype=np.uint8))
    return root


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_two_datasets_and_flow_maps_under_one_evaluation(
    faces: Path, keys: tuple[int, int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    casme2 = write_casme2(tmp_path / "casme2", faces, keys)
    samm = write_samm(tmp_path / "samm", faces, keys)
    maps = write_maps(tmp_path / "maps", "s1", "s2")
    out = tmp_path / "out"
    datasets = [f"casme2={casme2}", f"samm={samm}", f"flow-maps={maps}"]
    options = [word for text in datasets for word in ("--dataset", text)]
    assert cli.main(["evaluate", *options, "--method", "flow-grid", "--no-figures", "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["classes"] == ["negative", "positive", "surprise"]
    counts = {name: part["total_samples"] for name, part in results["per_dataset"].items()}
    assert counts == {"casme2": 6, "samm": 3, "smic_hs": 6}
    assert set(results["subject_results"]) == {
        *("casme2-sub01", "casme2-sub02", "samm-006", "smic_hs-s1", "smic_hs-s2")
    }
    assert (results["data"]["kind"], results["data"]["left_out"]) == ("casme2+samm+flow-maps", 3)
    assert {(row["clip"], row["dataset"]) for row in rows_of(out / "excluded.csv")} == {
        *(("EP3", "casme2"), ("EP9", "casme2"))
    }
    told = capsys.readouterr().err
    assert "casme2: 6 of 9 clips are used" in told
    assert "2 × casme2: emotion 'others' is in none of negative, positive, surprise" in told
    assert [row["dataset"] for row in rows_of(out / "predictions.csv")][:7] == ["casme2"] * 6 + ["samm"]


def test_the_same_expressions_twice_are_refused(
    faces: Path, keys: tuple[int, int, int], tmp_path: Path
) -> None:
    source = Source("casme2", write_casme2(tmp_path / "casme2", faces, keys))
    maps = Source("flow-maps", write_maps(tmp_path / "maps", "sub01", "s1"))
    with pytest.raises(UsageError, match=r"hold the same expressions \(casme2\)"):
        load_sources([source, maps], "megc-3")


def test_own_labels_are_taken_as_they_are(faces: Path, keys: tuple[int, int, int], tmp_path: Path) -> None:
    found = load_sources([Source("casme2", write_casme2(tmp_path, faces, keys))], "own")
    assert found.samples.classes == ("disgust", "happiness", "others", "surprise")
    assert set(found.samples.subjects) == {"casme2-sub01", "casme2-sub02"}
    assert [item.reason.partition(" (")[0] for item in found.left_out] == ["no face in frame 0"]


@pytest.mark.parametrize(
    ("kinds", "wanted", "chosen"),
    [
        (["manifest"], None, "four"),
        (["casme2"], None, "casme2-4"),
        (["casme2", "samm"], None, "megc-3"),
        (["casme2", "manifest"], None, "megc-3"),
        (["flow-maps", "mmew"], None, "megc-3"),
        (["casme2"], "objective", "objective"),
    ],
)
def test_the_protocol_that_is_chosen(kinds: list[str], wanted: str | None, chosen: str) -> None:
    assert choose_protocol([Source(kind, Path()) for kind in kinds], wanted) == chosen


def test_sources_are_read_from_text() -> None:
    assert parse_source("casme2:cropped=x") == Source("casme2", Path("x"), "cropped")
    assert parse_source("SMIC-HS=x/y=z") == Source("smic_hs", Path("x/y=z"))
    assert parse_source("manifest=a.csv") == Source("manifest", Path("a.csv"))
    with pytest.raises(UsageError, match="which file"):
        parse_source("manifest")
    with pytest.raises(UsageError, match=r"unknown dataset 'videos': .* manifest, flow-maps, casme2"):
        parse_source("videos=x")


def manifest(path: Path, *rows: str) -> Path:
    path.write_text("path,onset,apex,offset,label,subject\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_what_a_manifest_leaves_out_is_named(
    clip: FilmClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = manifest(
        tmp_path / "labels.csv",
        f"{clip.video},100,112,130,surprise,p01",
        f"{clip.video},100,112,130,boredom,p01",
        f"{clip.video},100,112,{clip.frames + 50},surprise,p02",
        "missing.mp4,0,5,9,disgust,p03",
    )
    found = load_sources([Source("manifest", table)], "four")
    assert found.samples.subjects == ("p01",)
    assert found.samples.datasets == ("manifest",)
    assert found.samples.labels.tolist() == [1]
    assert found.samples.frames.shape == (1, 3, 64, 64, 3)
    assert np.isfinite(found.samples.flows).all()
    assert [item.where for item in found.left_out] == [f"{table}, line {n}" for n in (3, 4, 5)]
    assert "label 'boredom' is none of happiness" in found.left_out[0].reason
    assert f"no face in frame {clip.frames + 50} (offset)" in found.left_out[1].reason
    assert "missing.mp4" in found.left_out[2].reason
    told = capsys.readouterr().err
    assert "manifest: 1 of 4 clips are used" in told
    assert "left out: 3" in told


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    table = manifest(tmp_path / "labels.csv", "missing.mp4,0,5,9,disgust,p03")
    with pytest.raises(
        DataError, match=r"none of the 1 clips can be used with protocol four; .*missing\.mp4"
    ):
        load_sources([Source("manifest", table)], "four")


def test_two_manifests_with_one_person_are_one_person(clip: FilmClip, tmp_path: Path) -> None:
    row = f"{clip.video},100,112,130,surprise,p01"
    tables = [manifest(tmp_path / name, row) for name in ("a.csv", "b.csv")]
    found = load_sources([Source("manifest", table) for table in tables], "four")
    assert found.samples.subjects == ("manifest-p01",) * 2


def film_clip(clip: FilmClip) -> Clip:
    event = Truth.load(clip.truth).events[0]
    return Clip(
        clip.video, event.onset_frame, event.apex_frame, event.offset_frame, "surprise", "p01", "row 2"
    )


def test_detected_key_frames_and_clips_where_nothing_is_found(
    clip: FilmClip, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = film_clip(clip)
    table = manifest(
        tmp_path / "labels.csv",
        f"{clip.video},{moving.onset},{moving.apex},{moving.offset},surprise,p01",
        f"{clip.video},5,8,15,disgust,p02",
    )
    cache = EvidenceCache(tmp_path / "cache")
    found = load_sources([Source("manifest", table)], "four", "detected", cache=cache)
    assert found.key_frames == {"clips": 2, "found": 1, "found_at_iou_0.5": 1}
    assert len(found.samples) == 2
    moved, still = np.abs(found.samples.flows).max(axis=(1, 2, 3, 4))
    assert moved > 0.5
    assert still == 0.0
    assert (found.samples.frames[1] == found.samples.frames[1, :1]).all()
    assert "found in 1 of 2 clips" in capsys.readouterr().err
    monkeypatch.setattr(evidence, "detected_key_frames", None)
    again = load_sources([Source("manifest", table)], "four", "detected", cache=cache)
    assert np.array_equal(again.samples.flows, found.samples.flows)
    assert again.key_frames == found.key_frames


def test_annotated_clips_are_not_measured_twice(
    clip: FilmClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(item: Clip, tracker: FaceTracker) -> object:
        calls.append(item.onset)
        return clip_evidence(item, tracker)

    monkeypatch.setattr(evidence, "clip_evidence", counted)
    cache = EvidenceCache(tmp_path)
    moving = film_clip(clip)
    first = measure_clips([moving], ["surprise"], cache=cache)
    second = measure_clips([moving], ["surprise"], cache=cache)
    assert len(calls) == 1
    assert first.samples is not None
    assert second.samples is not None
    assert np.array_equal(first.samples.flows, second.samples.flows)
    measure_clips([replace(moving, onset=moving.onset + 1)], ["surprise"], cache=cache)
    assert len(calls) == 2


def test_a_clip_without_an_apex_is_left_out_unless_it_is_found(clip: FilmClip) -> None:
    lacking = replace(film_clip(clip), apex=None)
    assert measure_clips([lacking], ["surprise"]).left_out[0].reason.startswith("no apex is coded")
    found = measure_clips([lacking], ["surprise"], "detected")
    assert found.overlaps[0] > 0.5
    assert not found.left_out


def test_an_apex_that_is_not_coded_is_found_once(
    clip: FilmClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded = film_clip(clip)
    lacking, cache = replace(coded, apex=None), EvidenceCache(tmp_path)
    first = measure_clips([lacking], ["surprise"], cache=cache, spot_apex=True)
    assert not first.left_out
    monkeypatch.setattr(evidence, "spotted_apex", None)
    second = measure_clips([lacking], ["surprise"], cache=cache, spot_apex=True)
    assert first.samples is not None
    assert second.samples is not None
    assert np.array_equal(first.samples.flows, second.samples.flows)
    by_hand = measure_clips([coded], ["surprise"]).samples
    assert by_hand is not None
    likeness = np.corrcoef(first.samples.flows[0, 0].ravel(), by_hand.flows[0, 0].ravel())[0, 1]
    assert likeness > 0.9


def test_a_path_that_no_system_takes_is_left_out(tmp_path: Path) -> None:
    item = Clip(tmp_path / "a\0b", 0, 4, 8, "surprise", "p01", "row 2")
    assert "cannot be read" in measure_clips([item], ["surprise"]).left_out[0].reason


def test_images_of_no_face_are_left_out(tmp_path: Path) -> None:
    write_images(tmp_path / "clip", [f"{n}.png" for n in range(9)])
    item = Clip(tmp_path / "clip", 0, 4, 8, "surprise", "p01", "row 2", fps=100.0)
    assert "no face in frame 0" in measure_clips([item], ["surprise"]).left_out[0].reason
