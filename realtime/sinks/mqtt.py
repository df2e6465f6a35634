"""Records to an MQTT broker: `<prefix>/<camera>/events`, `…/status`, and `<prefix>/available`."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from realtime.errors import ConfigError, OutputError
from realtime.redaction import without_credentials
from realtime.sinks import extras
from realtime.sinks.records import Record, to_line

_SCHEMES = {"mqtt": (1883, False), "mqtts": (8883, True)}
_ACK_S = 1.0
_SESSION_S = 3600


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """A broker."""

    url: str = ""
    """`mqtt://host[:port]`, or `mqtts://` for TLS; `user:password@` before the host where it is needed."""
    username: str = ""
    password: str = ""
    ca: str = ""
    """File of the certificates that are trusted; empty: the system's."""
    prefix: str = "glimpse"
    client_id: str = ""
    """Empty: one that no other run has."""
    qos: int = 2
    """2: every event arrives once; 1: for brokers without 2, at least once."""
    store: int = 10_000
    """Records that are kept while the broker is away."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            shown = without_credentials(self.url)
            raise ConfigError(f"mqtt: '{shown}' is no broker; write mqtt://host or mqtts://host")
        try:
            _ = parts.port
        except ValueError:
            raise ConfigError("mqtt: the port is no number between 0 and 65535") from None
        if self.qos not in (1, 2):
            raise ConfigError(f"mqtt: qos must be 1 or 2, not {self.qos}")
        if not self.prefix or set(self.prefix) & set("#+\0"):
            raise ConfigError("mqtt: prefix must be the beginning of a topic, without # and +")
        if not 1 <= self.store <= 1_000_000:
            raise ConfigError(f"mqtt: store must lie in 1..1000000, not {self.store}")


class MqttSink:
    """One record at a time, each acknowledged before the next; while the broker is away they wait outside.

    Events and status records are sent; the last status of every camera and `available` are retained.
    `available` is "online", and "offline" after the end, which the broker itself says (last will) when
    this process dies.
    """

    def __init__(self, settings: MqttSettings) -> None:
        """Raises `UsageError` where paho-mqtt is missing."""
        self._paho = extras.load("paho.mqtt.client", "MQTT", "live")
        self._settings = settings
        self.name = f"MQTT {without_credentials(settings.url)}"
        self._acknowledged = threading.Condition()
        self._done: set[int] = set()
        self._pending: tuple[Record, int] | None = None
        self._refusal: str | None = None
        self._client = self._make_client()

    def open(self) -> None:
        """Start to connect; a broker that is away is waited for. Raises `OutputError` for bad
        certificates."""
        parts = urlsplit(self._settings.url)
        port, tls = _SCHEMES[parts.scheme]
        if tls:
            try:
                self._client.tls_set(ca_certs=self._settings.ca or None)
            except (OSError, ValueError) as error:
                raise OutputError(f"{self.name}: the certificates cannot be used: {error}") from error
        self._client.connect_async(
            parts.hostname,
            parts.port or port,
            keepalive=15,
            clean_start=self._paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=self._session(),
        )
        self._client.loop_start()

    def write(self, record: Record) -> None:
        """Publish and wait for the broker's word. Raises `OutputError` while there is none."""
        if self._pending is None or self._pending[0] is not record:
            if not self._client.is_connected():
                raise OutputError(self._refusal or "the broker is away; events are kept")
            topic, retain = self._topic(record)
            sent = self._client.publish(topic, to_line(record)[:-1], self._settings.qos, retain)
            self._pending = (record, sent.mid)
        number = self._pending[1]
        with self._acknowledged:
            if not self._acknowledged.wait_for(lambda: number in self._done, _ACK_S):
                raise OutputError("the broker does not acknowledge; events are kept")
            self._done.clear()
        self._pending = None

    def close(self) -> None:
        """Say "offline" and disconnect."""
        if self._client.is_connected():
            self._client.publish(self._available, b"offline", 1, True)
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def _available(self) -> str:
        return f"{self._settings.prefix}/available"

    def _topic(self, record: Record) -> tuple[str, bool]:
        """Topic, and whether the broker is to keep the message."""
        kind = "status" if record["type"] == "status" else "events"
        return f"{self._settings.prefix}/{record['camera']}/{kind}", kind == "status"

    def _make_client(self) -> Any:
        paho = self._paho
        settings, parts = self._settings, urlsplit(self._settings.url)
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=settings.client_id or f"glimpse-{os.urandom(6).hex()}",
            protocol=paho.MQTTv5,
        )
        user = settings.username or unquote(parts.username or "")
        if user:
            client.username_pw_set(user, settings.password or unquote(parts.password or "") or None)
        client.will_set(self._available, b"offline", 1, True)
        client.reconnect_delay_set(1, 10)
        client.on_connect, client.on_publish = self._on_connect, self._on_publish
        return client

    @staticmethod
    def _session() -> Any:
        """The broker keeps the session for a while, so that nothing comes twice after a break."""
        packets = extras.load("paho.mqtt.packettypes", "MQTT", "live").PacketTypes
        properties = extras.load("paho.mqtt.properties", "MQTT", "live").Properties(packets.CONNECT)
        properties.SessionExpiryInterval = _SESSION_S
        return properties

    def _on_connect(self, client: Any, data: object, flags: object, reason: Any, *more: object) -> None:
        self._refusal = f"the broker refuses: {reason}" if reason.is_failure else None
        if not reason.is_failure:
            client.publish(self._available, b"online", 1, True)

    def _on_publish(self, client: object, data: object, number: int, *more: object) -> None:
        with self._acknowledged:
            self._done.add(number)
            self._acknowledged.notify_all()


def is_for_mqtt(record: Record) -> bool:
    """Whether a record says something about the camera now: not where a run begins or ends."""
    return record["type"] not in ("stream", "summary")
