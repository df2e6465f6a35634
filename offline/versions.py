"""Versions of what shapes a trained model or a measured figure."""

from __future__ import annotations

from importlib import metadata

from realtime import __version__

_LIBRARIES = ("torch", "scikit-learn", "scikit-image", "numpy", "scipy", "opencv-python")


def library_versions() -> dict[str, str]:
    """Versions of the libraries that shape a trained model; those that are not installed are left out."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def all_versions() -> dict[str, str]:
    """The same with glimpse's own."""
    return {"glimpse": __version__, **library_versions()}
