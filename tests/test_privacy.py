"""Nothing leaves the machine, no face is stored unasked, and nothing of a person or a password is told."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import Clip
from live_servers import PATIENCE_S, REQUIRED, until

from realtime import types
from realtime.errors import OutputError
from realtime.sinks.files import OutputFile, private_file
from realtime.sources.feed import Shot
from realtime.types import AlignedFace, Face, Frame, HeadPose, KeyFrameEvidence
from realtime.view.film import Film

ROOT = Path(__file__).parent.parent
SECRET = "pa55-of-the-door"
HOOK = """
import os, sys
_log = os.open(os.environ["NETWORK_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(_log, b"watched\\n")
_LOCAL = ("127.0.0.1", "::1", "localhost", None, "", b"localhost")

def _watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        host = args[1][0] if isinstance(args[1], tuple) else None  # else: a path, or where it is connected to
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = args[0]
    else:
        return
    if host not in _LOCAL:
        os.write(_log, f"{event} {host}\\n".encode())
        raise PermissionError(f"{event} {host}")

sys.addaudithook(_watch)
"""
BREAK = """
import realtime.faces.alignment as alignment

def _broken(self, frame, face):
    raise RuntimeError(f"{frame} {face} {os.environ.get('AT_HAND')}")

alignment.FaceAligner.push = _broken
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A process that has ended, and what it tried."""

    code: int
    out: str
    err: str
    attempts: list[str]
    """Of Python code, to resolve or reach anything but this machine."""
    processes: int
    native: list[str] | None
    """The same of any code at all, as the kernel saw it; None where nobody could look."""


def watched(folder: Path, words: list[str], *, hook: str = HOOK) -> Watched:
    """Run Python with every socket outside loopback refused and noted."""
    (folder / "hook").mkdir(exist_ok=True)
    (folder / "hook" / "sitecustomize.py").write_text(hook)
    log, trace = folder / "network.log", folder / "trace.log"
    log.unlink(missing_ok=True)
    tracer = strace()
    before = [tracer, "-f", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)]
    done = subprocess.run(
        [*(before if tracer else []), sys.executable, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,
    )
    noted = log.read_text().splitlines()
    native = (
        [line for line in trace.read_text().splitlines() if "sa_family=AF_INET" in line] if tracer else None
    )
    attempts = [line for line in noted if line != "watched"]
    return Watched(done.returncode, done.stdout, done.stderr, attempts, noted.count("watched"), native)


def environment(folder: Path, **more: str) -> dict[str, str]:
    path = os.pathsep.join([str(folder / "hook"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "NETWORK_LOG": str(folder / "network.log"), **more}


def strace() -> str | None:
    """The tracer, where it is there and may trace."""
    found = shutil.which("strace")
    works = found is not None and not subprocess.run(
        [found, "-f", "--seccomp-bpf", "-o", os.devnull, "true"], capture_output=True, check=False
    ).returncode  # fmt: skip
    assert works or not os.environ.get(REQUIRED), "needs strace, and leave to trace"
    return found if works else None


# Nothing leaves the machine


def test_an_attempt_would_be_noticed(tmp_path: Path) -> None:
    code = (
        "import contextlib, socket\n"
        "for host in ('192.0.2.1', 'example.invalid'):\n"
        "    with contextlib.suppress(OSError):\n"
        "        socket.create_connection((host, 9), timeout=0.2)\n"
    )
    found = watched(tmp_path, ["-c", code])
    assert [line.split()[1] for line in found.attempts] == ["192.0.2.1", "example.invalid"]
    unhooked = HOOK.replace("sys.addaudithook(_watch)", "")
    native = watched(tmp_path, ["-c", code], hook=unhooked).native
    assert native is None or any("192.0.2.1" in line for line in native)


def test_process_and_live_talk_to_nobody(clip: Clip, tmp_path: Path) -> None:
    words = ["-m", "realtime", "process", str(clip.video), "-v", "--report", "r.html", "--csv", "f.csv"]
    found = watched(tmp_path, [*words, "--explain", "--out", "e.jsonl", "--allow-faces", "--timing"])
    assert (found.code, found.attempts, found.native or []) == (0, [], []), found.err
    assert (tmp_path / "r.html").stat().st_size > 10_000
    live = ["-m", "realtime", "live", str(clip.video), "-v", "--out", "l.jsonl", "--csv", "l.csv"]
    found = watched(tmp_path, live)
    assert (found.code, found.attempts, found.native or []) == (0, [], []), found.err
    assert found.processes >= 2, "the camera's own process was not watched"
    assert '"summary"' in (tmp_path / "l.jsonl").read_text()


# What is told of a failure


def assert_tells_nothing(text: str) -> None:
    for sign in (SECRET, "array(", "[[", "base64", "\\x"):
        assert sign not in text, text


def test_a_crash_tells_neither_pixels_nor_landmarks(clip: Clip, tmp_path: Path) -> None:
    """The failure prints all that it has at hand, as a careless line of code would."""
    words = ["-m", "realtime", "process", str(clip.video), "-v", "--out", "e.jsonl", "--model", "none"]
    found = watched(tmp_path, words, hook=HOOK + BREAK)
    assert found.code != 0
    assert "RuntimeError: Frame(index=0" in found.err
    assert_tells_nothing(found.out + found.err)


def test_a_camera_that_crashes_tells_no_password_either(clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK + BREAK)
    words = ["-m", "realtime", "live", str(clip.video), "-v", "--out", "e.jsonl", "--model", "none"]
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment(tmp_path, AT_HAND=f"rtsp://viewer:{SECRET}@cam/1"),
            stderr=err,
        )
    with process:
        until(lambda: "RuntimeError: Frame(index=0" in (tmp_path / "err").read_text(), "a crash")
        process.terminate()
    said = (tmp_path / "err").read_text()
    assert "cam/1" in said
    assert_tells_nothing(said + (tmp_path / "e.jsonl").read_text())


def test_a_camera_that_cannot_be_reached_tells_no_password(tmp_path: Path) -> None:
    """With everything said that there is to say, libraries included."""
    url = f"rtsp://viewer:{SECRET}@127.0.0.1:1/stream?token={SECRET}"
    words = ["-m", "realtime", "live", url, "-v", "--out", "e.jsonl", "--retries", "1", "--model", "none"]
    found = watched(tmp_path, words)
    assert found.code == 1
    for text in (found.out, found.err, (tmp_path / "e.jsonl").read_text()):
        assert_tells_nothing(text)
    assert "127.0.0.1" in found.err


def persons() -> Iterator[object]:
    pixels, points = np.full((40, 40, 3), 77, np.uint8), np.full((468, 3), 77.0, np.float32)
    pose = HeadPose(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    affine = np.eye(2, 3)
    yield Frame(0, 0.0, pixels)
    yield Face(0, points, measured=True)
    yield AlignedFace(0, 0.0, 0, pixels, pixels[..., 0], affine, affine, pose, points, 0.3)
    yield KeyFrameEvidence(pixels, points)
    yield Shot(0, 0.0, 0.0, 0.0, pixels)


def test_what_holds_a_person_shows_nothing_of_it() -> None:
    for item in persons():
        assert "77" not in repr(item)
    told = {
        f"{kind.__name__}.{field.name}"
        for kind in vars(types).values()
        if isinstance(kind, type) and is_dataclass(kind)
        for field in fields(kind)
        if field.repr and any(name in str(field.type) for name in ("U8", "F32", "F64", "NDArray"))
    }
    assert told == {
        "AlignedFace.crop_to_canonical",
        "AlignedFace.frame_to_crop",
        "Motion.regions",
        "Motion.lids",
    }


# Files that show a face


@pytest.fixture(params=[0o000, 0o022, 0o777])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("earlier", ["nothing", "a wide file", "a link", "a wide file that was left"])
@pytest.mark.parametrize("kind", ["report", "film"])
def test_faces_go_into_files_that_only_their_owner_can_read(tmp_path: Path, kind: str, earlier: str) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / ("page.html" if kind == "report" else "film.avi")
    partial = tmp_path / ("page.html.partial" if kind == "report" else "film.partial.avi")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    elsewhere.chmod(0o666)
    if earlier == "a link":
        partial.symlink_to(elsewhere)
    elif earlier != "nothing":
        wide = partial if "left" in earlier else path
        wide.touch()
        wide.chmod(0o666)
    held = partial.open("rb") if "left" in earlier else None
    write_face(path, kind, partial)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == b""
    if held is not None:  # somebody who had the earlier file open
        with held:
            assert held.read() == b""


def write_face(path: Path, kind: str, partial: Path) -> None:
    if kind == "report":
        file = OutputFile(path, private=True)
        file.write(b"a face", flush=True)
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        file.commit()
        return
    film = Film(path, 25.0, (64, 64))
    film.write(np.zeros((64, 64, 3), np.uint8), 0.0)
    assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    film.close()


def test_a_private_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        private_file(tmp_path / "none" / "x")


def test_a_face_goes_into_no_pipe_and_no_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.html")
    for path in (tmp_path / "pipe.html", Path(os.devnull)):
        with pytest.raises(OutputError, match="is no file"):
            OutputFile(path, private=True)
