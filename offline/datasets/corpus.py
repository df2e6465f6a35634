"""What the loaders give: the annotated clips of a dataset, and those that cannot be used, with reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["micro", "macro"]
ApexSource = Literal["coded", "midpoint", "spotted", "none"]


@dataclass(frozen=True, slots=True)
class KeyNumbers:
    """Numbers of the three key frames, onset <= apex <= offset and onset < offset."""

    onset: int
    apex: int | None
    """None where the dataset codes none."""
    offset: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated expression and where its frames lie."""

    dataset: str
    subject: str
    """Name of the person, unique in the dataset."""
    clip: str
    """Name of the expression, unique for the subject."""
    path: Path
    """Folder of images, or a video file."""
    index: KeyNumbers
    """0-based places in the order of the frames, as a `FrameSource` over `path` counts them."""
    number: KeyNumbers
    """The same frames as the coding file numbers them."""
    emotion: str | None
    """As coded; None where the dataset codes none."""
    action_units: tuple[str, ...]
    """"AU4", one-sided "LAU10"; a trailing "?" marks what the coders doubted. Intensities are left off."""
    objective_class: str | None
    """"I" to "VII" (Davison et al. 2018); None where the coding file has none."""
    fps: float
    kind: Kind
    apex_source: ApexSource
    where: str
    """File, sheet and row of the annotation, for messages."""
    notes: tuple[str, ...] = ()
    """What the dataset's rules made of the coded numbers."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A clip that is not used, and why."""

    dataset: str
    subject: str
    clip: str
    where: str
    """File, sheet and row of the annotation."""
    reason: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """One dataset as it lies on disk: every row of its coding file is in one of the two lists."""

    name: str
    coding: Path
    """The coding file that was read."""
    frames: Path
    """Folder under which the frames were found."""
    annotations: tuple[Annotation, ...]
    left_out: tuple[LeftOut, ...]

    def per_class(self) -> Counter[str]:
        """Number of annotations per emotion as coded; "" where none is coded."""
        return Counter(item.emotion or "" for item in self.annotations)

    def per_subject(self) -> Counter[str]:
        """Number of annotations per subject."""
        return Counter(item.subject for item in self.annotations)


def leave_out(annotation: Annotation, reason: str) -> LeftOut:
    """The same clip as one that is not used."""
    return LeftOut(annotation.dataset, annotation.subject, annotation.clip, annotation.where, reason)
