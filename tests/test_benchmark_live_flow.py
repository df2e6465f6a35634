"""Live key-frame flow beside flow made directly, on the same expressions."""

from __future__ import annotations

import pytest

from benchmarks import live_flow
from offline.synthesis.identities import make_identity
from offline.synthesis.stream import CALM, StreamPlan, SyntheticStream
from realtime.api import load_recognizer
from realtime.recognition import Recognizer


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return load_recognizer("default", device="cpu")


def test_every_way_scores_the_expressions_that_the_route_found(recognizer: Recognizer) -> None:
    plan = StreamPlan(
        make_identity(2), seconds=6.0, fps=30.0, width=240, height=200, face_width_px=110.0,
        seed=5, events=2, amplitude_percent=(1.0, 1.5), confounders=CALM,
    )  # fmt: skip
    happened = SyntheticStream(plan)
    labels = [event.label for event in happened.truth.events]
    assert [expression.label for expression in happened.micro_expressions] == labels
    found = live_flow.score_stream(plan, recognizer)
    assert found
    assert {item.label for item in found} <= set(labels)
    for item in found:
        assert set(item.rows) == set(live_flow.WAYS)
        assert all(sum(row) == pytest.approx(1.0) for row in item.rows.values())


def test_the_table_pairs_each_way_with_direct_flow() -> None:
    sure, wrong = (0.8, 0.2), (0.4, 0.6)
    rows = {"direct": sure, "rendered": sure, "live": wrong}
    found = [live_flow.Found(f"identity-{k}", "surprise", rows) for k in range(3)]
    lines = live_flow.table(found, ("surprise", "disgust")).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["direct", "1.000"],
        ["rendered", "1.000"],
        ["live", "0.000"],
    ]
    assert lines[1].split()[-1] == "0.223"
    assert lines[3].endswith("-1.000 (-1.000 to -1.000)")
