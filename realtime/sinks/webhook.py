"""Events to a web server, one POST each."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from realtime.errors import ConfigError, OutputError
from realtime.sinks import extras
from realtime.sinks.address import is_address
from realtime.sinks.outlet import Refused
from realtime.sinks.records import Record, to_line

_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed (RFC 9110, 6585, 8470)."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where events are posted."""

    url: str = ""
    authorization: str = ""
    """Value of the header `Authorization`."""
    timeout_s: float = 5.0
    attempts: int = 30
    """How often an event is tried, about once a second, before it is given up."""
    store: int = 1000
    """Events that may wait."""

    def __post_init__(self) -> None:
        if not is_address(self.url, ("http", "https")):
            raise ConfigError("webhook: url must be an http:// or https:// address")
        if not re.fullmatch(r"[\t\x20-\x7e]*", self.authorization.strip()):
            raise ConfigError("webhook: authorization must be one line of ASCII characters")
        if not 0.1 <= self.timeout_s <= 60.0:
            raise ConfigError(f"webhook: timeout_s must lie in 0.1..60, not {self.timeout_s}")
        if self.attempts < 1 or not 1 <= self.store <= 1_000_000:
            raise ConfigError("webhook: attempts must be at least 1, store must lie in 1..1000000")


class WebhookSink:
    """POSTs the event as JSON with its id as `Idempotency-Key`, so that a repeat can be told.

    Connection errors and answers such as 503 are tried again; any other refusal drops the event.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        """Raises `UsageError` where urllib3 is missing."""
        self._urllib3 = extras.load("urllib3", "the webhook", "live")
        self._settings = settings
        self.name = f"webhook {urlsplit(settings.url).scheme}://{urlsplit(settings.url).hostname}"
        self._tried: tuple[Record, int] | None = None

    def open(self) -> None:
        self._pool = self._urllib3.PoolManager(timeout=self._settings.timeout_s, retries=False)

    def write(self, record: Record) -> None:
        """Post an event. Raises `OutputError` where it should be tried again."""
        again = self._post(record)
        if again is None:
            self._tried = None
            return
        times = self._tried[1] + 1 if self._tried and self._tried[0] is record else 1
        self._tried = (record, times)
        if times < self._settings.attempts:
            raise OutputError(f"{again}; trying again")
        self._tried = None
        raise Refused(f"{again}; event {record['id']} is given up")

    def close(self) -> None:
        self._pool.clear()

    def _post(self, record: Record) -> str | None:
        """Why to try again, or None where it is done. Raises `Refused`."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(record["id"])}
        if self._settings.authorization:
            headers["Authorization"] = self._settings.authorization.strip()  # secrets end in newlines
        try:
            answer = self._pool.request(
                "POST",
                self._settings.url,
                body=to_line(record)[:-1],
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            answer.close()  # what it says besides is not read: it may have no end
        except self._urllib3.exceptions.HTTPError as error:
            return f"the server cannot be reached ({type(error).__name__})"
        if 200 <= answer.status < 300:
            return None
        if answer.status in _AGAIN:
            self._wait_as_told(answer.headers.get("Retry-After", ""))
            return f"the server answers {answer.status}"
        raise Refused(f"the server refuses event {record['id']} with {answer.status}; it is given up")

    @staticmethod
    def _wait_as_told(seconds: str) -> None:
        if seconds.isdecimal():
            time.sleep(min(int(seconds), 10))
