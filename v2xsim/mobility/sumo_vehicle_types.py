"""SUMO's <vType> elements for the classes of road users (sizes in `v2xsim.world.road_users`), and mixes of classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from v2xsim.mobility.base import MobilityError
from v2xsim.world.road_users import CATALOGUE, KINDS


@dataclass(frozen=True)
class DriverClass:
    """The parameters with which SUMO drives a class of road users; its size is in the catalogue.

    Attributes:
        vehicle_class: SUMO's vClass: it decides which lanes the class may use.
        shape: SUMO's guiShape: it distinguishes a van from a car.
        max_speed_mps: Highest speed of the vehicle. Speed limiters hold trucks at 90 km/h and buses at 100 km/h
            (Directive 92/6/EEC).
        accel_mps2: Comfortable acceleration (SUMO, Vehicle Type Parameter Defaults).
        decel_mps2: Comfortable deceleration (same source).
    """

    vehicle_class: str
    shape: str
    max_speed_mps: float
    accel_mps2: float
    decel_mps2: float


DRIVERS: Mapping[str, DriverClass] = {
    "passenger": DriverClass("passenger", "passenger/sedan", 55.0, 2.6, 4.5),
    "van": DriverClass("passenger", "passenger/van", 45.0, 2.3, 4.5),
    "truck": DriverClass("truck", "truck", 25.0, 1.3, 4.0),
    "bus": DriverClass("bus", "bus", 27.8, 1.2, 4.0),
    "motorcycle": DriverClass("motorcycle", "motorcycle", 55.0, 6.0, 10.0),
    "bicycle": DriverClass("bicycle", "bicycle", 5.6, 1.2, 3.0),
    "pedestrian": DriverClass("pedestrian", "pedestrian", 1.4, 1.5, 2.0),
}


def shares_of(mix: Mapping[Any, float]) -> dict[str, float]:
    """Return the share of each class of a mix, scaled so that all shares sum to 1; classes with a share of 0 are left out.

    Raises:
        MobilityError: If no class has a share above 0.
    """
    total = sum(mix.values())
    if total <= 0:
        raise MobilityError(f"the shares of a mix must not all be zero, got {dict(mix)}")
    return {kind: mix[kind] / total for kind in KINDS if mix.get(kind, 0.0) > 0}


def type_xml(kind: str, probability: float | None = None, size_m: Sequence[float] | None = None) -> str:
    """Return the <vType> element of a class of road users, with the class as id.

    Args:
        kind: Class of road users.
        probability: Share of the class in a mix, 0 to 1; None if the type belongs to no mix.
        size_m: Length, width and height; None for those of the catalogue.
    """
    driver = DRIVERS[kind]
    length, width, height = CATALOGUE.size_m[KINDS.index(kind)] if size_m is None else size_m
    share = "" if probability is None else f' probability="{probability:.6f}"'
    return (
        f"<vType id={quoteattr(kind)} vClass={quoteattr(driver.vehicle_class)} guiShape={quoteattr(driver.shape)}"
        f' length="{length:g}" width="{width:g}" height="{height:g}" maxSpeed="{driver.max_speed_mps:g}"'
        f' accel="{driver.accel_mps2:g}" decel="{driver.decel_mps2:g}"{share}/>'
    )
