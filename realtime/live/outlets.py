"""From the settings of a run to its outputs."""

from __future__ import annotations

import os

from realtime.errors import UsageError
from realtime.live.settings import LiveSettings
from realtime.redaction import Redactor
from realtime.sinks.files import STDOUT
from realtime.sinks.lsl import LslSink
from realtime.sinks.mqtt import MqttSink, is_for_mqtt
from realtime.sinks.outlet import Outlet
from realtime.sinks.records import Record
from realtime.sinks.rolling import EVENT_TYPES, FileSettings, LiveCsv, LiveJsonLines
from realtime.sinks.webhook import WebhookSink


def make_outlets(settings: LiveSettings) -> list[Outlet]:
    """The outputs that were asked for; JSON Lines to standard output where none was.

    Raises `UsageError` where a package is missing, or an output names the file of another or of a camera.
    """
    chosen, redact = settings.outputs, Redactor(settings.secrets)
    if chosen.csv is not None and chosen.csv.path == STDOUT:
        raise UsageError("the table of events needs a file: --csv PATH")
    _refuse_same_files(settings)
    outlets = []
    if chosen.mqtt is not None:
        sink = MqttSink(chosen.mqtt)
        outlets.append(Outlet(sink, store=chosen.mqtt.store, wants=is_for_mqtt, redact=redact))
    if chosen.webhook is not None:
        hook = WebhookSink(chosen.webhook)
        outlets.append(Outlet(hook, store=chosen.webhook.store, wants=is_event, redact=redact))
    if chosen.lsl is not None:
        outlets.append(Outlet(LslSink(chosen.lsl), redact=redact))
    if chosen.csv is not None:
        outlets.append(Outlet(LiveCsv(chosen.csv), wants=is_event, redact=redact))
    if chosen.jsonl is not None or not outlets:
        outlets.append(Outlet(LiveJsonLines(chosen.jsonl or FileSettings()), redact=redact))
    return outlets


def _refuse_same_files(settings: LiveSettings) -> None:
    """Whatever way a file is written, and the names under which full ones are kept."""
    taken = {
        os.path.realpath(camera.source): f"camera {name} reads"
        for name, camera in settings.cameras.items()
        if os.path.isfile(camera.source)
    }
    for output in (settings.outputs.jsonl, settings.outputs.csv):
        if output is None or output.path == STDOUT:
            continue
        names = [output.path, *(f"{output.path}.{number}" for number in range(1, output.keep + 1))]
        for name in names:
            for other, whose in taken.items():
                if _is_same_file(name, other):
                    raise UsageError(f"{output.path}: {whose} the same file; name another")
        taken |= {os.path.realpath(name): "another output writes" for name in names}


def _is_same_file(one: str, other: str) -> bool:
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def is_event(record: Record) -> bool:
    """Whether a record is a finished event."""
    return record["type"] in EVENT_TYPES
