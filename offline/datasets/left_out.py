"""Accounts of what is not used: a table with every clip and its reason, and a short count to print."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from offline.datasets.corpus import LeftOut
from realtime.sinks.files import OutputFile

EXCLUDED = "excluded.csv"
"""Name of the table beside results and trained models."""
COLUMNS = ("dataset", "subject", "clip", "where", "reason")
_REASONS = 8
"""Reasons that are printed; the table has them all."""


def left_out_table(left_out: Iterable[LeftOut]) -> bytes:
    """CSV in UTF-8, one row per clip, with a line of headings."""
    return csv_table(COLUMNS, [(x.dataset, x.subject, x.clip, x.where, x.reason) for x in left_out])


def write_left_out(path: Path, left_out: Iterable[LeftOut]) -> None:
    """Write the table, whole or not at all. Raises OutputError."""
    file = OutputFile(path)
    try:
        file.write(left_out_table(left_out))
        file.commit()
    finally:
        file.abandon()


def left_out_count(left_out: Sequence[LeftOut]) -> str:
    """A few lines: how many in all, and the commonest reasons per dataset."""
    lines = [f"left out: {len(left_out)}"]
    reasons = Counter(f"{item.dataset}: {item.reason}" for item in left_out)
    lines += [f"  {count} × {reason}" for reason, count in reasons.most_common(_REASONS)]
    if len(reasons) > _REASONS:
        lines.append(f"  and {sum(n for _, n in reasons.most_common()[_REASONS:])} for other reasons")
    return "\n".join(lines)


def commonest_reason(left_out: Iterable[LeftOut]) -> str:
    """The reason given most often, and where it was first given; "" for nothing left out."""
    first: dict[str, str] = {}
    counts = Counter[str]()
    for item in left_out:
        first.setdefault(item.reason, item.where)
        counts[item.reason] += 1
    return next((f"{reason} ({first[reason]})" for reason, _ in counts.most_common(1)), "")


def csv_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file in UTF-8 with a line of headings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
