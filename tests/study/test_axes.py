"""From the blocks of a sweep file to settings: which value a draw gives, and in which order blocks are combined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.study import axes
from v2xsim.study.axes import settings_of
from v2xsim.study.sweepfile import SweepFile


def file(**blocks):
    return SweepFile.model_validate({"scenario": "demo", **blocks})


def values(monkeypatch, rule, *units):
    """Return the values of one key where the draws are these shares of its range."""
    monkeypatch.setattr(axes, "_random", lambda _: np.array(units)[:, None])
    return [setting["k"] for setting in settings_of(file(random={"points": len(units), "keys": {"k": rule}}))]


def test_a_linear_range_spreads_differences(monkeypatch):
    found = values(monkeypatch, {"from": 10, "to": 20}, 0.0, 0.25, 0.5, 1.0)
    assert found == pytest.approx([10.0, 12.5, 15.0, 20.0])


def test_a_log_range_spreads_ratios(monkeypatch):
    found = values(monkeypatch, {"from": 10, "to": 1000, "scale": "log"}, 0.0, 0.5, 1.0)
    assert found == pytest.approx([10.0, 100.0, 1000.0])


def test_whole_numbers_have_equal_shares_of_the_draw_both_ends_included(monkeypatch):
    units = [0.0, 0.24, 0.26, 0.49, 0.51, 0.74, 0.76, 0.999, 1.0]
    assert values(monkeypatch, {"from": 3, "to": 6, "integer": True}, *units) == [3, 3, 4, 4, 5, 5, 6, 6, 6]


def test_whole_numbers_of_a_log_range_are_whole(monkeypatch):
    """From 1 up to, but without, 8: halfway is the square root of 8, rounded down."""
    found = values(monkeypatch, {"from": 1, "to": 7, "scale": "log", "integer": True}, 0.0, 0.5, 0.999)
    assert found == [1, 2, 7]
    assert all(isinstance(value, int) for value in found)


def test_the_members_of_a_list_have_equal_shares_of_the_draw(monkeypatch):
    assert values(monkeypatch, ["a", "b", "c"], 0.0, 0.32, 0.34, 0.65, 0.67, 0.999, 1.0) == list("aabbccc")


def test_a_sweep_without_blocks_has_one_setting_without_keys():
    assert settings_of(file()) == [{}]


def test_the_last_key_of_a_grid_varies_fastest():
    found = settings_of(file(grid={"a": [1, 2], "b": [3, 4]}))
    assert found == [{"a": 1, "b": 3}, {"a": 1, "b": 4}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]


def test_rows_of_a_list_stay_together():
    assert settings_of(file(list=[{"a": 1, "b": 5}, {"a": 2, "b": 6}])) == [{"a": 1, "b": 5}, {"a": 2, "b": 6}]


def test_blocks_are_combined_in_the_order_grid_list_random_sobol():
    found = settings_of(
        file(
            grid={"a": [1, 2]},
            list=[{"b": 3}, {"b": 4}],
            random={"points": 2, "keys": {"c": [5]}},
            sobol={"points": 2, "keys": {"d": [6]}},
        )
    )
    assert len(found) == 16
    assert [list(setting) for setting in found] == [["a", "b", "c", "d"]] * 16
    assert [setting["a"] for setting in found] == [1] * 8 + [2] * 8
    assert [setting["b"] for setting in found] == ([3] * 4 + [4] * 4) * 2


@pytest.mark.parametrize("block", ["random", "sobol"])
def test_each_key_has_draws_of_its_own(block):
    keys = {"a": {"from": 0, "to": 1}, "b": {"from": 0, "to": 1}}
    found = settings_of(file(**{block: {"points": 8, "keys": keys}}))
    assert all(setting["a"] != setting["b"] for setting in found)


@pytest.mark.parametrize("block", ["random", "sobol"])
def test_another_seed_of_the_draw_gives_other_settings(block):
    one, two = (
        settings_of(file(**{block: {"points": 4, "seed": seed, "keys": {"a": {"from": 0, "to": 1}}}}))
        for seed in (1, 2)
    )
    assert all(a != b for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("block", ["random", "sobol"])
def test_there_are_as_many_settings_as_points(block):
    assert len(settings_of(file(**{block: {"points": 5, "keys": {"a": {"from": 0, "to": 1}}}}))) == 5


def test_a_sobol_sequence_is_scrambled():
    """A plain one begins at the corner of the cube, which would be tried in every sweep."""
    first = settings_of(file(sobol={"points": 1, "keys": {"a": {"from": 0, "to": 1}}}))[0]
    assert first["a"] > 0


@given(st.integers(1, 6), st.integers(0, 100))
def test_a_sobol_sequence_of_a_power_of_two_halves_every_key(power, seed):
    points = 2**power
    keys = {"a": {"from": 0, "to": 1}, "b": {"from": 0, "to": 1}}
    found = settings_of(file(sobol={"points": points, "seed": seed, "keys": keys}))
    for key in keys:
        assert sum(setting[key] < 0.5 for setting in found) == points / 2
