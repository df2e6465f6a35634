"""What the page is told: plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from realtime.live.fleet import CameraState
from realtime.live.page.board import Board, Moment
from realtime.sinks.records import Record
from realtime.types import F64
from realtime.view.names import CAUSES, UNITS
from realtime.view.story import PARTS, SPAN_S


def words_of_the_house() -> dict[str, Any]:
    """What the page calls things, once for each visit."""
    return {"type": "hello", "parts": list(PARTS), "span_s": SPAN_S, "units": dict(UNITS)}


def said_state(board: Board, states: Mapping[str, CameraState]) -> dict[str, Any]:
    """How the cameras do."""
    cameras = [_camera(name, state, *board.confidence(name)) for name, state in states.items()]
    return {"type": "state", "cameras": cameras, "events": board.count, "let_go": board.let_go}


def _camera(name: str, state: CameraState, confidence: float, changes: int) -> dict[str, Any]:
    return {
        "name": name,
        "state": state.state,
        "fps_in": round(state.rates[0], 1),
        "fps": round(state.rates[1], 1),
        "frames": int(state.total("frames")),
        "dropped": int(state.total("skipped/dropped")),
        "faces": int(state.gauges.get("faces", 0)),
        "reconnects": int(state.total("reconnects")),
        "restarts": state.restarts,
        "confidence": confidence,
        "changes": changes,
    }


def said_event(number: int, record: Record, board: Board, *, fresh: bool) -> dict[str, Any]:
    """An event, and which pictures there are of it. `fresh`: it was found while the page was open."""
    pictures = list(board.pictures(record["id"]))
    return {"type": "event", "number": number, "fresh": fresh, "record": record, "pictures": pictures}


def said_moment(camera: str, moment: Moment, after_s: float) -> dict[str, Any]:
    """What belongs to a picture; of the curves only what is later than `after_s`, s of stream time."""
    scene = moment.scene
    new = scene.time_axis_s > after_s
    cause = scene.rows[0].unobservable if scene.rows else None
    latency_ms, fps = scene.gauges.latency_ms, scene.gauges.fps
    return {
        "type": "moment",
        "camera": camera,
        "time_s": round(scene.time_s, 3),
        "faces": len(scene.outlines),
        "hidden_by": None if cause is None else CAUSES.get(cause, cause),
        "fps": None if fps is None else round(fps, 1),
        "latency_ms": None if latency_ms is None else round(latency_ms, 1),
        "dropped": scene.gauges.dropped,
        "t": _listed(scene.time_axis_s[new]),
        "hidden": scene.hidden[new].astype(int).tolist(),
        "curves": [_listed(part[new]) for part in scene.parts],
    }


def _listed(values: F64) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 3) for value in values]
