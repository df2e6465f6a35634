"""Addresses of servers that records go to."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlsplit


def is_address(url: str, schemes: Container[str]) -> bool:
    """Whether a URL has one of the schemes, a host, and a port that can be where one is named."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text names the whole URL, credentials included
        return False
