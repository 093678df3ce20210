"""What a run computes in each tick: the numbers of road users, stations, lidars and links, counted at the first tick."""

from dataclasses import asdict, dataclass

import numpy as np

from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.engine.stations.rigs import Rigs
from v2xsim.engine.stations.roster import Roster
from v2xsim.mobility.base import Names
from v2xsim.mobility.source import extra_buildings, open_mobility
from v2xsim.scenario.schema import Scenario
from v2xsim.streams import Streams
from v2xsim.world.buildings import load_obstacles

# Share of the rows of links in the disk that a pair of stations in range takes in a tick; the rest are packets.
_LINKS = 0.4


@dataclass(frozen=True)
class Workload:
    """The work of a run.

    Attributes:
        ticks: Number of ticks.
        warm_up_s: Time that SUMO simulates before the first tick.
        is_sumo: Whether SUMO drives the traffic.
        vehicles: Road users at the first tick.
        buildings: Buildings of the world.
        stations: Stations.
        links: Pairs of stations within radio range.
        lidar_stations: Stations with lidars.
        rays: Rays of all lidars in one tick.
        egos: Egos, which fuse.
        announcements: Announcements in a tick, if stations announce themselves as often as their rule allows.
        clouds: Size of all point clouds that are recorded for pictures, in units of 100,000 rays of the egos' own lidars.
        has_messages: Whether stations send messages over the radio (`cooperation.transport: radio`).
        recorded_rows: Share of the rows of links and packets that are recorded (`record.link_ticks`, `record.packet_share`).
    """

    ticks: int
    warm_up_s: float
    is_sumo: bool
    vehicles: int
    buildings: int
    stations: int
    links: int
    lidar_stations: int
    rays: int
    egos: int
    announcements: float
    clouds: float
    has_messages: bool
    recorded_rows: float = 1.0

    def as_object(self) -> dict[str, float]:
        """Return the numbers as data for JSON."""
        return asdict(self)


def workload_of(scenario: Scenario) -> Workload:
    """Return the work of a run; its traffic runs up to the first tick.

    Raises:
        UserError: If an input cannot be used; a run would end in the same way.
    """
    names, run, radio = Names(), scenario.run, scenario.radio
    for unit in scenario.stations.roadside:
        names.register(unit.id, "a roadside unit")
    obstacles, _ = load_obstacles(scenario.world, extra_buildings(scenario.traffic))
    begin_us = round(run.begin_s * 1e6)
    with open_mobility(scenario.traffic, run, names) as mobility:
        mobility.warm_up(begin_us)
        snapshot = mobility.snapshot(begin_us)
        fleet = Roster(scenario, Streams(run.seed), names.register, names.name_of).update(snapshot)
    rigs = Rigs(scenario)
    rows = np.flatnonzero(fleet.lidars)
    rays = sum(
        len(lidar.beams.elevation_rad) * lidar.beams.columns
        for row in rows.tolist()
        for lidar in rigs.lidars(int(fleet.rig[row]))[: int(fleet.lidars[row])]
    )
    source = scenario.traffic.source
    return Workload(
        ticks=max(round(run.duration_s / run.step_s), 1), warm_up_s=run.begin_s if source in ("sumocfg", "grid", "highway") else 0.0,
        is_sumo=source in ("sumocfg", "grid", "highway"), vehicles=len(snapshot), buildings=len(obstacles.prisms), stations=len(fleet),
        links=len(neighbours(fleet.antenna_m[:, :2], radio.range_m).first), lidar_stations=len(rows), rays=rays, egos=int(fleet.ego.sum()),
        clouds=_clouds(scenario, int(fleet.ego.sum()), rays / max(len(rows), 1)), announcements=len(fleet) * run.step_s * 1e6 / scenario.cooperation.awareness_rule.check_us,
        has_messages=scenario.cooperation.transport != "synchronous",
        recorded_rows=_recorded_rows(scenario),
    )  # fmt: skip


def _recorded_rows(scenario: Scenario) -> float:
    """Return the share of the rows of links and packets that are recorded, 0 to 1."""
    record = scenario.record
    links = 1.0 / record.link_ticks if record.link_ticks else 0.0
    return _LINKS * links + (1.0 - _LINKS) * record.packet_share


def _clouds(scenario: Scenario, egos: int, rays: float) -> float:
    """Return the size of all clouds that are recorded for pictures, in units of 100,000 rays."""
    record = scenario.record
    if record.clouds_every_s <= 0:
        return 0.0
    every_s = max(record.clouds_every_s, scenario.run.step_s)
    return scenario.run.duration_s / every_s * min(egos, record.cloud_egos) * rays / 1e5
