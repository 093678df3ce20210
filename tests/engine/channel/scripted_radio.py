"""A radio of four cars over an access layer that does as it is told: what the tests of the radio share."""

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
