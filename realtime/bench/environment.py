"""What a measurement ran on, so that two of them can be told apart."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from realtime import __version__
from realtime.bench.host import cores

_PACKAGES = (
    "numpy",
    "opencv-python",
    "opencv-contrib-python",
    "mediapipe",
    "onnxruntime",
    "onnxruntime-gpu",
    "scikit-learn",
    "scikit-image",
    "scipy",
)


def environment() -> dict[str, Any]:
    """Cores, processor, load average now, and versions of what the route rests on."""
    return {
        "cores": cores(),
        "cpu": _cpu_model(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "glimpse": __version__,
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
