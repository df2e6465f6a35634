"""The spotter's model from nothing but the project's own synthesis.

    python -m benchmarks.remake_spotter [--streams 133] [--out realtime/spotting/micro.json]

Makes one minute of living motion per stream; takes about fifteen minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from offline.spotter_training import to_json, train_model


def main() -> int:
    """Train and write the model; gives the exit code."""
    parser = argparse.ArgumentParser(description="Remake the spotter's model.")
    parser.add_argument("--streams", type=int, default=133, help="minutes of living motion (133)")
    parser.add_argument("--out", type=Path, default=Path("realtime/spotting/micro.json"))
    args = parser.parse_args()
    args.out.write_text(to_json(train_model(range(args.streams))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
