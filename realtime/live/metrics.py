"""`/metrics` for Prometheus and `/healthz`, on an address of one's own choice."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from realtime.errors import OutputError
from realtime.live.fleet import CameraState, Fleet
from realtime.live.gauges import LATENCY_BUCKETS_S
from realtime.sinks import extras
from realtime.sinks.outlet import Outlet
from realtime.web.access import Access, Listen, by_name

_COUNTERS = (
    ("glimpse_frames", "Frames of the feed, dropped ones included.", "frames"),
    ("glimpse_frames_dropped", "Frames dropped because the route was too slow.", "skipped/dropped"),
    ("glimpse_face_frames", "Frames in which a face was measured.", "face_frames"),
    ("glimpse_reconnects", "How often the feed was lost and came back.", "reconnects"),
    ("glimpse_gap_seconds", "Time without pictures.", "gap_s"),
    ("glimpse_cpu_seconds", "CPU time of the camera's process.", "cpu_s"),
)
_HISTOGRAMS = (
    ("glimpse_frame_latency_seconds", "From arrival of a frame to the end of its route.", "frame_latency"),
    ("glimpse_event_delay_seconds", "From the apex of an event to its record.", "event_delay"),
)


class Metrics:
    """A collector of prometheus_client over a fleet and its outlets."""

    def __init__(self, fleet: Fleet, outlets: Sequence[Outlet]) -> None:
        """Raises `UsageError` where prometheus-client is missing."""
        self._families = extras.load("prometheus_client.core", "--metrics", "live")
        self._library = extras.load("prometheus_client", "--metrics", "live")
        self._fleet, self._outlets = fleet, outlets
        self._registry = self._library.CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def page(self) -> bytes:
        """The exposition in text."""
        text: bytes = self._library.generate_latest(self._registry)
        return text

    def collect(self) -> Iterator[Any]:
        """Metric families, for the library."""
        states = self._fleet.states()
        counter, gauge = self._families.CounterMetricFamily, self._families.GaugeMetricFamily
        for name, text, key in _COUNTERS:
            yield self._family(counter(name, text, labels=["camera"]), states, lambda s, k=key: s.total(k))
        yield self._events(counter, states)
        for name, text, value in (
            ("glimpse_fps_in", "Frames per second that come.", lambda s: s.rates[0]),
            ("glimpse_fps_processed", "Frames per second that are processed.", lambda s: s.rates[1]),
            ("glimpse_faces", "Faces in view.", lambda s: s.gauges.get("faces", 0)),
            ("glimpse_face_present", "1 where a face is in view.", lambda s: bool(s.gauges.get("faces", 0))),
            ("glimpse_up", "1 where the camera runs.", lambda s: s.is_healthy),
            ("glimpse_process_restarts", "Restarts of the camera's process.", lambda s: s.restarts),
        ):
            yield self._family(gauge(name, text, labels=["camera"]), states, value)
        yield from self._histograms(states)
        yield from self._of_outlets(counter, gauge)

    @staticmethod
    def _family(family: Any, states: dict[str, CameraState], value: Any) -> Any:
        for camera, state in states.items():
            family.add_metric([camera], float(value(state)))
        return family

    @staticmethod
    def _events(counter: Any, states: dict[str, CameraState]) -> Any:
        family = counter("glimpse_events", "Events found.", labels=["camera", "type"])
        for camera, state in states.items():
            for kind in ("micro_expression", "macro_expression"):
                family.add_metric([camera, kind], state.total(f"events/{kind}"))
        return family

    def _histograms(self, states: dict[str, CameraState]) -> Iterator[Any]:
        for name, text, key in _HISTOGRAMS:
            family = self._families.HistogramMetricFamily(name, text, labels=["camera"])
            for camera, state in states.items():
                below, buckets = 0.0, []
                for position, limit in enumerate((*LATENCY_BUCKETS_S, float("inf"))):
                    below += state.total(f"{key}/counts/{position}")
                    buckets.append(("+Inf" if limit == float("inf") else repr(limit), below))
                family.add_metric([camera], buckets, state.total(f"{key}/sum_s"))
            yield family

    def _of_outlets(self, counter: Any, gauge: Any) -> Iterator[Any]:
        for kind, name, text, field in (
            (counter, "glimpse_output_delivered", "Records delivered.", "delivered"),
            (counter, "glimpse_output_lost", "Records lost.", "lost"),
            (counter, "glimpse_output_refused", "Records that the other side refuses for good.", "refused"),
            (counter, "glimpse_output_failures", "Attempts that failed.", "failures"),
            (gauge, "glimpse_output_waiting", "Records that wait.", "waiting"),
        ):
            family = kind(name, text, labels=["output"])
            for outlet in self._outlets:
                family.add_metric([outlet.sink.name], float(getattr(outlet, field)))
            yield family


_MOST_REQUESTS = 32
_WAIT_S = 1.0
_REQUEST_S = 10.0
"""How long one request may take, from its first byte to the answer's last."""


class _Bounded(ThreadingHTTPServer):
    """Answers so many at once; others wait for a while in the system's queue."""

    daemon_threads = True

    def __init__(self, where: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(_MOST_REQUESTS)
        super().__init__(where, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(timeout=_WAIT_S):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        patience = threading.Timer(_REQUEST_S, _hang_up, (request,))
        patience.daemon = True
        patience.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            patience.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up half-way is no news."""


def _hang_up(request: socket.socket) -> None:
    with suppress(OSError):  # it has ended by itself
        request.shutdown(socket.SHUT_RDWR)


class MetricsServer:
    """Serves both pages in threads of its own.

    On another address than this machine's own, `/metrics` needs `Authorization: Bearer TOKEN`, and
    `/healthz` without it says only whether all is well, not which cameras there are.
    """

    def __init__(self, listen: Listen, fleet: Fleet, outlets: Sequence[Outlet]) -> None:
        """Raises `OutputError` where the address cannot be used."""
        metrics = Metrics(fleet, outlets)
        access = Access.of(listen.host, listen.token)

        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version = "glimpse", ""

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                headers = by_name(self.headers.items())
                known = access.lets_in(headers)
                if not access.knows_host(headers.get("host", "")):
                    self._answer(421, "text/plain", b"this server does not answer to that name\n")
                elif path == "/metrics" and not known:
                    self._answer(401, "text/plain", b"send the token: Authorization: Bearer ...\n")
                elif path == "/metrics":
                    self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics.page())
                elif path == "/healthz":
                    states = {name: state.state for name, state in fleet.states().items()}
                    healthy = fleet.is_healthy
                    body = json.dumps({"healthy": healthy, **({"cameras": states} if known else {})}).encode()
                    self._answer(200 if healthy else 503, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"there are /metrics and /healthz\n")

            def _answer(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Content-Type-Options", "nosniff")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are not logged."""

        try:
            self._server = _Bounded((listen.host, listen.port), Handler)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise OutputError(f"--metrics {listen.shown}: cannot be used: {why}") from error
        if access.token and not listen.token:
            print(f"glimpse: the token of --metrics is {access.token}", file=sys.stderr, flush=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """The port that is served, also where 0 was asked for."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
