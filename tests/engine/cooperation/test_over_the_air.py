"""An exchange of messages: who sends what, who passes it on, and what each station takes in."""

import numpy as np
import pytest

from tests.engine.small_world import (
    DETECT_US,
    EGO,
    HELPER,
    OTHER,
    RELAY,
    SilentAir,
    answer,
    answer_message,
    awareness,
    awareness_packet,
    detections,
    frame,
    matrix,
    obstacles,
    own_states,
    packet_of,
    report,
    report_packet,
    request,
    scenario,
    stations_of,
)
from v2xsim.engine.channel.air import Heard
from v2xsim.engine.channel.messages import AnswerMessage, RequestMessage
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.matching import Ask, Candidate
from v2xsim.engine.cooperation.over_the_air import OverTheAir
from v2xsim.engine.cooperation.relaying import ChosenRelay, Relaying, RelayPlan
from v2xsim.engine.cooperation.transfers import Transfer, Transfers
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.results.tables import Columns
from v2xsim.streams import Streams

NOW_US, START_US = 120_000, 119_000
OWN = own_states([EGO, HELPER, OTHER, RELAY], [(0, 0), (40, 0), (20, 10), (20, -10)], egos=[EGO, OTHER])
RADIO = {"mtu_bytes": 100}
IDEAL = {"access": "ideal", "mtu_bytes": 100}


class Scene:
    """Stations that exchange messages; `answers` are what helpers answer, by helper."""

    def __init__(self, *, radio=None, answers=None, plan=None, **keys):
        settings = scenario(radio=RADIO if radio is None else radio, cooperation={"relay": "best_snr", **keys})
        self.air, self.stations = SilentAir(), stations_of(OWN)
        self.transfers, self.table = Transfers(), Columns("relays")
        self.relaying = Relaying(obstacles(), settings.cooperation, settings.radio, Streams(1), self.table)
        if plan is not None:
            self.relaying.plan = plan
        self.requests = []

        def answer_to(asked):
            self.requests.append(asked)
            return (answers or {}).get(asked.helper)

        self.exchange = OverTheAir(
            settings, Clock(NOW_US), self.air, self.stations, self.transfers, self.relaying, answer_to
        )

    def receive(self, packet, *receivers, snr_db=20.0):
        agents = np.array(receivers, np.int64)
        self.exchange.receive(Heard(packet, agents, START_US, NOW_US, np.full(len(agents), snr_db)))

    def known_to(self, agent):
        return self.stations.knowledge_of(agent)


def relayed_by(*relays, helper=HELPER):
    """Return a plan in which these stations relay a helper's messages, each for another ego."""
    return RelayPlan({
        (100 + n, helper): ChosenRelay(relay, 0.0, 0.0, 0.0, 0.0) for n, relay in enumerate(relays)
    })  # fmt: skip


# Announcements


def test_an_announcement_is_broadcast_with_its_size():
    scene, sent = Scene(), awareness(HELPER)
    scene.exchange.announce(sent)
    (message,) = scene.air.sent
    assert (message.origin, message.destination, message.relay) == (HELPER, EVERYBODY, NOBODY)
    assert (message.size_bytes, message.queued_us, message.body) == (61, NOW_US, sent)


def test_an_announcement_has_a_successor_after_the_period_of_its_rule():
    scene = Scene(awareness_rule={"rule": "periodic", "rate_hz": 5})
    scene.exchange.announce(awareness(HELPER))
    assert scene.air.periods_us == [200_000]


def test_an_announcement_is_awaited_where_a_relay_passes_it_on():
    scene = Scene(plan=relayed_by(RELAY))
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
    announced = scene.known_to(EGO).announced[HELPER]
    assert announced.arrived_us == NOW_US
    assert scene.known_to(OTHER).announced == {}
    assert scene.known_to(RELAY).announced == {}


def test_an_ego_learns_from_a_relayed_announcement():
    scene = Scene()
    scene.receive(awareness_packet(awareness(HELPER), hop=2, sender=RELAY), EGO)
    assert scene.known_to(EGO).announced[HELPER].awareness.origin == HELPER


def test_a_relayed_copy_of_an_old_announcement_replaces_no_newer_one():
    scene, old, new = Scene(), awareness(HELPER, 0), awareness(HELPER, 100_000)
    scene.receive(awareness_packet(new, number=51), EGO)
    scene.receive(awareness_packet(old, number=50, hop=2, sender=RELAY), EGO)
    assert scene.known_to(EGO).announced[HELPER].awareness is new


def test_an_announcement_with_a_missing_fragment_is_dropped():
    scene, sent = Scene(), awareness(HELPER)
    scene.receive(awareness_packet(sent, fragment=0, fragments=2), EGO)
    assert scene.known_to(EGO).announced == {}
    scene.receive(awareness_packet(sent, fragment=1, fragments=2), EGO)
    assert HELPER in scene.known_to(EGO).announced


def test_relays_of_a_helper_that_heard_it_pass_its_announcement_on_to_everybody():
    scene = Scene(plan=relayed_by(RELAY, OTHER, 9))
    packet = awareness_packet(awareness(HELPER))
    scene.receive(packet, EGO, OTHER, RELAY)
    assert scene.air.forwarded == [(packet, OTHER, EVERYBODY), (packet, RELAY, EVERYBODY)]


def test_an_announcement_is_passed_on_once():
    scene = Scene(plan=relayed_by(RELAY, OTHER))
    scene.receive(awareness_packet(awareness(HELPER), hop=2, sender=RELAY), EGO, OTHER)
    assert scene.air.forwarded == []


def test_announcements_of_others_are_not_passed_on():
    scene = Scene(plan=relayed_by(RELAY, helper=OTHER))
    scene.receive(awareness_packet(awareness(HELPER)), RELAY)
    assert scene.air.forwarded == []


def test_each_fragment_of_an_announcement_is_passed_on_by_itself():
    scene = Scene(plan=relayed_by(RELAY))
    scene.receive(awareness_packet(awareness(HELPER), fragment=1, fragments=2), RELAY)
    assert len(scene.air.forwarded) == 1


# Reports


def test_a_report_is_broadcast_with_its_size():
    scene, sent = Scene(), report(frame(HELPER), detections([(1, 1)]), size_bytes=66)
    scene.exchange.report(sent)
    (message,) = scene.air.sent
    assert (message.origin, message.destination, message.relay) == (HELPER, EVERYBODY, NOBODY)
    assert (message.size_bytes, message.queued_us, message.body) == (66, NOW_US, sent)
    # Nobody acts on a report before fusion.
    assert scene.air.awaited == [False]


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
    heard = scene.stations.heard_lately(NOW_US)
    assert np.argwhere(heard).tolist() == [[OWN.index(OTHER), OWN.index(RELAY)]]


def test_nobody_measures_an_ideal_channel():
    scene = Scene(radio=IDEAL)
    scene.receive(awareness_packet(awareness(HELPER)), EGO)
    assert not scene.stations.heard_lately(NOW_US).any()


# Whom an ego may ask


def candidates_of(scene, *, bad=True):
    """Return whom an ego may ask that knows HELPER, where all links but the direct one were heard clearly."""
    for receiver, sender in ((EGO, RELAY), (HELPER, RELAY), *(() if bad else ((EGO, HELPER),))):
        scene.stations.measure(np.array([receiver]), sender, np.array([40.0]), NOW_US)
    scene.known_to(EGO).learn(awareness(HELPER, grid=matrix()), 0, NOW_US)
    zone = BlindZone(np.ones((4, 4), bool), np.ones((4, 4)))
    (known,) = scene.exchange.candidates(OWN, 100_000, [(frame(EGO, 100_000), zone)])
    return [(item.agent, item.relay, round(item.delivery, 2)) for item in known]


def test_an_ego_may_ask_a_helper_whose_link_is_good_directly():
    assert candidates_of(Scene(), bad=False) == [(HELPER, NOBODY, 1.0)]


def test_an_ego_may_ask_a_helper_behind_a_bad_link_by_a_relay():
    assert candidates_of(Scene()) == [(HELPER, RELAY, 1.0)]


def test_the_relays_of_a_tick_are_recorded_with_the_frame_that_they_are_for():
    scene = Scene()
    candidates_of(scene)
    rows = scene.table.finished().to_pylist()
    assert {row["time_us"] for row in rows} == {100_000}
    assert {(row["requester"], row["helper"]): row["relay"] for row in rows}[EGO, HELPER] == RELAY


def test_an_ego_cannot_ask_a_helper_that_nobody_reaches():
    assert candidates_of(Scene(relay="none")) == []


def test_over_an_ideal_channel_every_link_delivers_and_nobody_relays():
    scene = Scene(radio=IDEAL)
    assert candidates_of(scene) == [(HELPER, NOBODY, 1.0)]
    assert scene.table.finished().num_rows == 0


def test_the_least_delivery_of_a_usable_link_is_that_of_the_scenario():
    scene = Scene(relay="none", min_delivery=0.999999)
    scene.stations.measure(np.array([EGO]), HELPER, np.array([3.0]), NOW_US)
    ((_, relay, delivery),) = candidates_of(scene)
    assert relay == NOBODY
    assert 0.0 < delivery < 1.0


# Requests


def asked(scene, relay=NOBODY, helpers=(HELPER,), cells=4):
    """Let an ego ask helpers for its frame of 100 ms, and return the messages."""
    ego = frame(EGO, 100_000, code=np.zeros((cells, cells)))
    wanted = np.ones((cells, cells), bool)
    scene.exchange.ask(ego, [Ask(Candidate(h, ego.matrix, np.zeros(2), 1.0, relay), wanted, 900) for h in helpers])
    return scene.air.sent


def test_a_request_is_sent_to_the_helper_with_a_bit_for_each_cell():
    (message,) = asked(Scene())
    assert isinstance(message, RequestMessage)
    assert (message.origin, message.destination, message.relay) == (EGO, HELPER, NOBODY)
    assert (message.size_bytes, message.queued_us) == (22 + 2, NOW_US)


def test_a_request_has_the_number_of_its_message():
    first, second = asked(Scene(), helpers=(HELPER, OTHER))
    assert (first.number, first.body.number) == (1, 1)
    assert (second.number, second.body.number) == (2, 2)


def test_a_request_goes_by_the_relay_that_was_planned():
    assert asked(Scene(), relay=RELAY)[0].first_target == RELAY


def test_a_request_is_recorded_without_data():
    scene = Scene()
    asked(scene)
    (transfer,) = scene.transfers.all()
    assert (transfer.frame_us, transfer.capture_us, transfer.detect_us) == (100_000, -1, -1)
    assert (transfer.outcome, len(transfer.parts), transfer.parts.any()) == ("lost", 1, False)


@pytest.mark.parametrize(("radio", "fragments"), [(RADIO, 2), (IDEAL, 1)])
def test_a_large_request_is_cut_into_fragments_but_over_an_ideal_channel(radio, fragments):
    scene = Scene(radio=radio)
    asked(scene, cells=26)
    # 22 bytes and 676 bits.
    assert len(scene.transfers.all()[0].parts) == fragments


def with_request(relay=NOBODY, fragments=1, *, helper=HELPER, **about):
    """Return a scene in which an ego has asked, and the message."""
    scene = Scene(**about)
    (message,) = asked(scene, relay, (helper,), cells=26 if fragments == 2 else 4)
    scene.air.sent.clear()
    return scene, message


READY = answer(request(number=1, frame_us=100_000), frame(HELPER, 80_000), size_bytes=150)


def test_a_helper_answers_the_request_that_it_received():
    scene, message = with_request(answers={HELPER: READY})
    scene.receive(packet_of(message), HELPER)
    (sent,) = scene.air.sent
    assert isinstance(sent, AnswerMessage)
    assert (sent.origin, sent.destination, sent.relay) == (HELPER, EGO, NOBODY)
    assert (sent.number, sent.size_bytes, sent.queued_us) == (2, 150, NOW_US)
    assert sent.body is READY
    assert scene.requests == [message.body]


def test_an_answer_is_recorded_with_its_frame_and_its_capture_and_its_detection():
    scene, message = with_request(answers={HELPER: READY})
    scene.receive(packet_of(message), HELPER)
    transfer = scene.transfers.of_message(2)
    assert (transfer.frame_us, transfer.capture_us, transfer.detect_us) == (100_000, 80_000, 80_000 + DETECT_US)
    assert len(transfer.parts) == 2


def test_an_answer_over_an_ideal_channel_is_one_packet():
    scene, message = with_request(answers={HELPER: READY}, radio=IDEAL)
    scene.receive(packet_of(message), HELPER)
    assert len(scene.transfers.of_message(2).parts) == 1


def test_a_request_is_answered_by_the_relay_by_which_it_came():
    scene, message = with_request(RELAY, answers={HELPER: READY})
    scene.receive(packet_of(message, hop=2, sender=RELAY, target=HELPER), HELPER)
    (sent,) = scene.air.sent
    assert (sent.relay, sent.first_target, sent.destination) == (RELAY, RELAY, EGO)


def test_a_request_is_answered_only_when_it_is_whole():
    scene, message = with_request(fragments=2, answers={HELPER: READY})
    scene.receive(packet_of(message, fragment=1, fragments=2), HELPER)
    assert scene.air.sent == []
    assert scene.transfers.of_message(1).outcome == "lost"
    scene.receive(packet_of(message, fragment=0, fragments=2), HELPER)
    assert len(scene.air.sent) == 1
    assert scene.transfers.of_message(1).outcome == "answered"


def test_a_helper_with_nothing_to_answer_from_sends_nothing():
    scene, message = with_request()
    scene.receive(packet_of(message), HELPER)
    assert scene.air.sent == []
    assert len(scene.transfers.all()) == 1


def test_a_request_that_its_helper_did_not_receive_is_not_answered():
    scene, message = with_request(answers={HELPER: READY})
    scene.receive(packet_of(message), OTHER, RELAY)
    assert scene.air.sent == []
    assert scene.transfers.of_message(1).air_us == -1


def test_a_relay_passes_a_request_on_to_the_helper():
    scene, message = with_request(RELAY, answers={HELPER: READY})
    packet = packet_of(message)
    scene.receive(packet, RELAY, OTHER)
    assert scene.air.forwarded == [(packet, RELAY, HELPER)]
    assert scene.air.sent == []


def test_a_helper_that_overhears_the_first_hop_waits_for_the_relay():
    scene, message = with_request(RELAY, answers={HELPER: READY})
    scene.receive(packet_of(message), HELPER, RELAY)
    assert scene.air.sent == []
    assert scene.transfers.of_message(1).arrive_us == -1


def test_a_relay_that_did_not_hear_a_request_passes_nothing_on():
    scene, message = with_request(RELAY)
    scene.receive(packet_of(message), HELPER, OTHER)
    assert scene.air.forwarded == []
    assert scene.transfers.of_message(1).air_us == -1


def test_a_message_is_on_the_air_from_the_first_packet_that_reached_its_target():
    scene, message = with_request(RELAY)
    scene.receive(packet_of(message), RELAY)
    transfer = scene.transfers.of_message(1)
    assert (transfer.air_us, transfer.arrive_us) == (START_US, -1)


def test_a_request_has_arrived_when_its_last_packet_has():
    scene, message = with_request()
    scene.receive(packet_of(message), HELPER)
    transfer = scene.transfers.of_message(1)
    assert (transfer.air_us, transfer.arrive_us) == (START_US, NOW_US)


# Answers


def with_answer(*fragments, of=2, ego=EGO, radio=RADIO, relay=NOBODY, hop=1):
    """Return a scene in which fragments of an answer of 150 bytes reached the ego, and the transfer."""
    scene = Scene(radio=radio)
    message = answer_message(answer(request(ego=ego, frame_us=100_000), frame(HELPER), size_bytes=150), relay=relay)
    transfer = Transfer(message, 100_000, 0, 0, np.zeros(of, bool))
    scene.transfers.add(transfer)
    for fragment in fragments:
        scene.receive(packet_of(message, hop=hop, fragment=fragment, fragments=of), message.first_target)
    return scene, transfer


def test_an_ego_keeps_the_fragments_of_an_answer_that_arrive():
    scene, transfer = with_answer(1)
    (received,) = scene.known_to(EGO).answers[HELPER]
    assert received.parts.tolist() == [False, True]
    assert transfer.arrive_us == -1
    assert transfer.parts.tolist() == [False, True]


def test_an_answer_has_arrived_with_its_last_fragment():
    scene, transfer = with_answer(1, 0)
    (received,) = scene.known_to(EGO).answers[HELPER]
    assert received.parts.tolist() == [True, True]
    assert received.number == transfer.message.number
    assert transfer.arrive_us == NOW_US


def test_one_packet_of_an_ideal_channel_brings_all_fragments():
    scene, _ = with_answer(0, of=1, radio=IDEAL)
    (received,) = scene.known_to(EGO).answers[HELPER]
    assert received.parts.tolist() == [True, True]


def test_an_answer_causes_no_answer():
    scene, transfer = with_answer(0, 1)
    assert scene.air.sent == []
    assert scene.requests == []
    assert transfer.outcome == "lost"


def test_an_answer_to_a_station_that_no_longer_fuses_is_not_kept():
    scene, _ = with_answer(0, 1, ego=RELAY)
    assert scene.known_to(RELAY).answers == {}


def test_a_relay_passes_an_answer_on_and_keeps_nothing_of_it():
    scene, transfer = with_answer(0, relay=RELAY)
    ((packet, sender, target),) = scene.air.forwarded
    assert (packet.fragment, sender, target) == (0, RELAY, EGO)
    assert not transfer.parts.any()
    assert scene.known_to(RELAY).answers == {}
