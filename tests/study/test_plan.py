"""Plans of sweeps: which settings, in which order, and what is said of those that make no sense."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.study.plan import plan_of

BASE = {"scenario": "demo"}


def test_a_grid_is_every_combination_and_the_last_key_varies_fastest():
    plan = plan_of(
        {**BASE, "grid": {"radio.tx_power_dbm": [10, 20], "cooperation.relay": ["none", "hybrid"]}, "seeds": [7, 3]}
    )
    assert [tuple(s.values()) for s in plan.settings] == [(10, "none"), (10, "hybrid"), (20, "none"), (20, "hybrid")]
    assert [(p.setting, p.seed) for p in plan.points[:3]] == [(0, 7), (0, 3), (1, 7)]


def test_every_setting_runs_with_the_same_seeds():
    plan = plan_of({**BASE, "grid": {"radio.tx_power_dbm": [10, 20, 23]}, "seeds": 4})
    assert [[p.seed for p in plan.points if p.setting == s] for s in range(3)] == 3 * [[1, 2, 3, 4]]


def test_blocks_are_combined():
    plan = plan_of({
        **BASE, "grid": {"cooperation.relay": ["none", "hybrid"]},
        "list": [{"radio.mcs": 0, "radio.tx_power_dbm": 10}, {"radio.mcs": 2, "radio.tx_power_dbm": 20}],
    })  # fmt: skip
    assert len(plan.settings) == 4
    assert set(plan.keys) == {"cooperation.relay", "radio.mcs", "radio.tx_power_dbm"}


@pytest.mark.parametrize("block", ["random", "sobol"])
@settings(max_examples=25, deadline=None)
@given(points=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_draws_lie_in_their_ranges_and_a_longer_draw_begins_with_the_shorter(block, points, seed):
    keys = {
        "radio.tx_power_dbm": {"from": 10, "to": 23},
        "radio.range_m": {"from": 100, "to": 1000, "scale": "log"},
        "cooperation.max_helpers": {"from": 1, "to": 4, "integer": True},
        "cooperation.relay": ["none", "hybrid"],
    }
    short = plan_of({**BASE, block: {"points": points, "seed": seed, "keys": keys}})
    for setting in short.settings:
        assert 10 <= setting["radio.tx_power_dbm"] <= 23
        assert 100 <= setting["radio.range_m"] <= 1000 * (1 + 1e-12)
        assert setting["cooperation.max_helpers"] in (1, 2, 3, 4)
        assert isinstance(setting["cooperation.max_helpers"], int)
    longer = plan_of({**BASE, block: {"points": points + 5, "seed": seed, "keys": keys}})
    assert longer.settings[:points] == short.settings


def test_a_sobol_sequence_fills_every_part_of_the_range_once():
    plan = plan_of({**BASE, "sobol": {"points": 16, "keys": {"radio.tx_power_dbm": {"from": 0, "to": 16}}}})
    assert sorted(int(s["radio.tx_power_dbm"]) for s in plan.settings) == list(range(16))


def test_a_log_range_spreads_ratios():
    plan = plan_of(
        {**BASE, "sobol": {"points": 8, "keys": {"radio.range_m": {"from": 10, "to": 1000, "scale": "log"}}}}
    )
    assert sum(s["radio.range_m"] < 100 for s in plan.settings) == 4
    assert math.isclose(min(p["radio.range_m"] for p in plan.settings), 10, rel_tol=0.8)


def test_a_point_is_known_by_what_it_runs_and_not_by_its_plan():
    one = plan_of({**BASE, "grid": {"radio.tx_power_dbm": [10, 20]}, "seeds": [5]})
    two = plan_of({**BASE, "name": "other", "list": [{"radio.tx_power_dbm": 20}], "seeds": [4, 5]})
    assert one.points[1].key == two.points[1].key
    assert len({p.key for p in (*one.points, *two.points)}) == 3


def test_paths_of_a_sweep_file_count_from_its_folder(tmp_path, monkeypatch):
    (tmp_path / "town").mkdir()
    (tmp_path / "town" / "own.yaml").write_text("traffic: {highway: {length_m: 500}}\n")
    (tmp_path / "town" / "sweep.yaml").write_text("scenario: own.yaml\nseeds: 2\n")
    monkeypatch.chdir(tmp_path)
    assert plan_of("town/sweep.yaml").scenario.traffic.highway.length_m == 500


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"gird": {"radio.mcs": [1]}}, ["gird", "did you mean 'grid'"]),
        ({"grid": {"radio.tx_powr_dbm": [1]}}, ["radio.tx_powr_dbm", "did you mean 'tx_power_dbm'"]),
        ({"grid": {"radio.mcs": []}}, ["grid.radio.mcs", "at least 1"]),
        ({"grid": {"run.seed": [1, 2]}}, ["run.seed", "use seeds"]),
        ({"grid": {"radio.mcs": [1]}, "set": {"radio.mcs": 2}}, ["radio.mcs", "one place"]),
        ({"grid": {"radio": [{}], "radio.mcs": [1]}}, ["radio.mcs lies within radio"]),
        ({"list": [{"radio.mcs": 1}, {"radio.range_m": 1}]}, ["list.0", "same keys"]),
        ({"random": {"points": 3, "keys": {"radio.mcs": {"from": 3, "to": 1}}}}, ["to (1) must be above from (3)"]),
        ({"random": {"points": 3, "keys": {"radio.range_m": {"from": 0, "to": 1, "scale": "log"}}}}, ["above 0"]),
        ({"seeds": [1, 1]}, ["seeds must differ"]),
        ({"seeds": 0}, ["seeds"]),
        ({"grid": {"radio.mcs": [1, 1]}}, ["2 points", "1 points", "values must differ"]),
        ({"grid": {"radio.mcs": [1]}, "baseline": {"radio.mcs": 2}}, ["baseline", "no setting"]),
        ({"grid": {"radio.mcs": [1]}, "baseline": {"radio.range_m": 2}}, ["baseline", "not varied"]),
        ({"scenario": "dmo"}, ["dmo", "did you mean 'demo'"]),
        ({"grid": {"radio.mcs": [f"{i}" for i in range(9000)]}, "seeds": 5000}, ["at most 1,000,000 points"]),
    ],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_is_one_clear_error(said, words):
    with pytest.raises(UserError) as found:
        plan_of({**BASE, **said})
    assert any(word in str(found.value) for word in words), str(found.value)
    assert len(str(found.value).splitlines()) <= 2
