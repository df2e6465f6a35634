"""Faults that are not in the bytes of a film: each is one command, run as a person would."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.faults.films import jpeg, write_film
from benchmarks.faults.matroska import write_mkv
from realtime.types import U8

HUGE = 16_384


@dataclass(frozen=True, slots=True)
class Case:
    """One command and what it may do."""

    name: str
    words: tuple[str | Path, ...]
    """Arguments of `program`."""
    out: Path | None = None
    """Holds an earlier result; must be whole and new after success, untouched after a failure."""
    shell: str = '"$@"'
    """How the command is started: bash, with `"$@"` in the place of the command."""
    guarded: tuple[Path, ...] = ()
    """Files that must not change at all."""
    shared: bool = False
    """Several runs write `out`: it may be new although one of them failed."""
    quiet_codes: tuple[int, ...] = ()
    """Exit codes besides 0, 1 and 2 that are right here."""
    must_fail: bool = False
    """A result would be wrong."""
    program: tuple[str, ...] = ("realtime", "process", "--model", "none")
    """The module that is run, and its first arguments."""
    equal: tuple[Path, ...] = ()
    """Files that must hold the same afterwards."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where the cases of a kind put their files, and what they can use."""

    folder: Path
    film: Path
    shown: tuple[U8, ...]
    """The film's pictures."""

    def write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def out(self, name: str = "out") -> Path:
        """An output, which exists already."""
        from benchmarks.faults.verdict import EARLIER

        return self.write(f"{name}.jsonl", EARLIER)

    def images(self, name: str, pictures: Mapping[str, U8 | bytes]) -> Path:
        """A folder of images: pictures, or the bytes of files."""
        for file, picture in pictures.items():
            if not isinstance(picture, bytes):
                picture = bytes(cv2.imencode(Path(file).suffix, picture)[1])
            self.write(f"{name}/{file}", picture)
        return self.folder / name


def _each(room: Room, streams: Mapping[str, Path], *words: str) -> Iterator[Case]:
    """Every stream into an output of its own."""
    for number, (name, path) in enumerate(streams.items()):
        out = room.out(str(number))
        yield Case(name, (path, "--out", out, *words), out)


def picture_sizes(room: Room) -> Iterator[Case]:
    """Images of wrong size in the sequence, 1×1 and 16k×16k frames."""
    shown = room.shown
    small = cv2.resize(shown[0], (100, 60))
    huge, wide = _huge(room, ".png"), _huge(room, ".jpg")
    dot = np.full((1, 1, 3), 90, np.uint8)

    def folder(name: str, odd: Mapping[int, U8 | bytes]) -> Path:
        return room.images(name, {f"{i}.png": odd.get(i, picture) for i, picture in enumerate(shown)})

    write_mkv(room.folder / "huge.mkv", [wide] * 3, [0, 20, 40], size=(HUGE, HUGE))
    write_mkv(room.folder / "lies.mkv", [wide] * 3, [0, 20, 40], size=(320, 240))
    write_mkv(room.folder / "dot.mkv", [jpeg(dot)] * 5, range(0, 100, 20), size=(1, 1))
    grows = [jpeg(picture) for picture in shown[:5]] + [jpeg(cv2.resize(shown[5], (640, 480)))] * 5
    write_mkv(room.folder / "grows.mkv", grows, range(0, 200, 20), size=(320, 240))
    yield from _each(
        room,
        {
            "one smaller image": folder("one", {5: small}),
            "the first image is smaller": folder("first", {0: small}),
            "every second image is smaller": folder("second", dict.fromkeys(range(0, 10, 2), small)),
            "every image of its own size": folder(
                "own", {i: cv2.resize(p, (200 + i, 150)) for i, p in enumerate(shown)}
            ),
            "images of 1×1": room.images("dots", {f"{i}.png": dot for i in range(10)}),
            "an image of 1×1 among others": folder("a_dot", {3: dot}),
            "images of 16k×16k": room.images("huge", {f"{i}.png": huge for i in range(3)}),
            "an image of 16k×16k among others": folder("a_huge", {4: huge, 6: huge}),
            "the first image is of 16k×16k": folder("first_huge", {0: huge}),
            "a film of 16k×16k": room.folder / "huge.mkv",
            "a film that hides 16k×16k": room.folder / "lies.mkv",
            "a film of 1×1": room.folder / "dot.mkv",
            "a film that grows": room.folder / "grows.mkv",
        },
    )


def _huge(room: Room, ending: str) -> bytes:
    """A grey picture of HUGE×HUGE, made by another process: what ours takes counts for those it starts."""
    path = room.folder / f"huge{ending}"
    code = f"import cv2, numpy; cv2.imwrite({os.fspath(path)!r}, numpy.full(({HUGE}, {HUGE}), 90, 'uint8'))"
    subprocess.run([sys.executable, "-c", code], check=True)
    return path.read_bytes()


def picture_kinds(room: Room) -> Iterator[Case]:
    """Grey, 16 bit, alpha, turned, and what else image files hold."""
    shown = room.shown

    def folder(name: str, ending: str, change: Callable[[U8], np.ndarray | bytes]) -> Path:  # type: ignore[type-arg]
        return room.images(name, {f"{i}{ending}": change(picture) for i, picture in enumerate(shown)})

    def pil(picture: U8, mode: str, form: str, **words: object) -> bytes:
        import io

        target = io.BytesIO()
        Image.fromarray(picture[:, :, ::-1]).convert(mode).save(target, form, **words)  # type: ignore[arg-type]
        return target.getvalue()

    turned = Image.Exif()
    turned[0x0112] = 6
    good = jpeg(shown[0])
    yield from _each(
        room,
        {
            "grey": folder("grey", ".png", lambda p: p[:, :, 1]),
            "grey, 16 bit": folder("grey16", ".png", lambda p: p[:, :, 1].astype(np.uint16) * 257),
            "colour, 16 bit": folder("c16", ".tif", lambda p: p.astype(np.uint16) * 257),
            "alpha": folder("alpha", ".png", lambda p: cv2.cvtColor(p, cv2.COLOR_BGR2BGRA)),
            "grey and alpha": folder("la", ".png", lambda p: pil(p, "LA", "PNG")),
            "palette": folder("pal", ".png", lambda p: pil(p, "P", "PNG")),
            "one bit": folder("bit", ".png", lambda p: pil(p, "1", "PNG")),
            "four inks": folder("cmyk", ".jpg", lambda p: pil(p, "CMYK", "JPEG")),
            "floating point": folder("float", ".tif", lambda p: p.astype(np.float32) / 255.0),
            "turned by EXIF": folder("exif", ".jpg", lambda p: pil(p, "RGB", "JPEG", exif=turned)),
            "one turned by EXIF": room.images(
                "one_exif",
                {
                    f"{i}.jpg": pil(p, "RGB", "JPEG", exif=turned if i == 4 else Image.Exif())
                    for i, p in enumerate(shown)
                },
            ),
            "JPEGs named PNG": folder("named", ".png", jpeg),
            "texts named PNG": folder("texts", ".png", lambda p: b"no picture"),
            "some empty, some cut off": room.images(
                "holes", {f"{i}.jpg": (b"", good[: 60 * i], good)[i % 3] for i in range(30)}
            ),
        },
    )  # fmt: skip


def _with_matrix(data: bytes, matrix: tuple[int, ...]) -> bytes:
    """An MP4 file whose pictures are to be shown through another matrix (ISO/IEC 14496-12, `tkhd`)."""
    at = data.index(b"tkhd") + 4 + 40
    return data[:at] + struct.pack(">9i", *matrix) + data[at + 36 :]


def _with_deltas(data: bytes, delta: int) -> bytes:
    """An MP4 file with another time between its pictures (ISO/IEC 14496-12, `stts`)."""
    at = data.index(b"stts") + 4 + 12
    return data[:at] + struct.pack(">I", delta) + data[at + 4 :]


def metadata(room: Room) -> Iterator[Case]:
    """Films that say how they were held: a quarter turn, others, and nonsense."""
    one, data = 1 << 16, room.film.read_bytes()
    matrices = {
        "turned by 90°": (0, one, 0, -one, 0, 0, 0, 0, 1 << 30),
        "turned by 180°": (-one, 0, 0, 0, -one, 0, 0, 0, 1 << 30),
        "turned by 45°": (46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30),
        "mirrored": (-one, 0, 0, 0, one, 0, 0, 0, 1 << 30),
        "a matrix of zeros": (0,) * 9,
        "a matrix of the largest numbers": (2**31 - 1,) * 9,
    }
    yield from _each(
        room,
        {name: room.write(f"{i}.mp4", _with_matrix(data, m)) for i, (name, m) in enumerate(matrices.items())},
    )


def timestamps(room: Room) -> Iterator[Case]:
    """Zero, negative and jumping times, and rates that cannot be."""
    frames = [jpeg(picture) for picture in room.shown]
    steps = list(range(0, 20 * len(frames), 20))
    rng = np.random.default_rng(0)
    courses = {
        "all zero": [0] * len(frames),
        "backwards": steps[::-1],
        "jumping": [int(t) for t in rng.integers(0, 10_000, len(frames))],
        "one day's leap": [t if t < 100 else t + 86_400_000 for t in steps],
        "a leap back": [t + 5000 if t < 100 else t for t in steps],
        "the largest": [t + 2**62 for t in steps],
        "one for all pictures": [7] * len(frames),
        "a millisecond apart": list(range(len(frames))),
    }
    streams = {}
    for number, (name, times_ms) in enumerate(courses.items()):
        streams[name] = room.folder / f"{number}.mkv"
        write_mkv(streams[name], frames, times_ms, size=(320, 240))
        streams[f"{name}, no rate"] = room.folder / f"{number}n.mkv"
        write_mkv(streams[f"{name}, no rate"], frames, times_ms, size=(320, 240), fps=None)
    streams["negative"] = room.folder / "negative.mkv"
    write_mkv(streams["negative"], frames, steps, size=(320, 240), shift_ms=-32_000)
    film = room.film.read_bytes()
    streams["no time between frames"] = room.write("none.mp4", _with_deltas(film, 0))
    streams["the longest between frames"] = room.write("most.mp4", _with_deltas(film, 2**32 - 1))
    write_film(room.folder / "rate.avi", list(room.shown))
    avi = (room.folder / "rate.avi").read_bytes()
    rate = avi.index(b"strh") + 8 + 20
    streams["a rate of 0/0"] = room.write("zero.avi", avi[:rate] + bytes(8) + avi[rate + 8 :])
    streams["a rate of 2³²/1"] = room.write(
        "most.avi", avi[:rate] + struct.pack("<II", 1, 2**32 - 1) + avi[rate + 8 :]
    )
    yield from _each(room, streams)


def nothing(room: Room) -> Iterator[Case]:
    """Streams without a frame."""
    whole = room.film.read_bytes()
    for ending in (".mp4", ".mkv", ".avi"):
        try:
            write_film(room.folder / f"no{ending}", [])
        except (OSError, ValueError):
            room.write(f"no{ending}", whole[:40])
    write_mkv(room.folder / "none.mkv", [], [])
    sound = (
        b"RIFF"
        + struct.pack("<I", 36 + 8000)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    )
    (room.folder / "empty").mkdir()
    yield from _each(
        room,
        {
            "an MP4 without frames": room.folder / "no.mp4",
            "a Matroska without frames": room.folder / "no.mkv",
            "a Matroska without clusters": room.folder / "none.mkv",
            "an AVI without frames": room.folder / "no.avi",
            "sound alone": room.write("sound.wav", sound + b"data" + struct.pack("<I", 8000) + bytes(8000)),
            "an empty file": room.write("empty.mp4", b""),
            "an empty folder": room.folder / "empty",
            "a folder of texts": room.images("texts", {"a.txt": b"x", "b.txt": b"y"}),
            "no such file": room.folder / "missing.mp4",
            "a device": Path("/dev/zero"),
            "a text": room.write("text.mp4", b"hello\n" * 1000),
        },
    )


def many(room: Room) -> Iterator[Case]:
    """10,000 tiny files."""
    dot, flat = (bytes(cv2.imencode(".png", np.full((n, n, 3), 90, np.uint8))[1]) for n in (8, 48))
    yield from _each(
        room,
        {
            "10,000 images of 8×8": room.images("tiny", {f"{i}.png": dot for i in range(10_000)}),
            "10,000 images of 48×48": room.images("small", {f"{i}.png": flat for i in range(10_000)}),
            "10,000 empty images": room.images("void", {f"{i}.png": b"" for i in range(10_000)}),
        },
        "--fps", "200",
    )  # fmt: skip
    singles = [room.write(f"each/{i}.mp4", b"x") for i in range(10_000)]
    results = room.folder / "results"
    yield Case("10,000 files of one byte as arguments", (*singles, "--out", results), must_fail=True)


def names(room: Room) -> Iterator[Case]:
    """Names that are not UTF-8, and others that few programs expect."""
    film = room.film.read_bytes()
    odd = {
        "not UTF-8": os.fsdecode(b"\xff\xfe\x80.mp4"),
        "a line break": "a\nb.mp4",
        "escape sequences": "\x1b[31mred\x1b[0m.mp4",
        "a pattern": "img%03d.mp4",
        "like a URL": "file:film.mp4",
        "the longest": "x" * 251 + ".mp4",
        "emoji": "😀.mp4",
        "no ending": "film",
        "a leading dash": "-film.mp4",
    }
    yield from _each(room, {name: room.write(f"in/{file}", film) for name, file in odd.items()})
    bad = room.write(f"bad/{odd['escape sequences']}", b"x" * 100)
    yield from _each(
        room, {"escape sequences, broken": bad, "not UTF-8, missing": room.folder / odd["not UTF-8"]}
    )
    pictures = {os.fsdecode(b"\xe9%d.png" % i): p for i, p in enumerate(room.shown)}
    yield from _each(room, {"images that are not UTF-8": room.images(os.fsdecode(b"d\xff"), pictures)})
    for name in ("not UTF-8", "a line break", "the longest", "escape sequences"):
        out = room.folder / "outs" / odd[name]
        out.parent.mkdir(exist_ok=True)
        words = ("--report", out.with_suffix(".html"), "--csv", out.with_suffix(".csv"))
        yield Case(f"outputs: {name}", (room.film, "--out", out, *words))


def full_disks(room: Room) -> Iterator[Case]:
    """No room, or not enough: from the first byte on, or later."""
    film = room.folder / "long.avi"
    write_film(film, list(room.shown) * 40)
    kinds = (
        ("--out", "jsonl"),
        ("--csv", "csv"),
        ("--report", "html"),
        ("--video", "mkv"),
        ("--video", "avi"),
    )
    disk = room.folder / "disk"
    disk.mkdir()
    for number, (flag, ending) in enumerate(kinds):
        if flag != "--video":
            yield Case(f"{flag} /dev/full", (film, flag, "/dev/full"), must_fail=True)
        for blocks in (0, 4):
            target = room.write(f"limit{number}-{blocks}.{ending}", b"earlier")
            yield Case(
                f"{flag} .{ending}, files of {blocks} KiB at most",
                (film if flag != "--out" else room.folder / "film.mp4", flag, target, *_aside(flag)),
                shell=piped(f'ulimit -f {blocks}; "$@"'),
                guarded=(target,) if flag != "--out" or not blocks else (),
                must_fail=flag != "--out" or not blocks,
            )
        if flag != "--out":
            words = (film, flag, disk / f"x.{ending}", *_aside(flag))
            yield Case(
                f"{flag} .{ending} on a disk of 8 KiB", words, shell=mounted(disk, "size=8k"), must_fail=True
            )


def piped(line: str) -> str:
    """A shell line whose complaints are not written to a file, which it may not have room for."""
    return f"set -o pipefail; ({line}) 2>&1 > /dev/null | cat >&2"


def _aside(flag: str) -> tuple[str, ...]:
    """What goes with an output: films must be allowed, and the events go where they disturb nothing."""
    rest = () if flag == "--out" else ("--out", "/dev/null")
    return (*rest, "--allow-clips") if flag == "--video" else rest


def mounted(folder: Path, options: str) -> str:
    """A shell line that runs the command beside a small disk of its own."""
    mount = f"mount -t tmpfs -o {options} none '{folder}'"
    return f'unshare -m bash -c \'{mount.replace(chr(39), chr(34))}; "$@"\' bash "$@"'


def read_only(room: Room) -> Iterator[Case]:
    """Outputs where nothing can be written."""
    disk = room.folder / "disk"
    disk.mkdir()
    for flag, ending in (("--out", "jsonl"), ("--csv", "csv"), ("--report", "html"), ("--video", "mkv")):
        words = (room.film, flag, disk / f"x.{ending}", *_aside(flag))
        yield Case(f"{flag} on a read-only disk", words, shell=mounted(disk, "ro"), must_fail=True)
        words = (room.film, flag, room.folder / f"missing/x.{ending}", *_aside(flag))
        yield Case(f"{flag} in a missing folder", words, must_fail=True)
        (room.folder / f"is.{ending}").mkdir()
        words = (room.film, flag, Path("/proc") / f"x.{ending}", *_aside(flag))
        yield Case(f"{flag} in /proc", words, must_fail=True)
    (room.folder / "file").write_bytes(b"x")
    yield Case("--out in a file", (room.film, "--out", room.folder / "file" / "x"), must_fail=True)
    (room.folder / "o.jsonl.partial").mkdir()
    yield Case(
        "--out whose partial is a folder", (room.film, "--out", room.folder / "o.jsonl"), must_fail=True
    )
    nobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
    out = room.out("owned")
    yield Case("another user's output", (room.film, "--out", out), out, shell=nobody)


def closed_pipes(room: Room) -> Iterator[Case]:
    """Readers that leave early, or were never there."""
    film = room.film
    head = 'set -o pipefail; "$@" | head -n 1 > /dev/null'
    gone = 'set -o pipefail; "$@" | true'
    for flag in ("--out", "--csv"):
        yield Case(f"{flag} - | head -n 1", (film, flag, "-", *_aside(flag)), shell=head, quiet_codes=(141,))
        yield Case(f"{flag} - | true", (film, flag, "-", *_aside(flag)), shell=gone, quiet_codes=(141,))
        yield Case(f"{flag} - >&-", (film, flag, "-", *_aside(flag)), shell='"$@" >&-', must_fail=True)
        yield Case(
            f"{flag} - > /dev/full",
            (film, flag, "-", *_aside(flag)),
            shell='"$@" > /dev/full',
            must_fail=True,
        )
    out = room.out()
    yield Case("2>&-", (film, "--out", out), out, shell='"$@" 2>&-')
    out = room.out("no_input")
    yield Case("<&-", (film, "--out", out), out, shell='"$@" <&-')
    out = room.out("none")
    yield Case("nothing open at all", (film, "--out", out), out, shell='"$@" <&- >&- 2>&-')


def same_files(room: Room) -> Iterator[Case]:
    """Outputs that are inputs, or that two runs share."""
    data = room.film.read_bytes()

    def guarded(
        name: str, target: str, *words: str | Path, prepare: Callable[[Path], object] | None = None
    ) -> Case:
        film = room.write(name, data)
        if prepare is not None:
            prepare(film)
        return Case(f"{words[0]} is {target}", (film, *words), guarded=(film,), must_fail=True)

    for flag in ("--out", "--csv", "--report"):
        film = room.folder / f"same{flag}.mp4"
        yield guarded(film.name, "the input", flag, film)
    link = room.folder / "link.jsonl"
    yield guarded("linked.mp4", "a link to the input", "--out", link, prepare=link.symlink_to)
    twin = room.folder / "twin.jsonl"
    hard = guarded("hard.mp4", "a second name of the input", "--out", twin, prepare=twin.hardlink_to)
    yield Case(hard.name, hard.words, guarded=hard.guarded)
    partial = room.folder / "x.jsonl.partial"
    yield guarded(partial.name, "the input with .partial", "--out", room.folder / "x.jsonl")
    clip = room.folder / "y.partial.mp4"
    yield guarded(clip.name, "the input with .partial", "--video", room.folder / "y.mp4", "--allow-clips")
    images = room.images("images", {f"{i}.png": p for i, p in enumerate(room.shown)})
    first = images / "0.png"
    yield Case("--out is an image of the input", (images, "--out", first), guarded=(first,), must_fail=True)
    out, table = room.out("two"), room.folder / "two.csv"
    both = '"$@" & a=$!; "$@"; b=$?; wait $a; c=$?; exit $((b > c ? b : c))'
    yield Case("two runs to one output", (room.film, "--out", out), out, shell=both, shared=True)
    yield Case("two runs to one table", (room.film, "--csv", table, "--out", "/dev/null"), shell=both)


def interrupts(room: Room) -> Iterator[Case]:
    """Signals in the first second, while loading, and later."""
    long = room.folder / "long.avi"
    write_film(long, list(room.shown) * 200)
    for name in ("INT", "TERM", "KILL"):
        for after_s in (0.2, 0.6, 6):
            out = room.out(f"{name}{after_s}")
            yield Case(
                f"SIG{name} after {after_s} s", (long, "--out", out),
                shell=f'timeout --foreground -s {name} {after_s} "$@"',
                guarded=(out,), quiet_codes=(130, 124, 137, 143),
            )  # fmt: skip


KINDS: Mapping[str, Callable[[Room], Iterator[Case]]] = {
    "picture sizes": picture_sizes,
    "picture kinds": picture_kinds,
    "turned films": metadata,
    "timestamps": timestamps,
    "no frames": nothing,
    "10,000 files": many,
    "names": names,
    "full disks": full_disks,
    "read-only outputs": read_only,
    "closed pipes": closed_pipes,
    "same files": same_files,
    "interrupts": interrupts,
}
