"""`glimpse-offline spot`: spotting and recognition figures of the live route."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from offline.datasets.selection import select
from offline.results import RESULTS, open_folder
from offline.spot_curve import curve_picture, thresholds_around
from offline.spot_streams import Case, StreamResult, dataset_cases, run_case
from offline.spotting import curve, evaluate
from realtime.child import safe_path
from realtime.config import PipelineConfig, load_config
from realtime.errors import DataError, UsageError
from realtime.sinks.files import write_together

VIDEO_ENDINGS = (".mkv", ".mp4", ".avi")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `glimpse-offline spot`."""
    add = parser.add_argument
    add(
        "--dataset", metavar="DIR|KIND=DIR",
        help="folder of streams with truth, as synthesize writes it; or cas_me2=DIR, samm_long=DIR",
    )  # fmt: skip
    add("--synthetic", type=int, metavar="N", help="render N streams per frame rate instead of reading files")
    add("--fps", type=float, nargs="+", default=[30.0, 100.0, 200.0], help="frame rates (30 100 200)")
    add("--seconds", type=float, default=20.0, help="length of a synthetic stream (20)")
    add("--events", type=int, default=6, help="micro-expressions in a synthetic stream (6)")
    add("--face-width", type=float, default=180.0, metavar="PX", help="width of a synthetic face (180)")
    add("--confounders", choices=("calm", "all", "none"), default="all", help="what else happens (all)")
    add("--seed", type=int, default=1000, help="seed and identity of the first stream, counted up (1000)")
    add("--model", default="default", metavar="NAME|DIR", help="model bundle; 'none': spotting only")
    add("--jobs", type=int, default=1, metavar="N", help="streams at once (1)")
    add("--config", metavar="YAML", help="settings of the route")
    add("--out", type=Path, metavar="DIR", help="folder for results.json and curve.png, curve.svg")


def run(args: argparse.Namespace) -> int:
    """Run every stream, print a table by frame rate, write results.json. Returns the exit code."""
    from joblib import Parallel, delayed

    if args.jobs == 0:
        raise UsageError("--jobs is 0: use 1 or more, or -1 for every core")
    cases = _cases(args)
    config = load_config(args.config) if args.config else PipelineConfig()
    thresholds = thresholds_around(config.spotter) if args.out else ()
    if args.out:
        open_folder(args.out)  # refused now, not after hours of work
    with safe_path():
        results = Parallel(n_jobs=args.jobs)(
            delayed(_run)(case, args.model, config, thresholds) for case in cases
        )
    classes = _classes(args.model)
    by_rate: dict[float, list[StreamResult]] = defaultdict(list)
    for result in results:
        by_rate[result.truth.fps].append(result)
    figures = {f"{fps:g}": evaluate(group, classes) for fps, group in sorted(by_rate.items())}
    figures["all"] = evaluate(results, classes)
    print(table(figures))
    if args.out:
        _write(args.out, {**figures, "curve": curve(results)}, config.spotter.confidence)
    return 0


def table(figures: dict[str, Any]) -> str:
    """Figures by frame rate as text: micro-expressions at IoU >= 0.5, times in ms."""
    lines = [
        "fps    events  precision  recall  F1     apex med/p95  decided after apex  alarms/min  accuracy"
    ]
    for name, f in figures.items():
        micro, recognition = f["micro_expression"], f["recognition"]
        apex, delay = micro["apex_error_ms"], micro["decided_after_apex_ms"]
        lines.append(
            f"{name:<5}  {micro['true_positives'] + micro['false_negatives']:>6}  {micro['precision']:>9.3f}"
            f"  {micro['recall']:>6.3f}  {micro['f1']:<5.3f}"
            f"  {_pair(apex):>12}  {_pair(delay):>18}  {f['false_alarms_per_minute']:>10.2f}"
            f"  {recognition['overall_accuracy'] if recognition else float('nan'):>8.3f}"
        )
    return "\n".join((*lines, *_below(figures["all"]))) if "all" in figures else "\n".join(lines)


def _below(f: dict[str, Any]) -> list[str]:
    """Lines on all streams together: other kinds, alarms, provisional movements, what could not be seen."""
    lines = [
        f"{name}: " + ", ".join(f"{key} {f[kind][key]:.3f}" for key in ("precision", "recall", "f1"))
        for name, kind in (("macro-expressions", "macro_expression"), ("both kinds", "both"))
    ]
    offset, early = f["micro_expression"]["decided_after_offset_ms"], f["provisional"]
    lines.append(f"decided after the offset: {_pair(offset)} ms; STRS: {f.get('strs', float('nan')):.3f}")
    lines.append(f"false alarms: {_listed(f['false_alarm_causes'], '{}') or 'none'}")
    lines.append(
        f"provisional: {early['told']}, of which confirmed {early['confirmed']}; "
        f"told after the apex: {_pair(early['told_after_apex_ms'])} ms"
    )
    lines.append(f"time that was unobservable: {_listed(f['unobservable'], '{:.1%}') or 'none'}")
    if units := f["action_units"]:
        lines.append(
            f"action units: macro F1 {units['macro_f1']:.3f} over {len(units['f1'])} that occur, "
            f"the right side in {_share(units['side_accuracy'])}"
        )
    return lines


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _listed(values: dict[str, Any], form: str) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {form.format(value)}" for name, value in values.items())


def _pair(quantiles: dict[str, float] | None) -> str:
    return f"{quantiles['median']:.0f} / {quantiles['p95']:.0f}" if quantiles else "–"


def _cases(args: argparse.Namespace) -> list[Case]:
    if (args.dataset is None) == (args.synthetic is None):
        raise UsageError("give either --dataset DIR or --synthetic N")
    if args.dataset is not None:
        return _files(Path(args.dataset)) if _is_folder(args.dataset) else dataset_cases(select(args.dataset))
    if args.synthetic < 1:
        raise UsageError(f"--synthetic is {args.synthetic}: use 1 or more")
    if args.seed < 0:
        raise UsageError(f"--seed is {args.seed}: use 0 or more")
    from offline.synthesis.command import CONFOUNDERS
    from offline.synthesis.identities import make_identity
    from offline.synthesis.stream import StreamPlan

    return [
        Case(
            f"{fps:g}-{seed}",
            plan=StreamPlan(
                make_identity(seed),
                seconds=args.seconds,
                fps=fps,
                face_width_px=args.face_width,
                seed=seed,
                events=args.events,
                confounders=CONFOUNDERS[args.confounders],
            ),
        )
        for i, fps in enumerate(args.fps)
        for seed in range(args.seed + 100 * i, args.seed + 100 * i + args.synthetic)
    ]


def _is_folder(text: str) -> bool:
    return "=" not in text or Path(text).is_dir()


def _files(folder: Path) -> list[Case]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; make one with glimpse-offline synthesize --out {folder}")
    videos = sorted(p for p in folder.iterdir() if p.suffix.lower() in VIDEO_ENDINGS)
    cases = [Case(p.name, video=p) for p in videos if p.with_suffix(".json").exists()]
    if not cases:
        raise DataError(f"{folder}: holds no video with a truth file of the same name (.json) beside it")
    return cases


def _run(case: Case, model: str, config: PipelineConfig, thresholds: Sequence[float]) -> StreamResult:
    from realtime.api import load_recognizer

    # loaded per stream: a session of the network does not travel between processes
    return run_case(case, None if model == "none" else load_recognizer(model), config, thresholds)


def _classes(model: str) -> list[str]:
    from realtime.bundle import load_bundle

    return [] if model == "none" else list(load_bundle(model).classes)


def _write(folder: Path, results: dict[str, Any], threshold: float) -> None:
    pictures = {
        folder / f"curve.{form}": curve_picture(results["curve"], threshold, form) for form in ("png", "svg")
    }
    write_together({**pictures, folder / RESULTS: (json.dumps(results, indent=1) + "\n").encode()})
