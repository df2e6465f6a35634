"""What all pages have in common: their templates, their look, and how numbers are put."""

from __future__ import annotations

import jinja2

from realtime.view.names import words
from realtime.view.schematic import face_symbol


def environment(*packages: str) -> jinja2.Environment:
    """Templates of the given packages, then those of `realtime`, which give a page its look
    (`base.html.j2`, `parts.html.j2`). Everything that is not marked as safe is escaped."""
    loaders = [jinja2.PackageLoader(package, "templates") for package in (*packages, "realtime")]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"words": words, "clock": clock, "percent": percent}
    made.globals["face_symbol"] = face_symbol
    return made


def clock(seconds: float) -> str:
    """Minutes, seconds and milliseconds of stream time."""
    minutes, rest = divmod(round(float(seconds) * 1000), 60_000)
    return f"{minutes}:{rest / 1000:06.3f}"


def percent(share: float) -> str:
    """A share, 0..1, in percent with one decimal."""
    return f"{100.0 * float(share):.1f} %"
