"""`glimpse live`: its arguments, and from them a run."""

from __future__ import annotations

import argparse
import queue
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from realtime import terminal
from realtime.devices import DEVICES
from realtime.errors import ConfigError, UsageError
from realtime.live.window import INSTEAD
from realtime.route_options import add_route_options, with_options

if TYPE_CHECKING:
    from realtime.live.settings import LiveSettings

_OUTPUT_FLAGS = {"out": "jsonl", "csv": "csv", "mqtt": "mqtt", "webhook": "webhook", "lsl": "lsl"}
_CHECK_S = 60.0
"""What looking at a camera may take besides waiting for it; on a busy machine its start alone takes long."""
_CAMERA_FLAGS = ("max_faces", "fps", "pace", "rtsp_transport", "retries")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `glimpse live`."""
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        metavar="SOURCE",
        help="device (0, /dev/video0), URL (rtsp://, http://, …) or file",
    )
    add("--config", metavar="YAML", help="cameras, outputs and settings; '{NAME}' is an environment variable")
    add("--check", action="store_true", help="load the model, open every camera, say what it shows, and end")
    add("--seconds", type=float, metavar="S", help="end after this time, --check too")
    add("--name", metavar="NAME", help="name of the camera in all records")
    add("--max-faces", type=int, metavar="N", help="most faces at once (default: 1)")
    add("--fps", type=float, metavar="N", help="frame rate to ask a device for")
    add("--pace", choices=("real", "fast"), help="of a file: its own pace (default), or as fast as it goes")
    add("--rtsp-transport", choices=("tcp", "udp"), help="default: tcp")
    add("--retries", type=int, metavar="N", help="attempts to connect again (default: without end)")
    add("--model", metavar="NAME|DIR", help="model bundle (default: default); 'none': no labels")
    add("--device", choices=DEVICES, help="where the network runs")
    add("--route", metavar="YAML", help="settings of the route, as for `glimpse process --config`")
    add_route_options(parser)
    add(
        "--web", nargs="?", const="", metavar="[HOST:]PORT", help="a live page with pictures (127.0.0.1:8765)"
    )
    add("--show", action="store_true", help="a window for every camera; h in it shows the keys")
    add("--allow-clips", action="store_true", help="let the window save an event's clip: a film of the face")
    outputs = parser.add_argument_group("outputs (JSON Lines to standard output where none is named)")
    add = outputs.add_argument
    add("--out", metavar="PATH", help="JSON Lines; '-' is standard output, a file is continued")
    add("--csv", metavar="PATH", help="table of events; a file is continued")
    add("--mqtt", metavar="URL", help="MQTT broker, mqtt://host or mqtts://host")
    add("--webhook", metavar="URL", help="server that gets every event as a POST")
    add("--lsl", nargs="?", const="glimpse", metavar="NAME", help="markers for the Lab Streaming Layer")
    add("--metrics", metavar="[HOST:]PORT", help="serve /metrics and /healthz (host: 127.0.0.1)")
    terminal.add_verbose(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command; gives the exit code."""
    from realtime.live.metrics import MetricsServer
    from realtime.live.outlets import make_outlets
    from realtime.live.supervisor import Supervisor
    from realtime.redaction import Redactor

    if options.seconds is not None and not 0 < options.seconds < 1e9:
        raise UsageError("--seconds must be above 0")
    if options.max_faces is not None and options.max_faces < 1:
        raise UsageError(f"--max-faces must lie in 1..16, not {options.max_faces}")
    settings = _settings(options)
    Redactor(settings.secrets).guard_log()
    if settings.show:
        from realtime.sinks.window import check_display

        check_display(INSTEAD)
    if options.check:
        return _check(settings, options.seconds)
    outlets = make_outlets(settings)
    with ExitStack() as servers:
        page = None
        if settings.web is not None:
            from realtime.live.page.page import LivePage

            page = servers.enter_context(LivePage(settings))
            outlets.append(page.outlet)
        supervisor = Supervisor(settings, outlets, seconds=options.seconds, link=page.link if page else None)
        if page is not None:
            page.serve(supervisor.fleet)
        if settings.metrics is not None:
            servers.callback(MetricsServer(settings.metrics, supervisor.fleet, outlets).close)
        return supervisor.run()


def _settings(options: argparse.Namespace) -> LiveSettings:
    from realtime.live.settings import (
        PORTS,
        CameraSettings,
        LiveSettings,
        default_name,
        listen,
        load_live,
        output,
        with_secrets,
        with_token,
    )

    if (options.source is None) == (options.config is None):
        raise UsageError("name either a SOURCE or a file with --config")
    flags = {name: getattr(options, name) for name in _CAMERA_FLAGS if getattr(options, name) is not None}
    if options.config is not None:
        if flags or options.name:
            flag = "--" + (next(iter(flags), "name")).replace("_", "-")
            raise UsageError(f"{flag} goes with a SOURCE; in {options.config} it stands under the camera")
        settings = load_live(options.config)
    else:
        camera = _flagged(lambda: CameraSettings(source=options.source, **flags))
        settings = LiveSettings({options.name or default_name(options.source): camera})
    chosen = {
        kind: _flagged(partial(output, kind, getattr(options, flag), f"--{flag}"))
        for flag, kind in _OUTPUT_FLAGS.items()
        if getattr(options, flag) is not None
    }
    more = {n: getattr(options, n) for n in ("model", "device") if getattr(options, n) is not None}
    for kind in PORTS:
        if getattr(options, kind) is not None:
            where = getattr(options, kind) or None
            more[kind] = _flagged(partial(listen, kind, where, f"--{kind}"))
    if options.route is not None:
        from realtime.config import load_config

        more["route"] = load_config(options.route)
    if options.allow_clips and not options.show:
        raise UsageError("--allow-clips is about the window; open it with --show")
    more |= {"show": options.show, "allow_clips": options.allow_clips}
    settings = replace(settings, outputs=replace(settings.outputs, **chosen), **more)
    settings = replace(settings, route=with_options(settings.route, options))
    settings = _flagged(lambda: with_token(settings))
    return with_secrets(settings, list(settings.secrets))


def _flagged(make: Callable[[], Any]) -> Any:
    """What `make` gives; its complaint about a value is one about the command line."""
    try:
        return make()
    except ConfigError as error:
        raise UsageError(str(error)) from None


def _check(settings: LiveSettings, limit_s: float | None) -> int:
    """Open all cameras at once; one line each, in the order of the settings. Ends within `limit_s`.

    Raises `BundleError` or `DeviceError` where the model could not run.
    """
    from realtime.api import load_recognizer
    from realtime.live.camera_process import CameraProcess, Exit, Message
    from realtime.redaction import Redactor

    if settings.model != "none":
        load_recognizer(settings.model, device=settings.device)  # type: ignore[arg-type]
    inbox: queue.Queue[Message] = queue.Queue()
    redact = Redactor(settings.secrets)
    processes = {name: CameraProcess(name, settings, inbox, redact) for name in settings.cameras}
    limit_s = limit_s or _CHECK_S + max(
        c.open_timeout_s + c.read_timeout_s for c in settings.cameras.values()
    )
    ends_s = time.monotonic() + limit_s
    found: dict[str, Any] = {}
    waiting = set(processes)
    try:
        for name, process in processes.items():
            try:
                process.start(check=True)
            except OSError as error:
                found[name] = {"reason": f"its process cannot be started: {error.strerror or error}"}
                waiting.discard(name)
        while waiting:
            name, message = inbox.get(timeout=max(ends_s - time.monotonic(), 0.0))
            if isinstance(message, Exit):
                waiting.discard(name)
                found.setdefault(name, {"reason": f"its process broke down ({message.said})"})
            elif message["type"] == "check" or message.get("state") == "failed":
                found[name] = message
    except queue.Empty:
        found |= {name: {"reason": f"no answer within {limit_s:g} s"} for name in waiting - set(found)}
    finally:
        for process in processes.values():
            process.kill()
    for name in settings.cameras:
        print(redact(_line(name, found[name])))
    sys.stdout.flush()
    return int(not all(found[name].get("ok") for name in settings.cameras))


def _line(name: str, found: dict[str, Any]) -> str:
    if not found.get("ok"):
        return f"{name}: failed: {found['reason']}"
    rate = "" if found["measured_fps"] is None else f", {found['measured_fps']:g} measured"
    faces = {0: "no face", 1: "1 face"}.get(found["faces"], f"{found['faces']} faces")
    return (
        f"{name}: {found['width']}×{found['height']}, {found['fps']:g} fps{rate}, "
        f"first picture after {found['first_picture_s']:g} s, {faces} in view"
    )
