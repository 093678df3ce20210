"""The table of packets."""

import numpy as np
import pytest

from tests.engine.small_world import answer, awareness, fleet_in, links_of, request, snapshot
from v2xsim.comms.access.packets import COLLISION, DELIVERED, Receptions
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.channel.messages import AnswerMessage, AwarenessMessage, Packet, RequestMessage
from v2xsim.engine.channel.packet_table import UNHEARD_BIN_M, PacketTable
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.records import Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema_radio import Radio
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

WORLD = snapshot([2, 5, 7, 8], [(0, 0), (30, 0), (62, 0), (5000, 0)])
STATIONS = fleet_in(WORLD)
LINKS = next_budget(LinkBudget.none(), STATIONS, WORLD, indexed(Prisms.none()), Radio(), Streams(1))


def announced(sender=2, hop=1, target=EVERYBODY):
    message = AwarenessMessage(4, sender, EVERYBODY, NOBODY, 300, 10, awareness(sender))
    return Packet(message, hop, 0, 1, sender, target, 340)


def asked(sender=2, helper=5):
    message = RequestMessage(6, sender, helper, NOBODY, 90, 10, request(ego=sender, helper=helper))
    return Packet(message, 1, 0, 1, sender, helper, 130)


def receptions(*by_packet):
    """Receptions of packets: (sender row, {receiver row: outcome})."""
    receivers = [sorted(outcomes) for _, outcomes in by_packet]
    flat = [r for rows in receivers for r in rows]
    outcome = [outcomes[r] for _, outcomes in by_packet for r in sorted(outcomes)]
    count = len(by_packet)
    return Receptions(
        np.arange(count), np.array([sender for sender, _ in by_packet], np.int64), np.full(count, 1000), np.full(count, 1400),
        np.full(count, -95.0), np.cumsum([0, *map(len, receivers)]).astype(np.int64), np.array(flat, np.int32),
        np.array(outcome, np.int8), np.full(len(flat), -70.0, np.float32), np.full(len(flat), 20.0, np.float32),
    )  # fmt: skip


class Table:
    def __init__(self, share=1.0, seed=1):
        self.packets, self.unheard = Columns("packets"), Columns("unheard")
        self.table = PacketTable(self.packets, self.unheard, share, Streams(seed))

    def add(self, receptions, packets, stations, links):
        self.table.tick(stations, links)
        self.table.add(receptions, packets)

    def rows(self):
        self.table.write()
        return self.packets.finished().to_pydict()

    def too_far(self):
        self.table.close()
        return self.unheard.finished().to_pydict()


def test_each_receiver_of_a_packet_is_a_row():
    this = Table()
    this.add(receptions((0, {1: DELIVERED, 2: COLLISION})), [announced()], STATIONS, LINKS)
    rows = this.rows()
    assert rows["rx"] == [5, 7]
    assert rows["outcome"] == ["delivered", "collision"]
    assert rows["distance_m"] == [30.0, 62.0]
    assert rows["queued_us"] == [10, 10]
    assert (rows["start_us"], rows["end_us"]) == ([1000] * 2, [1400] * 2)


def test_a_row_holds_its_packet_its_link_and_its_reception():
    """Two packets that differ in everything; the first has a row at two receivers, the second at one."""
    this = Table()
    first = AwarenessMessage(4, 2, EVERYBODY, NOBODY, 300, 10, awareness(2))
    second = AnswerMessage(6, 7, 2, NOBODY, 900, 20, answer())
    packets = [Packet(first, 1, 0, 2, 2, EVERYBODY, 340), Packet(second, 2, 1, 3, 5, 2, 130)]
    ended = Receptions(
        np.arange(2), np.array([0, 1]), np.array([1000, 2000]), np.array([1400, 2600]), np.full(2, -95.0), np.array([0, 2, 3]),
        np.array([1, 2, 0], np.int32), np.array([DELIVERED, COLLISION, DELIVERED], np.int8),
        np.array([-70.0, -80.0, -90.0], np.float32), np.array([20.0, 2.0, 12.0], np.float32),
    )  # fmt: skip
    this.add(ended, packets, STATIONS, LINKS)
    expected = {
        "queued_us": [10, 10, 20], "start_us": [1000, 1000, 2000], "end_us": [1400, 1400, 2600], "message": [4, 4, 6],
        "kind": ["awareness", "awareness", "data"], "hop": [1, 1, 2], "fragment": [0, 0, 1], "fragments": [2, 2, 3],
        "size_bytes": [340, 340, 130], "tx": [2, 2, 5], "rx": [5, 7, 2], "addressed": [True, True, True],
        "distance_m": [30.0, 62.0, 30.0], "link_state": ["LOS"] * 3, "power_dbm": [-70.0, -80.0, -90.0],
        "sinr_db": [20.0, 2.0, 12.0], "outcome": ["delivered", "collision", "delivered"],
    }  # fmt: skip
    assert this.rows() == expected


def test_a_row_has_the_state_of_its_link():
    this, world = Table(), snapshot([2, 5, 7], [(0, 0), (30, 0), (60, 0)])
    # All antennas are lower than the roof of the car in the middle.
    world.antenna_height_m[:] = [1.0, 1.0, 1.0]
    stations = fleet_in(world)
    links = next_budget(LinkBudget.none(), stations, world, indexed(Prisms.none()), Radio(), Streams(1))
    this.add(receptions((0, {1: DELIVERED, 2: DELIVERED})), [announced()], stations, links)
    assert this.rows()["link_state"] == ["LOS", "NLOSv"]


def test_without_any_link_a_receiver_has_no_distance():
    this = Table()
    lonely = links_of(fleet_in(WORLD), range_m=1.0)
    this.add(receptions((0, {1: DELIVERED, 2: DELIVERED})), [announced()], STATIONS, lonely)
    rows = this.rows()
    assert np.isnan(rows["distance_m"]).all()
    assert rows["link_state"] == ["NLOSb"] * 2


def test_packets_of_which_none_is_listed_leave_no_row():
    this = Table(1e-9)
    this.add(receptions((0, {1: DELIVERED})), [announced()], STATIONS, LINKS)
    assert this.rows()["rx"] == []


def test_packets_that_nobody_received_leave_no_row_of_packets():
    this = Table()
    this.add(receptions((0, {})), [announced()], STATIONS, LINKS)
    this.table.write()
    assert this.packets.blocks == []


def test_nothing_is_written_of_receivers_too_far_where_there_were_none():
    this = Table()
    this.table.close()
    assert this.unheard.blocks == []


def test_receivers_beyond_twenty_kilometres_are_counted_at_twenty():
    this, world = Table(), snapshot([2, 5], [(0, 0), (25_000, 0)])
    links = links_of(fleet_in(world), range_m=30_000.0)
    for _ in range(2):
        this.add(receptions((0, {})), [announced()], fleet_in(world), links)
    assert this.too_far() == {"bin_m": [19_995], "link_state": ["LOS"], "count": [2]}


def test_a_broadcast_is_addressed_to_all_and_a_request_to_one():
    this = Table()
    both = {1: DELIVERED, 2: DELIVERED}
    this.add(receptions((0, both), (0, both)), [announced(), asked(helper=7)], STATIONS, LINKS)
    assert this.rows()["addressed"] == [True, True, False, True]


def test_receivers_too_far_to_be_listed_are_counted_by_distance_and_state():
    this = Table()
    this.add(receptions((0, {1: DELIVERED})), [announced()], STATIONS, LINKS)
    counts = this.too_far()
    # Station 7 is 62 m away, over the roof of station 5; station 8 is out of range and has no link.
    assert counts["bin_m"] == [60]
    assert counts["link_state"] == ["LOS"]
    assert counts["count"] == [1]


@pytest.mark.parametrize("packet", [asked(), announced(hop=2)])
def test_only_first_hops_of_announcements_are_counted_where_nobody_listed_them(packet):
    this = Table()
    this.add(receptions((0, {1: DELIVERED})), [packet], STATIONS, LINKS)
    assert this.too_far()["count"] == []


def test_an_announcement_that_reached_nobody_still_counts_the_receivers_it_missed():
    this = Table()
    this.add(receptions((0, {})), [announced()], STATIONS, LINKS)
    assert sum(this.too_far()["count"]) == 2
    assert this.rows()["rx"] == []


def test_a_receiver_that_came_in_range_meanwhile_has_no_distance():
    this = Table()
    this.add(receptions((0, {3: DELIVERED})), [announced()], STATIONS, LINKS)
    rows = this.rows()
    assert np.isnan(rows["distance_m"][0])
    assert rows["link_state"] == ["NLOSb"]


def test_bins_are_five_metres_wide():
    assert UNHEARD_BIN_M == 5.0


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_a_share_of_the_stations_is_listed_with_all_its_announcements(share):
    listed = [agent for agent in range(400) if Table(share).table._lists(announced(agent))]
    # 400 draws: three deviations are 26.
    assert abs(len(listed) - 400 * share) < 26
    # The draw names the station alone.
    drawn = [agent for agent in range(400) if Streams(1).uniforms("record.packets", agent)[0, 0] < share]
    assert listed == drawn
    again = Table(share).table
    assert all(again._lists(announced(agent)) for agent in listed)


def test_requests_are_always_listed():
    nobody = Table(1e-9).table
    assert not nobody._lists(announced())
    assert nobody._lists(asked())


def test_what_is_not_listed_is_not_counted_either():
    this = Table(1e-9)
    this.add(receptions((0, {1: DELIVERED}), (0, {1: DELIVERED})), [announced(), asked()], STATIONS, LINKS)
    assert this.rows()["kind"] == ["request"]
    assert this.too_far()["count"] == []


def test_an_unsent_packet_is_one_row_with_its_target():
    this = Table()
    this.table.add_unsent(Packet(asked().message, 2, 1, 3, 5, 7, 130), 900)
    this.table.add_unsent(announced(), 950)
    rows = this.rows()
    for name in ("distance_m", "power_dbm", "sinr_db"):
        assert np.isnan(rows.pop(name)).all(), name
    assert rows == {
        "queued_us": [10, 10], "start_us": [900, 950], "end_us": [900, 950], "message": [6, 4],
        "kind": ["request", "awareness"], "hop": [2, 1], "fragment": [1, 0], "fragments": [3, 1], "size_bytes": [130, 340],
        "tx": [5, 2], "rx": [7, -1], "addressed": [True, True], "link_state": ["NLOSb"] * 2, "outcome": ["not_sent"] * 2,
    }  # fmt: skip


def test_an_unsent_announcement_of_a_station_that_is_not_listed_has_no_row():
    this = Table(1e-9)
    this.table.add_unsent(announced(), 900)
    this.table.add_unsent(asked(), 900)
    assert this.rows()["kind"] == ["request"]


def test_the_draws_of_stations_that_have_left_are_forgotten_and_made_again_with_the_same_outcome():
    this = Table(0.5)
    drawn = [this.table._lists(announced(agent)) for agent in range(2000)]
    this.add(receptions((0, {1: DELIVERED})), [announced()], STATIONS, LINKS)
    this.table.write()
    assert set(this.table._listed) == {2}
    assert [this.table._lists(announced(agent)) for agent in range(2000)] == drawn
