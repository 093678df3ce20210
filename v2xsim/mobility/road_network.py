"""Roads of a SUMO network: read from its file, or from a SUMO simulation that runs already."""

import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator, Mapping
from gzip import BadGzipFile
from pathlib import Path
from types import ModuleType

import numpy as np
from jaxtyping import Float

from v2xsim.mobility.base import MobilityError
from v2xsim.mobility.sumo_xml import opened
from v2xsim.scenario.schema_world import FARTHEST_M
from v2xsim.world.roads import INSIDE, JUNCTION, LANE, MOTOR, Road, Roads, allowed_classes, users_of

# SUMO's default width of a lane, and the width that stands for it.
_LANE_M, _DEFAULT_M = 3.2, -1.0
_WIDEST_M = 1000.0
# Faster than any road user may be (`v2xsim.scenario.checks`).
_FASTEST_MPS = 1000.0

# Lanes of walking areas, at the corners of junctions: their shape is an outline, and the area of the junction has it.
_WALKING_AREA = re.compile(r":.*_w\d+_\d+$")


def read_roads(path: Path) -> Roads:
    """Return the roads of a SUMO network file (.net.xml, gzipped or not).

    Raises:
        MobilityError: If the file is missing, damaged or no SUMO network.
    """
    try:
        with opened(path) as file:
            return Roads.of(_roads_in(path, ET.iterparse(file, events=("start", "end"))))
    except (EOFError, zlib.error, BadGzipFile) as error:
        raise MobilityError(f"{path}: damaged gzip file ({error})") from error
    except OSError as error:
        raise MobilityError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ET.ParseError, LookupError) as error:
        raise MobilityError(f"{path}: not a SUMO network: not valid XML ({error})") from error


def _roads_in(path: Path, events: Iterator[tuple[str, ET.Element]]) -> Iterator[Road]:
    root: ET.Element | None = None
    # Speed limits of the lanes so far, by name: junctions come after all lanes.
    limits_mps: dict[str, float] = {}
    for event, element in events:
        if root is None:
            root = element
            if root.tag != "net":
                raise MobilityError(f"{path}: not a SUMO network: its root element is <{root.tag}>, not <net>")
        elif event == "end" and element.tag in ("edge", "junction"):
            try:
                roads = _junction(element, limits_mps) if element.tag == "junction" else _lanes(element)
                for road in roads:
                    if road.kind != JUNCTION:
                        limits_mps[road.name] = road.limit_mps
                    yield road
            except (KeyError, ValueError) as error:
                raise MobilityError(
                    f"{path}: <{element.tag} id={element.get('id')!r}> is malformed ({error}); write the network again with netconvert"
                ) from error
            # A network may be large: what was read is forgotten.
            root.clear()


def _lanes(edge: ET.Element) -> Iterator[Road]:
    kind = LANE if edge.get("function") is None else INSIDE
    if edge.get("function") == "walkingarea":
        return
    for lane in edge.iter("lane"):
        users = users_of(allowed_classes(lane.get("allow"), lane.get("disallow")))
        limit_mps = _limit_mps(float(lane.attrib["speed"])) if "speed" in lane.attrib else np.nan
        width_m = _width_m(float(lane.get("width", _DEFAULT_M)))
        yield Road(lane.attrib["id"], kind, users, width_m, _points_m(lane.attrib["shape"]), limit_mps)


def _limit_mps(speed_mps: float) -> float:
    if not 0.0 <= speed_mps <= _FASTEST_MPS:
        raise ValueError(f"speed must be 0 to {_FASTEST_MPS:,.0f} m/s, got {speed_mps:g}")
    return speed_mps


def _width_m(width_m: float) -> float:
    if width_m == _DEFAULT_M:
        return _LANE_M
    if not 0.0 < width_m <= _WIDEST_M:
        raise ValueError(f"width must be above 0 and at most {_WIDEST_M:,.0f} m, got {width_m:g}")
    return width_m


def _junction(junction: ET.Element, limits_mps: Mapping[str, float]) -> Iterator[Road]:
    if junction.get("type") != "internal":
        entering = [limits_mps[name] for name in junction.get("incLanes", "").split() if name in limits_mps]
        points_m = _points_m(junction.get("shape", ""))
        yield Road(junction.attrib["id"], JUNCTION, MOTOR, 0.0, points_m, max(entering, default=np.nan))


def _points_m(shape: str) -> Float[np.ndarray, "points 2"]:
    points = [tuple(map(float, point.split(","))) for point in shape.split()]
    if any(len(point) not in (2, 3) for point in points):
        raise ValueError("a point of its shape is not x,y or x,y,z")
    points_m = np.array([point[:2] for point in points], float).reshape(-1, 2)
    if not (np.abs(points_m) <= FARTHEST_M).all():
        raise ValueError(f"a coordinate is not within {FARTHEST_M:,.0f} m of the origin")
    return points_m


def roads_of_simulation(sumo: ModuleType) -> Roads:
    """Return the roads of the SUMO simulation that runs in this process.

    Args:
        sumo: The module libsumo.
    """
    lane, junction = sumo.lane, sumo.junction
    # The highest limit of each edge, which a junction at its end takes over.
    limits_mps: dict[str, float] = {}

    def roads() -> Iterator[Road]:
        for name in lane.getIDList():
            if not _WALKING_AREA.match(name):
                # libsumo returns no class at all for a lane that is open to all.
                users = users_of(lane.getAllowed(name) or allowed_classes(None, " ".join(lane.getDisallowed(name))))
                kind = INSIDE if name.startswith(":") else LANE
                try:
                    limit_mps, width_m = _limit_mps(lane.getMaxSpeed(name)), _width_m(lane.getWidth(name))
                except ValueError as error:
                    raise MobilityError(f"lane {name!r} of the road network of SUMO: {error}") from error
                edge = lane.getEdgeID(name)
                limits_mps[edge] = max(limit_mps, limits_mps.get(edge, 0.0))
                yield Road(name, kind, users, width_m, _flat_m(lane.getShape(name)), limit_mps)
        for name in junction.getIDList():
            if not name.startswith(":"):
                entering = [edge for edge in junction.getIncomingEdges(name) if not edge.startswith(":")]
                limit_mps = max((limits_mps[edge] for edge in entering if edge in limits_mps), default=np.nan)
                # libsumo repeats the first corner of a junction at its end.
                yield Road(name, JUNCTION, MOTOR, 0.0, _flat_m(junction.getShape(name))[:-1], limit_mps)

    return Roads.of(roads())


def _flat_m(shape: tuple[tuple[float, ...], ...]) -> Float[np.ndarray, "points 2"]:
    return np.array([point[:2] for point in shape], float).reshape(-1, 2)
