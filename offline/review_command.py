"""`glimpse-offline review`: experts check key frames and labels on a local page; two raters are compared."""

from __future__ import annotations

import argparse
import json
import math
import threading
from pathlib import Path

from offline.datasets.combined import KINDS, choose_protocol, parse_source
from offline.datasets.flow_maps import NAME as FLOW_MAPS
from offline.datasets.protocols import PROTOCOLS
from offline.review.agreement import agreement_text, compare_reviews
from offline.review.items import Agenda, agenda_of_datasets, agenda_of_events
from realtime.errors import UsageError
from realtime.sinks.files import STDOUT, refuse_inputs, write_together

OUT = Path("review.csv")
TOLERANCE_MS = 33.0
"""One frame of a camera of 30 frames/s."""
_AROUND_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `review`."""
    add = parser.add_argument
    kinds = ", ".join(kind for kind in KINDS if kind != FLOW_MAPS)
    add("--dataset", action="append", default=[], metavar="KIND=PATH", help=f"clips to review: {kinds}")
    add(
        "--protocol", choices=tuple(PROTOCOLS), help="classes of the clips, as train and evaluate choose them"
    )
    add("--events", type=Path, metavar="JSONL", help="events to review, as glimpse process wrote them")
    add("--source", type=Path, metavar="FILE", help="the film that the events were found in")
    add("--out", type=Path, metavar="CSV", help=f"the review, written at every change ({OUT})")
    add("--rater", metavar="NAME", help="who reviews; stands in every row (that of the file, or 'rater')")
    add("--port", type=int, metavar="N", help="port of the page on 127.0.0.1 (any that is free)")
    add("--around", type=float, metavar="S", help=f"time shown before onset and after offset ({_AROUND_S:g})")
    add("--agreement", nargs=2, type=Path, metavar="CSV", help="compare the reviews of two raters instead")
    add(
        "--tolerance-ms",
        type=float,
        metavar="MS",
        help=f"key frames that are no further apart count as the same ({TOLERANCE_MS:g})",
    )
    add("--json", type=Path, metavar="FILE", help="write the agreement as JSON as well")


def run(args: argparse.Namespace) -> int:
    """Serve the page until it is interrupted, or compare two reviews; returns the exit code."""
    if args.agreement is not None:
        return _compare(args)
    if args.tolerance_ms is not None or args.json is not None:
        raise UsageError("--tolerance-ms and --json go with --agreement A.csv B.csv")
    if args.port is not None and not 0 <= args.port <= 65535:
        raise UsageError(f"--port is {args.port}: use 0 to 65535")
    around_s = _AROUND_S if args.around is None else args.around
    if not 0.0 <= around_s <= 5.0:
        raise UsageError(f"--around is {around_s:g}: use 0 to 5 seconds")
    out = args.out or OUT
    if str(out) == STDOUT:
        raise UsageError("--out needs a file: the review is written anew at every change")
    serve(_agenda(args), out, args.rater, args.port or 0, around_s)
    return 0


def _agenda(args: argparse.Namespace) -> Agenda:
    if (args.events is None) != (args.source is None):
        raise UsageError("--events goes with --source, the film that they were found in")
    if bool(args.dataset) == (args.events is not None):
        raise UsageError("what is to be reviewed? Use --dataset KIND=PATH, or --events JSONL --source FILE")
    if args.events is not None:
        if args.protocol:
            raise UsageError("--protocol goes with --dataset: events have the classes of their model")
        return agenda_of_events(args.events, args.source)
    sources = tuple(parse_source(text) for text in args.dataset)
    return agenda_of_datasets(sources, choose_protocol(sources, args.protocol))


def serve(agenda: Agenda, out: Path, rater: str | None, port: int, around_s: float) -> None:
    """Serve the page of a review on 127.0.0.1 until Ctrl-C. Raises what `Desk` and the server raise."""
    from offline.review.desk import Desk
    from offline.review.page import MOST_BODY, PURPOSE, review_app
    from offline.review.pictures import ClipReader
    from realtime.web.access import LOOPBACK, Access
    from realtime.web.server import Server, load

    load(PURPOSE)
    desk = Desk(agenda, out, rater)
    with ClipReader(around_s) as reader:
        server = Server(review_app(desk, reader), Access.of(LOOPBACK), port, PURPOSE, most_body=MOST_BODY)
        counts = desk.counts()
        done = counts["accepted"] + counts["rejected"]
        print(f"{len(agenda.items)} to review, {done} done; every change is in {out} at once")
        print(f"open {server.url} in a browser; Ctrl-C ends it", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            counts = desk.counts()
            print(f"\n{counts['accepted']} accepted, {counts['rejected']} rejected, {counts['open']} open")
        finally:
            server.close()


def _compare(args: argparse.Namespace) -> int:
    page = (
        *(args.dataset, args.protocol, args.events, args.source),
        *(args.out, args.rater, args.port, args.around),
    )
    if any(value not in (None, []) for value in page):
        raise UsageError("--agreement compares two files; only --tolerance-ms and --json go with it")
    first, second = args.agreement
    refuse_inputs(() if args.json is None else (args.json,), args.agreement)
    if first == second:
        raise UsageError(f"--agreement needs the files of two raters, not {first} twice")
    tolerance_ms = TOLERANCE_MS if args.tolerance_ms is None else args.tolerance_ms
    if not (math.isfinite(tolerance_ms) and tolerance_ms >= 0.0):
        raise UsageError(f"--tolerance-ms is {tolerance_ms:g}: use 0 or more")
    found = compare_reviews(first, second, tolerance_ms)
    print(agreement_text(found))
    if args.json is not None:
        write_together({args.json: json.dumps(found.as_dict(), indent=2).encode() + b"\n"})
    return 0
