"""glimpse, floor 1: micro-expressions found in a stream while it runs.

import realtime
for event in realtime.detect("film.mp4"):
    print(event.kind, event.key_frames.apex_s, event.label)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "FacialEvent",
    "Frame",
    "GlimpseError",
    "KeyFrames",
    "Pipeline",
    "PipelineConfig",
    "Provisional",
    "Recognition",
    "Recognizer",
    "Unobservable",
    "Withdrawn",
    "detect",
    "load_config",
    "load_recognizer",
    "open_source",
]

if TYPE_CHECKING:
    from realtime.api import detect, load_recognizer
    from realtime.config import PipelineConfig, load_config
    from realtime.errors import GlimpseError
    from realtime.pipeline import Pipeline
    from realtime.recognition import Recognizer
    from realtime.sources import open_source
    from realtime.types import (
        FacialEvent,
        Frame,
        KeyFrames,
        Provisional,
        Recognition,
        Unobservable,
        Withdrawn,
    )

_HOMES = {
    "FacialEvent": "types",
    "Frame": "types",
    "GlimpseError": "errors",
    "KeyFrames": "types",
    "Pipeline": "pipeline",
    "PipelineConfig": "config",
    "Provisional": "types",
    "Recognition": "types",
    "Recognizer": "recognition",
    "Unobservable": "types",
    "Withdrawn": "types",
    "detect": "api",
    "load_config": "config",
    "load_recognizer": "api",
    "open_source": "sources",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `import realtime.errors` or `--help` does not load OpenCV.
    if name in _HOMES:
        return getattr(importlib.import_module(f"realtime.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'realtime' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
