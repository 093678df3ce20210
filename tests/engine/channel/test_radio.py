"""Messages over the radio: fragments, phases, arrivals, rows of packets. A scripted access layer stands in for the medium."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.channel.scripted_radio import AIRTIME_US, announced, asked
from tests.engine.small_world import answer, report
from v2xsim.comms.messages.sizes import PACKET_HEADER_BYTES
from v2xsim.engine.channel import radio as radio_module
from v2xsim.engine.channel.awaited import QUANTUM_US
from v2xsim.engine.channel.messages import AnswerMessage, ReportMessage
from v2xsim.engine.clock import Order
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.streams import Streams


def test_a_message_larger_than_the_mtu_goes_out_in_fragments(setup):
    this = setup(mtu_bytes=1000)
    this.air.send(AnswerMessage(1, 7, 2, NOBODY, 2500, 0, answer()))
    this.run(5000)
    assert [h.packet.fragment for h in this.heard] == [0, 1, 2]
    assert {h.packet.fragments for h in this.heard} == {3}
    headers = [h.packet.size_bytes - payload for h, payload in zip(this.heard, (1000, 1000, 500), strict=True)]
    assert len(set(headers)) == 1


def test_a_message_by_relay_carries_a_longer_header(setup):
    this = setup()
    this.air.send(asked())
    this.air.send(asked(relay=5))
    this.run(5000)
    direct, relayed = (h.packet.size_bytes for h in this.heard)
    assert relayed == direct + radio_module.RELAY_HEADER_BYTES


def test_each_further_relay_adds_its_address(setup):
    this = setup()
    this.air.send(asked(relay=5))
    this.air.send(replace(asked(relay=5), number=2, more_relays=(7, 9)))
    this.run(5000)
    one, three = (h.packet.size_bytes for h in this.heard)
    assert three == one + 2 * radio_module.RELAY_ADDRESS_BYTES


@pytest.mark.parametrize(("rounds", "again"), [(1, 2), (2, 5)])
def test_a_message_may_use_the_transmissions_of_several_rounds(setup, rounds, again):
    this = setup(retries=2)
    this.air.send(replace(asked(), rounds=rounds))
    this.air.settle()
    assert this.layer.submitted[0].retries.tolist() == [again]


def test_a_request_by_relay_is_addressed_to_the_relay(setup):
    this = setup()
    this.air.send(asked(relay=5))
    assert this.run(5000) is None
    assert this.heard[0].packet.target == 5
    assert this.layer.submitted[0].target.tolist() == [1]


def test_a_broadcast_has_no_target_row(setup):
    this = setup()
    this.air.send(announced())
    this.air.settle()
    assert this.layer.submitted[0].target.tolist() == [-1]


def test_a_station_acts_on_an_awaited_packet_at_most_a_quantum_after_its_end(setup):
    this = setup()
    arrived_us = []
    this.air._deliver = lambda heard: arrived_us.append((heard.time_us, this.clock.now_us))
    this.clock.call(10_000, Order.TICK, lambda: this.air.send(asked()))
    this.clock.run_until(20_000)
    # It looks for arrivals every 0.5 ms from the request on.
    assert QUANTUM_US == 500
    assert arrived_us == [(10_000 + AIRTIME_US, 10_500)]


def test_nobody_is_woken_for_a_packet_that_nobody_waits_for(setup):
    this = setup()
    this.clock.call(10_000, Order.TICK, lambda: this.air.send(announced(), awaited=False))
    this.clock.run_until(50_000)
    assert this.heard == []
    this.air.settle()
    assert len(this.heard) == 1


def test_a_packet_that_is_awaited_again_later_is_looked_for_again(setup):
    this = setup()
    for time_us in (10_000, 30_000):
        this.clock.call(time_us, Order.TICK, lambda: this.air.send(asked()))
    this.clock.run_until(60_000)
    assert [h.start_us for h in this.heard] == [10_000, 30_000]


def test_announcements_have_a_period_and_only_their_first_fragment_reserves(setup):
    this = setup(mtu_bytes=200, access="ieee80211p")
    this.air.send(announced(), period_us=100_000)
    this.air.settle()
    assert [p.period_us[0] for p in this.layer.submitted] == [100_000, 0]


def test_each_station_has_a_phase_of_its_own_within_the_period(setup):
    air = setup(access="ieee80211p").air
    phases_us = [air.phase_us(agent, 100_000) for agent in range(200)]
    assert len(set(phases_us)) > 190
    assert 0 <= min(phases_us) < 5_000
    assert 95_000 < max(phases_us) < 100_000
    assert phases_us == [air.phase_us(agent, 100_000) for agent in range(200)]


def test_an_access_scheme_that_spreads_periods_itself_gets_no_phase(setup):
    assert setup(access="random_slot").air.phase_us(2, 100_000) == 0


def test_an_announcement_enters_the_queue_when_it_is_made(setup):
    this = setup(access="ieee80211p")
    this.air.send(announced(), period_us=100_000)
    this.air.settle()
    assert this.layer.submitted[0].ready_us.tolist() == [0]


def test_computers_do_not_finish_in_the_same_microsecond(setup):
    this = setup(processing_spread_ms=2.0)
    for number in range(50):
        this.air.send(ReportMessage(number, 2, EVERYBODY, NOBODY, 300, 0, report()))
    this.air.settle()
    ready = np.array([int(p.ready_us[0]) for p in this.layer.submitted])
    assert 0 <= ready.min() < ready.max() < 2000
    assert len(set(ready.tolist())) > 40
    # The eighth report of station 2, whatever others send.
    assert ready[7] == int(2000 * Streams(1).uniforms("processing.cpm", 2, 7)[0, 0])


def test_announcements_wait_for_no_computer(setup):
    this = setup(processing_spread_ms=2.0, access="random_slot")
    this.air.send(announced(), period_us=100_000)
    this.air.settle()
    assert this.layer.submitted[0].ready_us.tolist() == [0]


def test_data_and_announcements_have_modulations_of_their_own(setup):
    this = setup(mcs=5, awareness_mcs=1)
    this.air.send(asked())
    this.air.send(announced())
    this.air.settle()
    assert [p.mcs[0] for p in this.layer.submitted] == [5, 1]


def test_a_packet_that_nobody_received_is_heard_by_nobody_but_has_its_rows(setup):
    this = setup()
    this.layer.lost = {1, 2, 3}
    this.air.send(asked())
    this.run(100_000)
    assert this.heard == []
    assert this.rows()["outcome"] == ["collision"] * 3


def test_only_those_who_received_a_packet_hear_it_each_with_its_snr(setup):
    this = setup()
    this.layer.lost = {2}
    this.air.send(asked())
    this.run(100_000)
    (heard,) = this.heard
    assert heard.receivers.tolist() == [5, 8]
    # -70 dBm over a noise of -95 dBm.
    np.testing.assert_allclose(heard.snr_db, [25.0, 25.0])


def test_a_relayed_packet_is_the_same_one_hop_later(setup):
    this = setup()
    this.air.send(asked(relay=5))
    this.run(5000)
    first = this.heard[0].packet
    this.air.forward(first, sender=5, target=7)
    this.run(10_000)
    second = this.heard[1].packet
    assert (second.message, second.size_bytes, second.fragment) == (first.message, first.size_bytes, first.fragment)
    assert (second.hop, second.sender, second.target) == (first.hop + 1, 5, 7)
    # It belongs to no series, so nothing is reserved for a next one.
    assert this.layer.submitted[1].period_us.tolist() == [0]


def test_a_dropped_packet_has_one_row_without_a_receiver(setup):
    this = setup()
    this.air.send(announced())
    this.air.settle()
    this.layer.waiting.clear()
    this.layer.dropped.append(0)
    this.run(5000)
    rows = this.rows()
    assert rows["outcome"] == ["not_sent"]
    assert rows["rx"] == [-1]


def test_a_packet_that_was_forgotten_may_still_be_dropped(setup):
    this = setup()
    this.layer.dropped.append(99)
    this.run(5000)
    assert this.rows()["outcome"] == []


def test_the_layer_is_given_each_packet_with_all_that_it_needs(setup):
    this = setup(mcs=5, mtu_bytes=200)
    this.clock.call(10_000, Order.TICK, lambda: this.air.send(asked(ego=5, helper=8)))
    this.clock.run_until(10_001)
    this.air.settle()
    first, second = this.layer.submitted
    sizes = [200 + PACKET_HEADER_BYTES, 100 + PACKET_HEADER_BYTES]
    for part, packet in enumerate((first, second)):
        assert packet.number.tolist() == [part]
        assert (packet.sender.tolist(), packet.target.tolist()) == ([1], [3])
        assert (packet.ready_us.tolist(), packet.size_bytes.tolist()) == ([10_000], [sizes[part]])
        assert (packet.mcs.tolist(), packet.period_us.tolist()) == ([5], [0])
        # The first request (kind 1) that station 5 made, on its first hop, sent by station 5.
        assert packet.key.tolist() == [Streams(1).key("packet", 5, 1, 0, 1, part, 5)]


def test_the_draws_of_a_packet_do_not_depend_on_what_other_stations_send(setup):
    def key(others):
        this = setup()
        for number in range(others):
            this.air.send(ReportMessage(100 + number, 8, EVERYBODY, NOBODY, 300, 0, report()))
        this.air.send(asked(ego=5, helper=8))
        this.air.settle()
        return this.layer.submitted[-1].key.tolist()

    assert key(others=0) == key(others=3)


def test_a_relayed_packet_is_ready_at_once_and_somebody_waits_for_it(setup):
    this = setup()
    this.air.send(asked(relay=5))
    this.clock.run_until(5000)
    this.air.forward(this.heard[0].packet, sender=5, target=7)
    this.clock.run_until(10_000)
    assert this.layer.submitted[1].ready_us.tolist() == [5000]
    assert [heard.packet.hop for heard in this.heard] == [1, 2]
    assert this.heard[1].start_us == 5000


@pytest.mark.parametrize(("spread_ms", "most_us"), [(50.0, 2000), (1.0, 1000)])
def test_relays_of_one_packet_do_not_begin_at_the_same_instant(setup, spread_ms, most_us):
    """All of them receive it at the same instant; without a spread, they would collide where they are heard together."""
    this = setup(processing_spread_ms=spread_ms)
    this.air.send(ReportMessage(1, 2, EVERYBODY, NOBODY, 300, 0, report()))
    this.run(60_000)
    for relay in (5, 7, 8):
        this.air.forward(this.heard[0].packet, sender=relay, target=EVERYBODY)
    this.air.settle()
    waits = [int(packet.ready_us[0]) - this.clock.now_us for packet in this.layer.submitted[1:]]
    assert len(waits) == 3
    assert len(set(waits)) == 3
    assert min(waits) >= 0
    assert max(waits) < most_us


def test_nobody_waits_any_more_once_a_packet_has_arrived(setup):
    this = setup()
    this.clock.call(10_000, Order.TICK, lambda: this.air.send(asked()))
    this.clock.run_until(50_000)
    assert this.layer.advanced_us == [10_500]


def test_an_announcement_that_nobody_waits_for_wakes_nobody_behind_one_that_somebody_does(setup):
    this = setup()
    this.air.send(asked())
    this.air.send(asked(ego=5))
    this.air.send(announced(7), awaited=False)
    this.clock.run_until(400)
    assert this.air._awaited._numbers == {0, 1}


def test_time_that_is_settled_is_not_settled_again(setup):
    this = setup()
    this.clock.run_until(10_000)
    this.air.settle()
    this.air.settle()
    assert this.layer.advanced_us == [10_000]


def test_a_late_look_settles_each_window_by_itself(setup):
    this = setup()
    this.run(250_000)
    assert this.layer.advanced_us == [100_000, 200_000, 250_000]


def test_each_packet_is_heard_by_its_own_receivers(setup):
    this = setup()
    this.layer.lost = {1}
    this.air.send(announced(8))
    this.air.send(announced(5))
    this.air.send(announced(2))
    this.run(5000)
    assert [(heard.packet.sender, heard.receivers.tolist()) for heard in this.heard] == [
        (8, [2, 7]), (5, [2, 7, 8]), (2, [7, 8]),
    ]  # fmt: skip
    assert {(heard.start_us, heard.time_us) for heard in this.heard} == {(0, AIRTIME_US)}


def test_stations_too_far_to_be_listed_are_written_at_the_end(setup):
    this = setup()
    this.layer.advance = nobody_hears(this.layer.advance)
    this.air.send(announced(2))
    this.run(5000)
    this.air.close()
    # Three stations at 90, 150 and 180 m.
    assert this.unheard.finished().to_pydict()["bin_m"] == [90, 150, 180]


def nobody_hears(advance):
    """Return the advance of a layer that lists no receiver."""

    def advanced(until_us, field):
        ended, busy_us = advance(until_us, field)
        nothing = np.zeros(0)
        return replace(
            ended, offset=np.zeros_like(ended.offset), receiver=nothing.astype(np.int32), outcome=nothing.astype(np.int8),
            power_dbm=nothing.astype(np.float32), sinr_db=nothing.astype(np.float32),
        ), busy_us  # fmt: skip

    return advanced


def test_a_dropped_packet_is_forgotten_and_lost_when_it_is_noticed(setup):
    this = setup(retries=1)
    this.air.send(asked())
    this.air.settle()
    this.layer.waiting.clear()
    this.layer.dropped.append(0)
    this.run(5000)
    assert this.rows()["end_us"] == [500]
    assert (this.air._flying, this.air._received, len(this.air._awaited), this.layer.dropped) == ({}, {}, 0, [])
