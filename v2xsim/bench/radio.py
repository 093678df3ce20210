"""Computing time of the radio: CPU seconds per simulated second, by access scheme and number of vehicles.

Vehicles drive on a straight motorway at 100 per kilometre, and broadcast 350 bytes ten times a second. The validation
channel is WINNER+ B1 with correlated shadowing between fixed positions. The geometric channel computes every 100 ms
which bodies block which links.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from v2xsim.comms.access.packets import Packets
from v2xsim.comms.channel.path_loss.winner_b1 import winner_b1_loss_db
from v2xsim.engine.channel.access import access_layer
from v2xsim.engine.channel.links import LinkBudget, next_budget
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import Boxes, Obstacles, Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema_radio import Radio
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams
from v2xsim.validation.line import Line, LineLinks
from v2xsim.world.snapshot import Snapshot

ACCESSES = ("ieee80211p", "lte_mode4", "nr_mode2", "ideal")
CHANNELS = ("validation", "geometric")
_TICK_US = 100_000
# 100 vehicles per kilometre over all lanes.
_PER_METRE = 0.1
_SPEED_MPS = 30.0
_LANES = 6
_SIZE_BYTES = 350


@dataclass(frozen=True)
class Cost:
    """One row of the benchmark.

    Attributes:
        access: Name of the access scheme.
        channel: Kind of channel: validation or geometric.
        vehicles: Number of vehicles.
        cpu_s_per_sim_s: CPU seconds per simulated second, all parts together.
        geometry: Share of the CPU time spent on computing links, 0 to 1.
        radio: Share of the CPU time spent in the compiled loop of access and physical layer, 0 to 1.
        engine: Share of the CPU time spent on messages and the packet table, 0 to 1.
        delivered: Share of receptions that were delivered, 0 to 1; it shows that the radio did its work.
    """

    access: str
    channel: str
    vehicles: int
    cpu_s_per_sim_s: float
    geometry: float
    radio: float
    engine: float
    delivered: float


def measure(access: str, channel: str, vehicles: int, simulated_s: float = 2.0) -> Cost:
    """Return the computing cost of one set-up; compilation and a simulated second of warm-up are not counted."""
    road = _Road(vehicles)
    radio = Radio(
        access="random_slot" if access == "ideal" else access, channel="tr37885_highway", sensitivity_dbm=-90.0
    )
    layer = access_layer(radio, 0)
    layer.reindexed(np.full(vehicles, -1), road.keys)
    spent = np.zeros(3)
    hits = total = 0
    table = Columns("packets")
    warm = 10
    for tick in range(warm + round(simulated_s * 10)):
        if tick == warm:
            spent[:], hits, total = 0.0, 0, 0
            table = Columns("packets")
        begun = time.process_time()
        field = road.geometric(tick, radio) if channel == "geometric" else road.fixed(tick)
        linked = time.process_time()
        packets = road.packets(tick)
        given = time.process_time()
        if access == "ideal":
            count = int(np.diff(field.offset)[packets.sender].sum())
            hits, total, receptions = hits + count, total + count, None
        else:
            layer.submit(packets)
            receptions, _busy = layer.advance((tick + 1) * _TICK_US, field)
        heard = time.process_time()
        if receptions is not None:
            table.add(
                start_us=receptions.start_us, end_us=receptions.end_us, message=receptions.packet, tx=receptions.sender, rx=receptions.receiver,
                power_dbm=receptions.power_dbm, sinr_db=receptions.sinr_db, outcome=receptions.outcome,
            )  # fmt: skip
            hits, total = hits + int((receptions.outcome == 0).sum()), total + len(receptions)
            table.clear()
        after_engine_s = time.process_time()
        spent += [linked - begun, heard - given, (given - linked) + (after_engine_s - heard)]
    whole = float(spent.sum())
    shares = spent / max(whole, 1e-12)
    return Cost(
        access, channel, vehicles, whole / simulated_s, float(shares[0]), float(shares[1]), float(shares[2]),
        hits / max(1, total),
    )  # fmt: skip


def all_costs(vehicles: tuple[int, ...], accesses: tuple[str, ...] = ACCESSES) -> Iterator[Cost]:
    """Yield the rows of the benchmark, for each access scheme, channel and number of vehicles."""
    for access in accesses:
        for channel in CHANNELS:
            for count in vehicles:
                yield measure(access, channel, count)


class _Road:
    """A motorway that is as long as its vehicles need at the benchmark's density."""

    def __init__(self, vehicles: int) -> None:
        self._count = vehicles
        streams = Streams(1)
        self.keys = (streams.uniforms("bench.key", np.arange(vehicles))[:, 0] * 2.0**63).astype(np.uint64)
        draw = streams.uniforms("bench.place", np.arange(vehicles), count=3)
        self._place = np.sort(draw[:, 0]) * vehicles / _PER_METRE
        self._lane = (draw[:, 1] * _LANES).astype(np.int64)
        self._truck = draw[:, 2] < 0.15
        self._phase_us = (streams.uniforms("bench.phase", np.arange(vehicles))[:, 0] * _TICK_US).astype(np.int64)
        self._streams, self._before = streams, LinkBudget.none()
        self._rng = streams.generator("bench.shadow")
        self._links = LineLinks(Line(
            density_per_m=_PER_METRE, length_m=vehicles / _PER_METRE, ring=False, speed_mps=_SPEED_MPS, rate_hz=10.0,
            size_bytes=_SIZE_BYTES, mcs=2, tx_power_dbm=23.0,
            loss_db=lambda distance_m: winner_b1_loss_db(distance_m, 5.9, 1.5, 1.5, 0.0), sigma_db=3.0, decorrelation_m=25.0,
            nakagami_m=None, least_dbm=-112.0, warm_up_s=0.0, measured_s=1.0, seed=1, random_places=True, range_m=1500.0,
        ))  # fmt: skip
        self._unit = self._rng.standard_normal(self._links.pairs)
        self._obstacles: Obstacles = indexed(Prisms.none())

    def packets(self, tick: int) -> Packets:
        """Return the messages that vehicles send in a tick."""
        count = self._count
        ready = tick * _TICK_US + self._phase_us
        order = np.argsort(ready, kind="stable").astype(np.int64)
        number = tick * count + np.arange(count)
        key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        every = np.full(count, _SIZE_BYTES)
        return Packets(
            number, order, np.full(count, -1), ready[order], every, np.full(count, 2), np.full(count, _TICK_US), key
        )

    def fixed(self, tick: int):  # type: ignore[no-untyped-def]
        """Return the links of the validation channel at a tick; the positions of vehicles are fixed."""
        kept = np.exp(-2.0 * _SPEED_MPS * 0.1 / 25.0)
        self._unit = kept * self._unit + np.sqrt(1.0 - kept**2) * self._rng.standard_normal(len(self._unit))
        return self._links.field(self._unit)

    def geometric(self, tick: int, radio: Radio):  # type: ignore[no-untyped-def]
        """Return the links of the geometric channel at a tick; vehicles move, and the links are computed again."""
        count, time_us = self._count, tick * _TICK_US
        forward = np.where(self._lane < _LANES // 2, 1.0, -1.0)
        length = self._place.max() + 10.0
        x = (self._place + forward * (_SPEED_MPS + self._lane) * time_us * 1e-6) % length
        center = np.column_stack([x, 4.0 * self._lane, np.zeros(count)])
        size = np.where(self._truck[:, None], [13.0, 2.6, 3.0], [5.0, 2.0, 1.6])
        yaw = np.where(forward > 0, 0.0, np.pi)
        velocity = np.column_stack([forward * _SPEED_MPS, np.zeros(count)])
        agent = np.arange(count)
        antenna = np.column_stack([center[:, :2], size[:, 2]])
        snapshot = Snapshot(
            time_us, agent, np.zeros(count, np.int8), Boxes(center, size, yaw), velocity, size[:, 2].copy()
        )
        pose = np.column_stack([center, yaw])
        none = np.zeros(count, np.int64)
        fleet = Fleet(
            agent,
            agent,
            pose,
            velocity,
            antenna,
            size[:, 2].copy(),
            none,
            none,
            none.astype(bool),
            pose,
            none.astype(bool),
        )
        self._before = next_budget(self._before, fleet, snapshot, self._obstacles, radio, self._streams)
        return self._before.field
