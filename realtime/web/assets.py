"""The files of a page: known by name, read from the package, never by a path that somebody sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "css": "text/css; charset=utf-8",
        "html": "text/html; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "svg": "image/svg+xml",
    }
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    body: bytes
    kind: str
    """Media type."""


def asset(package: str, name: str) -> Asset:
    """A file of a package's folder `templates`."""
    return Asset(files(package).joinpath("templates", name).read_bytes(), KINDS[name.rpartition(".")[2]])
