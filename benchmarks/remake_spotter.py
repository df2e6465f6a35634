"""The spotter's network from nothing but the project's own synthesis.

    python -m benchmarks.remake_spotter [--out realtime/spotting/micro.npz] [--work runs/spotter] [--jobs 2]

Makes minutes of living motion and films of rendered faces with events planted into them, lays the events of
all faces onto the motion of each, and trains on all of it. Takes about two hours on two cores; what was
recorded is kept under `--work` and not made twice.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from offline.spotter_corpus import Event, Passage, Seen, direct_motion, passages, rendered_motion
from offline.spotter_mixing import Response, responses, superposed
from offline.spotter_training import SpotterTraining, fit_network, joined, to_file
from offline.synthesis.hosts import HOST_KINDS, HostKind
from realtime.types import Motion

T = TypeVar("T")
_FIELDS = tuple(field.name for field in fields(Motion))

DIRECT_MINUTES = 120
HOSTS: dict[HostKind, int] = {"calm": 2, "all": 3, "mid": 4, "live": 3, "quiet": 2}
"""Rendered hosts of each kind in a round."""
ROUNDS = 30
PLANTED_ROUNDS = 15
"""Rounds whose hosts have events planted into their films as well."""
SUPERPOSED = 5
"""Times that events of all hosts are laid onto each host's own motion."""
_FIRST, _ROUND = 400_000, 10_000
"""Seed of the first round, and its distance to the next."""
Part = tuple[str, int]


def parts(direct: int, rounds: int) -> list[Part]:
    """What is made, by kind and seed."""
    hosts = [
        (kind, _FIRST + _ROUND * number + 1000 * (1 + HOST_KINDS.index(kind)) + host)
        for number in range(rounds)
        for kind, count in HOSTS.items()
        for host in range(count)
    ]
    return [*(("direct", seed) for seed in range(direct)), *hosts]


def made(part: Part, work: Path) -> list[Seen]:
    """The recordings of a part, from `work` where they are there already."""
    kind, seed = part
    file = work / f"{kind}-{seed}.npz"
    if not file.exists():
        store(file, [direct_motion(seed)] if kind == "direct" else _rendered(kind, seed))  # type: ignore[arg-type]
    return read(file)


def _rendered(kind: HostKind, seed: int) -> list[Seen]:
    planted = (seed - _FIRST) // _ROUND < PLANTED_ROUNDS
    return rendered_motion(kind, seed, 2 if planted else 0)


def store(file: Path, found: Sequence[Seen]) -> None:
    """Write recordings whole or not at all."""
    arrays = {}
    for i, seen in enumerate(found):
        arrays[f"events-{i}"] = np.array(seen.events).reshape(-1, 4)
        for name in _FIELDS:
            arrays[f"{name}-{i}"] = np.array([getattr(motion, name) for motion in seen.motions])
    new = file.with_suffix(".new.npz")
    np.savez(new, count=np.array(len(found)), **arrays)
    new.replace(file)


def read(file: Path) -> list[Seen]:
    """What `store` wrote."""
    with np.load(file, allow_pickle=False) as data:
        return [
            _seen({name: data[f"{name}-{i}"] for name in ("events", *_FIELDS)})
            for i in range(int(data["count"]))
        ]


def _seen(arrays: Mapping[str, NDArray[np.generic]]) -> Seen:
    columns = [list(arrays[name]) if arrays[name].ndim > 1 else arrays[name].tolist() for name in _FIELDS]
    motions = tuple(Motion(**dict(zip(_FIELDS, row, strict=True))) for row in zip(*columns, strict=True))
    return Seen(motions, [Event(*row) for row in arrays["events"].tolist()])


def shown(
    part: Part, recordings: Sequence[Seen], pool: Sequence[Response], superpositions: int
) -> list[Passage]:
    """What the network is shown of a part: the recordings, and hosts with events of the pool laid on."""
    kind, seed = part
    seen = list(recordings)
    if kind != "direct":
        seen += [superposed(recordings[0], pool, (seed, number)) for number in range(superpositions)]
    return [passage for recording in seen for passage in passages(recording)]


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

    def each(function: Callable[..., T], *columns: Iterable[object]) -> list[T]:
        return list(
            Parallel(n_jobs=args.jobs)(delayed(function)(*row) for row in zip(*columns, strict=False))
        )

    wanted = parts(args.direct, args.rounds)
    found = each(made, wanted, repeat(args.work))
    pool = [
        response
        for (kind, _), (untouched, *planted) in zip(wanted, found, strict=True)
        if kind != "direct"
        for recording in planted
        for response in responses(untouched, recording)
    ]
    pairs = list(zip(wanted, each(shown, wanted, found, repeat(pool), repeat(SUPERPOSED)), strict=True))
    direct = [p for (kind, _), part in pairs for p in part if kind == "direct"]
    rendered = [p for (kind, _), part in pairs for p in part if kind != "direct"]
    trainings = [SpotterTraining(steps=args.steps, seed=seed) for seed in range(SpotterTraining().members)]
    members = each(fit_network, repeat(direct), repeat(rendered), trainings, repeat(_tell))
    args.out.write_bytes(to_file(joined(members)))
    return 0


def _tell(step: int, log_loss: float) -> None:
    print(f"step {step}: log loss {log_loss:.4f}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
