"""Label protocols: the counts of the literature, and a reason for every clip without a class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from offline.datasets.corpus import Annotation, KeyNumbers
from offline.datasets.protocols import PROTOCOLS, apply_protocol, protocol
from offline.synthesis.recipes import FOUR_CLASSES, MEGC_CLASSES
from realtime.errors import UsageError

CASME2_EMOTIONS = {
    "others": 99,
    "disgust": 63,
    "happiness": 32,
    "repression": 27,
    "surprise": 25,
    "sadness": 7,
    "fear": 2,
}
SAMM_EMOTIONS = {
    "Anger": 57,
    "Happiness": 26,
    "Other": 26,
    "Surprise": 15,
    "Contempt": 12,
    "Disgust": 9,
    "Fear": 8,
    "Sadness": 6,
}
CLIP = Annotation(
    dataset="casme2",
    subject="sub01",
    clip="EP01",
    path=Path("clip"),
    index=KeyNumbers(0, 1, 2),
    number=KeyNumbers(5, 6, 7),
    emotion="happiness",
    action_units=("AU12",),
    objective_class=None,
    fps=200.0,
    kind="micro",
    apex_source="coded",
    where="coding.xlsx, sheet Sheet1, row 2",
)


def corpus_of(dataset: str, emotions: dict[str, int]) -> list[Annotation]:
    return [
        replace(CLIP, dataset=dataset, emotion=emotion, subject=f"s{n % 9}", clip=f"{emotion}{n}")
        for emotion, count in emotions.items()
        for n in range(count)
    ]


def casme2_clips() -> list[Annotation]:
    """As many as in CASME II; two of the three clips that MEGC 2019 does not list have a class."""
    clips = corpus_of("casme2", CASME2_EMOTIONS)
    names = {
        "disgust0": ("sub05", "EP12_03f"),
        "repression0": ("sub24", "EP02_07"),
        "others0": ("sub04", "EP12_01f"),
    }
    return [
        replace(clip, subject=names[clip.clip][0], clip=names[clip.clip][1]) if clip.clip in names else clip
        for clip in clips
    ]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("casme2-4", {"happiness": 32, "surprise": 25, "disgust": 63, "repression": 27}),
        ("casme2-5", {"happiness": 32, "surprise": 25, "disgust": 63, "repression": 27, "others": 99}),
        ("megc-3", {"negative": 88, "positive": 32, "surprise": 25}),
    ],
)
def test_counts_of_casme2(name: str, counts: dict[str, int]) -> None:
    clips = casme2_clips()
    labelled = apply_protocol(clips, protocol(name))
    assert labelled.per_class() == counts
    assert len(labelled.clips) + len(labelled.left_out) == len(clips) == 255
    assert sum(labelled.per_subject().values()) == len(labelled.clips)


def test_counts_of_samm_and_smic_in_megc() -> None:
    samm = apply_protocol(corpus_of("samm", SAMM_EMOTIONS), protocol("megc-3"))
    assert samm.per_class() == {"negative": 92, "positive": 26, "surprise": 15}
    emotions = {"negative": 70, "positive": 51, "surprise": 43}
    assert apply_protocol(corpus_of("smic_hs", emotions), protocol("megc-3")).per_class() == emotions


def test_spellings_of_other_datasets() -> None:
    clips = corpus_of("cas_me3", {"happy": 1, "sad": 1, "others": 1})
    assert [label for _, label in apply_protocol(clips, protocol("megc-3")).clips] == ["positive", "negative"]
    other = corpus_of("samm", {"Other": 1, "Happiness": 1})
    assert [label for _, label in apply_protocol(other, protocol("casme2-5")).clips] == [
        "others",
        "happiness",
    ]


def test_objective_classes() -> None:
    groups = ("I", "V", "VI", None)
    clips = [replace(CLIP, objective_class=group, clip=f"{group}") for group in groups]
    labelled = apply_protocol(clips, protocol("objective"))
    assert [label for _, label in labelled.clips] == ["I", "V"]
    assert [item.reason for item in labelled.left_out] == [
        "objective class VI is none of I, II, III, IV, V",
        "the coding file gives no objective class",
    ]


def test_every_reason_names_the_clip() -> None:
    clips = [
        replace(CLIP, emotion="others"),
        replace(CLIP, emotion=None),
        replace(CLIP, emotion="disgust", subject="sub05", clip="EP12_03f"),
        replace(CLIP, emotion="sadness"),
    ]
    left_out = apply_protocol(clips, protocol("megc-3")).left_out
    assert [(item.subject, item.clip, item.where) for item in left_out] == [
        (clip.subject, clip.clip, clip.where) for clip in clips
    ]
    assert [item.reason for item in left_out] == [
        "emotion 'others' is in none of negative, positive, surprise",
        "no emotion is coded",
        "it is not in the list of MEGC 2019",
        "emotion 'sadness' is in none of negative, positive, surprise",
    ]


def test_classes_and_names() -> None:
    assert list(PROTOCOLS) == ["casme2-4", "casme2-5", "megc-3", "objective", "four", "own"]
    assert PROTOCOLS["casme2-4"].classes == FOUR_CLASSES
    assert PROTOCOLS["megc-3"].classes == MEGC_CLASSES
    with pytest.raises(UsageError, match="unknown protocol 'casme2-7': use one of casme2-4"):
        protocol("casme2-7")


def test_own_takes_whatever_is_coded() -> None:
    clips = [*corpus_of("samm", {"Other": 1, "Anger": 2}), replace(CLIP, emotion=None)]
    found = apply_protocol(clips, protocol("own"))
    assert found.classes == ("anger", "others")
    assert found.per_class() == {"anger": 2, "others": 1}
    assert [item.reason for item in found.left_out] == ["no emotion is coded"]
