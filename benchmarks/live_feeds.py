"""Many live feeds at once: frames per second, drops and CPU per camera, and how fast a lost feed is back.

    python -m benchmarks.live_feeds --cameras 8 --seconds 60

Serves one synthesised 640×480 stream over HTTP (MJPEG) from a process of its own and runs `glimpse live` on
it, once per camera. CPU is that of the cameras' own processes; the server's comes on top.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2

from offline.synthesis.identities import make_identity
from offline.synthesis.stream import StreamPlan, SyntheticStream

WARM_UP_S = 5.0
SAMPLE = re.compile(r'^glimpse_(\w+?)(?:_total)?\{camera="([^"]+)"\} (\S+)$', re.MULTILINE)


def main() -> int:
    """Run the benchmark and print a table in Markdown; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0, help="measured, after all cameras run")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--model", default="default")
    parser.add_argument("--outages", type=int, default=3, help="how often the server is killed, at the end")
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--pictures", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        _serve(options.serve, Path(options.pictures), options.fps)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        _render(Path(folder), options.fps)
        _measure(options, Path(folder))
    return 0


def _render(folder: Path, fps: float) -> None:
    plan = StreamPlan(
        make_identity(3), seconds=6.0, events=2, fps=fps, width=640, height=480, face_width_px=180.0, seed=5
    )
    for number, image in enumerate(SyntheticStream(plan).frames()):
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 90])


def _serve(port: int, folder: Path, fps: float) -> None:
    """The stream forwards and backwards without end, to everyone who asks."""
    pictures = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    endless = pictures + pictures[-2:0:-1]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            started_s = time.monotonic()
            number = 0
            try:
                while True:
                    data = endless[number % len(endless)]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    self.wfile.write(head.encode() + data + b"\r\n")
                    number += 1
                    time.sleep(max(started_s + number / fps - time.monotonic(), 0.0))
            except OSError:
                pass

        def log_message(self, format: str, *args: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


class _Server:
    """The stream's server in a process of its own."""

    def __init__(self, port: int, folder: Path, fps: float) -> None:
        self._port = port
        self._command = [sys.executable, "-m", "benchmarks.live_feeds", "--serve", str(port)]
        self._command += ["--pictures", str(folder), "--fps", str(fps)]
        self.start()

    def start(self) -> None:
        """Start, and return when it answers."""
        self._process = subprocess.Popen(self._command)
        while self._process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            time.sleep(0.01)
        raise SystemExit("the server does not start")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def _glimpse(config: Path, model: str) -> Iterator[tuple[subprocess.Popen[bytes], list[dict[str, Any]]]]:
    """`glimpse live` and the records that it has written so far, each with the time at which it came."""
    command = [sys.executable, "-m", "realtime", "live", "--config", str(config), "--model", model]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    records: list[dict[str, Any]] = []

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            records.append({**json.loads(line), "came_s": time.monotonic()})

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield process, records
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def _measure(options: argparse.Namespace, folder: Path) -> None:
    port, metrics = 18_554, 18_555
    config = folder / "cameras.yaml"
    names = [f"camera-{number}" for number in range(options.cameras)]
    cameras = {name: f"http://127.0.0.1:{port}/{name}" for name in names}
    config.write_text(json.dumps({"cameras": cameras, "metrics": metrics}))
    server = _Server(port, folder, options.fps)
    try:
        with _glimpse(config, options.model) as (_, records):
            _wait(records, "running", options.cameras)
            time.sleep(WARM_UP_S)
            before, started_s = _scrape(metrics), time.monotonic()
            time.sleep(options.seconds)
            after, span_s = _scrape(metrics), time.monotonic() - started_s
            _print(before, after, span_s)
            _outages(options, server, records)
    finally:
        server.kill()


def _wait(records: list[dict[str, Any]], state: str, count: int, after_s: float = 0.0) -> None:
    ends_s = time.monotonic() + 300.0
    while (
        len({r["camera"] for r in list(records) if r.get("state") == state and r["came_s"] > after_s}) < count
    ):
        if time.monotonic() > ends_s:
            raise SystemExit("the cameras do not run")
        time.sleep(0.02)


def _scrape(port: int) -> dict[tuple[str, str], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
        text = page.read().decode()
    return {(name, camera): float(value) for name, camera, value in SAMPLE.findall(text)}


def _print(before: dict[tuple[str, str], float], after: dict[tuple[str, str], float], span_s: float) -> None:
    print(f"{os.cpu_count()} cores, {span_s:.0f} s, load average {os.getloadavg()[0]:.1f}\n")
    print("| camera | fps in | fps processed | dropped | CPU, cores | CPU per frame |")
    print("|---|---|---|---|---|---|")
    for camera in sorted({camera for _, camera in after}):
        came, lost, cpu_s = (
            after[name, camera] - before[name, camera] for name in ("frames", "frames_dropped", "cpu_seconds")
        )
        done = came - lost
        print(
            f"| {camera} | {came / span_s:.1f} | {done / span_s:.1f} | {lost / max(came, 1):.1%} "
            f"| {cpu_s / span_s:.2f} | {1000 * cpu_s / max(done, 1):.1f} ms |"
        )


def _outages(options: argparse.Namespace, server: _Server, records: list[dict[str, Any]]) -> None:
    """Kill the server, start it again, and wait until every camera delivers."""
    for number in range(options.outages):
        killed_s = time.monotonic()
        server.kill()
        time.sleep(4.0 * (number + 1))
        server.start()
        ready_s = time.monotonic()
        _wait(records, "running", options.cameras, after_s=killed_s)
        back = [
            r["came_s"] for r in records if "gap_s" in r and r["type"] == "status" and r["came_s"] > killed_s
        ]
        late = sorted(max(came_s - ready_s, 0.0) for came_s in back)
        print(
            f"\nserver away for {ready_s - killed_s:.1f} s: after its return the first camera ran within "
            f"{late[0]:.1f} s, the last within {late[-1]:.1f} s"
        )


if __name__ == "__main__":
    sys.exit(main())
