"""Figures as the bytes of a file, free of what differs from run to run."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
"""Form of a picture → metadata to leave out."""


def picture_bytes(figure: Figure, form: str, *, transparent: bool = False) -> bytes:
    """The figure as a file of a form of `METADATA`."""
    data = io.BytesIO()
    figure.savefig(data, format=form, dpi=DPI, transparent=transparent, metadata=METADATA[form])
    return data.getvalue()
