"""Roads made when a run starts: a street grid and a motorway, with traffic driven by SUMO."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.mobility.sumo_tools import run_tool
from v2xsim.mobility.sumo_vehicle_types import DRIVERS, shares_of, type_xml
from v2xsim.records import Prisms
from v2xsim.scenario.schema_world import GridTown, Highway, Run
from v2xsim.staging import Scratch
from v2xsim.streams import Streams
from v2xsim.world.road_users import CATALOGUE, KINDS

LANE_M = 4.0
"""Width of a motorway lane (3GPP TR 36.885 clause A.1.2, Table A.1.2-1, freeway)."""

MEDIAN_M = 4.0
"""Gap between the two directions of the motorway; an assumption."""

_HEAVY = ("truck", "bus")

# SUMO's default minGap.
_MIN_GAP_M = 2.5


@dataclass(frozen=True)
class Departure:
    """A vehicle or pedestrian that enters the road.

    Attributes:
        time_s: Time at which the road user enters.
        kind: Class of the road user in the catalogue.
        attributes: SUMO's attributes for position, lane and speed at the departure.
        walk: First and last edge of a pedestrian's route.
    """

    time_s: float
    kind: str
    attributes: Mapping[str, str]
    walk: tuple[str, str] | None = None


def _write_demand(
    path: Path, road: GridTown | Highway, departures: Sequence[Departure], routes: Mapping[str, str]
) -> None:
    """Write vehicle types, departures and routes; a route has a name and a list of edges."""
    root, sizes_m = ET.Element("routes"), {str(kind): size_m for kind, size_m in road.sizes_m.items()}
    for kind in shares_of(road.shares):
        root.append(ET.fromstring(type_xml(kind, size_m=sizes_m.get(kind))))
    for name, edges in routes.items():
        ET.SubElement(root, "route", id=name, edges=edges)
    for number, one in enumerate(sorted(departures, key=lambda d: d.time_s)):
        depart = {"id": f"{one.kind}.{number}", "depart": f"{one.time_s:.2f}", "type": one.kind}
        if one.walk is not None:
            person = ET.SubElement(root, "person", depart)
            ET.SubElement(person, "walk", {"from": one.walk[0], "to": one.walk[1]})
        else:
            ET.SubElement(root, "vehicle" if "route" in one.attributes else "trip", {**depart, **one.attributes})
    ET.ElementTree(root).write(path)


def _start(folder: Scratch, run: Run, names: Names, options: Mapping[str, str], label: str) -> SumoMobility:
    """Start SUMO with the files net.net.xml and demand.rou.xml of a folder; closing the simulation removes the folder."""
    root = ET.Element("configuration")
    settings = {"net-file": "net.net.xml", "route-files": "demand.rou.xml", **options}
    for option, value in settings.items():
        ET.SubElement(root, option, value=value)
    config = Path(folder.name) / "generated.sumocfg"
    ET.ElementTree(root).write(config)
    return SumoMobility(config, round(run.step_s * 1e6), run.seed, names, folder, label)


def poisson_times_s(rate_per_s: float, until_s: float, draw: Generator) -> Float[np.ndarray, " arrivals"]:
    """Return the arrival times of a Poisson process between 0 and `until_s`, in rising order."""
    return np.sort(draw.uniform(0.0, until_s, draw.poisson(rate_per_s * until_s)))


# ---- the street grid ----


def grid_buildings(grid: GridTown) -> Prisms:
    """Return one building for every block between four streets: the block reduced by the setback on each side."""
    side = grid.block_m - 2.0 * grid.setback_m
    if grid.building_height_m <= 0 or side < 1.0:
        return Prisms.none()
    blocks = np.arange(grid.blocks - 1)
    corner = (
        np.stack(np.meshgrid(blocks, blocks, indexing="ij"), axis=-1).reshape(-1, 1, 2) * grid.block_m + grid.setback_m
    )
    square = side * np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    count = len(corner)
    return Prisms(
        (corner + square).reshape(-1, 2), 4 * np.arange(count + 1, dtype=np.int64), np.zeros(count),
        np.full(count, grid.building_height_m),
    )  # fmt: skip


def _edges(net: Path) -> list[str]:
    """Return the ids of the edges of a network file, without those inside junctions."""
    return sorted(e.get("id", "") for e in ET.parse(net).getroot().iter("edge") if e.get("function") is None)


def _grid_demand(grid: GridTown, edges: Sequence[str], until_s: float, draw: Generator) -> list[Departure]:
    shares = shares_of(grid.shares)
    times = poisson_times_s(grid.vehicles_per_hour / 3600.0, until_s, draw)
    kinds = draw.choice(list(shares), len(times), p=list(shares.values()))
    first = draw.integers(0, len(edges), len(times))
    last = (first + draw.integers(1, len(edges), len(times))) % len(edges)
    departures = []
    for time_s, kind, a, b in zip(times, kinds, first, last, strict=True):
        if kind == "pedestrian":
            departures.append(Departure(float(time_s), str(kind), {}, (edges[a], edges[b])))
        else:
            attributes = {"from": edges[a], "to": edges[b], "departLane": "best", "departSpeed": "max"}
            departures.append(Departure(float(time_s), str(kind), attributes))
    return departures


def open_grid(grid: GridTown, run: Run, names: Names) -> SumoMobility:
    """Return the traffic of a street grid, with signals at every junction and trips between random streets.

    The grid is empty at time 0. Vehicles enter at the rate `vehicles_per_hour`, and `run.begin_s` gives the grid time to
    fill. If the mix contains pedestrians, the streets have sidewalks.
    """
    folder = Scratch("grid")
    home = Path(folder.name)
    try:
        sidewalks = ["--sidewalks.guess", "--default.sidewalk-width", "2", "--crossings.guess"]
        walk = sidewalks if grid.shares.get("pedestrian") else []
        run_tool(
            "netgenerate",
            ["--grid", "--grid.number", str(grid.blocks), "--grid.length", str(grid.block_m), "--default.lanenumber",
             str(grid.lanes), "--default-junction-type", "traffic_light", "--no-turnarounds.tls", "true",
             "--offset.disable-normalization", "true", "--seed", "1", *walk, "-o", "net.net.xml"],
            home,
        )  # fmt: skip
        draw = Streams(run.seed).generator("traffic.grid")
        demand = _grid_demand(grid, _edges(home / "net.net.xml"), run.begin_s + run.duration_s + 1.0, draw)
        _write_demand(home / "demand.rou.xml", grid, demand, {})
        return _start(folder, run, names, {"ignore-route-errors": "true", "time-to-teleport": "120"}, "traffic.grid")
    except BaseException:
        folder.cleanup()
        raise


# ---- the motorway ----


# SUMO looks for the vehicle ahead among all vehicles of a lane, so a lane of 68 km takes seven times as long as its parts.
_PIECE_M = 2500.0


def _piece_ends_m(highway: Highway) -> Float[np.ndarray, " pieces_plus_1"]:
    """Return the positions at which the edges of one direction begin, and the end of the last one."""
    pieces = max(1, math.ceil(highway.length_m / _PIECE_M))
    return np.linspace(0.0, highway.length_m, pieces + 1)


def _piece_names(direction: str, pieces: int) -> list[str]:
    """Return the names of the edges of one direction, upstream first."""
    return [direction] if pieces == 1 else [f"{direction}.{piece}" for piece in range(pieces)]


def traffic_speed_mps(highway: Highway) -> float:
    """Return the speed at which the motorway's traffic can flow at its density: the limit, or less in dense traffic.

    A driver keeps SUMO's default gap of 2.5 m plus the distance driven in one second (Krauss model, tau = 1 s). So a lane
    with a vehicle every s metres cannot flow faster than (s - length - 2.5 m) / 1 s. At a higher speed, vehicles would
    spread out at the exit, and the density would fall below the stated one. One tenth is subtracted for imperfect drivers.
    """
    spacing = 2000.0 * highway.lanes / highway.density_per_km
    length = sum(share * _length_m(highway, kind) for kind, share in shares_of(highway.shares).items())
    return float(np.clip(0.9 * (spacing - length - _MIN_GAP_M), 1.0, highway.speed_kmh / 3.6))


def _length_m(highway: Highway, kind: str) -> float:
    sizes_m = {str(given): size_m for given, size_m in highway.sizes_m.items()}
    return float(sizes_m[kind][0] if kind in sizes_m else CATALOGUE.size_m[KINDS.index(kind), 0])


def _cruise_mps(kind: str, limit_mps: float) -> float:
    return min(DRIVERS[kind].max_speed_mps, limit_mps)


def _standing_demand(highway: Highway, direction: str, draw: Generator) -> list[Departure]:
    """Return the vehicles in one direction of the motorway at time 0, those farthest downstream first.

    Heavy vehicles fill the lanes from the right; the total length of vehicles is about the same in all lanes. Within a lane
    all gaps are equal at first; then each vehicle is moved by up to a quarter of a gap.
    """
    shares = shares_of(highway.shares)
    count = max(1, round(highway.density_per_km * highway.length_m / 2000.0))
    kinds = draw.choice(list(shares), count, p=list(shares.values()))
    kinds = kinds[np.argsort([kind not in _HEAVY for kind in kinds], kind="stable")]
    taken = np.array([_length_m(highway, kind) + _MIN_GAP_M for kind in kinds])
    lanes = np.minimum((np.cumsum(taken) - taken) / taken.sum() * highway.lanes, highway.lanes - 1).astype(int)
    ends_m, departures = _piece_ends_m(highway), list[tuple[float, Departure]]()
    edges = _piece_names(direction, len(ends_m) - 1)
    for lane in range(highway.lanes):
        row = draw.permutation(np.flatnonzero(lanes == lane))
        gap = max(highway.length_m - taken[row].sum(), 0.0) / max(len(row), 1)
        front = np.cumsum(taken[row] + gap) - 0.5 * gap + draw.uniform(-0.25, 0.25, len(row)) * gap
        for vehicle, position in zip(row, np.minimum(front, highway.length_m), strict=True):
            piece = int(np.searchsorted(ends_m[1:-1], position, side="right"))
            attributes = {
                "route": edges[piece], "departLane": str(lane), "departPos": f"{position - ends_m[piece]:.2f}",
                "departSpeed": "max",
            }  # fmt: skip
            departures.append((-float(position), Departure(0.0, str(kinds[vehicle]), attributes)))
    # The order is downstream first: SUMO inserts a vehicle behind an existing one, but refuses to insert one in front of
    # it, as unsafe for the follower.
    return [departure for _, departure in sorted(departures, key=lambda item: item[0])]


def _arriving_demand(highway: Highway, direction: str, until_s: float, draw: Generator) -> list[Departure]:
    """Return the vehicles that enter one direction after time 0.

    Each class enters at the rate at which it leaves at the far end, so the density stays constant.
    """
    limit, first = traffic_speed_mps(highway), _piece_names(direction, len(_piece_ends_m(highway)) - 1)[0]
    departures = []
    for kind, share in shares_of(highway.shares).items():
        rate = highway.density_per_km / 2000.0 * share * _cruise_mps(kind, limit)
        lane = "0" if kind in _HEAVY and limit == highway.speed_kmh / 3.6 else "free"
        attributes = {"route": first, "departLane": lane, "departPos": "base", "departSpeed": "max"}
        # One vehicle enters in each interval of the mean length; with Poisson arrivals, the density would drift.
        count = int(rate * until_s)
        times = (np.arange(count) + draw.uniform(0.0, 1.0, count)) / rate
        departures += [Departure(float(t), kind, attributes) for t in times]
    return departures


def _write_motorway(home: Path, highway: Highway) -> None:
    """Write the motorway as SUMO's plain node and edge files: eastbound along y < 0, westbound along y > 0, from x = 0 on."""
    off, ends_m = MEDIAN_M / 2.0, _piece_ends_m(highway)
    nodes, edges = ET.Element("nodes"), ET.Element("edges")
    for direction, node, x_m, y_m in (("east", "e", ends_m, -off), ("west", "w", highway.length_m - ends_m, off)):
        for number, x in enumerate(x_m.tolist()):
            ET.SubElement(nodes, "node", id=f"{node}{number}", x=str(x), y=str(y_m))
        for number, edge in enumerate(_piece_names(direction, len(x_m) - 1)):
            ET.SubElement(
                edges, "edge", {"id": edge, "from": f"{node}{number}", "to": f"{node}{number + 1}", "numLanes": str(highway.lanes),
                                "spreadType": "right", "speed": f"{traffic_speed_mps(highway):.3f}", "width": str(LANE_M)},
            )  # fmt: skip
    ET.ElementTree(nodes).write(home / "road.nod.xml")
    ET.ElementTree(edges).write(home / "road.edg.xml")


def _routes(highway: Highway) -> dict[str, str]:
    """Return a route from each edge of the motorway to the end of its direction."""
    routes: dict[str, str] = {}
    pieces = len(_piece_ends_m(highway)) - 1
    for direction in ("east", "west"):
        edges = _piece_names(direction, pieces)
        routes |= {edge: " ".join(edges[piece:]) for piece, edge in enumerate(edges)}
    return routes


def open_highway(highway: Highway, run: Run, names: Names) -> SumoMobility:
    """Return the traffic of a motorway, with the stated density from time 0 on.

    At time 0 the vehicles are already on the road, with the speed that their distances allow. Afterwards, vehicles
    enter at the rate at which they leave at that speed. If the road cannot hold the density, some vehicles wait
    outside.
    """
    slow = [kind for kind in shares_of(highway.shares) if kind in ("bicycle", "pedestrian")]
    if slow:
        raise MobilityError(f"traffic.highway.mix must have motor vehicles only, got {slow[0]}")
    folder = Scratch("highway")
    home = Path(folder.name)
    try:
        _write_motorway(home, highway)
        run_tool(
            "netconvert",
            ["-n", "road.nod.xml", "-e", "road.edg.xml", "--offset.disable-normalization", "true", "-o", "net.net.xml"],
            home,
        )
        until_s = run.begin_s + run.duration_s + 1.0
        departures = []
        for direction in ("east", "west"):
            draw = Streams(run.seed).generator(f"traffic.highway.{direction}")
            departures += _standing_demand(highway, direction, draw)
            departures += _arriving_demand(highway, direction, until_s, draw)
        _write_demand(home / "demand.rou.xml", highway, departures, _routes(highway))
        return _start(folder, run, names, {}, "traffic.highway")
    except BaseException:
        folder.cleanup()
        raise
