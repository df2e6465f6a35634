import subprocess
import sys

import numpy as np
import pytest

from offline.synthesis.action_units import ACTION_UNITS, MEASURED
from offline.synthesis.direct import draw_flow, draw_flows, flows_of, make_flow_set
from offline.synthesis.fields import draw_expression
from offline.synthesis.recipes import FOUR_CLASSES, MEGC_CLASSES, MIXTURES, draw_action_units
from realtime.errors import UsageError
from realtime.features.spec import AU_NAMES
from realtime.geometry import unit_grid


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("label", sorted({*FOUR_CLASSES, *MEGC_CLASSES}))
def test_every_class_draws_known_action_units(label: str) -> None:
    generator = rng(1)
    drawn = [draw_action_units(generator, label) for _ in range(400)]
    assert {unit for units in drawn for unit in units} <= set(ACTION_UNITS)
    shares = {units: share for share, units in MIXTURES[label]}
    most_common = max(shares, key=shares.__getitem__)
    expected = shares[most_common] / sum(shares.values())
    assert drawn.count(most_common) / len(drawn) == pytest.approx(expected, abs=0.1)


def test_disgust_has_the_shares_of_the_coding() -> None:
    generator = rng(2)
    drawn = [draw_action_units(generator, "disgust") for _ in range(2000)]
    for unit, share in (("AU4", 0.94), ("AU7", 0.48), ("AU10", 0.27), ("AU9", 0.21)):
        assert np.mean([unit in units for units in drawn]) == pytest.approx(share, abs=0.06)


def test_largest_displacement_is_one() -> None:
    x, y = unit_grid(96)
    for seed, label in enumerate(FOUR_CLASSES):
        dx, dy = draw_expression(rng(seed), label).displacement(x, y)
        assert np.hypot(dx, dy).max() == pytest.approx(1.0, abs=0.03)


def test_same_seed_gives_the_same_expression() -> None:
    first, second = (draw_expression(rng(5), "happiness") for _ in range(2))
    assert first.weights == second.weights
    np.testing.assert_array_equal(first.bumps, second.bumps)
    assert not first.bumps.flags.writeable


@pytest.mark.parametrize(
    ("units", "x", "y", "direction"),
    [
        (("AU12",), 0.45, 0.95, (1, -1)),
        (("AU12",), -0.45, 0.95, (-1, -1)),
        (("AU4",), 0.2, -0.27, (-1, 1)),
        (("AU15",), 0.42, 1.1, (0, 1)),
        (("AU1", "AU2"), -0.4, -0.3, (0, -1)),
    ],
)
def test_action_units_move_as_in_facs(
    units: tuple[str, ...], x: float, y: float, direction: tuple[int, int]
) -> None:
    expression = draw_expression(rng(3), action_units=units, side="both")
    dx, dy = expression.displacement(np.array([x]), np.array([y]))
    for found, wanted in zip((dx[0], dy[0]), direction, strict=True):
        assert wanted == 0 or found * wanted > 0.1


def test_one_sided_expression_leaves_the_other_side_alone() -> None:
    expression = draw_expression(rng(4), action_units=["AU14"], side="left")
    assert expression.side == "left"
    far, near = expression.displacement(np.array([-0.5, 0.5]), np.array([1.0, 1.0]))[0]
    assert abs(far) < 0.01 < 0.5 < near


def test_share_of_one_sided_expressions() -> None:
    generator = rng(6)
    sides = [draw_expression(generator, "happiness").side for _ in range(600)]
    assert 0.12 < np.mean([side != "both" for side in sides]) < 0.22


def test_middle_action_units_have_no_side() -> None:
    assert draw_expression(rng(7), action_units=["AU17"], side="left").side == "both"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="AU99"):
        draw_expression(rng(), action_units=["AU99"])
    with pytest.raises(UsageError, match="boredom"):
        draw_expression(rng(), "boredom")
    with pytest.raises(UsageError, match="class or action units"):
        draw_expression(rng())


def test_flow_has_the_promised_form() -> None:
    flow = draw_flow(rng(8), "surprise")
    assert flow.shape == (2, 64, 64)
    assert flow.dtype == np.float32
    assert np.isfinite(flow).all()
    np.testing.assert_array_equal(flow, draw_flow(rng(8), "surprise"))


def test_class_means_point_where_the_class_moves() -> None:
    generator = rng(9)
    mean = np.mean([draw_flow(generator, "surprise") for _ in range(80)], axis=0)
    brows, chin = mean[1, 2:10, 8:56].mean(), mean[1, 44:60, 20:44].mean()
    assert brows < chin - 0.5


def test_three_flows_go_and_come_back() -> None:
    generator = rng(10)
    flows = np.stack([draw_flows(generator, "happiness") for _ in range(60)]).mean(axis=0)
    assert flows.shape == (3, 2, 64, 64)
    first, second, third = (flow.ravel() - np.median(flow) for flow in flows)
    assert np.corrcoef(first, second)[0, 1] < -0.8
    assert np.linalg.norm(third) < 0.5 * np.linalg.norm(first)


def test_measured_smiles_reach_further_down() -> None:
    below = np.array([0.46]), np.array([1.4])
    lift = [
        -np.mean(
            [draw_expression(rng(k), action_units=["AU12"], side="both", table=table).displacement(*below)[1]
             for k in range(40)]
        )
        for table in (ACTION_UNITS, MEASURED)
    ]  # fmt: skip
    assert lift[1] > 1.5 * lift[0] > 0.0
    assert {name for name in ACTION_UNITS if MEASURED[name] != ACTION_UNITS[name]} == {"AU12"}


def test_measured_action_units_change_the_samples_that_hold_them() -> None:
    plain, measured = (make_flow_set(3, 9, MEGC_CLASSES, as_measured=choice) for choice in (False, True))
    differs = [not np.array_equal(a, b) for a, b in zip(plain.flows, measured.flows, strict=True)]
    smiles = measured.action_units[:, AU_NAMES.index("AU12")].any(axis=1)
    assert smiles.any()
    np.testing.assert_array_equal(differs, smiles)
    np.testing.assert_array_equal(plain.action_units, measured.action_units)


def test_an_expression_that_is_drawn_already_becomes_the_same_flows() -> None:
    generator = rng(11)
    expression = draw_expression(generator, "disgust")
    np.testing.assert_array_equal(flows_of(generator, expression), draw_flows(rng(11), "disgust"))


def test_flow_set_is_reproducible_and_labelled() -> None:
    first, second = (make_flow_set(3, 12, MEGC_CLASSES, subjects=2) for _ in range(2))
    np.testing.assert_array_equal(first.flows, second.flows)
    assert first.flows.shape == (12, 2, 64, 64)
    assert first.labels == MEGC_CLASSES * 4
    assert len(set(first.subjects)) == 2
    longer = make_flow_set(3, 13, MEGC_CLASSES, subjects=2)
    np.testing.assert_array_equal(first.flows, longer.flows[:12])
    assert make_flow_set(1, 2, three=True).flows.shape == (2, 3, 2, 64, 64)


def test_empty_sets_are_refused() -> None:
    with pytest.raises(UsageError, match="at least one"):
        make_flow_set(0, 0)


def test_synthesis_imports_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['pandas'] = None\n"
        "import offline.synthesis.command, offline.synthesis.keyframes, offline.synthesis.direct\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
