"""The spotter's network from nothing but the project's own synthesis.

    python -m benchmarks.remake_spotter [--out realtime/spotting/micro.npz] [--work runs/spotter] [--jobs 2]

Makes minutes of living motion and films of rendered faces with events planted into them, and trains on both.
Takes about an hour and a half on two cores; what was made is kept under `--work` and not made twice.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from offline.spotter_corpus import Passage, direct_passages, rendered_passages
from offline.spotter_training import SpotterTraining, fit_network, joined, to_file
from offline.synthesis.hosts import HOST_KINDS, HostKind

DIRECT_MINUTES = 200
HOSTS: dict[HostKind, int] = {"calm": 2, "all": 3, "mid": 4, "live": 3, "quiet": 2}
"""Rendered hosts of each kind in a round."""
ROUNDS = 3
Part = tuple[str, int]


def parts(direct: int, rounds: int) -> list[Part]:
    """What is made, by kind and seed."""
    hosts = [
        (kind, 400_000 + 10_000 * number + 1000 * (1 + HOST_KINDS.index(kind)) + host)
        for number in range(rounds)
        for kind, count in HOSTS.items()
        for host in range(count)
    ]
    return [*(("direct", seed) for seed in range(direct)), *hosts]


def made(part: Part, work: Path) -> list[Passage]:
    """The passages of a part, from `work` where they are there already."""
    kind, seed = part
    file = work / f"{kind}-{seed}.npz"
    if not file.exists():
        found = direct_passages(seed) if kind == "direct" else rendered_passages(kind, seed)  # type: ignore[arg-type]
        store(file, found)
    return read(file)


def store(file: Path, found: Sequence[Passage]) -> None:
    """Write passages whole or not at all."""
    arrays = {
        f"{name}-{i}": value
        for i, p in enumerate(found)
        for name, value in (
            ("time", p.time_s),
            ("rows", p.rows),
            ("events", np.array(p.events).reshape(-1, 4)),
        )
    }
    new = file.with_suffix(".new.npz")
    np.savez(new, count=np.array(len(found)), **arrays)
    new.replace(file)


def read(file: Path) -> list[Passage]:
    """What `store` wrote."""
    with np.load(file, allow_pickle=False) as data:
        return [
            Passage(
                data[f"time-{i}"],
                data[f"rows-{i}"],
                tuple(tuple(row) for row in data[f"events-{i}"].tolist()),
            )
            for i in range(int(data["count"]))
        ]


def main() -> int:
    """Make the passages, train and write the network; gives the exit code."""
    parser = argparse.ArgumentParser(description="Remake the spotter's network.")
    parser.add_argument("--out", type=Path, default=Path("realtime/spotting/micro.npz"))
    parser.add_argument(
        "--work", type=Path, default=Path("runs/spotter"), help="folder of what is learned from"
    )
    parser.add_argument("--direct", type=int, default=DIRECT_MINUTES, help="minutes of motion made directly")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of rendered hosts, 14 each")
    parser.add_argument("--steps", type=int, default=SpotterTraining().steps, help="steps of the training")
    parser.add_argument("--jobs", type=int, default=1, help="parts made at once (1)")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    from joblib import Parallel, delayed

    wanted = parts(args.direct, args.rounds)
    found = Parallel(n_jobs=args.jobs)(delayed(made)(part, args.work) for part in wanted)
    pairs = list(zip(wanted, found, strict=True))
    direct = [p for (kind, _), part in pairs for p in part if kind == "direct"]
    rendered = [p for (kind, _), part in pairs for p in part if kind != "direct"]
    members = Parallel(n_jobs=args.jobs)(
        delayed(fit_network)(direct, rendered, SpotterTraining(steps=args.steps, seed=seed), _tell)
        for seed in range(SpotterTraining().members)
    )
    args.out.write_bytes(to_file(joined(members)))
    return 0


def _tell(step: int, log_loss: float) -> None:
    print(f"step {step}: log loss {log_loss:.4f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
