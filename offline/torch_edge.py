"""Says in one line that training needs torch, where it is not installed."""

from __future__ import annotations

import importlib.util
import sys

from realtime.sinks.extras import missing


def require_torch() -> None:
    """Raises UsageError where torch is not installed."""
    if "torch" in sys.modules:
        found = sys.modules["torch"] is not None
    else:
        found = importlib.util.find_spec("torch") is not None
    if not found:
        raise missing("this", "train", "torch is not installed")
