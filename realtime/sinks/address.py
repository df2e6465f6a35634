"""Addresses of servers that records go to."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlsplit


def is_address(url: str, schemes: Container[str]) -> bool:
    """Whether a URL has one of the schemes, and a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname)
    except ValueError:  # its text names the whole URL, credentials included
        return False
