"""The traffic of a corpus run: vehicles that take random routes through the roads until the run ends."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from numpy.random import Generator

from v2xsim.datasets.motion.drivers import draw_drivers, driver_xml, type_name
from v2xsim.datasets.motion.roads import BACK, STRAIGHT, Roads

_FILL_S = 60.0
"""All vehicles enter within this time, so that the traffic has its full density for nearly the whole run."""

# Weights for the choice at a junction: a driver goes straight on twice as often as left or right, and turns back only if
# there is no other way.
_WEIGHT = {STRAIGHT: 2.0, BACK: 1e-9}


def wander(roads: Roads, start: str, duration_s: float, draw: Generator) -> list[str]:
    """Return a random route, as a list of edges, that takes at least `duration_s` in free flow or ends where the roads end."""
    route, left_s = [start], duration_s - roads.duration_s[start]
    while left_s > 0 and (onward := roads.onward[route[-1]]):
        weight = np.array([_WEIGHT.get(direction, 1.0) for _, direction in onward])
        route.append(onward[draw.choice(len(onward), p=weight / weight.sum())][0])
        left_s -= roads.duration_s[route[-1]]
    return route


def write_demand(path: Path, roads: Roads, vehicles: int, duration_s: float, draw: Generator) -> None:
    """Write the vehicles of a run as a SUMO route file; each vehicle has its own driver and route."""
    starts = sorted(edge for edge, onward in roads.onward.items() if onward)
    times_s = np.sort(draw.uniform(0.0, min(_FILL_S, 0.5 * duration_s), vehicles))
    root = ET.Element("routes")
    for number, (driver, time_s) in enumerate(zip(draw_drivers(vehicles, draw), times_s, strict=True)):
        name = type_name(driver, number)
        # Hasty drivers on an empty road exceed the speed limits from which durations are computed, so routes are made
        # longer.
        route = wander(roads, str(draw.choice(starts)), 1.3 * duration_s, draw)
        root.append(ET.fromstring(driver_xml(name, driver)))
        vehicle = ET.SubElement(
            root, "vehicle", id=str(number), type=name, depart=f"{time_s:.1f}", departLane="best",
            departPos="random_free", departSpeed="max",
        )  # fmt: skip
        ET.SubElement(vehicle, "route", edges=" ".join(route))
    ET.ElementTree(root).write(path)
