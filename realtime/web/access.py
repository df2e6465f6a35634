"""Who may talk to a server of this machine: pure rules, for every server of the house.

An address of the machine itself needs no token, but a name that only leads there (DNS rebinding) is refused.
Any other address needs a token; without it nothing is told. Whatever changes something has to come from the
server's own page.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from realtime.errors import ConfigError

LOOPBACK = "127.0.0.1"
LEAST_TOKEN = 16
"""Characters of a token of one's own choice."""


def address(text: str, host: str = LOOPBACK) -> tuple[str, int]:
    """Host and port of `[HOST:]PORT`. Raises `ConfigError`. `host`: where none is named."""
    named, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5) or int(port) > 65535:
        raise ConfigError(f"'{text}' is no address; write PORT or HOST:PORT")
    return named.strip("[]") or host, int(port)


def shown_address(host: str, port: int) -> str:
    """`HOST:PORT` as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a host, as a name or a number, is this machine and nothing else. No name is looked up."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens."""

    host: str = LOOPBACK
    port: int = 0
    """0: any that is free."""
    token: str = field(default="", repr=False)
    """Has to be shown to it; empty: none is needed on this machine, and a new one is made for any other."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must lie in 0..65535, not {self.port}")
        Access.of(self.host, self.token)

    @property
    def shown(self) -> str:
        """`HOST:PORT`."""
        return shown_address(self.host, self.port)


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server."""

    host: str
    """What it is bound to."""
    token: str = field(default="", repr=False)
    """Empty: none is needed."""
    _seal: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False, compare=False)
    """Makes this process's cookies; nobody who sees one learns the token, and none outlives the process."""

    def __post_init__(self) -> None:
        if self.token and not (len(self.token) >= LEAST_TOKEN and self.token.isascii()):
            raise ConfigError(f"a token needs at least {LEAST_TOKEN} characters, all ASCII")
        if not self.token and not is_loopback(self.host):
            raise ConfigError(f"{self.host or 'an address'} can be reached by others, and needs a token")

    @classmethod
    def of(cls, host: str, token: str = "") -> Access:
        """Rules for a host, with a new token where one is needed and none is given."""
        return cls(host, token or ("" if is_loopback(host) else secrets.token_urlsafe(24)))

    @property
    def cookie(self) -> str:
        """What a browser shows that was let in once."""
        return hmac.new(self._seal, self.token.encode(), hashlib.sha256).hexdigest()

    def knows_host(self, header: str) -> bool:
        """Whether a request's Host leads here by right. With a token any may: it is kept from strangers."""
        name = _host_name(header)
        if name is None:
            return False
        return bool(self.token) or is_loopback(name) or name.lower() == self.host.lower()

    def opens(self, given: str | None) -> bool:
        """Whether this is the token; takes as long for a wrong one as for the right one."""
        return given is not None and _same(given, self.token)

    def lets_in(self, headers: Mapping[str, str], cookie_name: str = "") -> bool:
        """Whether a request may see anything: by `Authorization: Bearer`, or by the cookie of that name."""
        return (
            not self.token or self.bears(headers) or self._has_cookie(headers.get("cookie", ""), cookie_name)
        )

    def bears(self, headers: Mapping[str, str]) -> bool:
        """Whether a request, its header names in small letters, carries the token itself."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return bool(self.token) and scheme.lower() == "bearer" and self.opens(given.strip())

    def _has_cookie(self, header: str, name: str) -> bool:
        given = (part.strip().partition("=") for part in header.split(";"))
        return any(key == name != "" and _same(value, self.cookie) for key, _, value in given)


def by_name(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A request's headers by their names in small letters; one that comes twice counts as neither."""
    found: dict[str, str] = {}
    for name, value in headers:
        found[name.lower()] = "\n" if name.lower() in found else value
    return found


def is_own_page(origin: str | None, host: str) -> bool:
    """Whether a request's Origin is the server that it is sent to, so that no other page is behind it."""
    if not origin:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _host_name(header: str) -> str | None:
    """The name in a Host header; None where it is none."""
    try:
        parts = urlsplit(f"//{header}")
        plain = parts.port is None or parts.port > 0
    except ValueError:
        return None
    return parts.hostname if plain and parts.netloc == header and parts.username is None else None


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())
