"""What egos still know when they come back after a long time."""

import numpy as np
import pytest

from tests.engine.small_world import (
    EGO,
    FORGET_US,
    HELPER,
    MAX_AGE_US,
    OTHER,
    answer,
    awareness,
    detections,
    frame,
    own_states,
    report,
    request,
    stations_of,
)
from v2xsim.engine.stations.knowledge import REPORT_VALID_US

LATE_US = 9_000_000


def away_since(left_us, *, egos=(EGO,), frames=()):
    """Return stations of which the ego was there at the begin and left at a time."""
    stations = stations_of(own_states([EGO, HELPER], egos=egos), *frames)
    stations.neighbours.hear(awareness(HELPER), 40, np.array([EGO]), 50)
    stations.enter(own_states([HELPER], time_us=left_us, egos=egos))
    return stations


def come_back(stations, time_us=LATE_US):
    stations.enter(own_states([EGO, HELPER], time_us=time_us))
    return stations.knowledge_of(EGO)


def heard(stations):
    """Return the stations that the ego ever heard."""
    return set(stations.neighbours.heard_by(EGO).agent.tolist())


def known(stations):
    """Return the arrival of each announcement that the ego knows, by its sender."""
    return {item.awareness.origin: item.arrived_us for item in stations.neighbours.known_by(EGO)}


def tidied(stations, time_us=LATE_US, oldest_us=None):
    """Let stations forget what they cannot use, if messages from before a time cannot arrive any more; usually no message is under way."""
    stations.tidy(time_us, time_us, time_us if oldest_us is None else oldest_us)
    return stations


def test_an_ego_that_is_away_for_long_is_no_ego_that_waits():
    stations = away_since(100_000)
    assert [knowledge.agent for knowledge in stations.egos()] == [EGO]
    tidied(stations)
    assert (stations.egos(), stations.ego_agents, list(stations._knowledge)) == ([], set(), [])


@pytest.mark.parametrize(("past_us", "is_kept"), [(0, True), (1, False)])
def test_an_ego_is_kept_while_it_could_use_anything_when_it_comes_back(past_us, is_kept):
    stations = away_since(100_000)
    longest_us = max(FORGET_US, MAX_AGE_US, REPORT_VALID_US)
    tidied(stations, 100_000 + longest_us + past_us)
    assert (EGO in stations.ego_agents) == is_kept


def test_a_station_that_was_no_ego_is_forgotten():
    stations = tidied(away_since(100_000, egos=(), frames=[frame(EGO)]))
    assert (EGO in stations._away, list(stations._knowledge)) == (False, [])


def test_an_ego_that_comes_back_knows_whom_it_ever_heard():
    stations = tidied(away_since(100_000))
    assert come_back(stations).ego_since_us == 0
    assert (heard(stations), known(stations)) == ({HELPER}, {})


def test_an_ego_that_comes_back_is_one_again_without_a_lidar():
    stations = tidied(away_since(100_000))
    stations.enter(own_states([EGO, HELPER], time_us=LATE_US, egos=()))
    assert stations.ego_agents == {EGO}


def test_an_ego_that_comes_back_learns_from_no_copy_that_is_older_than_what_it_knew():
    stations = tidied(away_since(100_000), oldest_us=40)
    come_back(stations)
    stations.neighbours.hear(awareness(HELPER), 40, np.array([EGO]), LATE_US)
    assert known(stations) == {}
    stations.neighbours.hear(awareness(HELPER), 41, np.array([EGO]), LATE_US)
    assert known(stations) == {HELPER: LATE_US}


def test_an_ego_that_comes_back_twice_is_stored_twice():
    stations = tidied(away_since(100_000))
    come_back(stations)
    stations.enter(own_states([HELPER], time_us=LATE_US + 100_000))
    come_back(tidied(stations, 2 * LATE_US), 2 * LATE_US)
    assert heard(stations) == {HELPER}


def test_nothing_is_searched_for_more_often_than_once_a_second():
    stations = tidied(away_since(100_000), 1_000_000)
    tidied(stations, 1_999_999)
    assert EGO in stations.ego_agents
    tidied(stations, 2_000_000)
    assert EGO not in stations.ego_agents


# Without messages


def test_an_ego_that_comes_back_has_learned_what_was_announced_while_it_was_away():
    stations = away_since(100_000)
    stations.bulletin.announce(awareness(OTHER), 50)
    stations.bulletin.announce(awareness(HELPER), 8_900_000)
    come_back(tidied(stations))
    assert heard(stations) == {OTHER, HELPER}
    assert known(stations) == {HELPER: 8_900_000}


def test_an_ego_never_learns_what_was_announced_before_it_was_one():
    stations = stations_of(own_states([EGO, HELPER], egos=()))
    stations.bulletin.announce(awareness(OTHER), 50)
    stations.enter(own_states([EGO, HELPER], time_us=100_000))
    stations.bulletin.announce(awareness(HELPER), 120_000)
    stations.enter(own_states([HELPER], time_us=200_000))
    come_back(tidied(stations))
    assert heard(stations) == {HELPER}


def test_an_ego_that_comes_back_learns_nothing_from_its_own_announcements():
    stations = away_since(100_000)
    stations.bulletin.announce(awareness(EGO), LATE_US)
    come_back(tidied(stations))
    assert heard(stations) == set()


@pytest.mark.parametrize("keep_copy", [False, True])
def test_an_ego_that_comes_back_has_the_reports_that_are_still_valid(keep_copy):
    stations = away_since(100_000)
    for at_us in (7_000_000, 8_900_000):
        captured = frame(HELPER, at_us)
        stations.bulletin.report(report(captured, detections([(0, 0)]), [at_us]), at_us, keep_copy)
    knowledge = come_back(tidied(stations))
    assert list(knowledge.reported[HELPER]) == [8_900_000]
    assert len(knowledge.report_copies) == keep_copy


def test_what_is_on_the_bulletin_is_stored_with_no_ego():
    stations = away_since(100_000)
    stations.bulletin.announce(awareness(HELPER), 50)
    assert [left.heard for left in tidied(stations)._away._egos.values()] == [b""]


# What is forgotten of stations that are there


def there():
    stations = stations_of(own_states([EGO, HELPER]))
    return stations, stations.knowledge_of(EGO)


@pytest.mark.parametrize(("past_us", "is_kept"), [(0, True), (1, False)])
def test_an_announcement_is_forgotten_in_time_but_not_who_made_it(past_us, is_kept):
    stations, _ = there()
    stations.neighbours.hear(awareness(HELPER), 40, np.array([EGO]), 50)
    tidied(stations, 50 + FORGET_US + past_us)
    assert known(stations) == ({HELPER: 50} if is_kept else {})
    assert heard(stations) == {HELPER}


@pytest.mark.parametrize(("past_us", "is_kept"), [(0, True), (1, False)])
def test_an_answer_is_forgotten_when_it_is_too_old_for_the_next_frame(past_us, is_kept):
    stations, knowledge = there()
    captured = frame(HELPER, 70_000)
    knowledge.receive_part(8, answer(request(helper=HELPER), captured), np.ones(1, bool))
    tidied(stations, 70_000 + MAX_AGE_US + past_us)
    assert (HELPER in knowledge.answers) == is_kept


@pytest.mark.parametrize(("past_us", "is_kept"), [(0, True), (1, False)])
def test_a_reported_object_is_forgotten_when_it_is_valid_at_no_speed(past_us, is_kept):
    stations, knowledge = there()
    knowledge.take_report(report(frame(HELPER, 70_000)), 90_000, keep_copy=False)
    tidied(stations, 70_000 + REPORT_VALID_US + past_us)
    assert (HELPER in knowledge.reported) == is_kept


@pytest.mark.parametrize(("past_us", "is_kept"), [(0, True), (1, False)])
def test_a_copy_of_a_report_is_kept_for_a_second(past_us, is_kept):
    stations, knowledge = there()
    knowledge.take_report(report(frame(HELPER, 70_000)), 90_000, keep_copy=True)
    tidied(stations, 1_090_000 + past_us)
    assert bool(knowledge.report_copies) == is_kept
