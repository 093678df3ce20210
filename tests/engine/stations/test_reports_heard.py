"""The reports that arrived at each station, as arrays."""

from itertools import pairwise

import numpy as np

from tests.engine.small_world import EGO, HELPER, OTHER, detections, frame, report
from v2xsim.engine.stations.contents import Retold
from v2xsim.engine.stations.reports_heard import ReportsHeard


def two_cars(agent=HELPER, time_us=1_000_000):
    return report(frame(agent, time_us), detections([(0, 0), (20, 5)]), [7, 9])


def held_by(heard, *agents, now_us=1_080_000):
    """Return the messages that each of some stations holds."""
    held = heard.held_by(some(*agents), now_us)
    return [held.message[begin:end].tolist() for begin, end in pairwise(held.offset.tolist())]


def some(*agents):
    return np.array(agents, np.int64)


def test_a_station_holds_what_arrived_at_it_and_nothing_else():
    heard, first, second = ReportsHeard(), two_cars(), two_cars(OTHER)
    heard.hear(first, some(EGO), 1_050_000)
    heard.hear(second, some(EGO, HELPER), 1_060_000)
    stations = {EGO: [0, 1], HELPER: [1], OTHER: []}
    assert held_by(heard, *sorted(stations)) == [stations[agent] for agent in sorted(stations)]


def test_a_report_that_arrives_twice_is_held_once():
    heard, one = ReportsHeard(), two_cars()
    for now_us in (1_050_000, 1_052_000):
        heard.hear(one, some(EGO), now_us)
    assert held_by(heard, EGO) == [[0]]
    assert len(heard.rows().sender) == 2


def test_rows_have_what_the_detecting_station_reported_however_they_came():
    heard, one = ReportsHeard(), two_cars()
    heard.hear(one, some(EGO), 1_050_000)
    heard.hear(Retold(EGO, ((one, some(1), some(1)),), 80), some(OTHER), 1_070_000)
    rows = heard.rows()
    assert (rows.begin.tolist(), rows.end.tolist()) == ([0, 2], [2, 3])
    assert rows.sender.tolist() == [HELPER, HELPER, EGO]
    assert rows.origin.tolist() == [HELPER] * 3
    assert rows.number.tolist() == [7, 9, 9]
    assert rows.hops.tolist() == [0, 0, 1]
    assert rows.stamp_us.tolist() == [1_000_000] * 3
    assert rows.place_m.tolist() == [[0, 0], [20, 5], [20, 5]]
    assert rows.report_row.tolist() == [0, 1, 1]
    assert all(heard.source(row) is one for row in range(3))


def test_times_of_objects_are_those_of_the_clock_of_their_station():
    heard = ReportsHeard()
    heard.hear(report(frame(HELPER, 1_000_000, stamp_us=1_030_000), detections([(0, 0)]), [7]), some(EGO), 1_050_000)
    assert heard.rows().stamp_us.tolist() == [1_030_000]


def test_each_station_keeps_a_message_for_as_long_after_it_arrived_there():
    heard, one = ReportsHeard(), two_cars()
    heard.hear(one, some(EGO), 1_050_000)
    heard.hear(one, some(OTHER), 1_500_000)
    held = []
    for now_us in (2_250_000, 2_250_001, 2_700_000, 2_700_001):
        heard.forget(now_us)
        held.append([len(messages) for messages in held_by(heard, EGO, OTHER, now_us=now_us)])
    assert held == [[1, 1], [0, 1], [0, 1], [0, 0]]
    assert len(heard.rows().sender) == 0


def test_what_is_too_old_for_any_use_is_forgotten():
    heard = ReportsHeard()
    for k in range(50):
        now_us = 1_000_000 + 100_000 * k
        heard.hear(two_cars(time_us=now_us), some(EGO), now_us)
        heard.forget(now_us)
        rows = heard.rows()
        assert len(rows.begin) <= 13
        assert len(rows.sender) == 2 * len(rows.begin)
        # The newest one is there, under its new index.
        assert held_by(heard, EGO, now_us=now_us) == [list(range(len(rows.begin)))]
        assert heard.source(len(rows.sender) - 1).frame.time_us == now_us
        assert rows.stamp_us[-1] == now_us
