"""Versions of what shapes a trained model or a measured figure."""

from __future__ import annotations

from importlib import metadata

_LIBRARIES = ("torch", "scikit-learn", "scikit-image", "numpy", "scipy", "opencv-python", "skops")


def library_versions() -> dict[str, str]:
    """Versions of the libraries that shape a trained model; those that are not installed are left out."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
