"""Records to an MQTT broker: `<prefix>/<camera>/events`, `…/status`, and `<prefix>/available`."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from realtime.errors import ConfigError, OutputError
from realtime.redaction import shown_url
from realtime.sinks import extras
from realtime.sinks.address import is_address
from realtime.sinks.outlet import Refused
from realtime.sinks.records import Record, to_line

_SCHEMES = {"mqtt": (1883, False), "mqtts": (8883, True)}
_ACK_S = 1.0
_SESSION_S = 3600
_FAILURE = 0x80
"""Reasons from here on are failures (MQTT 5.0, 2.4)."""
_NOT_KNOWN = 0x92


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
    available: str = ""
    """Topic that says whether this run is there; empty: `<prefix>/available`. Runs that share a prefix need
    one each."""
    client_id: str = ""
    """Empty: one that no other run has."""
    qos: int = 2
    """2: every event arrives once; 1: for brokers without 2, at least once."""
    store: int = 10_000
    """Records that are kept while the broker is away."""

    def __post_init__(self) -> None:
        if not is_address(self.url, _SCHEMES):
            shown = shown_url(self.url)
            raise ConfigError(
                f"mqtt: '{shown}' is no broker; write mqtt://host[:port] or mqtts://host[:port]"
            )
        if self.qos not in (1, 2):
            raise ConfigError(f"mqtt: qos must be 1 or 2, not {self.qos}")
        if not self.prefix or set(self.prefix + self.available) & set("#+\0"):
            raise ConfigError(
                "mqtt: prefix must be the beginning of a topic, and available one, without # and +"
            )
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
        self.name = f"MQTT {shown_url(settings.url)}"
        self._acknowledged = threading.Condition()
        self._done: dict[int, str | None] = {}
        """Why the broker has refused a message; None where it has taken it."""
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
        """Publish and wait for the broker's word. Raises `OutputError` while there is none, `Refused` where
        it is no."""
        if self._pending is None or self._pending[0] is not record:
            if not self._is_connected_soon():
                raise OutputError(f"{self._refusal or 'the broker is away'}; events are kept")
            topic, retain = self._topic(record)
            sent = self._client.publish(topic, to_line(record)[:-1], self._settings.qos, retain)
            self._pending = (record, sent.mid)
        number = self._pending[1]
        with self._acknowledged:
            if not self._acknowledged.wait_for(lambda: number in self._done, _ACK_S):
                raise OutputError("the broker does not acknowledge; events are kept")
            refusal = self._done[number]
            self._done.clear()
        self._pending = None
        if refusal is not None:
            raise Refused(f"the broker refuses what is published on {self._topic(record)[0]}: {refusal}")

    def close(self) -> None:
        """Say "offline" and disconnect."""
        if self._client.is_connected():
            self._client.publish(self._available, b"offline", 1, True)
        self._client.disconnect()
        self._client.loop_stop()

    def _is_connected_soon(self) -> bool:
        with self._acknowledged:
            return bool(self._acknowledged.wait_for(self._client.is_connected, _ACK_S))

    @property
    def _available(self) -> str:
        return self._settings.available or f"{self._settings.prefix}/available"

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
        client.on_connect_fail = self._on_connect_fail
        self._heed_receipts(client)
        return client

    def _heed_receipts(self, client: Any) -> None:
        """With QoS 2 a broker refuses in its first answer (PUBREC), whose reason paho-mqtt 2 passes over."""
        usual = client._handle_pubrec
        types = extras.load("paho.mqtt.packettypes", "MQTT", "live").PacketTypes
        codes = extras.load("paho.mqtt.reasoncodes", "MQTT", "live")

        def handle() -> Any:
            packet = bytes(client._in_packet["packet"])
            if len(packet) > 2 and packet[2] >= _FAILURE:
                reason = codes.ReasonCode(types.PUBREC, identifier=packet[2])
                self._settle(int.from_bytes(packet[:2], "big"), str(reason))
            return usual()

        client._handle_pubrec = handle

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
        with self._acknowledged:
            self._acknowledged.notify_all()

    def _on_connect_fail(self, *about: object) -> None:
        error = sys.exc_info()[1]  # paho-mqtt calls this where it has caught it
        self._refusal = f"the broker cannot be reached: {getattr(error, 'strerror', None) or error}"

    def _on_publish(self, client: object, data: object, number: int, reason: Any, *more: object) -> None:
        # the end of an exchange that is not known any more is none that failed: MQTT 5.0, 3.7.2.1
        refused = reason.is_failure and reason.value != _NOT_KNOWN
        self._settle(number, str(reason) if refused else None)

    def _settle(self, number: int, refusal: str | None) -> None:
        with self._acknowledged:
            self._done.setdefault(number, refusal)
            self._acknowledged.notify_all()


def is_for_mqtt(record: Record) -> bool:
    """Whether a record says something about the camera now: not where a run begins or ends."""
    return record["type"] not in ("stream", "summary")
