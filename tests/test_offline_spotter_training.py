from __future__ import annotations

import json

import numpy as np
import pytest

from offline.spotter_training import draw_motion_plan, grow_trees, make_templates, to_json, train_model
from offline.synthesis.living import LivingStream
from offline.synthesis.living_motion import living_motions
from realtime.errors import GlimpseError
from realtime.spotting.features import FEATURES
from realtime.spotting.model import load_model, parse_model


def test_the_shipped_model_fits_the_code() -> None:
    names, templates = make_templates()
    model = load_model()
    assert model.features == FEATURES
    assert model.names == names
    assert np.abs(model.templates - templates).max() < 1e-3


def test_trees_score_as_scikit_learn_does() -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    y = ((x[:, 0] > 0.3) ^ (x[:, 1] * x[:, 2] > 0.1)).astype(int)
    trees = grow_trees(x, y.tolist())
    fitted = GradientBoostingClassifier(
        n_estimators=160, learning_rate=0.08, max_depth=3, min_samples_leaf=25, subsample=0.7, random_state=0
    ).fit(x, y)
    ours = [trees.probability(row) for row in x[:50]]
    assert np.allclose(ours, fitted.predict_proba(x[:50])[:, 1], atol=1e-6)


def test_training_repeats_and_its_file_reads_back() -> None:
    model = train_model(range(2), seconds=12.0)
    text = to_json(model)
    assert text == to_json(train_model(range(2), seconds=12.0))
    read = parse_model(json.loads(text))
    features = np.zeros(len(FEATURES))
    assert read.score(features) == pytest.approx(model.score(features), abs=1e-4)


def test_another_schema_is_refused() -> None:
    with pytest.raises(GlimpseError, match="schema"):
        parse_model({"schema": "glimpse-spotter/0"})


def test_motions_repeat_and_carry_the_events() -> None:
    plan = draw_motion_plan(3, seconds=6.0)
    stream = LivingStream(plan)
    first, again = (list(living_motions(stream)) for _ in range(2))
    assert [m.time_s for m in first] == [m.time_s for m in again]
    assert np.array_equal(first[-1].regions, again[-1].regions)
    assert all(0.0 < e.start_s < e.end_s < plan.seconds for e in stream.events)
    assert {m.lag_s for m in first} == {round(0.133 * plan.fps) / plan.fps}
