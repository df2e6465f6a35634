"""What really happens in a synthetic stream, and its file: JSON of schema "glimpse-truth/1"."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from realtime.errors import DataError
from realtime.sinks.files import write_together
from realtime.types import EventKind

SCHEMA = "glimpse-truth/1"


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """One expression of the stream."""

    kind: EventKind
    label: str | None
    """Class it was drawn for."""
    onset_s: float
    apex_s: float
    offset_s: float
    onset_frame: int
    """Frame nearest to the time, 0-based; the same for the next two."""
    apex_frame: int
    offset_frame: int
    action_units: tuple[str, ...]
    side: Literal["both", "left", "right"]
    """Of the person."""
    amplitude_percent: float
    """Largest displacement at the apex, percent of the face's width."""


@dataclass(frozen=True, slots=True)
class Confounder:
    """Something else that happens in the stream."""

    kind: str
    """"blink", "gaze", "head_turn", "light_step" or "talking"; "away" for a face out of the picture."""
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything known of a synthetic stream."""

    fps: float
    frames: int
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    seed: int
    identity: str
    events: tuple[TrueEvent, ...]
    """In order of onset."""
    confounders: tuple[Confounder, ...]
    """In order of their start."""

    def to_json(self) -> str:
        """The file's text, ending in a line break."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1) + "\n"

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises OutputError."""
        write_together({path: self.to_json().encode()})

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read a truth file. Raises DataError where it is missing, damaged or of another schema."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"no truth file {path}: run `glimpse-offline synthesize` to make one") from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise DataError(f"cannot read truth file {path}: {error}") from error
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise DataError(f"{path} is not a truth file of schema {SCHEMA}: make it anew with `synthesize`")
        try:
            return _truth(data)
        except (KeyError, TypeError, ValueError) as error:
            what = f"no field {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(
                f"truth file {path} is damaged ({what}): make it anew with `synthesize`"
            ) from error


def _truth(data: Mapping[str, Any]) -> Truth:
    frames, fps = int(data["frames"]), float(data["fps"])
    if frames < 1 or not fps > 0.0:
        raise ValueError("frames and fps must be positive")
    return Truth(
        fps=fps,
        frames=frames,
        width=int(data["width"]),
        height=int(data["height"]),
        seed=int(data["seed"]),
        identity=str(data["identity"]),
        events=tuple(_event(entry) for entry in data["events"]),
        confounders=tuple(
            Confounder(str(entry["kind"]), float(entry["from_s"]), float(entry["to_s"]))
            for entry in data["confounders"]
        ),
    )


def _event(entry: Mapping[str, Any]) -> TrueEvent:
    if entry["kind"] not in ("micro_expression", "macro_expression"):
        raise ValueError(f"unknown kind {entry['kind']!r}")
    if entry["side"] not in ("both", "left", "right"):
        raise ValueError(f"unknown side {entry['side']!r}")
    event = TrueEvent(
        kind=cast(EventKind, entry["kind"]),
        label=None if entry["label"] is None else str(entry["label"]),
        onset_s=float(entry["onset_s"]),
        apex_s=float(entry["apex_s"]),
        offset_s=float(entry["offset_s"]),
        onset_frame=int(entry["onset_frame"]),
        apex_frame=int(entry["apex_frame"]),
        offset_frame=int(entry["offset_frame"]),
        action_units=tuple(str(unit) for unit in entry["action_units"]),
        side=cast(Literal["both", "left", "right"], entry["side"]),
        amplitude_percent=float(entry["amplitude_percent"]),
    )
    if not event.onset_s <= event.apex_s <= event.offset_s:
        raise ValueError(f"event at {event.onset_s:g} s is not ordered onset, apex, offset")
    return event
