"""Packages that only some outputs and commands need."""

from __future__ import annotations

import importlib
from typing import Any

from realtime.errors import UsageError


def load(module: str, purpose: str, extra: str) -> Any:
    """An optional module. Raises `UsageError` that names the extra to install."""
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # pylsl raises RuntimeError where liblsl is missing
        raise missing(purpose, extra, error) from error


def missing(purpose: str, extra: str, why: object) -> UsageError:
    """The error that names the extra to install."""
    return UsageError(f"{purpose} needs an extra: pip install -e '.[{extra}]' in glimpse's folder ({why})")
