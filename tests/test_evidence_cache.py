"""Evidence on disk: read again where nothing has changed, made anew where anything has."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from offline import evidence_cache
from offline.evidence_cache import Arrays, EvidenceCache, file_id
from offline.samples import rendered_samples
from realtime.errors import DataError, OutputError
from realtime.features import spec

LIKE = {"flows": "float32"}


class Maker:
    """Counts its calls; each gives other numbers."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Arrays:
        self.calls += 1
        return {"flows": np.full((2, 3), self.calls, np.float32)}


def test_a_second_run_reads_what_the_first_has_made(tmp_path: Path) -> None:
    make = Maker()
    for _ in range(2):
        cache = EvidenceCache(tmp_path / "deep" / "cache")
        assert cache.get({"clip": 1}, make, LIKE)["flows"].tolist() == [[1.0] * 3] * 2
    assert make.calls == 1
    assert cache.get({"clip": 2}, make, LIKE)["flows"][0, 0] == 2.0
    assert make.calls == 2


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    EvidenceCache(tmp_path / "cache").get({}, Maker(), LIKE)
    (entry,) = (tmp_path / "cache").iterdir()
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700


def test_without_a_folder_nothing_is_kept() -> None:
    make = Maker()
    for _ in range(2):
        EvidenceCache().get({}, make, LIKE)
    assert make.calls == 2


def test_another_spec_or_other_code_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, cache = Maker(), EvidenceCache(tmp_path)
    cache.get({}, make, LIKE)
    monkeypatch.setattr(spec, "FEATURE_SPEC_ID", "another")
    cache.get({}, make, LIKE)
    assert make.calls == 2
    monkeypatch.setattr(evidence_cache, "_code_id", lambda: "other code")
    cache.get({}, make, LIKE)
    assert make.calls == 3


@pytest.mark.parametrize("length", [0, 10, 200, -1])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, length: int) -> None:
    make, cache = Maker(), EvidenceCache(tmp_path)
    cache.get({}, make, LIKE)
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes()[:length])
    assert cache.get({}, make, LIKE)["flows"][0, 0] == 2.0
    assert cache.get({}, make, LIKE)["flows"][0, 0] == 2.0
    assert [path.name for path in tmp_path.iterdir()] == [entry.name]


def test_an_entry_with_flipped_bytes_is_made_anew_or_whole(tmp_path: Path) -> None:
    """Damage in the headers trips zip, tokenizer and parser in many ways; none of them may come out."""
    cache = EvidenceCache(tmp_path)
    cache.get({}, Maker(), LIKE)
    (entry,) = tmp_path.iterdir()
    whole, rng = entry.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] = rng.integers(256)
        entry.write_bytes(damaged)
        assert cache.get({}, Maker(), LIKE)["flows"].tolist() == [[1.0] * 3] * 2


def test_an_entry_of_another_kind_is_made_anew(tmp_path: Path) -> None:
    make, cache = Maker(), EvidenceCache(tmp_path)
    cache.get({}, make, LIKE)
    (entry,) = tmp_path.iterdir()
    whole = entry.read_bytes()
    np.savez(entry, flows=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert cache.get({}, make, LIKE)["flows"][0, 0] == 2.0
    entry.write_bytes(whole)
    assert cache.get({}, make, {"flows": "float64"})["flows"][0, 0] == 3.0


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        EvidenceCache(tmp_path / "file")


def test_a_changed_file_has_another_id(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    image = folder / "1.jpg"
    image.write_bytes(b"a")
    before = file_id(folder)
    assert file_id(folder) == before
    os.utime(image, ns=(1, 1))
    changed = file_id(folder)
    assert changed != before
    (folder / "2.jpg").write_bytes(b"b")
    assert file_id(folder) != changed
    assert file_id(image)[0][1:] == [1, 1]
    with pytest.raises(DataError, match="cannot be read"):
        file_id(tmp_path / "none")


def test_rendered_samples_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = ("happiness", "surprise")
    first = rendered_samples([0, 1], 2, 0, classes, EvidenceCache(tmp_path))
    monkeypatch.setattr("offline.samples._render_identity", lambda *_: pytest.fail("rendered again"))
    second = rendered_samples([0, 1], 2, 0, classes, EvidenceCache(tmp_path))
    assert np.array_equal(first.flows, second.flows)
    assert np.array_equal(first.frames, second.frames)
    assert first.subjects == second.subjects == ("identity-0000",) * 2 + ("identity-0001",) * 2
    assert second.labels.tolist() == [0, 1, 1, 0]
