"""Roads of a map with their speed limits.

Pictures show them, links behind buildings go round their corners (`v2xsim.world.corner_points`), and road users that are hidden on
them may come at the speed limit (`v2xsim.world.hidden_speeds`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.scenario.schema_world import Street

# What a road is: a lane between junctions, the path of a lane across a junction, or the area of a junction.
ROAD_KINDS = ("lane", "inside", "junction")
LANE, INSIDE, JUNCTION = range(3)

# Who may use a road, the first of these that applies; a lane that is open to nobody has the last one.
ROAD_USERS = ("motor", "bicycle", "foot", "rail", "nobody")
MOTOR, BICYCLE, FOOT, RAIL, NOBODY = range(5)

# SUMO's vehicle classes by the user that they stand for; a class that is not here moves on no road, such as ships.
_CLASSES = {
    MOTOR: {
        "private", "emergency", "authority", "army", "vip", "passenger", "hov", "taxi", "bus", "coach", "delivery", "truck",
        "trailer", "motorcycle", "moped", "evehicle", "custom1", "custom2",
    },
    BICYCLE: {"bicycle", "scooter"},
    FOOT: {"pedestrian", "wheelchair"},
    RAIL: {"tram", "rail_urban", "rail", "rail_electric", "rail_fast", "subway", "cable_car"},
}  # fmt: skip
_ALL_CLASSES = frozenset().union(*_CLASSES.values())


@dataclass(frozen=True)
class Road:
    """One road: a lane with its centre line, or a junction with its outline.

    Attributes:
        name: Id in the road network.
        kind: Row of ROAD_KINDS.
        users: Row of ROAD_USERS.
        width_m: Width of a lane; 0 for a junction.
        points_m: Centre line of a lane in the direction of travel, or corners of a junction in order.
        limit_mps: Speed limit; of a junction, the highest one of its lanes. NaN if it is not known.
    """

    name: str
    kind: int
    users: int
    width_m: float
    points_m: Float[np.ndarray, "points 2"]
    limit_mps: float = np.nan


@dataclass(frozen=True)
class Roads:
    """The roads of a map.

    Attributes:
        name: Id of each road in the road network.
        kind: Row of ROAD_KINDS for each road.
        users: Row of ROAD_USERS for each road.
        width_m: Width of each lane; 0 for a junction.
        points_m: Centre lines of lanes and corners of junctions, one road after the other.
        offset: Index of each road's first point; one entry more than roads.
        limit_mps: Speed limit of each road; NaN if it is not known.
    """

    name: tuple[str, ...]
    kind: Int8[np.ndarray, " roads"]
    users: Int8[np.ndarray, " roads"]
    width_m: Float[np.ndarray, " roads"]
    points_m: Float[np.ndarray, "points 2"]
    offset: Int64[np.ndarray, " roads_plus_1"]
    limit_mps: Float[np.ndarray, " roads"]

    def __len__(self) -> int:
        return len(self.kind)

    @staticmethod
    def of(roads: Iterable[Road]) -> "Roads":
        """Return roads in this form, without repeated points; lanes without a line and junctions without an area are left out."""
        shapes = [(road, _without_repeats(road.points_m)) for road in roads]
        kept = [(road, shape_m) for road, shape_m in shapes if len(shape_m) >= (3 if road.kind == JUNCTION else 2)]
        return Roads(
            tuple(road.name for road, _ in kept), np.array([road.kind for road, _ in kept], np.int8),
            np.array([road.users for road, _ in kept], np.int8), np.array([road.width_m for road, _ in kept], float),
            np.concatenate([np.zeros((0, 2)), *(shape_m for _, shape_m in kept)]),
            np.cumsum([0, *(len(shape_m) for _, shape_m in kept)]).astype(np.int64),
            np.array([road.limit_mps for road, _ in kept], float),
        )  # fmt: skip

    @staticmethod
    def none() -> "Roads":
        """Return a map without roads."""
        return Roads.of(())


def _without_repeats(points_m: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "kept 2"]:
    moves = np.ones(len(points_m), bool)
    moves[1:] = (np.diff(points_m, axis=0) != 0).any(axis=1)
    return points_m[moves]


def users_of(allowed: Collection[str]) -> int:
    """Return who may use a lane, as a row of ROAD_USERS, given SUMO's vehicle classes that are allowed on it."""
    return next((users for users, classes in _CLASSES.items() if not classes.isdisjoint(allowed)), NOBODY)


def allowed_classes(allow: str | None, disallow: str | None) -> Collection[str]:
    """Return the vehicle classes that the attributes `allow` and `disallow` of a lane let in; without both, all may pass."""
    if allow is not None:
        return _ALL_CLASSES if "all" in allow.split() else frozenset(allow.split())
    forbidden = (disallow or "").split()
    return frozenset() if "all" in forbidden else _ALL_CLASSES.difference(forbidden)


def beside(line_m: Float[np.ndarray, "points 2"], left_m: float) -> Float[np.ndarray, "points 2"]:
    """Return a line parallel to another one.

    Args:
        line_m: Points of the line; neighbouring points must differ.
        left_m: Distance to the left of the line's direction; negative to the right.
    """
    step = np.diff(line_m, axis=0)
    along = step / np.hypot(step[:, 0], step[:, 1])[:, None]
    # At an inner point, the mean of both directions; it is lengthened so that the line keeps its distance, but not beyond twice,
    # because a sharp bend would throw the corner far out.
    mean = np.concatenate([along[:1], along[:-1] + along[1:], along[-1:]])
    length = np.hypot(mean[:, 0], mean[:, 1])
    mean = mean / np.maximum(length, 1e-9)[:, None]
    stretch = np.ones(len(line_m))
    stretch[1:-1] = 1.0 / np.maximum(length[1:-1] / 2.0, 0.5)
    left = np.stack([-mean[:, 1], mean[:, 0]], axis=1)
    return np.asarray(line_m + left_m * stretch[:, None] * left)


def roads_from(streets: Iterable[Street]) -> Roads:
    """Return the lanes of streets that a scenario lists; in the left half of a street they lead back."""
    roads = []
    for number, street in enumerate(streets):
        center_m = np.array(street.center_m, float)
        for lane in range(street.lanes):
            left_m = (lane - (street.lanes - 1) / 2) * street.lane_m
            line_m = beside(center_m, left_m)
            line_m = line_m[::-1].copy() if left_m > 0 else line_m
            roads.append(Road(f"{number}_{lane}", LANE, MOTOR, street.lane_m, line_m, street.speed_kmh / 3.6))
    return Roads.of(roads)
