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


@pytest.fixture
def channel():
    """Three cars within reach, a fourth out of range; what they receive, and the table of packets."""
    world = snapshot([2, 5, 7, 8], [(0, 0), (30, 0), (60, 0), (9000, 0)])
    stations = fleet_in(world)
    links = next_budget(LinkBudget.none(), stations, world, indexed(Prisms.none()), Radio(), Streams(1))
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


def test_an_ideal_channel_is_never_congested(channel):
    assert channel[0].wait_us(300).tolist() == [0.0] * 4


def test_nobody_relays_over_an_ideal_channel(channel):
    packet = Packet(announced(5), 1, 0, 1, 5, EVERYBODY, 300)
    with pytest.raises(AssertionError, match="no relays"):
        channel[0].forward(packet, sender=2, target=EVERYBODY)
