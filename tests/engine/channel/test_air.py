"""The channel that delivers everything."""

import numpy as np
import pytest

from tests.engine.small_world import awareness, fleet_in, request, snapshot
from v2xsim.engine.channel.air import IdealAir
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.channel.messages import AwarenessMessage, Packet, RequestMessage
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.records import Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema_radio import Radio
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

QUIET = Radio(shadowing=False)


@pytest.fixture
def channel():
    """Three cars within reach, a fourth out of range; what they receive, and the table of packets."""
    world = snapshot([2, 5, 7, 8], [(0, 0), (30, 0), (60, 0), (9000, 0)])
    stations = fleet_in(world)
    links = next_budget(LinkBudget.none(), stations, world, indexed(Prisms.none()), QUIET, Streams(1))
    clock, heard, packets = Clock(1000), [], Columns("packets")
    air = IdealAir(clock, heard.append, packets)
    air.tick(stations, links)
    return air, clock, heard, packets


def announced(origin):
    return AwarenessMessage(1, origin, EVERYBODY, NOBODY, 300, 1000, awareness(origin))


def test_everybody_in_range_receives_a_broadcast_at_once(channel):
    air, clock, heard, _ = channel
    air.send(announced(5))
    clock.run_until(1001)
    (packet,) = heard
    assert packet.receivers.tolist() == [2, 7]
    assert (packet.start_us, packet.time_us) == (1000, 1000)
    assert np.isinf(packet.snr_db).all()


def test_only_the_station_addressed_receives_a_request(channel):
    air, clock, heard, _ = channel
    air.send(RequestMessage(1, 5, 7, NOBODY, 300, 1000, request(ego=5, helper=7)))
    clock.run_until(1001)
    assert heard[0].receivers.tolist() == [7]


def test_a_message_to_a_station_out_of_range_reaches_nobody(channel):
    air, clock, heard, packets = channel
    air.send(RequestMessage(1, 5, 8, NOBODY, 300, 1000, request(ego=5, helper=8)))
    clock.run_until(1001)
    assert heard == []
    assert packets.blocks == []


def test_a_sender_that_has_left_is_not_heard(channel):
    air, clock, heard, _ = channel
    air.send(announced(99))
    clock.run_until(1001)
    assert heard == []


def test_a_message_arrives_before_any_process_goes_on(channel):
    air, clock, heard, _ = channel
    counts = []
    clock.call(1000, Order.TICK, lambda: counts.append(len(heard)))
    air.send(announced(5))
    clock.run_until(1001)
    assert counts == [1]


def test_each_reception_is_a_row_of_the_table_of_packets(channel):
    air, clock, _, packets = channel
    air.send(announced(5))
    clock.run_until(1001)
    table = packets.finished().to_pydict()
    assert table["rx"] == [2, 7]
    assert table["tx"] == [5, 5]
    assert table["distance_m"] == [30.0, 30.0]
    assert table["outcome"] == ["delivered"] * 2
    assert table["addressed"] == [True, True]
    assert (table["hop"], table["fragment"], table["fragments"]) == ([1, 1], [0, 0], [1, 1])
    assert table["size_bytes"] == [300, 300]


def test_a_row_says_when_the_radio_got_the_message_and_when_it_arrived(channel):
    air, clock, heard, packets = channel
    clock.call(1500, Order.TICK, lambda: air.send(RequestMessage(9, 5, 7, NOBODY, 300, 1000, request(ego=5, helper=7))))
    clock.run_until(2000)
    table = packets.finished().to_pydict()
    assert (table["queued_us"], table["start_us"], table["end_us"]) == ([1000], [1500], [1500])
    assert (table["message"], table["kind"], table["rx"], table["addressed"]) == ([9], ["request"], [7], [True])
    assert (table["link_state"], table["sinr_db"]) == (["LOS"], [np.inf])
    # The loss over 30 m: 3GPP TR 37.885, Table 6.2.1-1, urban.
    loss_db = 38.77 + 16.7 * np.log10(30.0) + 18.2 * np.log10(5.9)
    np.testing.assert_allclose(
        table["power_dbm"], [QUIET.tx_power_dbm + 2 * QUIET.antenna_gain_dbi - loss_db], atol=1e-3
    )
    packet = heard[0].packet
    assert (packet.hop, packet.fragment, packet.fragments, packet.sender, packet.target) == (1, 0, 1, 5, 7)


def test_a_packet_has_its_rows_before_any_station_acts_on_it(channel):
    air, clock, _, packets = channel
    rows = []
    air._deliver_to_stations = lambda _: rows.append(len(packets.blocks))
    air.send(announced(5))
    clock.run_until(1001)
    assert rows == [1]


def test_the_first_station_is_heard_too(channel):
    air, clock, heard, _ = channel
    air.send(announced(2))
    clock.run_until(1001)
    assert heard[0].receivers.tolist() == [5, 7]
    assert (heard[0].packet.sender, heard[0].packet.target) == (2, EVERYBODY)


def test_a_message_to_the_first_station_reaches_it(channel):
    air, clock, heard, _ = channel
    air.send(RequestMessage(1, 5, 2, NOBODY, 300, 1000, request(ego=5, helper=2)))
    clock.run_until(1001)
    assert heard[0].receivers.tolist() == [2]


def test_a_station_without_neighbours_is_heard_by_nobody(channel):
    air, clock, heard, packets = channel
    air.send(announced(8))
    clock.run_until(1001)
    assert heard == []
    assert packets.blocks == []


def test_a_message_arrives_over_the_links_that_hold_then(channel):
    air, clock, heard, _ = channel
    air.send(announced(5))
    world = snapshot([5, 9], [(0, 0), (30, 0)])
    stations = fleet_in(world)
    air.tick(stations, next_budget(LinkBudget.none(), stations, world, indexed(Prisms.none()), QUIET, Streams(1)))
    clock.run_until(1001)
    assert heard[0].receivers.tolist() == [9]
    assert air.wait_us(300).tolist() == [0.0, 0.0]


def test_before_the_first_tick_nobody_hears_anybody():
    clock, heard = Clock(1000), []
    air = IdealAir(clock, heard.append, Columns("packets"))
    air.send(announced(5))
    clock.run_until(1001)
    assert heard == []
    assert air.settle() is air.close() is None


def test_an_ideal_channel_is_never_congested(channel):
    assert channel[0].wait_us(300).tolist() == [0.0] * 4


def test_nobody_relays_over_an_ideal_channel(channel):
    packet = Packet(announced(5), 1, 0, 1, 5, EVERYBODY, 300)
    with pytest.raises(AssertionError, match="no relays"):
        channel[0].forward(packet, sender=2, target=EVERYBODY)
