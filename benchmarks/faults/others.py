"""Faults against all commands but `glimpse process`: those that train, evaluate, prepare, measure, watch."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from benchmarks.faults.cases import Case, Room, piped
from benchmarks.faults.films import MUTATIONS
from realtime.bundle import NETWORK

_TINY = """\
epochs: 1
batch: 16
network: {members: 2, member_features: 24}
prior: {samples: 0}
svm: {max_samples: 60}
"""
_SAMPLES = ("--synthetic", "24", "--identities", "3")
_EVALUATE = ("evaluate", "--method", "flow-grid", *_SAMPLES)
_STREAM = (
    *("synthesize", "--seconds", "2", "--fps", "50", "--width", "320", "--height", "240"),
    *("--face-width", "120", "--events", "0", "--confounders", "calm"),
)
_CODING = "CASME2-coding-20140508.xlsx"
_MUTANTS_PER_FILE = 1
PIPE = 'set -o pipefail; "$@" | true'


@dataclass(frozen=True, slots=True)
class Work:
    """What a person has who works with the commands: of everything one, made by the commands themselves."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / name

    def make(self) -> None:
        """Run the commands."""
        self.settings.write_text(_TINY)
        self._run("offline", *_STREAM, "--out", self.streams)
        self._run(
            "offline", "train", *_SAMPLES, "--test", "0", "--config", self.settings, "--out", self.trained
        )
        self._run("export", self.trained, "--out", self.bundle, "--name", "tiny")
        self._run("offline", *_EVALUATE, "--out", self.evaluation)
        self._run("offline", "report", self.evaluation)
        self._run("offline", "spot", "--dataset", self.streams, "--model", "none", "--out", self.spotted)
        self._run("offline", "plant", "--source", self.stream, "--rounds", "1", "--out", self.planted)
        rows = [("happiness", 2, "a"), ("surprise", 26, "b"), ("disgust", 50, "c"), ("repression", 74, "d")]
        clips = [(label, at, who + half) for label, at, who in rows for half in "12"]
        self.labels.write_text(
            "path,onset,apex,offset,label,subject\n"
            + "".join(
                f"streams/{self.stream.name},{at},{at + 8},{at + 16},{label},{who}\n"
                for label, at, who in clips
            )
        )
        self._casme2()
        self._run("offline", "prepare", "--dataset", f"casme2={self.casme2}", "--out", self.prepared)

    @property
    def stream(self) -> Path:
        return self.streams / "stream-000.mkv"

    def copy(self, name: str, source: Path) -> Path:
        """A copy of a file or folder, to be broken or replaced."""
        target = self.folder / name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        return target

    def _run(self, program: str, *words: str | Path) -> None:
        subprocess.run(
            [sys.executable, "-m", program, *map(os.fspath, words)], check=True, stdout=subprocess.DEVNULL
        )

    def _casme2(self) -> None:
        """Two clips of CASME II, of flat pictures (Yan et al. 2014)."""
        import openpyxl

        book = openpyxl.Workbook()
        heads = ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units")
        book.worksheets[0].append([*heads, "Estimated Emotion"])
        grey = bytes(cv2.imencode(".jpg", np.full((8, 8, 3), 128, np.uint8))[1])
        for subject in ("01", "02"):
            book.worksheets[0].append([subject, "EP01", None, 3, 5, 8, None, "12", "happiness"])
            clip = self.casme2 / "Cropped" / f"sub{subject}" / "EP01"
            clip.mkdir(parents=True)
            for number in range(3, 9):
                (clip / f"reg_img{number}.jpg").write_bytes(grey)
        book.save(self.casme2 / _CODING)


@lru_cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """A folder of `Work`, made once; deleted with the process."""
    folder = tempfile.TemporaryDirectory()
    Work(Path(folder.name)).make()
    return folder


def _work(room: Room) -> Work:
    """A copy for the cases of one kind."""
    return Work(shutil.copytree(_made().name, room.folder / "work"))


@dataclass(frozen=True, slots=True)
class _Writer:
    """A command that writes, and what it has written before."""

    name: str
    words: tuple[str | Path, ...]
    """Its arguments; the first is the program."""
    files: tuple[Path, ...]


def _writers(work: Work) -> list[_Writer]:
    """Every command that writes, into what is there already."""

    def writer(name: str, program: str, words: Sequence[str | Path], *outputs: Path) -> _Writer:
        files = [path for output in outputs for path in ([output] if output.is_file() else output.rglob("*"))]
        return _Writer(name, (program, *words), tuple(path for path in files if path.is_file()))

    evaluation, bench, streams = work.evaluation, work.bench, work.streams
    prepare = ("prepare", "--dataset", f"casme2={work.casme2}", "--out", work.prepared)
    plant = ("plant", "--source", work.stream, "--rounds", "1", "--out", work.planted)
    measure = ("bench", work.stream, "--frames", "20", "--model", "none", "--json", bench)
    bench.write_bytes(b"earlier " * 1000)
    work.compared.write_bytes(b"earlier")
    train = ("train", *_SAMPLES, "--test", "0", "--config", work.settings)
    return [
        writer("synthesize", "offline", [*_STREAM, "--out", work.streams], work.streams),
        writer("train", "offline", [*train, "--out", work.trained], work.trained),
        writer("export", "export", [work.trained, "--out", work.bundle, "--name", "x"], work.bundle),
        writer("evaluate", "offline", [*_EVALUATE, "--seed", "1", "--out", evaluation], evaluation),
        writer("figures", "offline", ["figures", evaluation], evaluation),
        writer("report", "offline", ["report", evaluation], evaluation),
        writer(
            "compare", "offline", ["compare", evaluation, evaluation, "--json", work.compared], work.compared
        ),
        writer("spot", "offline", [*_spotted(streams), "--out", work.spotted], work.spotted),
        writer("plant", "offline", plant, work.planted),
        writer("prepare", "offline", prepare, work.prepared),
        writer("bench", "realtime", measure, bench),
    ]


def full_disks(room: Room) -> Iterator[Case]:
    """Room for files of 1 or 4 KiB alone, which no command can do with: what was there stays whole."""
    work = _work(room)
    live, out = ("live", work.stream, "--pace", "fast", "--model", "none"), room.out("live")
    yield Case("live > /dev/full", live, program=("realtime",), shell='"$@" > /dev/full', must_fail=True)
    yield Case("live | true", live, program=("realtime",), shell=PIPE, quiet_codes=(141,))
    yield Case(
        "live, files of 0 KiB at most", (*live, "--out", out), program=("realtime",), guarded=(out,),
        shell=piped('ulimit -f 0; "$@"'), must_fail=True,
    )  # fmt: skip
    for writer in _writers(work):
        program, *words = writer.words
        for blocks in (1, 4):
            large = any(path.stat().st_size > 1024 * blocks for path in writer.files)
            if large and writer.files:
                yield Case(
                    f"{writer.name}, files of {blocks} KiB at most", tuple(words), program=(str(program),),
                    shell=piped(f'ulimit -f {blocks}; "$@"'), guarded=writer.files, must_fail=True,
                )  # fmt: skip
        yield Case(
            f"{writer.name} > /dev/full", tuple(words), program=(str(program),), shell='"$@" > /dev/full'
        )
        yield Case(
            f"{writer.name} | true", tuple(words), program=(str(program),),
            shell=PIPE, quiet_codes=(141,),
        )  # fmt: skip


def read_only(room: Room) -> Iterator[Case]:
    """A disk on which nothing can be written."""
    work = _work(room)
    here = work.folder
    for writer in _writers(work):
        program, *words = writer.words
        shell = (
            f'unshare -m bash -c \'mount --bind "{here}" "{here}" && '
            f'mount -o remount,ro,bind "{here}"; "$@"\' bash "$@"'
        )
        yield Case(
            writer.name, tuple(words), program=(str(program),), shell=shell, guarded=writer.files,
            must_fail=True,
        )  # fmt: skip


def interrupts(room: Room) -> Iterator[Case]:
    """Signals in mid-run: what was there stays, and an evaluation goes on where it was."""
    work = _work(room)
    slow = {
        "synthesize": (*_STREAM[:2], "60", *_STREAM[3:], "--out", work.streams),
        "train": ("train", "--synthetic", "2000", "--out", work.trained),
        "evaluate": ("evaluate", "--method", "flow-grid", "--synthetic", "4000", "--out", work.evaluation),
        "spot": ("spot", "--synthetic", "4", "--model", "none", "--out", work.spotted),
        "plant": ("plant", "--source", work.stream, "--rounds", "50", "--out", work.planted),
    }
    for writer in _writers(work):
        for name, after_s in (("INT", 6), ("TERM", 4), ("KILL", 8)):
            if writer.name in slow:
                yield Case(
                    f"{writer.name}: SIG{name} after {after_s} s", slow[writer.name], program=("offline",),
                    shell=f'timeout --foreground -s {name} {after_s} "$@"',
                    guarded=writer.files, quiet_codes=(130, 124, 137, 143),
                )  # fmt: skip
    clean = work.folder / "clean"
    for after_s in (3, 5, 7):
        other = work.folder / f"killed{after_s}"
        both = f'timeout --foreground -s KILL {after_s} "$@" 2> /dev/null; "$@"'
        name = f"evaluate, killed after {after_s} s and run again"
        for name_of, out, shell in (("evaluate, in one go", clean, '"$@"'), (name, other, both)):
            yield Case(
                name_of,
                (*_EVALUATE, "--seed", "7", "--no-figures", "--out", out), program=("offline",), shell=shell,
                equal=(clean / "predictions.csv", out / "predictions.csv"),
            )  # fmt: skip


def damaged(room: Room) -> Iterator[Case]:
    """Files of ours, cut off, with bits flipped and with pieces exchanged."""
    work, rng = _work(room), np.random.default_rng(0)
    cached = ("--cache", work.cache, "--allow-faces", "--no-figures")
    manifest = ("evaluate", "--method", "flow-grid", "--dataset", f"manifest={work.labels}", *cached)
    clean = work.folder / "clean"
    yield Case("evaluate, clean", (*manifest, "--out", clean), program=("offline",))
    readers: list[tuple[str, Path, str, Callable[[Path], tuple[str | Path, ...]]]] = [
        ("offline", work.evaluation, "results.json", lambda copy: ("figures", copy)),
        ("offline", work.evaluation, "results.json", lambda copy: ("report", copy)),
        ("offline", work.evaluation, "predictions.csv", lambda copy: ("compare", copy, work.evaluation)),
        ("export", work.trained, "model.json", lambda copy: _export(work, copy)),
        ("export", work.trained, "network.npz", lambda copy: _export(work, copy)),
        ("export", work.trained, "scorer.npz", lambda copy: _export(work, copy)),
        ("offline", work.bundle, "bundle.json", lambda copy: _scored(work, copy)),
        ("offline", work.bundle, NETWORK, lambda copy: _scored(work, copy)),
        ("offline", work.bundle, "scorer.npz", lambda copy: _scored(work, copy)),
        ("offline", work.streams, "stream-000.json", lambda copy: _spotted(copy)),
        ("offline", work.streams, "stream-000.mkv", lambda copy: _spotted(copy)),
        (
            "offline",
            work.streams,
            "stream-000.mkv",
            lambda copy: ("plant", "--source", copy / "stream-000.mkv"),
        ),
        ("offline", work.casme2, _CODING, lambda copy: _prepared(work, copy)),
    ]
    for program, source, file, words in readers:
        for kind, mutation in MUTATIONS.items():
            for number in range(_MUTANTS_PER_FILE):
                copy = work.copy(f"{file}-{program}-{kind}-{number}", source)
                (copy / file).write_bytes(mutation((source / file).read_bytes(), rng))
                yield Case(f"{words(copy)[0]}: {file}, {kind}", words(copy), program=(program,))
                shutil.rmtree(copy)
    folds = clean / "folds"
    for kind, mutation in MUTATIONS.items():
        out = work.copy(f"resumed-{kind}", clean)
        for path in [*folds.iterdir(), *work.cache.iterdir()]:
            target = out / "folds" / path.name if path.parent == folds else path
            target.write_bytes(mutation(path.read_bytes(), rng))
        equal = (clean / "predictions.csv", out / "predictions.csv")
        yield Case(
            f"evaluate: folds and cache {kind}", (*manifest, "--out", out), program=("offline",), equal=equal
        )
    other = ("--config", work.other, "--seed", "3")
    work.other.write_text("c: 3.0\n")
    fresh = work.folder / "fresh"
    yield Case("evaluate, other settings", (*manifest, *other, "--out", fresh), program=("offline",))
    equal = (fresh / "predictions.csv", clean / "predictions.csv")
    words_other = (*manifest, *other, "--out", clean)
    yield Case("evaluate: folds of other settings", words_other, program=("offline",), equal=equal)
    for name, text in (("labels", b"path,onset\xff\n"), ("settings", b"epochs: {1: [\n"), ("other", b"\x00")):
        path = room.write(f"bad/{name}", text)
        for words_bad in (
            ("evaluate", "--dataset", f"manifest={path}"),
            ("train", *_SAMPLES, "--config", path, "--out", work.folder / "none"),
            ("review", "--agreement", path, work.labels),
            ("spot", "--dataset", work.streams, "--config", path),
        ):
            yield Case(f"{words_bad[0]}: no {name}", words_bad, program=("offline",), must_fail=True)


def _export(work: Work, copy: Path) -> tuple[str | Path, ...]:
    return (copy, "--out", work.folder / "exported", "--name", "x")


def _scored(work: Work, copy: Path) -> tuple[str | Path, ...]:
    return ("evaluate", "--bundle", copy, *_SAMPLES, "--no-figures", "--out", work.folder / "scored")


def _spotted(copy: Path) -> tuple[str | Path, ...]:
    return ("spot", "--dataset", copy, "--model", "none")


def _prepared(work: Work, copy: Path) -> tuple[str | Path, ...]:
    return ("prepare", "--dataset", f"casme2={copy}", "--out", work.folder / "again.csv")


def same_files(room: Room) -> Iterator[Case]:
    """Outputs that are inputs."""
    work = _work(room)
    evaluation, coding, labels = work.evaluation, work.casme2 / _CODING, work.labels
    results = evaluation / "results.json"
    other = work.copy("other", work.stream)
    cases: list[tuple[str, tuple[str | Path, ...], Path]] = [
        ("offline", ("report", evaluation, "--out", results), results),
        ("offline", ("compare", evaluation, evaluation, "--json", results), results),
        ("offline", ("prepare", "--dataset", f"casme2={work.casme2}", "--out", coding), coding),
        ("offline", ("prepare", "--dataset", f"casme2={work.casme2}", "--out", work.prepared,
                     "--left-out", coding), coding),
        ("offline", ("plant", "--source", other, "--video", other, "--allow-clips"), other),
        ("offline", ("plant", "--source", work.stream, "--video", work.stream.with_suffix(".avi"),
                     "--allow-clips"), work.stream.with_suffix(".json")),
        ("offline", ("review", "--agreement", work.prepared, labels, "--json", labels), labels),
        ("offline", ("train", *_SAMPLES, "--out", labels), labels),
        ("export", (work.trained, "--out", work.trained, "--name", "x"), work.trained / "model.json"),
        ("realtime", ("bench", other, "--json", other, "--frames", "5", "--model", "none"), other),
        ("realtime", ("live", other, "--pace", "fast", "--out", other, "--model", "none"), other),
        ("realtime", ("live", other, "--pace", "fast", "--csv", other, "--model", "none"), other),
    ]  # fmt: skip
    for program, words, path in cases:
        name = f"{words[0] if program != 'export' else 'export'}: {words[-1]}"
        yield Case(name, words, program=(program,), guarded=(path,), must_fail=True)


def missing(room: Room) -> Iterator[Case]:
    """Inputs that are not there."""
    nix, out = room.folder / "nix", room.folder / "out"
    commands: list[tuple[str, tuple[str | Path, ...]]] = [
        ("realtime", ("process", nix)),
        ("realtime", ("live", nix)),
        ("realtime", ("live", "--check", room.film, "--model", nix)),
        ("realtime", ("live", "--config", nix)),
        ("realtime", ("bench", nix)),
        ("realtime", ("bench", "--compare", nix, nix)),
        ("offline", ("spot", "--dataset", nix)),
        ("offline", ("plant", "--source", nix)),
        ("offline", ("prepare", "--dataset", f"casme2={nix}", "--out", out)),
        ("offline", ("train", "--dataset", f"manifest={nix}", "--out", out)),
        ("offline", ("evaluate", "--dataset", f"casme2={nix}", "--out", out)),
        ("offline", ("evaluate", "--bundle", nix, *_SAMPLES, "--out", out)),
        ("offline", ("compare", nix, nix)),
        ("offline", ("figures", nix)),
        ("offline", ("report", nix)),
        ("offline", ("review", "--events", nix, "--source", nix, "--out", out)),
        ("offline", ("review", "--agreement", nix, out)),
        ("offline", ("synthesize", "--face", nix, "--out", out)),
        ("export", (nix, "--out", out, "--name", "x")),
    ]
    for program, words in commands:
        yield Case(f"{program} {words[0]}", words, program=(program,), must_fail=True)


OTHER_KINDS: Mapping[str, Callable[[Room], Iterator[Case]]] = {
    "others: full disks": full_disks,
    "others: read-only disk": read_only,
    "others: damaged files": damaged,
    "others: same files": same_files,
    "others: interrupts": interrupts,
    "others: missing inputs": missing,
}
