"""Announcements and reports: who sends what, who passes it on, what each station takes in, and whom an ego may ask."""

import numpy as np
import pytest

from tests.engine.cooperation.air_scene import IDEAL, NOW_US, OWN, Scene, passed_on_by
from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    RELAY,
    awareness,
    awareness_packet,
    detections,
    each_candidate,
    frame,
    matrix,
    report,
    report_packet,
)
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY


# Announcements
def test_an_announcement_is_broadcast_with_its_size():
    scene, sent = Scene(), awareness(HELPER)
    scene.exchange.announce(sent)
    (message,) = scene.air.sent
    assert (message.origin, message.destination, message.relay) == (HELPER, EVERYBODY, NOBODY)
    assert (message.size_bytes, message.queued_us, message.body) == (63, NOW_US, sent)


def test_an_announcement_has_a_successor_after_the_period_of_its_rule():
    scene = Scene(awareness_rule={"rule": "periodic", "rate_hz": 5})
    scene.exchange.announce(awareness(HELPER))
    assert scene.air.periods_us == [200_000]


def test_an_announcement_is_awaited_where_a_relay_passes_it_on():
    scene = Scene(passing=passed_on_by(RELAY))
    for origin in (HELPER, OTHER):
        scene.exchange.announce(awareness(origin))
    assert scene.air.awaited == [True, False]


def test_messages_are_numbered_from_one():
    scene = Scene()
    scene.exchange.announce(awareness(HELPER))
    scene.exchange.report(report(frame(HELPER), detections([(1, 1)])))
    assert [message.number for message in scene.air.sent] == [1, 2]


def test_an_ego_learns_an_announcement_that_it_heard():
    scene = Scene()
    scene.receive(awareness_packet(awareness(HELPER)), EGO, RELAY)
    (announced,) = scene.announced_to(EGO)
    assert announced.arrived_us == NOW_US
    assert scene.announced_to(OTHER) == []


def test_a_station_that_is_no_ego_learns_an_announcement_too_because_it_may_relay():
    scene = Scene()
    scene.receive(awareness_packet(awareness(HELPER)), RELAY)
    assert [item.awareness.origin for item in scene.announced_to(RELAY)] == [HELPER]


def test_an_ego_learns_from_a_relayed_announcement():
    scene = Scene()
    scene.receive(awareness_packet(awareness(HELPER), hop=2, sender=RELAY), EGO)
    assert scene.announced_to(EGO)[0].awareness.origin == HELPER


def test_a_relayed_copy_of_an_old_announcement_replaces_no_newer_one():
    scene, old, new = Scene(), awareness(HELPER, 0), awareness(HELPER, 100_000)
    scene.receive(awareness_packet(new, number=51), EGO)
    scene.receive(awareness_packet(old, number=50, hop=2, sender=RELAY), EGO)
    assert scene.announced_to(EGO)[0].awareness is new


def test_an_announcement_with_a_missing_fragment_is_dropped():
    scene, sent = Scene(), awareness(HELPER)
    scene.receive(awareness_packet(sent, fragment=0, fragments=2), EGO)
    assert scene.announced_to(EGO) == []
    scene.receive(awareness_packet(sent, fragment=1, fragments=2), EGO)
    assert [item.awareness.origin for item in scene.announced_to(EGO)] == [HELPER]


def test_a_station_that_is_no_ego_puts_an_announcement_together_too():
    scene = Scene()
    for fragment in (1, 0):
        scene.receive(awareness_packet(awareness(HELPER), fragment=fragment, fragments=2), RELAY)
    assert [item.awareness.origin for item in scene.announced_to(RELAY)] == [HELPER]


def test_the_stations_that_pass_on_a_helper_and_heard_it_send_its_announcement_to_everybody():
    scene = Scene(passing=passed_on_by(RELAY, OTHER, 9))
    packet = awareness_packet(awareness(HELPER))
    scene.receive(packet, EGO, OTHER, RELAY)
    assert scene.air.forwarded == [(packet, OTHER, EVERYBODY), (packet, RELAY, EVERYBODY)]


def test_an_announcement_is_passed_on_once():
    scene = Scene(passing=passed_on_by(RELAY, OTHER))
    scene.receive(awareness_packet(awareness(HELPER), hop=2, sender=RELAY), EGO, OTHER)
    assert scene.air.forwarded == []


def test_announcements_of_others_are_not_passed_on():
    scene = Scene(passing=passed_on_by(RELAY, helper=OTHER))
    scene.receive(awareness_packet(awareness(HELPER)), RELAY)
    assert scene.air.forwarded == []


def test_each_fragment_of_an_announcement_is_passed_on_by_itself():
    scene = Scene(passing=passed_on_by(RELAY))
    scene.receive(awareness_packet(awareness(HELPER), fragment=1, fragments=2), RELAY)
    assert len(scene.air.forwarded) == 1


# Reports
def test_a_report_is_broadcast_with_its_size():
    scene, sent = Scene(), report(frame(HELPER), detections([(1, 1)]), size_bytes=66)
    scene.exchange.report(sent)
    (message,) = scene.air.sent
    assert (message.origin, message.destination, message.relay) == (HELPER, EVERYBODY, NOBODY)
    assert (message.size_bytes, message.queued_us, message.body) == (66, NOW_US, sent)
    # Nobody acts on a report before fusion, if nobody passes it on.
    assert scene.air.awaited == [False]


def test_a_report_is_passed_on_like_an_announcement():
    scene = Scene(passing=passed_on_by(RELAY))
    sent = report(frame(HELPER), detections([(1, 1)]))
    scene.exchange.report(sent)
    assert scene.air.awaited == [True]
    packet = report_packet(sent)
    scene.receive(packet, RELAY, OTHER)
    assert scene.air.forwarded == [(packet, RELAY, EVERYBODY)]
    scene.receive(report_packet(sent, hop=2, sender=RELAY), EGO, OTHER)
    assert len(scene.air.forwarded) == 1
    assert list(scene.known_to(EGO).reported) == [HELPER]


def test_a_report_that_arrives_directly_and_from_a_relay_is_one_copy():
    scene = Scene(redundancy="frequency")
    sent = report(frame(HELPER), detections([(1, 1)]))
    scene.receive(report_packet(sent), EGO)
    scene.receive(report_packet(sent, hop=2, sender=RELAY), EGO)
    assert len(scene.known_to(EGO).report_copies) == 1
    scene.receive(report_packet(report(frame(HELPER), detections([(1, 1)])), number=61), EGO)
    assert len(scene.known_to(EGO).report_copies) == 2


def test_an_ego_takes_a_report_that_it_heard():
    scene = Scene()
    scene.receive(report_packet(report(frame(HELPER), detections([(1, 1)]), [4])), EGO, RELAY)
    assert scene.known_to(EGO).reported[HELPER][4].arrived_us == NOW_US
    assert scene.known_to(RELAY).reported == {}


@pytest.mark.parametrize(("redundancy", "copies"), [("none", 0), ("frequency", 1)])
def test_copies_of_reports_are_kept_where_the_redundancy_rule_reads_them(redundancy, copies):
    scene = Scene(redundancy=redundancy)
    scene.receive(report_packet(report(frame(HELPER), detections([(1, 1)]))), EGO)
    assert len(scene.known_to(EGO).report_copies) == copies


def test_a_report_with_a_missing_fragment_is_dropped():
    scene, sent = Scene(), report(frame(HELPER), detections([(1, 1)]))
    scene.receive(report_packet(sent, fragment=1, fragments=2), EGO)
    assert scene.known_to(EGO).reported == {}


# Who hears whom
def test_stations_measure_the_packets_that_they_hear():
    scene = Scene()
    scene.receive(awareness_packet(awareness(HELPER), hop=2, sender=RELAY), OTHER)
    lately = scene.stations.heard_lately(OWN.agent, NOW_US)
    heard = {agent: known.agent.tolist() for agent, known in zip(OWN.agent.tolist(), lately, strict=True)}
    assert {agent: senders for agent, senders in heard.items() if senders} == {OTHER: [RELAY]}


def test_nobody_measures_an_ideal_channel():
    scene = Scene(radio=IDEAL)
    scene.receive(awareness_packet(awareness(HELPER)), EGO)
    (heard,) = scene.stations.heard_lately(np.array([EGO]), NOW_US)
    assert len(heard) == 0


def share_of_helper(*packets):
    """Return the share of the helper's announcements that arrive at the ego, after some packets."""
    scene = Scene()
    for packet in packets:
        scene.receive(packet, EGO)
    (heard,) = scene.stations.heard_lately(np.array([EGO]), NOW_US)
    return round(float(heard.share[0]) * 255)


def test_the_first_fragment_of_an_announcement_counts_for_the_share_that_arrives():
    # One of one under the rule of succession: 2/3.
    assert share_of_helper(awareness_packet(awareness(HELPER), fragment=0, fragments=2)) == 170


def test_no_other_packet_counts_for_the_share_that_arrives():
    unknown = round(0.5 * 255)
    assert share_of_helper(awareness_packet(awareness(HELPER), fragment=1, fragments=2)) == unknown
    assert share_of_helper(report_packet(report(frame(HELPER), detections([(1, 1)])))) == unknown
    # A copy from a relay was sent by the relay: its number counts the announcements of another station.
    assert share_of_helper(awareness_packet(awareness(OTHER), hop=2, sender=HELPER)) == unknown


# Whom an ego may ask
GOOD = 0.95


def hears(scene, receiver, sender, times=8):
    """Let a station receive announcements in a row, so that a share of (times + 1) / (times + 2) arrives."""
    for number in range(times):
        scene.stations.measure(np.array([receiver]), sender, np.array([20.0]), NOW_US, number)


def candidates_of(scene, *, direct=0.0, by_relay=True):
    """Return whom an ego may ask that knows HELPER, and RELAY, which hears both and is heard by both."""
    if direct:
        hears(scene, EGO, HELPER)
    told = {HELPER: {EGO: direct} if direct else {}, RELAY: {}}
    if by_relay:
        hears(scene, EGO, RELAY)
        told = {HELPER: {**told[HELPER], RELAY: GOOD}, RELAY: {EGO: GOOD, HELPER: GOOD}}
    for origin, heard in told.items():
        said = awareness(origin, grid=matrix() if origin == HELPER else None, heard=heard, pose=(20, 0, 0, 0))
        scene.stations.neighbours.hear(said, 0, np.array([EGO]), NOW_US)
    zone = BlindZone(np.ones((4, 4), bool), np.ones((4, 4)))
    (known,) = each_candidate(scene.exchange.candidates(OWN, 100_000, [(frame(EGO, 100_000), zone)]))
    return [(item.agent, item.relay, round(item.there, 4), round(item.back, 4)) for item in known]


def test_an_ego_may_ask_a_helper_whose_link_is_good_directly():
    assert candidates_of(Scene(), direct=0.8) == [(HELPER, NOBODY, 0.8, 0.9)]


def test_an_ego_may_ask_a_helper_behind_a_bad_link_by_a_relay():
    # To the relay and on: as they announced; back: the relay announced the first hop, and the ego measured 9 of 10 on the second.
    assert candidates_of(Scene()) == [(HELPER, RELAY, 0.9025, 0.855)]


def test_the_relays_of_a_tick_are_recorded_with_the_frame_that_they_are_for():
    scene = Scene()
    candidates_of(scene)
    rows = scene.table.finished().to_pylist()
    assert {row["time_us"] for row in rows} == {100_000}
    assert {(row["requester"], row["helper"]): row["relay"] for row in rows}[EGO, HELPER] == RELAY


def test_an_ego_cannot_ask_a_helper_that_nobody_reaches():
    assert candidates_of(Scene(), by_relay=False) == []
    assert candidates_of(Scene(relay="none")) == []


def test_over_an_ideal_channel_every_link_delivers_and_nobody_relays():
    scene = Scene(radio=IDEAL)
    assert candidates_of(scene) == [(HELPER, NOBODY, 1.0, 1.0)]
    assert scene.table.finished().num_rows == 0


def test_the_least_delivery_of_a_usable_link_is_that_of_the_scenario():
    assert candidates_of(Scene(min_delivery=0.75), direct=0.8)[0][1] == NOBODY
    assert candidates_of(Scene(min_delivery=0.85), direct=0.8)[0][1] == RELAY


def test_an_ego_that_has_left_has_no_path():
    zone = BlindZone(np.ones((4, 4), bool), np.ones((4, 4)))
    scene = Scene()
    scene.stations.neighbours.hear(awareness(HELPER, grid=matrix()), 0, np.array([EGO]), NOW_US)
    without = OWN.some(np.array([1, 2, 3]))
    (known,) = each_candidate(scene.exchange.candidates(without, 100_000, [(frame(EGO, 100_000), zone)]))
    assert known == []


# What stations pass on
def test_a_station_that_knows_a_need_passes_on_what_a_helper_broadcasts():
    scene = Scene()
    hears(scene, RELAY, HELPER)
    for said in (awareness(HELPER, grid=matrix()), awareness(EGO, wants_data=True, heard={RELAY: GOOD})):
        scene.stations.neighbours.hear(said, 0, np.array([RELAY]), NOW_US)
    scene.exchange.plan_passing(100_000)
    assert scene.relaying.passing == {HELPER: {RELAY}}
    (row,) = scene.nominations.finished().to_pylist()
    assert (row["time_us"], row["station"], row["requester"], row["helper"]) == (100_000, RELAY, EGO, HELPER)


@pytest.mark.parametrize("settings", [{"radio": IDEAL}, {"relay": "none"}])
def test_nobody_passes_anything_on_without_relays(settings):
    scene = Scene(**settings)
    hears(scene, RELAY, HELPER)
    for said in (awareness(HELPER, grid=matrix()), awareness(EGO, wants_data=True, heard={RELAY: GOOD})):
        scene.stations.neighbours.hear(said, 0, np.array([RELAY]), NOW_US)
    scene.exchange.plan_passing(100_000)
    assert scene.relaying.passing == {}
