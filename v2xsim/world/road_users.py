"""Body size and antenna height of each class of road user, and the class of each SUMO vehicle type.

Sources: passenger cars are type 2, trucks and buses type 3 of 3GPP TR 37.885 V15.3.0 clause 6.1.2 (5 x 2 x 1.6 m with
the antenna at 1.6 m; 13 x 2.6 x 3 m with the antenna at 3 m). The height of a pedestrian's antenna, 1.5 m, is from the
same clause. The bodies of two-wheelers and pedestrians are the defaults of SUMO 1.28 (Vehicle Type Parameter Defaults).
The size of the van is an assumption: between the delivery vans of 4.9 x 1.9 x 2.0 m and 5.9 x 2.0 x 2.7 m that are sold
most in Europe.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int8

from v2xsim.records import Bodies, Boxes

KINDS = ("passenger", "van", "truck", "bus", "motorcycle", "bicycle", "pedestrian")
"""Names of the classes; the position in this tuple is the code in `Snapshot.kind`."""

PASSENGER, VAN, TRUCK, BUS, MOTORCYCLE, BICYCLE, PEDESTRIAN = range(len(KINDS))


@dataclass(frozen=True)
class Catalogue:
    """Properties of the classes of road users: one row for each class of `KINDS`.

    Attributes:
        size_m: Length, width and height of the body.
        antenna_height_m: Height of the antenna above ground; for motor vehicles, that of the roof.
        is_motor: Whether the class is a motor vehicle; only motor vehicles are chosen at random as stations.
    """

    size_m: Float[np.ndarray, "kinds 3"]
    antenna_height_m: Float[np.ndarray, " kinds"]
    is_motor: Bool[np.ndarray, " kinds"]


CATALOGUE = Catalogue(
    size_m=np.array(
        [
            [5.0, 2.0, 1.6],
            [5.5, 2.0, 2.3],
            [13.0, 2.6, 3.0],
            [13.0, 2.6, 3.0],
            [2.2, 0.9, 1.5],
            [1.6, 0.65, 1.7],
            [0.215, 0.478, 1.719],
        ]
    ),
    # A cyclist and a pedestrian carry their radio at 1.5 m (TR 37.885 clause 6.1.2, pedestrian UE).
    antenna_height_m=np.array([1.6, 2.3, 3.0, 3.0, 1.5, 1.5, 1.5]),
    is_motor=np.array([True, True, True, True, True, False, False]),
)

# Body height that SUMO 1.28 reports for a vehicle type without a height, by vehicle class; read from libsumo.
_SUMO_DEFAULT_HEIGHT_M = {
    "emergency": 2.86, "pedestrian": 1.719, "wheelchair": 1.2, "bus": 3.4, "coach": 4.0, "delivery": 2.86,
    "truck": 2.4, "trailer": 4.0, "motorcycle": 1.5, "moped": 1.7, "scooter": 1.7, "bicycle": 1.7, "tram": 3.2,
    "rail_urban": 3.6, "subway": 3.6, "rail": 3.75, "rail_electric": 3.89, "rail_fast": 3.89, "ship": 4.0,
    "container": 2.591,
}  # fmt: skip
_SUMO_PASSENGER_HEIGHT_M = 1.5

# SUMO's other vClasses are those of cars.
_CAR_CLASSES = frozenset(
    {"passenger", "private", "taxi", "hov", "evehicle", "army", "vip", "authority", "custom1", "custom2", "ignoring"}
)

_KIND_OF_CLASS = {
    "bus": BUS, "coach": BUS, "tram": BUS, "rail_urban": BUS, "subway": BUS, "rail": BUS, "rail_electric": BUS,
    "rail_fast": BUS, "truck": TRUCK, "trailer": TRUCK, "container": TRUCK, "ship": TRUCK, "aircraft": TRUCK,
    "delivery": VAN, "emergency": VAN, "motorcycle": MOTORCYCLE, "moped": MOTORCYCLE, "bicycle": BICYCLE,
    "scooter": BICYCLE, "pedestrian": PEDESTRIAN, "wheelchair": PEDESTRIAN,
}  # fmt: skip

# Class by the beginning of SUMO's guiShape, which is tried before the vClass; the longest matching beginning counts.
_KIND_OF_SHAPE = {
    "passenger": PASSENGER, "passenger/van": VAN, "taxi": PASSENGER, "evehicle": PASSENGER, "police": PASSENGER,
    "delivery": VAN, "emergency": VAN, "truck": TRUCK, "firebrigade": TRUCK, "bus": BUS, "rail": BUS, "ship": TRUCK,
    "aircraft": TRUCK, "motorcycle": MOTORCYCLE, "moped": MOTORCYCLE, "bicycle": BICYCLE, "scooter": BICYCLE,
    "pedestrian": PEDESTRIAN,
}  # fmt: skip


def kind_of(vehicle_class: str, shape: str = "") -> int:
    """Return the class of a SUMO vehicle type.

    Args:
        vehicle_class: SUMO's vClass.
        shape: SUMO's guiShape. A known shape decides, because the vClass alone does not distinguish a van from a car.
    """
    name = shape
    while name:
        if name in _KIND_OF_SHAPE:
            # SUMO gives a vClass without a shape of its own the shape of a passenger car, so the vClass decides for that
            # shape.
            by_class = _KIND_OF_CLASS.get(vehicle_class, PASSENGER)
            return by_class if _KIND_OF_SHAPE[name] == PASSENGER and by_class != PASSENGER else _KIND_OF_SHAPE[name]
        name = name.rpartition("/")[0]
    return _KIND_OF_CLASS.get(vehicle_class, PASSENGER)


def contradicts(vehicle_class: str, shape: str) -> bool:
    """Return whether SUMO's vClass and guiShape name two classes; emergency and delivery vehicles have many shapes."""
    by_class = _KIND_OF_CLASS.get(vehicle_class, PASSENGER)
    return by_class not in (PASSENGER, VAN) and kind_of(vehicle_class, shape) != by_class


def is_vehicle_class(name: str) -> bool:
    """Return whether a name is one of SUMO's vClasses."""
    return name in _KIND_OF_CLASS or name in _CAR_CLASSES


def body_height_m(kind: int, vehicle_class: str, sumo_height_m: float, is_set: bool = False) -> float:
    """Return the height of the body of a road user in SUMO's traffic.

    Args:
        kind: Class of the road user, a row of the catalogue.
        vehicle_class: SUMO's vClass.
        sumo_height_m: Height that SUMO reports. If the vehicle type sets none, this is a default by class, by which a van of class
            passenger would be 1.5 m tall; then the catalogue gives the height.
        is_set: Whether the vehicle type is known to set its height, which may be the default.
    """
    given = sumo_height_m > 0 and (is_set or not is_sumo_default_height(vehicle_class, sumo_height_m))
    return sumo_height_m if given else float(CATALOGUE.size_m[kind, 2])


def is_sumo_default_height(vehicle_class: str, height_m: float) -> bool:
    """Return whether a height is the one that SUMO reports for a vehicle type without a height."""
    return abs(height_m - _SUMO_DEFAULT_HEIGHT_M.get(vehicle_class, _SUMO_PASSENGER_HEIGHT_M)) <= 1e-6


def antenna_height_m(
    kind: Int8[np.ndarray, " agents"], height_m: Float[np.ndarray, " agents"]
) -> Float[np.ndarray, " agents"]:
    """Return the height of each road user's antenna above ground.

    The antenna is on the roof of a motor vehicle; all others carry it at 1.5 m, or at their own height if that is
    lower.

    Args:
        kind: Class of each road user, a row of the catalogue.
        height_m: Height of each body.
    """
    return np.where(CATALOGUE.is_motor[kind], height_m, np.minimum(CATALOGUE.antenna_height_m[kind], height_m))


def antenna_heights_m(kind: Int8[np.ndarray, " agents"], boxes: Boxes, parts: Bodies) -> Float[np.ndarray, " agents"]:
    """Return the height of each road user's antenna above ground; of one of two parts, it is on the front part.

    Args:
        kind: Class of each road user.
        boxes: Body of each road user.
        parts: Front and rear boxes of the road users of two parts.
    """
    roof_m = boxes.size_m[:, 2].copy()
    roof_m[parts.owner[~parts.is_rear]] = parts.boxes.size_m[~parts.is_rear, 2]
    return antenna_height_m(kind, roof_m)


def is_motor(kind: Int8[np.ndarray, " agents"]) -> Bool[np.ndarray, " agents"]:
    """Return whether each road user is a motor vehicle, given its class."""
    return CATALOGUE.is_motor[kind]
