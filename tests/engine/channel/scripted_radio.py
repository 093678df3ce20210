"""A radio of four cars over an access layer that does as it is told: what the tests of the radio share."""

from dataclasses import replace

import numpy as np

from tests.engine.small_world import awareness, fleet_in, request, snapshot
from v2xsim.comms.access.packets import COLLISION, DELIVERED, Receptions
from v2xsim.engine.channel import radio as radio_module
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.channel.messages import AwarenessMessage, RequestMessage
from v2xsim.engine.channel.packet_table import PacketTable
from v2xsim.engine.channel.radio import RadioAir
from v2xsim.engine.clock import Clock
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.records import Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams

AIRTIME_US = 400
RETRY_US = 1000


class ScriptedLayer:
    """An access layer that sends each packet when it is ready; `lost` holds receiver rows that receive nothing.

    A packet with retries is acknowledged at its end if its target received it. Without an acknowledgement (`lost_acks` are
    lost first), it is sent again after RETRY_US.
    """

    def __init__(self):
        self.waiting, self.submitted, self.dropped, self.lost, self.until_us, self.rows = [], [], [], set(), 0, []
        self.busy_share, self.now_us, self.advanced_us, self.keys = 0.0, 0, [], []
        # How often each packet was sent, how many acknowledgements are still lost, and the packets that are over.
        self.sent, self.lost_acks, self.finished = {}, 0, []
        # Whether acknowledgements are still on the air when their packets are given up, and those that are.
        self.has_late_acks, self.late_acks = False, []

    def submit(self, packets):
        for row in range(len(packets)):
            self.submitted.append(packets[np.array([row])])
            self.waiting.append(packets[np.array([row])])

    def advance(self, until_us, field):
        self.advanced_us.append(until_us)
        rows, self.late_acks = self.late_acks, []
        late = len(rows)
        # A packet that ends may add its repetition.
        while ended := [p for p in self.waiting if p.ready_us[0] + AIRTIME_US <= until_us]:
            first = min(ended, key=lambda p: (int(p.ready_us[0]), int(p.number[0])))
            self.waiting = [p for p in self.waiting if p is not first]
            rows += self.transmissions(first, field.stations)
        if self.has_late_acks:
            self.late_acks = [row for row in rows[late:] if row[-1]]
            rows = rows[:late] + [row for row in rows[late:] if not row[-1]]
        busy_us = np.full(field.stations, round(self.busy_share * (until_us - self.now_us)), np.int64)
        self.now_us = until_us
        number, sender, began, receivers, repeat, is_ack = zip(*rows, strict=True) if rows else ((), (), (), (), (), ())
        flat = [pair for pairs in receivers for pair in pairs]
        outcome = [COLLISION if row in self.lost or is_lost else DELIVERED for row, is_lost in flat]
        began_us, finished = np.array(began, np.int64), np.array(self.finished, np.int64)
        self.finished = []
        return Receptions(
            np.array(number, np.int64), np.array(sender, np.int64), began_us, began_us + AIRTIME_US, np.full(len(rows), -95.0),
            np.cumsum([0, *map(len, receivers)]).astype(np.int64), np.array([row for row, _ in flat], np.int32),
            np.array(outcome, np.int8), np.full(len(outcome), -70.0, np.float32), np.full(len(outcome), 20.0, np.float32),
            np.array(repeat, np.int64), np.array(is_ack, bool), finished,
        ), busy_us  # fmt: skip

    def transmissions(self, packet, stations):
        """Return number, sender, begin, receivers, repetition of a packet and of its acknowledgement, if there is one."""
        number, sender, target = int(packet.number[0]), int(packet.sender[0]), int(packet.target[0])
        began_us, repeat = int(packet.ready_us[0]), self.sent.get(number, 0)
        rows = [(number, sender, began_us, [(r, False) for r in range(stations) if r != sender], repeat, False)]
        if packet.retries[0] == 0:
            return rows
        self.sent[number] = repeat + 1
        arrived = target not in self.lost
        if arrived:
            rows.append((number, target, began_us, [(sender, self.lost_acks > 0)], repeat, True))
        if (arrived and self.lost_acks == 0) or repeat == packet.retries[0]:
            self.finished.append(number)
        else:
            self.waiting.append(replace(packet, ready_us=packet.ready_us + AIRTIME_US + RETRY_US))
        self.lost_acks -= arrived and self.lost_acks > 0
        return rows

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
            self.clock, self.scenario.radio, self.streams, self.heard.append, table, self.channel, 1_000_000,
            over=lambda message: self.over.append((message.number, len(self.heard))),
        )  # fmt: skip
        # The messages of which nothing is under way any more, each with the number of packets heard by then.
        self.over = []
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
        self.air._table.write()
        return self.packets.finished().to_pydict()


def asked(ego=2, helper=7, relay=NOBODY, size_bytes=300):
    return RequestMessage(1, ego, helper, relay, size_bytes, 0, request(ego=ego, helper=helper))


def announced(origin=2):
    return AwarenessMessage(1, origin, EVERYBODY, NOBODY, 300, 0, awareness(origin))
