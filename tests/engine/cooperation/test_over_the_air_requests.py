"""Requests and answers: who sends what, who passes it on, and what each station takes in."""

import pytest

from tests.engine.cooperation.air_scene import (
    IDEAL,
    NOW_US,
    RADIO,
    READY,
    START_US,
    Scene,
    asked,
    with_answer,
    with_request,
)
from tests.engine.small_world import (
    DETECT_US,
    EGO,
    HELPER,
    OTHER,
    RELAY,
    answer,
    answer_message,
    frame,
    packet_of,
    request,
)
from v2xsim.comms.messages.request_cells import encoded
from v2xsim.engine.channel.messages import AnswerMessage, RequestMessage
from v2xsim.engine.stations.contents import NOBODY


def test_a_request_is_sent_to_the_helper_with_a_bit_for_each_cell():
    (message,) = asked(Scene())
    assert isinstance(message, RequestMessage)
    assert (message.origin, message.destination, message.relay) == (EGO, HELPER, NOBODY)
    assert (message.size_bytes, message.queued_us) == (22 + 2, NOW_US)


@pytest.mark.parametrize(("coding", "size_bytes"), [("bits", 22 + 85), ("runs", 22 + 1 + 6), ("blocks", 22 + 1 + 1)])
def test_a_request_is_as_large_as_what_names_its_cells_and_is_recorded_so(coding, size_bytes):
    # 26 x 26 cells, all of them wanted: 676 bits, 6 runs of up to 128 cells, one run of 7 x 7 blocks.
    scene = Scene(request_coding=coding)
    (message,) = asked(scene, cells=26)
    (transfer,) = scene.transfers.without_row()
    assert message.size_bytes == transfer.size_bytes == size_bytes
    assert transfer.fragments == -(-size_bytes // 100)
    assert len(encoded(message.body.cells, coding)) == size_bytes - 22


def test_a_request_has_the_number_of_its_message():
    first, second = asked(Scene(), helpers=(HELPER, OTHER))
    assert (first.number, first.body.number) == (1, 1)
    assert (second.number, second.body.number) == (2, 2)


def test_a_request_goes_by_the_relay_that_the_ego_chose():
    assert asked(Scene(), relay=RELAY)[0].first_target == RELAY


def test_a_request_is_recorded_without_data():
    scene = Scene()
    asked(scene)
    (transfer,) = scene.transfers.without_row()
    assert (transfer.frame_us, transfer.capture_us, transfer.detect_us) == (100_000, -1, -1)
    assert (transfer.outcome, transfer.fragments, transfer.parts) == ("lost", 1, 0)


def test_a_request_is_recorded_with_the_success_that_was_predicted():
    scene = Scene()
    asked(scene, success=0.75)
    assert scene.transfers.without_row()[0].predicted == 0.75


@pytest.mark.parametrize(("radio", "fragments"), [(RADIO, 2), (IDEAL, 1)])
def test_a_large_request_is_cut_into_fragments_but_over_an_ideal_channel(radio, fragments):
    scene = Scene(radio=radio)
    asked(scene, cells=26)
    # 22 bytes and 676 bits.
    assert scene.transfers.without_row()[0].fragments == fragments


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
    assert transfer.fragments == 2


def test_an_answer_over_an_ideal_channel_is_one_packet():
    scene, message = with_request(answers={HELPER: READY}, radio=IDEAL)
    scene.receive(packet_of(message), HELPER)
    assert scene.transfers.of_message(2).fragments == 1


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
    assert [transfer.outcome for transfer in scene.transfers.without_row()] == ["no_frame"]


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


def test_a_helper_that_overhears_the_first_hop_answers_at_once_and_only_once():
    scene, message = with_request(RELAY, answers={HELPER: READY})
    packet = packet_of(message)
    scene.receive(packet, HELPER, RELAY)
    assert [sent.relay for sent in scene.air.sent] == [RELAY]
    assert scene.transfers.of_message(1).arrive_us == NOW_US
    # The relay cannot know that, and forwards the request.
    assert scene.air.forwarded == [(packet, RELAY, HELPER)]
    scene.receive(packet_of(message, hop=2, sender=RELAY, target=HELPER), HELPER)
    assert len(scene.air.sent) == 1
    assert scene.requests == [message.body]


def test_fragments_from_the_first_hop_and_from_the_relay_complete_a_request_together():
    scene, message = with_request(RELAY, fragments=2, answers={HELPER: READY})
    scene.receive(packet_of(message, fragment=0, fragments=2), HELPER)
    assert scene.air.sent == []
    scene.receive(packet_of(message, hop=2, fragment=1, fragments=2, sender=RELAY, target=HELPER), HELPER)
    assert len(scene.air.sent) == 1


def test_an_ego_keeps_what_it_overhears_of_an_answer_on_its_way_to_the_relay():
    scene, transfer = with_answer(0, relay=RELAY, receivers=(EGO, OTHER))
    (received,) = scene.known_to(EGO).answers[HELPER]
    assert received.parts.tolist() == [True, False]
    assert (transfer.parts, transfer.by_relay) == (0b01, False)
    # The relay did not receive it.
    assert scene.air.forwarded == []


def test_a_relay_brought_what_the_ego_had_not_overheard():
    scene, transfer = with_answer(0, 1, relay=RELAY, receivers=(EGO,))
    message = answer_message(answer(request(ego=EGO, frame_us=100_000), frame(HELPER), size_bytes=150), relay=RELAY)
    again = packet_of(message, hop=2, fragment=0, fragments=2, sender=RELAY, target=EGO)
    scene.receive(again, EGO)
    assert not transfer.by_relay
    scene, transfer = with_answer(0, relay=RELAY, receivers=(EGO,))
    scene.receive(packet_of(message, hop=2, fragment=1, fragments=2, sender=RELAY, target=EGO), EGO)
    assert transfer.by_relay


def test_a_relay_that_did_not_hear_a_request_passes_nothing_on():
    scene, message = with_request(RELAY)
    scene.receive(packet_of(message), OTHER)
    assert scene.air.forwarded == []
    assert scene.transfers.of_message(1).air_us == -1


def test_without_overhearing_only_what_the_relay_forwards_counts():
    scene, message = with_request(RELAY, answers={HELPER: READY}, overhearing=False)
    scene.receive(packet_of(message), HELPER, RELAY)
    assert (scene.air.sent, scene.transfers.of_message(1).parts) == ([], 0)
    scene.receive(packet_of(message, hop=2, sender=RELAY, target=HELPER), HELPER)
    assert len(scene.air.sent) == 1
    # A direct request is for the helper itself.
    direct, message = with_request(answers={HELPER: READY}, overhearing=False)
    direct.receive(packet_of(message), HELPER)
    assert len(direct.air.sent) == 1


def test_each_named_forwarder_that_received_a_request_passes_it_on():
    scene = Scene(answers={HELPER: READY})
    (message,) = asked(scene, RELAY, more_relays=(OTHER,))
    packet = packet_of(message)
    scene.receive(packet, OTHER)
    assert scene.air.forwarded == [(packet, OTHER, HELPER)]
    scene.receive(packet, RELAY, OTHER, HELPER)
    assert scene.air.forwarded[1:] == [(packet, RELAY, HELPER), (packet, OTHER, HELPER)]
    # The answer names the same forwarders, and is sent once.
    (sent,) = scene.air.sent[1:]
    assert (sent.relay, sent.more_relays) == (RELAY, (OTHER,))


def test_an_answer_may_be_sent_as_often_as_its_request():
    scene = Scene(answers={HELPER: READY})
    (message,) = asked(scene, rounds=2)
    scene.receive(packet_of(message), HELPER)
    assert [sent.rounds for sent in scene.air.sent] == [2, 2]


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


def test_an_ego_keeps_the_fragments_of_an_answer_that_arrive():
    scene, transfer = with_answer(1)
    (received,) = scene.known_to(EGO).answers[HELPER]
    assert received.parts.tolist() == [False, True]
    assert transfer.arrive_us == -1
    assert transfer.parts == 0b10


def test_an_answer_has_arrived_with_its_last_fragment():
    scene, transfer = with_answer(1, 0)
    (received,) = scene.known_to(EGO).answers[HELPER]
    assert received.parts.tolist() == [True, True]
    assert received.number == transfer.number
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
    assert transfer.parts == 0
    assert scene.known_to(RELAY).answers == {}
