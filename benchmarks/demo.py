"""`make demo`: a sample stream is made, processed as any film would be, and held against its truth."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from offline.cli import main as glimpse_offline
from offline.synthesis.truth import TrueEvent, Truth
from realtime.cli import main as glimpse

FOLDER = Path("demo")
STREAM = FOLDER / "stream-000.avi"
SYNTHESIZE = [
    "synthesize", "--out", str(FOLDER), "--format", "avi", "--fps", "100", "--seconds", "12",
    "--width", "480", "--height", "360", "--events", "4", "--seed", "41",
]  # fmt: skip
PROCESS = [
    "process", str(STREAM),
    "--out", str(FOLDER / "events.jsonl"),
    "--csv", str(FOLDER / "frames.csv"),
    "--report", str(FOLDER / "report.html"),
    "--truth", str(STREAM.with_suffix(".json")),
]  # fmt: skip


def main() -> int:
    """Run the demo; gives the exit code."""
    for name, command, arguments in (
        ("glimpse-offline", glimpse_offline, SYNTHESIZE),
        ("glimpse", glimpse, PROCESS),
    ):
        print(f"$ {name} {' '.join(arguments)}", flush=True)
        if code := command(arguments):
            return code
    lines = (FOLDER / "events.jsonl").read_text(encoding="utf-8").splitlines()
    print(side_by_side(Truth.load(STREAM.with_suffix(".json")), [json.loads(line) for line in lines]))
    print(f"\nreport: {FOLDER}/report.html   events: {FOLDER}/events.jsonl   frames: {FOLDER}/frames.csv")
    return 0


def side_by_side(truth: Truth, records: list[dict[str, Any]]) -> str:
    """True expressions and what was found at their time, then what was found besides, as a table."""
    found = [r for r in records if r["type"] in ("micro_expression", "macro_expression")]
    lines = [f"\n{'truth: onset  apex   offset':<45}{'found: onset  apex   offset'}"]
    for event in truth.events:
        times = f"{event.onset_s:>12.3f} {event.apex_s:>6.3f} {event.offset_s:>6.3f}"
        left = f"{times}  {_name(event.kind, event.label)}"
        hit = max(found, key=lambda record: _shared_s(event, record), default=None)
        if hit is not None and _shared_s(event, hit) <= 0.0:
            hit = None
        if hit:
            found.remove(hit)
        lines.append(f"{left:<45}{_found(hit) if hit else '           –'}")
    lines += [f"{'           –':<45}{_found(record)}" for record in found]
    return "\n".join(lines)


def _shared_s(event: TrueEvent, record: dict[str, Any]) -> float:
    """Time that both take up, s; negative where they lie apart."""
    return float(min(event.offset_s, record["offset_s"]) - max(event.onset_s, record["onset_s"]))


def _found(record: dict[str, Any]) -> str:
    probability = max(record["probabilities"].values()) if record["probabilities"] else None
    share = f" {probability:.2f}" if probability is not None else ""
    times = f"{record['onset_s']:>12.3f} {record['apex_s']:>6.3f} {record['offset_s']:>6.3f}"
    return f"{times}  {_name(record['type'], record['label'])}{share}"


def _name(kind: str, label: str | None) -> str:
    return "macro-expression" if kind == "macro_expression" else label or "unlabelled"


if __name__ == "__main__":
    sys.exit(main())
