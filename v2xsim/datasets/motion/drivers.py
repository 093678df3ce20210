"""Drivers who differ from each other: their parameters are drawn at random, given to SUMO and stored with each track."""

from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from v2xsim.mobility.sumo_vehicle_types import DRIVERS, shares_of
from v2xsim.world.road_users import CATALOGUE, KINDS

MIX = {"passenger": 0.75, "van": 0.13, "truck": 0.08, "bus": 0.04}
"""Shares of vehicle classes: European urban traffic, rounded, as in v2xsim.import_osm."""

MODELS = ("Krauss", "IDM")
"""Car-following models of SUMO; each driver gets one of them, with equal probability."""


@dataclass(frozen=True)
class Style:
    """The mean parameters of drivers of one style.

    Attributes:
        accel_mps2: Largest acceleration of a car; heavier vehicles accelerate less.
        decel_mps2: Comfortable deceleration.
        time_gap_s: Time gap that the driver keeps to the vehicle in front.
        min_gap_m: Distance that the driver keeps to the vehicle in front when both stand still.
        speed_factor: Desired speed divided by the speed limit.
        imperfection: SUMO's parameter sigma, 0 (perfect driver) to 1; only the Krauss model uses it.
    """

    accel_mps2: float
    decel_mps2: float
    time_gap_s: float
    min_gap_m: float
    speed_factor: float
    imperfection: float


# The middle style is SUMO's default driver; how much the others differ from it is an assumption.
STYLES = {
    "calm": Style(1.7, 3.2, 1.7, 3.2, 0.88, 0.2),
    "usual": Style(2.6, 4.5, 1.0, 2.5, 1.0, 0.5),
    "hasty": Style(3.5, 5.5, 0.7, 1.6, 1.15, 0.4),
}

# Standard deviation of the logarithm of each parameter among drivers of one style; the value is an assumption.
_SPREAD = 0.1


@dataclass(frozen=True)
class Driver:
    """One driver with a vehicle.

    Attributes:
        style: Name of the driver's style, a key of STYLES.
        model: Name of the car-following model, one of MODELS.
        kind: Class of the vehicle, a row of the catalogue of road users.
        wishes: The driver's own parameters, drawn around those of the style.
    """

    style: str
    model: str
    kind: str
    wishes: Style


def draw_drivers(count: int, draw: Generator) -> list[Driver]:
    """Return `count` drivers with randomly mixed styles, car-following models and vehicle classes."""
    shares = shares_of(MIX)
    styles = draw.choice(list(STYLES), count)
    models = draw.choice(list(MODELS), count)
    kinds = draw.choice(list(shares), count, p=list(shares.values()))
    factors = np.exp(draw.normal(0.0, _SPREAD, (count, 6)))
    return [
        Driver(str(style), str(model), str(kind), _spread(STYLES[str(style)], str(kind), row))
        for style, model, kind, row in zip(styles, models, kinds, factors, strict=True)
    ]


def _spread(style: Style, kind: str, factor: Float[np.ndarray, " 6"]) -> Style:
    heavy = DRIVERS[kind].accel_mps2 / DRIVERS["passenger"].accel_mps2
    return Style(
        style.accel_mps2 * heavy * factor[0], style.decel_mps2 * factor[1], style.time_gap_s * factor[2],
        style.min_gap_m * factor[3], style.speed_factor * factor[4] ** 0.5, min(style.imperfection * factor[5], 1.0),
    )  # fmt: skip


def driver_xml(name: str, driver: Driver) -> str:
    """Return the <vType> element of one driver.

    Its id contains style and model, because SUMO does not report them later.

    Vehicles of every class may drive where cars may: a corpus needs trucks on all of its networks.
    """
    length, width, height = CATALOGUE.size_m[KINDS.index(driver.kind)]
    wish, body = driver.wishes, DRIVERS[driver.kind]
    return (
        f'<vType id={quoteattr(name)} vClass="passenger" guiShape={quoteattr(body.shape)}'
        f' length="{length:g}" width="{width:g}" height="{height:g}" maxSpeed="{body.max_speed_mps:g}"'
        f' carFollowModel="{driver.model}" accel="{wish.accel_mps2:.4f}" decel="{wish.decel_mps2:.4f}"'
        f' tau="{wish.time_gap_s:.4f}" minGap="{wish.min_gap_m:.4f}" sigma="{wish.imperfection:.4f}"'
        f' speedFactor="{wish.speed_factor:.4f}" speedDev="0"/>'
    )


def type_name(driver: Driver, number: int) -> str:
    """Return the id of a driver's vehicle type: style, car-following model and a number."""
    return f"{driver.style}.{driver.model}.{number}"


def style_and_model(type_id: str) -> tuple[str, str]:
    """Return style and car-following model from the id of a vehicle type; empty texts for types of a user's .sumocfg."""
    style, _, rest = type_id.partition(".")
    model = rest.partition(".")[0]
    return (style, model) if style in STYLES and model in MODELS else ("", "")
