"""The literal pipeline that the route is held against."""

from __future__ import annotations

from contextlib import closing

import pytest
from conftest import Clip, Film

from benchmarks import naive


def test_it_classifies_every_window(film: Film) -> None:
    with closing(naive.NaivePipeline()) as pipeline:
        found = [pipeline.push(frame) for frame in film.frames[:6]]
    assert found[:3] == [None, None, None]
    assert all(label in naive.CLASSES for label in found[3:])


def test_both_are_measured_over_as_many_frames(clip: Clip) -> None:
    found = naive.measure(str(clip.video), blocks=2, frames=4)
    assert found["frames"] == 8
    assert found["naive"]["fps"] > 0.0
    ratio = found["glimpse"]["fps"] / found["naive"]["fps"]
    assert found["ratio_of_throughput"] == pytest.approx(ratio)
