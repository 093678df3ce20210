"""Messages over the radio: fragments, phases, arrivals, retries, departures. A scripted access layer stands in for the medium."""

from dataclasses import replace

import numpy as np
import pytest

from tests.engine.small_world import answer, awareness, fleet_in, report, request, snapshot
from v2xsim.comms.access.packets import COLLISION, DELIVERED, Receptions
from v2xsim.comms.messages.sizes import PACKET_HEADER_BYTES
from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.engine.channel import radio as radio_module
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.channel.messages import AnswerMessage, AwarenessMessage, ReportMessage, RequestMessage
from v2xsim.engine.channel.packet_table import PacketTable
from v2xsim.engine.channel.radio import QUANTUM_US, RadioAir
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.records import Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

AIRTIME_US = 400


class ScriptedLayer:
    """An access layer that sends each packet when it is ready; `lost` holds receiver rows that receive nothing."""

    def __init__(self):
        self.waiting, self.submitted, self.dropped, self.lost, self.until_us, self.rows = [], [], [], set(), 0, []
        self.busy_share, self.now_us, self.advanced_us, self.keys = 0.0, 0, [], []

    def submit(self, packets):
        for row in range(len(packets)):
            self.submitted.append(packets[np.array([row])])
            self.waiting.append(packets[np.array([row])])

    def advance(self, until_us, field):
        self.advanced_us.append(until_us)
        ended = [p for p in self.waiting if p.ready_us[0] + AIRTIME_US <= until_us]
        self.waiting = [p for p in self.waiting if p.ready_us[0] + AIRTIME_US > until_us]
        ended.sort(key=lambda p: (int(p.ready_us[0]), int(p.number[0])))
        receivers = [[r for r in range(field.stations) if r != p.sender[0]] for p in ended]
        flat = np.array([r for rows in receivers for r in rows], np.int32)
        outcome = np.array([COLLISION if r in self.lost else DELIVERED for r in flat], np.int8)
        began = np.array([p.ready_us[0] for p in ended], np.int64)
        busy_us = np.full(field.stations, round(self.busy_share * (until_us - self.now_us)), np.int64)
        self.now_us = until_us
        return Receptions(
            np.array([p.number[0] for p in ended], np.int64), np.array([p.sender[0] for p in ended], np.int64), began,
            began + AIRTIME_US, np.full(len(ended), -95.0), np.cumsum([0, *map(len, receivers)]).astype(np.int64), flat,
            outcome, np.full(len(flat), -70.0, np.float32), np.full(len(flat), 20.0, np.float32),
        ), busy_us  # fmt: skip

    def reindexed(self, row, station_key):
        self.rows.append(row.tolist())
        self.keys.append(station_key.tolist())


class Setup:
    """Four cars, their radio, and all that anybody received."""

    def __init__(self, monkeypatch, settings):
        self.scenario = Scenario.model_validate({
            "traffic": {"script": [{"id": "x", "waypoints": [[0, 0, 0]]}]},
            "radio": {"processing_spread_ms": 0.0, **settings},
        })  # fmt: skip
        self.layer, self.clock, self.heard = ScriptedLayer(), Clock(0), []
        monkeypatch.setattr(radio_module, "access_layer", lambda radio, time_us: self.layer)
        self.packets, self.channel, self.unheard = (Columns(name) for name in ("packets", "channel", "unheard"))
        self.streams = Streams(1)
        table = PacketTable(self.packets, self.unheard, 1.0, self.streams)
        self.air = RadioAir(
            self.clock, self.scenario.radio, self.streams, self.heard.append, table, self.channel, 1_000_000
        )
        self.links = LinkBudget.none()
        self.tick([2, 5, 7, 8])

    def tick(self, agents):
        world = snapshot(agents, [(30.0 * a, 0.0) for a in agents], time_us=self.clock.now_us)
        stations = fleet_in(world)
        self.links = next_budget(self.links, stations, world, indexed(Prisms.none()), self.scenario.radio, self.streams)
        self.air.tick(stations, self.links)

    def run(self, until_us):
        self.clock.run_until(until_us)
        self.air.settle()

    def rows(self):
        return self.packets.finished().to_pydict()


@pytest.fixture
def setup(monkeypatch):
    return lambda **settings: Setup(monkeypatch, settings)


def asked(ego=2, helper=7, relay=NOBODY, size_bytes=300):
    return RequestMessage(1, ego, helper, relay, size_bytes, 0, request(ego=ego, helper=helper))


def announced(origin=2):
    return AwarenessMessage(1, origin, EVERYBODY, NOBODY, 300, 0, awareness(origin))


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


def test_a_station_announces_itself_at_a_phase_of_its_own(setup):
    this = setup(access="ieee80211p")
    for origin in (2, 5, 2):
        this.air.send(announced(origin), period_us=100_000)
    this.air.settle()
    ready = [int(p.ready_us[0]) for p in this.layer.submitted]
    assert ready == [int(100_000 * Streams(1).uniforms("announcement.phase", origin)[0, 0]) for origin in (2, 5, 2)]
    assert ready[0] != ready[1]


def test_an_access_scheme_that_spreads_periods_itself_gets_no_phase(setup):
    this = setup(access="random_slot")
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
    assert ready[7] == int(2000 * Streams(1).uniforms("processing", 7)[0, 0])


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


def test_a_lost_packet_is_sent_again_as_often_as_allowed(setup):
    this = setup(retries=2, ack_timeout_ms=3.0)
    this.layer.lost = {2}
    this.air.send(asked(helper=7))
    this.run(100_000)
    starts = [int(p.ready_us[0]) for p in this.layer.submitted]
    assert len(starts) == 3
    # The acknowledgement is missed `ack_timeout_ms` after the packet's end.
    assert np.diff(starts).tolist() == [AIRTIME_US + 3000] * 2


def test_a_broadcast_between_two_lost_requests_keeps_neither_from_being_sent_again(setup):
    this = setup(retries=1)
    this.layer.lost = {1, 2, 3}
    this.air.send(asked(helper=7))
    this.air.send(announced())
    this.air.send(asked(helper=5))
    this.run(100_000)
    assert len(this.layer.submitted) == 5


def test_each_repetition_draws_anew(setup):
    this = setup(retries=2)
    this.layer.lost = {2}
    this.air.send(asked(helper=7))
    this.run(100_000)
    assert len({int(p.key[0]) for p in this.layer.submitted}) == 3


def test_allowing_repetitions_does_not_change_the_first_transmission(setup):
    keys = []
    for retries in (0, 2):
        this = setup(retries=retries)
        this.air.send(asked())
        this.run(100_000)
        keys.append([int(p.key[0]) for p in this.layer.submitted])
    assert keys[0] == keys[1]


def test_what_its_target_received_is_not_sent_again(setup):
    this = setup(retries=2)
    # Another station than the target missed it.
    this.layer.lost = {1}
    this.air.send(asked(helper=7))
    this.run(100_000)
    assert len(this.layer.submitted) == 1


def test_of_two_requests_that_end_together_each_is_acknowledged_by_its_own_target(setup):
    this = setup(retries=1)
    this.air.send(asked(helper=7))
    this.air.send(asked(ego=5, helper=8))
    this.run(100_000)
    assert len(this.layer.submitted) == 2


def test_a_broadcast_is_never_sent_again(setup):
    this = setup(retries=2)
    this.layer.lost = {1, 2, 3}
    this.air.send(announced())
    this.run(100_000)
    assert len(this.layer.submitted) == 1


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


def test_a_station_that_is_not_there_sends_nothing(setup):
    this = setup()
    this.air.send(asked(ego=99))
    this.run(5000)
    assert this.layer.submitted == []


def test_rows_of_the_access_layer_follow_the_stations(setup):
    this = setup()
    this.tick([5, 7, 9])
    assert this.layer.rows == [[-1] * 4, [1, 2, -1]]


def test_packets_are_in_the_layer_before_its_rows_change(setup):
    this = setup()
    this.air.send(asked(ego=7, helper=8))
    this.tick([5, 7, 8])
    # Row 2 of the old stations, not row 1 of the new ones.
    assert this.layer.submitted[0].sender.tolist() == [2]


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


def test_the_busy_share_of_each_window_is_recorded(setup):
    this = setup()
    this.layer.busy_share = 0.25
    this.run(200_000)
    rows = this.channel.finished().to_pydict()
    assert rows["time_us"] == [100_000] * 4 + [200_000] * 4
    np.testing.assert_allclose(rows["busy_share"], 0.25, rtol=1e-4)


def test_the_load_after_the_end_of_the_run_is_not_recorded(setup):
    this = setup()
    this.run(1_200_000)
    assert max(this.channel.finished().to_pydict()["time_us"]) == 1_000_000


def test_congestion_control_spaces_messages_out_when_the_channel_is_busy(setup):
    this = setup(dcc="reactive", access="ieee80211p")
    calm_us = this.air.wait_us(350)
    this.layer.busy_share = 0.9
    this.run(3_000_000)
    assert (this.air.wait_us(350) > calm_us).all()


@pytest.mark.parametrize("access", ["ieee80211p", "lte_mode4"])
def test_the_wait_between_messages_grows_with_their_airtime_unless_the_scheme_has_slots(setup, access):
    this = setup(dcc="adaptive", access=access)
    this.layer.busy_share = 0.9
    this.run(3_000_000)
    short_us, long_us = this.air.wait_us(200), this.air.wait_us(2000)
    assert (long_us > short_us).all() == (access == "ieee80211p")
    assert (short_us > 0).all()


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
        # Message 1, first hop, from station 5.
        assert packet.key.tolist() == [Streams(1).key("packet", 1, 1, part, 5)]


def test_a_repetition_is_keyed_by_its_number(setup):
    this = setup(retries=2)
    this.layer.lost = {2}
    this.air.send(asked(helper=7))
    this.run(100_000)
    keys = [Streams(1).key("packet", 1, 1, 0, 2, *repetition) for repetition in ((), (1,), (2,))]
    assert [int(p.key[0]) for p in this.layer.submitted] == keys


def test_a_repetition_is_the_same_packet(setup):
    this = setup(retries=1)
    this.layer.lost = {2}
    this.air.send(asked(helper=7, relay=NOBODY))
    this.run(100_000)
    one, other = (heard.packet for heard in this.heard)
    assert one is other
    assert (one.hop, one.fragment, one.fragments, one.sender, one.target) == (1, 0, 1, 2, 7)


def test_a_repetition_whose_time_has_passed_is_ready_at_once(setup):
    this = setup(retries=1, ack_timeout_ms=0.1)
    this.layer.lost = {2}
    this.air.send(asked(helper=7), awaited=False)
    # The acknowledgement was missed at 500 us.
    this.run(5000)
    this.air.settle()
    this.run(100_000)
    assert [int(p.ready_us[0]) for p in this.layer.submitted] == [0, 5000]


def test_a_relayed_packet_is_ready_at_once_and_somebody_waits_for_it(setup):
    this = setup()
    this.air.send(asked(relay=5))
    this.clock.run_until(5000)
    this.air.forward(this.heard[0].packet, sender=5, target=7)
    this.clock.run_until(10_000)
    assert this.layer.submitted[1].ready_us.tolist() == [5000]
    assert [heard.packet.hop for heard in this.heard] == [1, 2]
    assert this.heard[1].start_us == 5000


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
    assert this.air._awaited == {0, 1}


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


def test_what_ended_before_a_tick_is_heard_over_the_stations_before_it(setup):
    this = setup()
    this.air.send(announced(2), awaited=False)
    this.clock.run_until(10_000)
    this.tick([2, 9])
    assert this.heard[0].receivers.tolist() == [5, 7, 8]


def test_the_same_stations_keep_their_rows(setup):
    this = setup()
    this.tick([2, 5, 7, 8])
    assert this.layer.rows == [[-1] * 4]


def test_receptions_are_drawn_by_station(setup):
    this = setup()
    assert this.layer.keys == [[Streams(1).key("reception", agent) for agent in (2, 5, 7, 8)]]


def test_congestion_control_follows_the_stations(setup):
    this = setup(dcc="reactive", access="ieee80211p")
    this.layer.busy_share = 0.9
    this.run(3_000_000)
    before_us = this.air.wait_us(350)
    this.tick([1, 7])
    # Station 7 keeps its wait, and the newcomer has never measured a busy channel.
    newcomer_us, kept_us = this.air.wait_us(350)
    assert kept_us == before_us[2] > newcomer_us


class NotedControl:
    """Congestion control that takes notes of the airtime that it is asked about."""

    def wait_us(self, slot_us):
        self.slot_us = slot_us
        return np.zeros(4)


@pytest.mark.parametrize("access", ["ieee80211p", "lte_mode4"])
def test_congestion_control_is_asked_about_the_airtime_of_an_announcement(setup, access):
    this = setup(access=access, mcs=6, awareness_mcs=1, bandwidth_mhz=20)
    this.air._dcc = NotedControl()
    this.air.wait_us(350)
    # A sidelink packet lasts a subframe of 1 ms.
    assert this.air._dcc.slot_us == (1000.0 if access == "lte_mode4" else float(airtime_us(350, 1, 20)))


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
    assert (this.air._flying, this.air._retries, this.air._awaited, this.layer.dropped) == ({}, {}, set(), [])


def test_packets_of_departed_stations_are_forgotten_one_second_after_their_sender_left(setup):
    this = setup(retries=1)
    this.air.send(asked(ego=8, helper=2))
    this.air.send(asked(ego=7, helper=2))
    this.air.send(asked(ego=5, helper=2))
    this.layer.submit = lambda packets: None
    this.run(1000)
    this.tick([2, 5, 7])
    this.run(500_000)
    this.tick([2, 5])
    for time_us, left in ((1_000_999, {0, 1, 2}), (1_001_000, {1, 2}), (1_499_999, {1, 2}), (1_500_000, {2})):
        this.clock.run_until(time_us)
        this.tick([2, 5])
        assert set(this.air._flying) == set(this.air._retries) == this.air._awaited == left


def test_what_a_departed_station_left_behind_is_forgotten_after_a_second(setup):
    this = setup(retries=1)
    this.air.send(asked(ego=8, helper=2))
    this.layer.submit = lambda packets: None
    this.run(1000)
    this.tick([2, 5, 7])
    assert len(this.air._flying) == 1
    this.clock.run_until(1_001_000)
    this.tick([2, 5, 7])
    assert this.air._flying == {}
    assert this.air._retries == {}
    assert this.air._awaited == set()
