"""Says in one line that training needs torch, where it is not installed."""

from __future__ import annotations

import importlib.util

from realtime.errors import UsageError


def require_torch() -> None:
    """Raises UsageError where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise UsageError("this needs torch: pip install 'glimpse[train]'")
