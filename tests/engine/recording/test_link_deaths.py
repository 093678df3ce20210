"""Deaths of links in a run: when they happen, and what caused them."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.small_world import scenario
from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.comms.channel.received_power import Carried
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.recording.link_deaths import LinkDeaths
from v2xsim.records import LOS, NLOSB, NLOSV
from v2xsim.results.tables import Columns

EGO, OTHER, TRUCK, TICK_US = 3, 8, 11, 100_000
GOOD_DBM, BAD_DBM = -60.0, -120.0


def deaths_of(*ticks, known=True, present=None):
    """Return the rows of the table; each tick is power and state of the link between ego and the other station."""
    table = Columns("deaths")
    follows = LinkDeaths(table, scenario(), lambda ego, vehicle: known and (ego, vehicle) == (EGO, TRUCK))
    for number, (power_dbm, state) in enumerate(ticks):
        is_there = present is None or present[number]
        none = np.zeros(1 if is_there else 0)
        near = neighbours(np.array([[0.0, 0.0], [10.0 if is_there else 1000.0, 0.0]]), 100.0)
        links = replace(
            LinkBudget.none(), agent=np.array([EGO, OTHER]), antenna_m=np.zeros((2, 3)), near=near, distance_m=none, case=np.zeros(len(none), np.int8), loss_db=none - power_dbm, shadowing_db=none,
            gain_dbi=np.zeros(2), state=np.full(len(none), state, np.int8), body_agent=np.array([TRUCK]), body_top_m=np.zeros(1), carried=Carried(none, none),
            blocker=np.full(len(none), 0 if state == NLOSV else -1, np.int32),
        )  # fmt: skip
        follows.tick(links, np.array([EGO]), number * TICK_US)
    follows.finish()
    return [row for row in table.finished().to_pylist() if row["cause"] != "gone"] if present is None else (
        table.finished().to_pylist()
    )  # fmt: skip


CLEAR, BEHIND, TRUCKED = (GOOD_DBM, LOS), (BAD_DBM, NLOSB), (BAD_DBM, NLOSV)


def test_a_link_dies_at_the_first_tick_behind_a_building():
    (row,) = deaths_of(CLEAR, CLEAR, BEHIND, BEHIND, BEHIND)
    assert (row["time_us"], row["station"], row["neighbour"]) == (2 * TICK_US, EGO, OTHER)
    assert (row["cause"], row["state"], row["blocker"], row["known"]) == ("building", "NLOSb", -1, True)


def test_a_link_that_is_back_within_two_tenths_of_a_second_has_not_died():
    assert deaths_of(CLEAR, BEHIND, BEHIND, CLEAR, CLEAR) == []


@pytest.mark.parametrize(("usable_ticks", "deaths"), [(1, 1), (5, 1), (6, 2)])
def test_a_link_that_flickers_dies_once_and_one_that_was_usable_for_half_a_second_dies_again(usable_ticks, deaths):
    again = [(GOOD_DBM, NLOSB)] * usable_ticks
    rows = deaths_of(CLEAR, *[BEHIND] * 4, *again, *[BEHIND] * 4)
    assert [row["time_us"] for row in rows] == [TICK_US, (5 + usable_ticks) * TICK_US][:deaths]


def test_a_link_that_was_never_usable_before_has_to_live_before_it_dies():
    flicker = [(GOOD_DBM, NLOSB)] * 2
    assert deaths_of(BEHIND, *flicker, *[BEHIND] * 4) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_vehicle_that_came_between_is_named_and_known_or_not(known):
    (row,) = deaths_of(CLEAR, TRUCKED, TRUCKED, TRUCKED, known=known)
    assert (row["cause"], row["blocker"], row["known"]) == ("body", TRUCK, known)


def test_a_link_that_was_behind_a_building_for_more_than_a_second_dies_of_something_else():
    long_behind = [(GOOD_DBM, NLOSB)] * 12
    (row,) = deaths_of(CLEAR, *long_behind, BEHIND, BEHIND, BEHIND)
    assert (row["cause"], row["state"]) == ("other", "NLOSb")
    (row,) = deaths_of(CLEAR, *long_behind[:5], BEHIND, BEHIND, BEHIND)
    assert row["cause"] == "building"


def test_a_link_that_is_alive_when_its_station_leaves_is_gone_and_one_that_is_dead_is_not():
    (row,) = deaths_of(CLEAR, CLEAR, CLEAR, present=[True, True, False])
    assert (row["cause"], row["time_us"]) == ("gone", TICK_US)
    rows = deaths_of(CLEAR, BEHIND, BEHIND, BEHIND, BEHIND, present=[True, True, True, True, False])
    assert [row["cause"] for row in rows] == ["building"]
