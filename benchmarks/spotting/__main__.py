"""`python -m benchmarks.spotting`: the table of figures per scenario, and results.json."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.spotting import options
from benchmarks.spotting.scenarios import PARTS, SCENARIOS
from offline.planting import PlantedSource, PlantingPlan, draw_events, track_face
from offline.spot_streams import StreamResult, run_source
from offline.spotting import evaluate
from realtime import terminal
from realtime.config import PipelineConfig, load_config
from realtime.sinks.files import output_errors
from realtime.sources import open_source

PLANTED = "planted"


def build_parser() -> terminal.Parser:
    parser = options.build_parser("python -m benchmarks.spotting", __doc__)
    add = parser.add_argument
    add("--scenario", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS), help="some of them")
    add("--streams", type=int, default=1, metavar="N", help="streams per scenario (1)")
    add("--seconds", type=float, default=12.0, help="length of a stream (12)")
    add("--events", type=int, default=4, help="micro-expressions per stream (4)")
    add("--source", nargs="+", default=[], metavar="VIDEO", help="real footage to plant events into as well")
    add("--out", type=Path, metavar="DIR", help="folder for results.json")
    parser.set_defaults(command=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run every stream and print the table. Returns the exit code."""
    from joblib import Parallel, delayed

    options.check_counts(args, "streams")
    config = load_config(args.config) if args.config else None
    first = PARTS[args.part]
    jobs: list[tuple[str, Any]] = [
        (name, partial(run_scenario, name, first + 100 * list(SCENARIOS).index(name) + n, args.seconds,
                       args.events, config))
        for name in args.scenario
        for n in range(args.streams)
    ]  # fmt: skip
    jobs += [
        (PLANTED, partial(run_planted, path, first + 100 * n + m, config))
        for n, path in enumerate(args.source)
        for m in range(args.streams)
    ]
    results = Parallel(n_jobs=args.jobs)(delayed(job)() for _, job in jobs)
    figures = summarize([name for name, _ in jobs], results)
    print(table(figures))
    if args.out is not None:
        with output_errors(str(args.out)):
            args.out.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"part": args.part, "scenarios": figures}, indent=1) + "\n"
            (args.out / "results.json").write_text(text, encoding="utf-8")
    return 0


def run_scenario(
    name: str, seed: int, seconds: float, events: int, config: PipelineConfig | None = None
) -> StreamResult:
    """The live route over one synthetic stream of a scenario."""
    scenario = SCENARIOS[name]
    source, truth = scenario.open(seed, seconds, events)
    return run_source(f"{name}:{seed}", source, truth, None, config or scenario.config)


def run_planted(path: str, seed: int, config: PipelineConfig | None = None) -> StreamResult:
    """The live route over one recording with events of 0.8 to 2.4 px (on a face of 200 px) planted."""
    with open_source(Path(path)) as source:
        track = track_face(source)
    events = draw_events(track, PlantingPlan(amplitudes_px=(0.8, 1.2, 1.6, 2.4), seed=seed))
    planted = PlantedSource(open_source(Path(path)), track, events)
    return run_source(f"{Path(path).name}:{seed}", planted, planted.truth, None, config)


def summarize(names: Sequence[str], results: Sequence[StreamResult]) -> dict[str, Any]:
    """Figures by scenario, those of all synthetic streams under "all", JSON-ready."""
    groups: dict[str, list[StreamResult]] = {}
    for name, result in zip(names, results, strict=True):
        groups.setdefault(name, []).append(result)
    synthetic = [r for name, group in groups.items() if name != PLANTED for r in group]
    figures = {name: evaluate(group, ()) for name, group in groups.items()}
    return {**figures, "all": evaluate(synthetic, ())} if synthetic else figures


def table(figures: dict[str, Any]) -> str:
    """Micro-expressions at IoU >= 0.5, times in ms of stream time, by scenario."""
    head = (
        "scenario",
        "events",
        "precision",
        "recall",
        "F1",
        "apex med/p95",
        "told",
        "decided",
        "alarms/min",
    )
    lines = ["{:<15} {:>6} {:>9} {:>6} {:>5} {:>12} {:>5} {:>7} {:>10}  unobservable".format(*head)]
    for name, f in figures.items():
        micro = f["micro_expression"]
        hidden = ", ".join(
            f"{cause} {share:.0%}" for cause, share in f["unobservable"].items() if share >= 0.05
        )
        lines.append(
            f"{name:<15} {micro['true_positives'] + micro['false_negatives']:>6} {micro['precision']:>9.2f} "
            f"{micro['recall']:>6.2f} {micro['f1']:>5.2f} {_pair(micro['apex_error_ms']):>12} "
            f"{_median(f['provisional']['told_after_apex_ms']):>5} "
            f"{_median(micro['decided_after_offset_ms']):>7} {f['false_alarms_per_minute']:>10.2f}  {hidden}"
        )
    lines.append("told: provisional, after the apex; decided: after the offset; both median")
    return "\n".join(lines)


def _median(quantiles: dict[str, float] | None) -> str:
    return f"{quantiles['median']:.0f}" if quantiles else "–"


def _pair(quantiles: dict[str, float] | None) -> str:
    return f"{quantiles['median']:.0f} / {quantiles['p95']:.0f}" if quantiles else "–"


def main(argv: Sequence[str] | None = None) -> int:
    return terminal.run(build_parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
