"""How fast road users of each class move: the speed up to which it is usual, and the one that nobody has ever reached."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.world.road_users import KINDS, PEDESTRIAN
from v2xsim.world.type_names import is_rail_type_name


@dataclass(frozen=True)
class TopSpeed:
    """Limits of the speed of a class.

    Attributes:
        name: Name of one member of the class, for messages.
        usual_mps: Highest speed that is usual on roads.
        most_mps: Highest speed that is possible.
        source: What the highest possible speed is.
    """

    name: str
    usual_mps: float
    most_mps: float
    source: str


# Usual: 250 km/h is where German makers limit their cars, 300 km/h where makers limit motorcycles. The others are SUMO 1.28's
# highest speeds of a vehicle type by class (Vehicle Type Parameter Defaults): 200 km/h for delivery vans, 130 km/h for trucks
# (buses, which are slower, share roads and limiters with them), 50 km/h for bicycles, 330 km/h for fast trains, 1,000 km/h for
# aircraft. Few people run faster than 7 m/s.
TOP_SPEEDS = (
    TopSpeed("passenger car", 69.5, 136.2, "490 km/h, reached by a car that may use roads (Bugatti Chiron, 2019)"),
    TopSpeed("van", 55.6, 136.2, "490 km/h, reached by a car that may use roads (Bugatti Chiron, 2019)"),
    TopSpeed("truck", 36.2, 76.7, "276 km/h, the record of trucks (Volvo Iron Knight, 2016)"),
    TopSpeed("bus", 36.2, 70.0, "250 km/h, for which the fastest bus was built (Superbus, 2011)"),
    TopSpeed("motorcycle", 83.4, 136.2, "490 km/h, above all motorcycles and cars that may use roads"),
    TopSpeed("bicycle", 13.9, 40.1, "144 km/h, the record on level ground (AeroVelo Eta, 2016)"),
    TopSpeed("pedestrian", 7.0, 12.5, "45 km/h, the fastest sprint (Usain Bolt, 2009)"),
    TopSpeed("train", 91.7, 160.0, "575 km/h, the record of trains on rails (TGV V150, 2007)"),
    TopSpeed("aircraft", 278.0, 1000.0, "3,600 km/h, above all aircraft on the ground"),
)

TRAIN, AIRCRAFT = len(KINDS), len(KINDS) + 1
USUAL_MPS: Float[np.ndarray, " classes"] = np.array([top.usual_mps for top in TOP_SPEEDS])
MOST_MPS: Float[np.ndarray, " classes"] = np.array([top.most_mps for top in TOP_SPEEDS])

_RAIL_CLASSES = frozenset({"tram", "rail_urban", "subway", "rail", "rail_electric", "rail_fast", "cable_car"})


def speed_class(kind: int, vehicle_class: str = "", type_name: str = "") -> int:
    """Return the row of `TOP_SPEEDS` for a road user.

    Args:
        kind: Its class in the catalogue, which has no trains and no aircraft.
        vehicle_class: SUMO's vClass; empty if it is not known.
        type_name: Name of its vehicle type, which counts if there is no vClass.
    """
    if vehicle_class in _RAIL_CLASSES or (not vehicle_class and kind != PEDESTRIAN and is_rail_type_name(type_name)):
        return TRAIN
    return AIRCRAFT if vehicle_class == "aircraft" else kind


def impossible_speed(speed_mps: float, row: int) -> str:
    """Return that a speed is impossible, with the limit and its source, for the message of an error.

    Args:
        speed_mps: The speed.
        row: Row of `TOP_SPEEDS`.
    """
    top = TOP_SPEEDS[row]
    return f"{speed_mps:.4g} m/s is impossible for {with_article(top.name)}, the limit is {top.most_mps:g} m/s ({top.source})"


def with_article(name: str) -> str:
    """Return the name of a class with its article, such as "an aircraft"."""
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
