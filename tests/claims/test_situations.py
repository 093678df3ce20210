"""How often useful helpers are out of reach, and how often relays reach them."""

import numpy as np
import pytest

import v2xsim
from v2xsim.claims.situations import FAMILIES, Pairs, Shares, shares_of, situation_rows, watched
from v2xsim.errors import UserError
from v2xsim.records import LOS, NLOSB, NLOSV

WALL = {"footprint_m": [[10, 10], [110, 10], [110, 110], [10, 110]], "height_m": 30}


def corner(*more, stations=("ego", "helper"), **radio):
    """Return two cars on two streets with a building between them, and others."""
    script = [
        {"id": "ego", "waypoints": [[0, 0, 60], [9, 0, 51]]},
        {"id": "helper", "waypoints": [[0, 60, 0], [9, 51, 0]]},
        *({"id": name, "waypoints": [[0, *place]]} for name, place in more),
    ]
    data = {
        "run": {"duration_s": 1.0, "step_s": 0.5}, "world": {"buildings": [WALL]}, "traffic": {"script": script},
        "stations": {"include": [*stations, *(name for name, _ in more)]}, "lidars": {"include": ["ego", "helper"], "model": "beam16"},
        "radio": {"tx_power_dbm": 5.0, "shadowing": False, **radio}, "cooperation": {"egos": ["ego"], "matrix": {"extent_m": 100, "cell_m": 4}},
    }  # fmt: skip
    return v2xsim.scenario.from_data(data)


def test_a_helper_round_the_corner_is_dead_directly_and_alive_over_each_car_at_the_corner():
    pairs = watched(corner(("at_corner", (0, 0)), ("beside_it", (-4, -4)), ("far", (0, 900))))
    assert len(pairs.direct) == 2
    for direct, best, candidates, state in zip(pairs.direct, pairs.best, pairs.candidates, pairs.state, strict=True):
        assert direct[0] < 0.7 < best[0]
        assert candidates.tolist() == [2]
        assert state.tolist() == [NLOSB]
    shares = shares_of(pairs, 0.5)
    assert (shares.useful_s, shares.dead, shares.behind_building, shares.relayable, shares.choice) == (1, 1, 1, 1, 1)


def test_without_a_third_station_nothing_is_relayable_however_strong_the_own_link():
    shares = shares_of(watched(corner()), 0.5)
    assert (shares.useful_s, shares.dead, shares.relayable, shares.choice) == (1, 1, 0, None)


def test_a_helper_that_sees_nothing_of_the_blind_zone_is_not_useful():
    far = corner(("at_corner", (0, 0))).with_({"cooperation.matrix.extent_m": 20.0})
    assert shares_of(watched(far), 0.5) == Shares(0.0)


def test_shares_count_pairs_and_instants_alike():
    pairs = Pairs(
        [np.array([0.9, 0.69]), np.array([0.1, 0.7])], [np.array([0.0, 0.7]), np.array([0.69, 0.9])],
        [np.array([0, 1]), np.array([0, 3])], [np.array([LOS, NLOSV]), np.array([NLOSB, LOS])], [np.array([9.0, 50.0]), np.array([80.0, 9.0])],
    )  # fmt: skip
    assert shares_of(pairs, 0.5) == Shares(2.0, 0.5, 0.5, 0.5, 0.25, 0.0, 50.0)


def test_a_row_has_the_mean_and_the_spread_of_its_seeds():
    alive, dead = (corner(("at_corner", (0, 0)), tx_power_dbm=power) for power in (5.0, -35.0))
    row, nothing = situation_rows([alive, dead], seeds=2)
    assert (row.seeds, row.useful_s, row.relayable, row.relayable_least, row.relayable_most, row.choice) == (
        2,
        1,
        1,
        1,
        1,
        0,
    )
    assert (nothing.dead, nothing.relayable, nothing.choice, nothing.choice_least) == (1, 0, None, None)


def test_a_channel_that_loses_nothing_is_refused():
    with pytest.raises(UserError, match="must be a scheme with a channel, got ideal"):
        watched(corner(access="ideal"))


def test_the_families_are_packaged():
    assert set(FAMILIES) < set(v2xsim.scenario.packaged())
