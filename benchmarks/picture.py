"""Makes docs/result.png, the picture in the README: one synthetic stream, and what glimpse makes of it.

python -m benchmarks.picture
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

from offline.spot_streams import SyntheticSource
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import StreamPlan, SyntheticStream
from offline.synthesis.truth import Truth
from realtime import FacialEvent, Pipeline, load_recognizer
from realtime.faces import warp
from realtime.types import U8, FrameRow

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

PLAN = {"seconds": 12.0, "fps": 100.0, "seed": 41, "events": 4, "amplitude_percent": (0.9, 1.4)}
FACE_PX = 300
GAIN = 8.0
INK, MICRO, MACRO, TRUTH = "#22262e", "#c2500a", "#1f6f9f", "#2a8f6a"


def main() -> int:
    """Render, detect, draw; gives the exit code."""
    stream = SyntheticStream(StreamPlan(make_identity(41), **PLAN))  # type: ignore[arg-type]
    rows: list[FrameRow] = []
    events: list[FacialEvent] = []
    faces: dict[int, U8] = {}
    with Pipeline(recognizer=load_recognizer()) as pipeline:
        for frame in SyntheticSource(stream):
            found = pipeline.push(frame)
            if pipeline.observation is not None:
                rows.append(pipeline.observation)
            for event in found:
                events.append(event)
                faces.update(_key_faces(pipeline, event))
        events.extend(pipeline.flush())
    shown = max((e for e in events if e.recognition), key=lambda e: e.key_frames.strength)
    path = Path("docs/result.png")
    path.parent.mkdir(exist_ok=True)
    _draw(path, rows, events, stream.truth, shown, faces)
    print(f"wrote {path}")
    return 0


def _key_faces(pipeline: Pipeline, event: FacialEvent) -> dict[int, U8]:
    """The three key frames of an event in colour, all under the apex's transform."""
    keys = event.key_frames
    apex = pipeline.recent(event.face, keys.apex_frame)
    if apex is None:
        return {}
    wanted = (keys.onset_frame, keys.apex_frame, keys.offset_frame)
    found = [(index, pipeline.recent(event.face, index)) for index in wanted]
    return {
        i: warp(face, FACE_PX, like=apex, colour=True)[..., ::-1] for i, face in found if face is not None
    }


def _draw(
    path: Path,
    rows: list[FrameRow],
    events: list[FacialEvent],
    truth: Truth,
    shown: FacialEvent,
    faces: dict[int, U8],
) -> None:
    figure = plt.figure(figsize=(10.0, 5.6), dpi=110)
    grid = figure.add_gridspec(2, 5, height_ratios=[1.15, 1.0], hspace=0.12, wspace=0.08)
    keys = shown.key_frames
    onset, apex, offset = (faces[i] for i in (keys.onset_frame, keys.apex_frame, keys.offset_frame))
    difference = np.clip(128 + GAIN * (apex.astype(float) - onset), 0, 255).mean(axis=2)
    pictures = (
        (onset, f"onset {keys.onset_s:.2f} s"),
        (apex, f"apex {keys.apex_s:.2f} s"),
        (offset, f"offset {keys.offset_s:.2f} s"),
        (difference, f"apex − onset, ×{GAIN:.0f}"),
    )
    for column, (picture, title) in enumerate(pictures):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axes.set_title(title, fontsize=9, color=INK)
        axes.axis("off")
    _bars(figure.add_subplot(grid[0, 4]), shown)
    _timeline(figure.add_subplot(grid[1, :]), rows, events, truth)
    figure.savefig(path, bbox_inches="tight", facecolor="white", metadata={"Software": None})


def _bars(axes: Axes, event: FacialEvent) -> None:
    """Class probabilities, in a panel as high as the pictures beside it."""
    assert event.recognition is not None
    panel = axes.inset_axes((0.08, 0.16, 0.92, 0.68))
    axes.axis("off")
    for i, (name, value) in enumerate(event.recognition.probabilities.items()):
        panel.barh(i, 1.0, color="#eceef1", height=0.34)
        panel.barh(i, value, color=MICRO if name == event.label else "#8a909c", height=0.34)
        panel.text(0.0, i - 0.24, f"{name}  {value:.2f}", fontsize=8, color=INK, va="bottom")
    panel.set_ylim(len(event.recognition.probabilities) - 0.6, -0.75)
    panel.set_xlim(0, 1)
    panel.set_title("which class it fits", fontsize=9, color=INK)
    panel.axis("off")


def _timeline(axes: Axes, rows: list[FrameRow], events: list[FacialEvent], truth: Truth) -> None:
    moving = [row for row in rows if row.motion is not None]
    times = [row.motion.time_s for row in moving if row.motion]
    motion = [float(np.linalg.norm(row.motion.regions, axis=1).max()) for row in moving if row.motion]
    top = 1.15 * float(np.quantile(motion, 0.995))
    axes.plot(times, np.minimum(motion, top), color=INK, linewidth=0.9)
    for event in events:
        keys, micro = event.key_frames, event.kind == "micro_expression"
        colour = MICRO if micro else MACRO
        axes.axvspan(keys.onset_s, keys.offset_s, color=colour, alpha=0.25, linewidth=0)
        axes.axvline(keys.apex_s, color=colour, linewidth=1.2)
        text = (
            f"{event.label}\n{max(event.recognition.probabilities.values()):.2f}"
            if event.recognition
            else "macro"
        )
        axes.text(keys.apex_s, top * 1.03, text, ha="center", fontsize=8, color=colour)
    for true in truth.events:
        axes.plot(
            [true.onset_s, true.offset_s], [-0.07 * top] * 2, color=TRUTH, linewidth=5, solid_capstyle="butt"
        )
        axes.text(true.apex_s, -0.2 * top, true.label or "", ha="center", fontsize=7.5, color=TRUTH)
    for other in truth.confounders:
        axes.text((other.from_s + other.to_s) / 2, 0.9 * top, other.kind.replace("_", " "), ha="center",
                  fontsize=7, color="#8a909c", rotation=90, va="top")  # fmt: skip
    axes.set_ylim(-0.26 * top, top)
    axes.set_xlim(0, times[-1])
    axes.set_xlabel("stream time, s", fontsize=8)
    axes.set_ylabel("motion, % of eye distance", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    sys.exit(main())
