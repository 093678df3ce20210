"""An exchange without messages: everybody knows at once, and every answer arrives whole."""

import numpy as np
import pytest

from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    answer,
    awareness,
    awareness_packet,
    detections,
    each_candidate,
    frame,
    nothing_sent,
    own_states,
    report,
    scenario,
    stations_of,
    sure_of,
)
from v2xsim.engine.channel.air import Heard
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.at_once import AtOnce
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.matching import Ask
from v2xsim.engine.stations.contents import NOBODY
from v2xsim.records import FREE

NOW_US = 120_000
OWN = own_states([EGO, HELPER, OTHER])
FREE_LEFT, FREE_RIGHT = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
FREE_LEFT[:2], FREE_RIGHT[2:] = FREE, FREE


def exchange(stations, answer_to=lambda _: None, transfers=None, *, own_radio=None, **keys):
    settings = scenario(cooperation={"transport": "synchronous", **keys}, radio=own_radio or {})
    return AtOnce(settings, Clock(NOW_US), stations, nothing_sent() if transfers is None else transfers, answer_to)


# Announcements and reports


def test_every_ego_knows_an_announcement_at_once():
    stations = stations_of(own_states([EGO, HELPER, OTHER], egos=[EGO, OTHER]))
    exchange(stations).announce(awareness(HELPER))
    for ego in (EGO, OTHER):
        (announced,) = stations.neighbours.known_by(ego)
        assert (announced.awareness.origin, announced.arrived_us) == (HELPER, NOW_US)


def test_a_station_that_does_not_fuse_learns_nothing():
    stations = stations_of(OWN)
    exchange(stations).announce(awareness(HELPER))
    assert stations.neighbours.known_by(OTHER) == []


def test_every_ego_has_a_report_at_once():
    stations = stations_of(OWN)
    exchange(stations).report(report(frame(HELPER), detections([(1, 1)]), [4]))
    assert stations.knowledge_of(EGO).reported[HELPER][4].arrived_us == NOW_US


@pytest.mark.parametrize(("redundancy", "copies"), [("none", 0), ("frequency", 1)])
def test_copies_of_reports_are_kept_where_the_redundancy_rule_reads_them(redundancy, copies):
    stations = stations_of(OWN)
    exchange(stations, redundancy=redundancy).report(report(frame(HELPER), detections([(1, 1)])))
    assert len(stations.knowledge_of(EGO).report_copies) == copies


def test_nothing_is_ever_heard():
    with pytest.raises(AssertionError):
        exchange(stations_of()).receive(Heard(awareness_packet(awareness()), np.array([EGO]), 0, 0, np.zeros(1)))


# Whom an ego may ask


def candidates_of(stations, own=OWN, egos=None, **keys):
    """Return whom each ego may ask; where stations is a choice, all cells of the ego matter alike."""
    egos = [frame(EGO, 100_000)] if egos is None else egos
    ground = np.ones((4, 4), bool)
    zones = [(ego, BlindZone(ground, np.ones((4, 4)))) for ego in egos]
    return each_candidate(exchange(stations, **keys).candidates(own, 100_000, zones))


def test_an_ego_may_ask_everybody_else_who_has_a_frame():
    stations = stations_of(OWN, frame(EGO, 100_000), frame(OTHER, 100_000))
    assert [[other.agent for other in known] for known in candidates_of(stations)] == [[OTHER]]


def test_a_helper_is_known_by_its_newest_frame_at_no_loss():
    newest = frame(HELPER, 100_000, pose=(3, 4, 5, 6))
    (known,) = candidates_of(stations_of(OWN, frame(HELPER, 0), newest))
    (other,) = known
    assert other.matrix is newest.matrix
    assert other.position_m.tolist() == [3, 4]
    assert (other.there, other.back, other.evidence, other.relay) == (1.0, 1.0, np.inf, NOBODY)


def test_a_station_that_has_lost_its_lidar_is_not_asked():
    own = own_states([EGO, HELPER, OTHER], without_lidar=[HELPER])
    stations = stations_of(own, frame(HELPER, 100_000), frame(OTHER, 100_000))
    assert [other.agent for other in candidates_of(stations, own)[0]] == [OTHER]


def test_each_ego_may_ask_the_other():
    stations = stations_of(own_states([EGO, HELPER]), frame(EGO, 100_000), frame(HELPER, 100_000))
    known = candidates_of(stations, own_states([EGO, HELPER]), [frame(EGO, 100_000), frame(HELPER, 100_000)])
    assert [[other.agent for other in others] for others in known] == [[HELPER], [EGO]]


def test_an_ego_may_ask_those_on_its_short_list_alone():
    stations = stations_of(OWN, frame(EGO, 100_000), frame(HELPER, 100_000), frame(OTHER, 100_000, code=FREE_LEFT))
    (known,) = candidates_of(stations, shortlist=1)
    assert [other.agent for other in known] == [OTHER]


@pytest.mark.parametrize("shortlist", [0, 1])
def test_without_an_ego_that_has_a_frame_nobody_is_asked(shortlist):
    stations = stations_of(OWN, frame(HELPER, 100_000), frame(OTHER, 100_000))
    assert candidates_of(stations, egos=[], shortlist=shortlist) == []


# Answers


CELLS = np.ones((4, 4), bool)


def ask_of(helper):
    return Ask(helper, NOBODY, sure_of(helper), CELLS, 900)


def answering(request):
    """Answer from a frame of 80 ms ago; station OTHER has nothing to answer from."""
    return None if request.helper == OTHER else answer(request, frame(request.helper, 40_000), size_bytes=1500)


def asked(*helpers):
    """Return the stations and the transfers after an ego has asked these helpers for its frame of 100 ms."""
    stations, transfers = stations_of(OWN), nothing_sent()
    exchange(stations, answering, transfers).ask(frame(EGO, 100_000), [ask_of(helper) for helper in helpers])
    return stations, transfers


def test_an_answer_is_there_whole_at_once():
    stations, _ = asked(HELPER)
    (received,) = stations.knowledge_of(EGO).answers[HELPER]
    assert received.parts.tolist() == [True, True]


def test_an_answer_to_an_ego_is_recorded_as_arrived_at_the_instant_of_the_request():
    (transfer,) = asked(HELPER)[1].without_row()
    assert (transfer.queued_us, transfer.air_us, transfer.arrive_us) == (NOW_US, NOW_US, NOW_US)
    assert transfer.is_whole


def test_an_answer_is_recorded_with_its_frame_and_its_capture_and_its_detection():
    (transfer,) = asked(HELPER)[1].without_row()
    assert (transfer.frame_us, transfer.capture_us, transfer.detect_us) == (100_000, 40_000, 60_000)


def test_an_answer_is_recorded_as_a_message_from_the_helper_to_the_ego():
    stations, transfers = asked(HELPER)
    (transfer,) = transfers.without_row()
    assert (transfer.number, transfer.origin, transfer.destination, transfer.relay) == (1, HELPER, EGO, NOBODY)
    assert transfer.size_bytes == 1500
    assert stations.knowledge_of(EGO).answers[HELPER][0].answer.request.allowance_bytes == 900


def test_nothing_of_an_answer_that_came_at_once_is_under_way():
    assert [transfer.is_under_way for transfer in asked(HELPER)[1].without_row()] == [False]


def test_a_helper_with_nothing_to_answer_from_keeps_nobody_else_from_answering():
    stations, transfers = asked(OTHER, HELPER)
    assert list(stations.knowledge_of(EGO).answers) == [HELPER]
    assert [transfer.number for transfer in transfers.without_row()] == [2]


def test_an_answer_is_found_by_the_number_under_which_the_ego_keeps_it():
    stations, transfers = asked(HELPER)
    assert transfers.of_message(stations.knowledge_of(EGO).answers[HELPER][0].number).helper == HELPER
