"""What every loader does: rows of a coding file and folders of frames put together into a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from offline.datasets.action_units import parse_action_units
from offline.datasets.corpus import Annotation, ApexSource, Corpus, KeyNumbers, Kind, LeftOut
from offline.datasets.frames import FrameFolder
from offline.datasets.objective import objective_class
from offline.datasets.tables import Row
from realtime.errors import DataError

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Named:
    """Which expression a row of a coding file is about; blank where the row does not say."""

    dataset: str
    subject: str
    clip: str
    where: str
    """File, sheet and row."""


def key_numbers(row: Row, columns: Sequence[str]) -> KeyNumbers:
    """The cells of onset, apex and offset as coded. Raises DataError for what is no frame number."""
    onset, apex, offset = columns
    return KeyNumbers(row.frame(onset), row.frame_or_none(apex), row.frame(offset))


def kind_of(row: Row, column: str) -> Kind:
    """Micro- or macro-expression, from a cell that begins so. Raises DataError for anything else."""
    text = row.required(column)
    if text.lower().startswith("micro"):
        return "micro"
    if text.lower().startswith("macro"):
        return "macro"
    raise DataError(f"column {column} is '{text}', neither a macro- nor a micro-expression")


def annotate(
    named: Named,
    images: FrameFolder,
    number: KeyNumbers,
    columns: Sequence[str],
    *,
    fps: float,
    emotion: str | None,
    action_units: str = "",
    objective: str = "",
    kind: Kind = "micro",
    apex_source: ApexSource = "coded",
    notes: tuple[str, ...] = (),
) -> Annotation:
    """One annotation from its parts; `columns` are those of onset, apex and offset, for messages.

    Raises DataError where the key frames are not in order, or the image of one of them is missing.
    """
    return Annotation(
        dataset=named.dataset,
        subject=named.subject,
        clip=named.clip,
        path=images.path,
        index=images.index(number, columns),
        number=number,
        emotion=emotion,
        action_units=parse_action_units(action_units),
        objective_class=objective_class(objective),
        fps=fps,
        kind=kind,
        apex_source="none" if number.apex is None else apex_source,
        where=named.where,
        notes=notes,
    )


def gather(
    coding: Path,
    frames: Path,
    items: Iterable[_Item],
    name_of: Callable[[_Item], Named],
    read: Callable[[_Item, Named], Annotation],
) -> Corpus:
    """Read every item; one whose `read` raises DataError is left out with the error's text as reason.

    Raises DataError where not a single one can be used.
    """
    annotations: list[Annotation] = []
    left_out: list[LeftOut] = []
    for item in items:
        named = name_of(item)
        try:
            if not named.subject or not named.clip:
                raise DataError(f"the row names no {'clip' if named.subject else 'subject'}")
            annotations.append(read(item, named))
        except DataError as error:
            left_out.append(LeftOut(named.dataset, named.subject, named.clip, named.where, str(error)))
    if not annotations:
        first = f"; the first, {left_out[0].where}: {left_out[0].reason}" if left_out else ""
        raise DataError(f"{coding}: not one of its {len(left_out)} clips can be used{first}")
    return Corpus(annotations[0].dataset, coding, frames, tuple(annotations), tuple(left_out))
