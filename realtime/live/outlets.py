"""From the settings of a run to its outputs."""

from __future__ import annotations

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

    Raises `UsageError` where a package is missing or two outputs name one file.
    """
    chosen, redact = settings.outputs, Redactor(settings.secrets)
    if chosen.csv is not None and chosen.csv.path == STDOUT:
        raise UsageError("the table of events needs a file: --csv PATH")
    if chosen.csv is not None and chosen.jsonl is not None and chosen.csv.path == chosen.jsonl.path:
        raise UsageError(f"{chosen.csv.path}: two outputs name the same file")
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


def is_event(record: Record) -> bool:
    """Whether a record is a finished event."""
    return record["type"] in EVENT_TYPES
