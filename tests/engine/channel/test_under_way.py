"""When nothing of a message can arrive any more, whatever became of its packets."""

import pytest

from tests.engine.channel.scripted_radio import announced, asked
from tests.engine.small_world import EGO, answer, answer_message, fleet_of, links_of, request, request_message
from v2xsim.engine.channel.air import IdealAir
from v2xsim.engine.channel.messages import AnswerMessage
from v2xsim.engine.channel.under_way import UnderWay
from v2xsim.engine.clock import Clock
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.results.tables import Columns


def test_a_message_is_over_with_the_last_of_its_packets():
    over = []
    under_way, message = UnderWay(over.append), request_message()
    under_way.begin(message, 2)
    under_way.end(message)
    assert over == []
    under_way.end(message)
    assert over == [message]


def test_a_message_that_a_relay_sends_on_is_not_over():
    over = []
    under_way, message = UnderWay(over.append), request_message()
    under_way.begin(message, 1)
    under_way.begin(message, 1)
    under_way.end(message)
    assert over == []


def test_the_oldest_message_is_the_first_that_is_not_over():
    under_way = UnderWay()
    first, second = request_message(queued_us=10), answer_message(queued_us=20)
    assert under_way.oldest_us(30) == 30
    under_way.begin(first, 1)
    under_way.begin(second, 1)
    under_way.begin(first, 1)
    assert under_way.oldest_us(30) == 10
    under_way.end(first)
    assert under_way.oldest_us(30) == 10
    under_way.end(first)
    assert under_way.oldest_us(30) == 20


def test_a_message_that_is_over_is_forgotten():
    under_way, message = UnderWay(), request_message()
    under_way.begin(message, 1)
    under_way.end(message)
    assert under_way._packets == {}


@pytest.mark.parametrize("message", [asked(), announced()])
def test_a_message_that_was_sent_is_over_after_it_was_heard(setup, message):
    this = setup()
    this.air.send(message)
    this.run(300)
    assert this.over == []
    this.run(100_000)
    assert this.over == [(1, 1)]


def test_a_message_in_fragments_is_over_with_the_last_of_them(setup):
    this = setup(mtu_bytes=1000)
    this.air.send(AnswerMessage(1, 7, 2, NOBODY, 2500, 0, answer()))
    this.run(100_000)
    assert this.over == [(1, 3)]


def test_a_message_that_nobody_received_is_over(setup):
    this = setup()
    this.layer.lost = {0, 1, 2, 3}
    this.air.send(asked())
    this.run(100_000)
    assert this.over == [(1, 0)]


def test_a_message_is_under_way_while_its_packet_may_be_sent_again(setup):
    this = setup(retries=2)
    this.layer.lost = {2}
    this.air.send(asked(helper=7))
    this.run(2_900)
    assert (this.layer.sent, this.over) == ({0: 2}, [])
    this.run(100_000)
    assert [number for number, _ in this.over] == [1]


def test_a_message_that_a_relay_forwards_is_over_after_the_second_hop(setup):
    this = setup()
    deliver = this.air._deliver

    def forward(heard):
        deliver(heard)
        if heard.packet.hop == 1:
            this.air.forward(heard.packet, sender=5, target=EVERYBODY)

    this.air._deliver = forward
    this.air.send(announced())
    this.run(100_000)
    assert this.over == [(1, 2)]


def test_a_message_that_a_full_queue_dropped_is_over(setup):
    this = setup()
    this.air.send(asked())
    this.air._submit()
    this.layer.dropped.append(0)
    this.layer.waiting.clear()
    this.run(1_000)
    assert this.over == [(1, 0)]


def test_a_message_is_over_a_second_after_its_sender_left(setup):
    this = setup()
    this.air.send(asked())
    this.air._submit()
    this.layer.waiting.clear()
    this.tick([5, 7, 8])
    this.run(1_100_000)
    assert this.over == []
    this.tick([5, 7, 8])
    assert this.over == [(1, 0)]


def test_a_message_of_a_station_that_has_left_is_over_at_once(setup):
    this = setup()
    this.tick([5, 7, 8])
    this.air.send(asked())
    assert this.over == [(1, 0)]


def test_a_message_over_an_ideal_channel_is_over_when_it_has_arrived():
    heard, over = [], []
    clock = Clock(0)
    air = IdealAir(clock, heard.append, Columns("packets"), over=lambda message: over.append((message, len(heard))))
    fleet = fleet_of([EGO, 2], [(0, 0), (10, 0)])
    air.tick(fleet, links_of(fleet))
    message = request_message(request())
    air.send(message)
    clock.run_until(1)
    assert over == [(message, 1)]
