"""`make models`: the shipped bundles from nothing but the project's own synthesis.

    python -m benchmarks.remake_models [--flow-maps DIR] [--out models]

With `--flow-maps`, the bundles are also scored on those real maps, and their cards say so. Takes about
twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from export.cli import main as glimpse_export
from offline.cli import main as glimpse_offline

SAMPLES = {
    "default": ["--synthetic", "16000", "--rendered", "1440"],
    "megc-3": ["--synthetic", "16000", "--rendered", "1440", "--protocol", "megc-3"],
}
"""Arguments of `glimpse-offline train`, beside the settings in `SETTINGS`."""
SETTINGS = Path("benchmarks/bundles")


def main() -> int:
    """Train and export every bundle; gives the exit code of the first command that fails."""
    parser = argparse.ArgumentParser(description="Remake the shipped bundles.")
    parser.add_argument("--flow-maps", metavar="DIR", help="real flow maps to score the bundles on")
    parser.add_argument("--out", type=Path, default=Path("models"), help="where the bundles go (models)")
    parser.add_argument("--work", type=Path, default=Path("runs/models"), help="where the trained models go")
    args = parser.parse_args()
    for name in SAMPLES:
        if code := _remake(name, args.work / name, args.out / name, args.flow_maps):
            return code
    return 0


def _remake(name: str, trained: Path, bundle: Path, flow_maps: str | None) -> int:
    results = trained.with_name(f"{name}-real")
    train = ["train", *SAMPLES[name], "--config", str(SETTINGS / f"{name}.yaml"), "--out", str(trained)]
    export = [str(trained), "--out", str(bundle), "--name", name]
    score = [
        "evaluate",
        "--bundle",
        str(bundle),
        "--dataset",
        f"flow-maps={flow_maps}",
        "--out",
        str(results),
    ]
    steps = [(glimpse_offline, train), (glimpse_export, _with_commands(export, name))]
    if flow_maps:
        stated = [*_with_commands(export, name), "--evaluation", str(results / "results.json")]
        steps += [(glimpse_offline, score), (glimpse_export, stated)]
    for command, arguments in steps:
        if code := command(arguments):
            return code
    return 0


def _with_commands(export: list[str], name: str) -> list[str]:
    """The export, told which commands its card shall name."""
    lines = [
        f"glimpse-offline train {' '.join(SAMPLES[name])} --config {SETTINGS}/{name}.yaml"
        f" --out trained/{name}",
        f"glimpse-export trained/{name} --out models/{name} --name {name}",
        f"glimpse-offline evaluate --bundle models/{name} --dataset flow-maps=DIR --out real-{name}",
        f"glimpse-export trained/{name} --out models/{name} --name {name}"
        f" --evaluation real-{name}/results.json",
    ]
    return [*export, *(word for line in lines for word in ("--command", line))]


if __name__ == "__main__":
    sys.exit(main())
