"""Packages that only some outputs need."""

from __future__ import annotations

import importlib
from typing import Any

from realtime.errors import UsageError


def load(module: str, purpose: str, extra: str) -> Any:
    """An optional module. Raises `UsageError` that names the extra to install."""
    try:
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:  # pylsl raises RuntimeError where liblsl is missing
        raise UsageError(
            f"{purpose} needs an extra: pip install -e '.[{extra}]' in glimpse's folder ({error})"
        ) from error
