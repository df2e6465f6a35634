"""Label protocols: which class an annotated expression has, or why it has none.

A protocol relabels nothing and drops nothing silently: whatever has no class is listed with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from offline.datasets import casme2
from offline.datasets.corpus import Annotation, LeftOut, leave_out
from offline.synthesis.recipes import FOUR_CLASSES, MEGC_CLASSES
from realtime.errors import DataError, UsageError

OWN = "own"
"""The protocol that takes the labels as they are."""

_SPELLINGS = {"other": "others", "happy": "happiness", "sad": "sadness"}
_OBJECTIVE = ("I", "II", "III", "IV", "V")

_MEGC_GROUPS = {
    **dict.fromkeys(("anger", "contempt", "disgust", "fear", "sadness", "negative"), "negative"),
    **dict.fromkeys(("happiness", "positive"), "positive"),
    "surprise": "surprise",
}
_MEGC_CASME2 = {
    "disgust": "negative",
    "repression": "negative",
    "happiness": "positive",
    "surprise": "surprise",
}
_MEGC_NOT_LISTED = frozenset({("sub04", "EP12_01f"), ("sub05", "EP12_03f"), ("sub24", "EP02_07")})
"""CASME II clips that the composite of 145 leaves out although their emotion has a class."""


@dataclass(frozen=True, slots=True)
class LabelProtocol:
    """A named set of classes and the rule that gives them."""

    name: str
    classes: tuple[str, ...]
    """In the order of the probabilities; empty: whatever occurs, in alphabetical order."""
    label: Callable[[Annotation], str]
    """Class of an annotation. Raises DataError, its text the reason, where it has none."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Annotations under a protocol: every one of them is in one of the two lists."""

    classes: tuple[str, ...]
    clips: tuple[tuple[Annotation, str], ...]
    """Annotation and its class."""
    left_out: tuple[LeftOut, ...]

    def per_class(self) -> dict[str, int]:
        """Number of clips of each class, in the protocol's order, zeros included."""
        counts = Counter(label for _, label in self.clips)
        return {name: counts[name] for name in self.classes}

    def per_subject(self) -> dict[tuple[str, str], int]:
        """Number of clips of each (dataset, subject), in the order of their first clip."""
        return dict(Counter((clip.dataset, clip.subject) for clip, _ in self.clips))


def apply_protocol(annotations: Iterable[Annotation], protocol: LabelProtocol) -> Labelled:
    """Label what has a class, list the rest with the reason; the order is kept."""
    clips: list[tuple[Annotation, str]] = []
    left_out: list[LeftOut] = []
    for annotation in annotations:
        try:
            clips.append((annotation, protocol.label(annotation)))
        except DataError as error:
            left_out.append(leave_out(annotation, str(error)))
    classes = protocol.classes or tuple(sorted({label for _, label in clips}))
    return Labelled(classes, tuple(clips), tuple(left_out))


def protocol(name: str) -> LabelProtocol:
    """The protocol of that name. Raises UsageError for an unknown one."""
    if name not in PROTOCOLS:
        raise UsageError(f"unknown protocol '{name}': use one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def _by_emotion(name: str, classes: tuple[str, ...]) -> LabelProtocol:
    def label(annotation: Annotation) -> str:
        emotion = _emotion(annotation)
        if emotion not in classes:
            raise DataError(f"emotion '{annotation.emotion}' is none of {', '.join(classes)}")
        return emotion

    return LabelProtocol(name, classes, label)


def _megc_label(annotation: Annotation) -> str:
    """Three classes of the MEGC 2019 composite (See et al. 2019); other datasets are grouped like SAMM."""
    groups = _MEGC_CASME2 if annotation.dataset == casme2.NAME else _MEGC_GROUPS
    emotion = _emotion(annotation)
    if emotion not in groups:
        raise DataError(f"emotion '{annotation.emotion}' is in none of {', '.join(MEGC_CLASSES)}")
    if annotation.dataset == casme2.NAME and (annotation.subject, annotation.clip) in _MEGC_NOT_LISTED:
        raise DataError("it is not in the list of MEGC 2019")
    return groups[emotion]


def _objective_label(annotation: Annotation) -> str:
    """Objective classes I to V, those that MEGC 2018 evaluates (Davison et al. 2018)."""
    if annotation.objective_class is None:
        raise DataError("the coding file gives no objective class")
    if annotation.objective_class not in _OBJECTIVE:
        raise DataError(f"objective class {annotation.objective_class} is none of {', '.join(_OBJECTIVE)}")
    return annotation.objective_class


def _emotion(annotation: Annotation) -> str:
    """The coded emotion in one spelling."""
    if not annotation.emotion:
        raise DataError("no emotion is coded")
    plain = annotation.emotion.strip().lower()
    return _SPELLINGS.get(plain, plain)


PROTOCOLS: Mapping[str, LabelProtocol] = MappingProxyType(
    {
        item.name: item
        for item in (
            _by_emotion("casme2-4", FOUR_CLASSES),
            _by_emotion("casme2-5", (*FOUR_CLASSES, "others")),
            LabelProtocol("megc-3", MEGC_CLASSES, _megc_label),
            LabelProtocol("objective", _OBJECTIVE, _objective_label),
            _by_emotion("four", FOUR_CLASSES),
            LabelProtocol(OWN, (), _emotion),
        )
    }
)
