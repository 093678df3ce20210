"""The roads of a corpus: generated towns of several shapes, speeds and rules, and networks from files."""

import gzip
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.sumo_tools import run_tool

STRAIGHT, LEFT, RIGHT, BACK = "s", "l", "r", "t"


@dataclass(frozen=True)
class Town:
    """A road network that SUMO's netgenerate makes. The seed is one of the options, so a town is the same in every corpus.

    Attributes:
        name: Name of the town, unique among the towns.
        options: Command-line options of netgenerate.
    """

    name: str
    options: str


def _grid(number: int, length_m: int, rest: str) -> str:
    return f"--grid --grid.number {number} --grid.length {length_m} {rest}"


def _spider(arms: int, circles: int, radius_m: int, rest: str) -> str:
    return (
        f"--spider --spider.arm-number {arms} --spider.circle-number {circles} --spider.space-radius {radius_m} {rest}"
    )


def _random(iterations: int, least_m: int, most_m: int, rest: str) -> str:
    return f"--rand --rand.iterations {iterations} --rand.min-distance {least_m} --rand.max-distance {most_m} {rest}"


# Seven shapes of town between 30 and 100 km/h, with one to three lanes, and all right-of-way rules that netgenerate
# can build without further input. Their sizes make a hundred vehicles moderate traffic.
KNOWN = (
    Town("grid_signals_50", _grid(6, 130, "-L 2 -S 13.89 -j traffic_light --seed 11")),
    Town("spider_priority_60", _spider(6, 4, 120, "-L 2 -S 16.67 -j priority --seed 12")),
    Town("random_stop_50", _random(110, 90, 220, "-L 1 -S 13.89 -j priority_stop --seed 13")),
    Town("random_fast_100", _random(70, 350, 800, "-L 3 -S 27.78 -j priority --default.junctions.radius 15 --seed 14")),
    Town("grid_right_30", _grid(7, 95, "-L 1 -S 8.33 -j right_before_left --perturb-x 12 --perturb-y 12 --seed 15")),
    Town("spider_signals_50", _spider(9, 3, 140, "-L 2 -S 13.89 -j traffic_light --seed 16")),
    Town("grid_priority_80", _grid(5, 260, "-L 2 -S 22.22 -j priority --default.junctions.radius 10 --seed 17")),
    Town("random_allway_40", _random(120, 80, 200, "-L 1 -S 11.11 -j allway_stop --seed 18")),
)
"""Towns whose traffic gives the training and validation sequences."""

UNSEEN = (
    Town("unseen_random_60", _random(120, 100, 300, "-L 2 -S 16.67 -j priority --seed 91")),
    Town("unseen_grid_40", _grid(6, 110, "-L 2 -S 11.11 -j traffic_light --perturb-x 20 --perturb-y 20 --seed 92")),
    Town("unseen_spider_90", _spider(7, 4, 200, "-L 2 -S 25 -j priority --default.junctions.radius 12 --seed 93")),
)
"""Towns whose traffic gives the test sequences; no training run uses them."""

TOWNS = {town.name: town for town in (*KNOWN, *UNSEEN)}


def build(town: Town, net: Path) -> None:
    """Write the network file of a town.

    Raises:
        MobilityError: If netgenerate reports an error.
    """
    options = [*town.options.split(), "--no-turnarounds.except-deadend", "true", "--no-warnings", "true"]
    run_tool("netgenerate", [*options, "--output-file", net.name], net.parent)


@dataclass(frozen=True)
class Roads:
    """The roads that cars may use.

    Attributes:
        duration_s: Time to drive along each edge at its speed limit.
        onward: For each edge, the next edges, each with the direction of the turn as SUMO's letter (such as `s` for straight).
    """

    duration_s: dict[str, float]
    onward: dict[str, tuple[tuple[str, str], ...]]


def read(net: Path) -> Roads:
    """Return the roads of a network file (.net.xml), gzipped or not.

    Raises:
        MobilityError: If it is missing, damaged, not a SUMO network, or has no road for cars.
    """
    root = _root(net)
    duration_s: dict[str, float] = {}
    open_lanes: set[tuple[str, str]] = set()
    for edge, lane in _lanes(root):
        if _admits_cars(lane):
            open_lanes.add((edge, lane.get("index", "0")))
            # The duration must be above zero, since otherwise a route would never get longer.
            try:
                length_m, limit_mps = float(lane.get("length", "0.1")), float(lane.get("speed", "13.89"))
            except ValueError as error:
                raise MobilityError(
                    f"{net}: lane {lane.get('id')!r} has a length or speed that is no number ({error})"
                ) from error
            duration_s[edge] = max(length_m, 0.1) / max(limit_mps, 0.1)
    onward: dict[str, dict[str, str]] = {edge: {} for edge in duration_s}
    for connection in root.iter("connection"):
        start, end = connection.get("from", ""), connection.get("to", "")
        if {(start, connection.get("fromLane", "")), (end, connection.get("toLane", ""))} <= open_lanes:
            onward[start].setdefault(end, connection.get("dir", STRAIGHT).lower())
    if not any(onward.values()):
        raise MobilityError(
            f"{net}: must have two connected roads for cars, so that a car can drive from one to the other; it has none"
        )
    return Roads(duration_s, {edge: tuple(sorted(ends.items())) for edge, ends in _through(onward).items()})


def _through(onward: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the connections without those into dead ends, where SUMO's vehicles turn on the spot.

    If no connection would remain, all are returned.
    """
    left = onward
    while True:
        ends = {edge for edge, ways in left.items() if set(ways.values()) <= {BACK}}
        if not ends:
            return left or onward
        left = {
            edge: {to: turn for to, turn in ways.items() if to not in ends}
            for edge, ways in left.items()
            if edge not in ends
        }


def _root(net: Path) -> ET.Element:
    try:
        packed = net.read_bytes()
        root = ET.fromstring(gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed)
    except (OSError, EOFError, zlib.error) as error:
        raise MobilityError(f"{net}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    except ET.ParseError as error:
        raise MobilityError(f"{net}: not a SUMO network: not valid XML ({error})") from error
    if root.tag != "net":
        raise MobilityError(f"{net}: not a SUMO network: its root element is <{root.tag}>, not <net>")
    return root


def _lanes(root: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    """Yield the lanes of all edges, except those inside junctions, with the edge's name."""
    for edge in root.iter("edge"):
        if edge.get("function", "normal") == "normal":
            for lane in edge.iter("lane"):
                yield edge.get("id", ""), lane


def _admits_cars(lane: ET.Element) -> bool:
    allow, disallow = lane.get("allow"), lane.get("disallow", "")
    if allow is not None:
        return bool({"passenger", "all"} & set(allow.split()))
    return not {"passenger", "all"} & set(disallow.split())
