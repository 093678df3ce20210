"""Trial runs of SUMO alone: one until the roads are full and the number of vehicles stays the same, and one over the time of a scenario."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Float

from v2xsim.import_osm.trips import CONFIG, Departure, Trip, spread, write_routes
from v2xsim.mobility.sumo_tools import run_tool

# Side of the square region from which stations are drawn.
REGION_M = 1500.0
# The roads are filled for twice the time that nearly all trips take on free roads: vehicles also wait at lights and for each other.
_FILL_TIMES, _LEAST_FILL_S, _MOST_FILL_S = 2.0, 300.0, 3600.0
# With this number of trips in that time, the rate of arrivals is known to a few percent.
_FILL_TRIPS = 800
# Time at the end of the filling in which vehicles are counted.
_COUNTED_S = 30.0
_STEP_S = 0.5
# Number of times at which vehicles are counted over the time of a scenario.
_COUNTS = 120
_TRACE, _ARRIVALS = "trial.xml", "arrivals.xml"


@dataclass(frozen=True)
class Count:
    """Numbers of vehicles over some time.

    Attributes:
        center_m: Centre of the busiest square.
        least: Least number of vehicles on all roads.
        inside: Least number of vehicles in that square.
    """

    center_m: Float[np.ndarray, " 2"]
    least: int
    inside: int


@dataclass(frozen=True)
class Filling:
    """Roads full of vehicles.

    Attributes:
        present: The vehicles at the end of the filling, where they are, as starts at time 0.
        arrivals_hz: Number of vehicles per second that reach their destinations, in the second half of the filling.
        count: Numbers of vehicles at the end of the filling.
    """

    present: list[Departure]
    arrivals_hz: float
    count: Count


def fill_s_of(times_s: list[float], rate_hz: float) -> float:
    """Return for how long roads are filled, given the least times of trips and the number of starts per second."""
    wanted_s = max(_FILL_TIMES * float(np.percentile(times_s, 95)), _FILL_TRIPS / rate_hz)
    return round(min(max(wanted_s, _LEAST_FILL_S), _MOST_FILL_S))


def filled(
    folder: Path, trips: list[Trip], most_vehicles: int, rate_hz: float, fill_s: float, seed: int
) -> Filling | None:
    """Simulate trips on empty roads, and return the vehicles at the end; None if there is no vehicle.

    Args:
        folder: Folder with the network.
        trips: Trips to start.
        most_vehicles: Number of vehicles on the roads above which no further one starts.
        rate_hz: Number of trips that start per second while the roads have room; more than arrive per second.
        fill_s: Time until the roads are full.
        seed: Seed of SUMO.
    """
    departures = spread(trips, 0.0, fill_s, rate_hz)
    write_routes(folder, departures, most_vehicles)
    _drive(folder, fill_s, fill_s - _COUNTED_S, _STEP_S, seed, ["--tripinfo-output", _ARRIVALS])
    arrivals_s = [float(trip.get("arrival", 0.0)) for trip in ET.parse(folder / _ARRIVALS).getroot().iter("tripinfo")]
    (folder / _ARRIVALS).unlink()
    steps = list(ET.parse(folder / _TRACE).getroot().iter("timestep"))
    (folder / _TRACE).unlink()
    count = _count(_positions(steps))
    if count is None:
        return None
    late = sum(time_s > fill_s / 2.0 for time_s in arrivals_s)
    return Filling(_present(steps, departures), late / (fill_s / 2.0), count)


def counted_over(folder: Path, begin_s: float, end_s: float, seed: int) -> Count | None:
    """Simulate the demand of a folder; return the numbers of vehicles between two times, or None if there is never a vehicle."""
    period_s = max(5.0, (end_s - begin_s) / _COUNTS // _STEP_S * _STEP_S)
    _drive(folder, end_s, begin_s, period_s, seed, [])
    steps = list(ET.parse(folder / _TRACE).getroot().iter("timestep"))
    (folder / _TRACE).unlink()
    return _count(_positions(steps))


def _drive(folder: Path, end_s: float, traced_from_s: float, period_s: float, seed: int, outputs: list[str]) -> None:
    """Run SUMO over the demand of a folder, with a trace of its vehicles."""
    run_tool(
        "sumo",
        ["-c", CONFIG, "--fcd-output", _TRACE, "--device.fcd.begin", f"{traced_from_s:g}", "--device.fcd.period",
         f"{period_s:g}", *outputs, "--end", f"{end_s + 2 * _STEP_S:g}", "--step-length", f"{_STEP_S:g}", "--seed",
         str(seed), "--no-step-log", "--no-warnings"],
        folder,
    )  # fmt: skip


def _positions(steps: list[ET.Element]) -> list[Float[np.ndarray, "vehicles 2"]]:
    positions = [
        np.array([[float(v.get("x", 0)), float(v.get("y", 0))] for v in step.iter("vehicle")]).reshape(-1, 2)
        for step in steps
    ]
    return [step for step in positions if len(step)]


def _count(positions_m: list[Float[np.ndarray, "vehicles 2"]]) -> Count | None:
    """Return the busiest square and the numbers of vehicles; None if there is never a vehicle."""
    if not positions_m:
        return None
    everywhere = np.concatenate(positions_m)
    candidates = np.unique(np.round(everywhere / 100.0), axis=0) * 100.0
    counts = np.array(
        [[(np.abs(step - center) <= REGION_M / 2.0).all(axis=1).sum() for step in positions_m] for center in candidates]
    )
    best = int(np.argmax(counts.mean(axis=1)))
    return Count(candidates[best], min(len(step) for step in positions_m), int(counts[best].min()))


def _present(steps: list[ET.Element], departures: list[Departure]) -> list[Departure]:
    """Return the vehicles of the last step as starts at time 0, each on its lane; in a junction, on the edge behind it."""
    last_row: dict[str, int] = {}
    for step in steps:
        for vehicle in step.iter("vehicle"):
            edge = vehicle.get("lane", "").rpartition("_")[0]
            edges = departures[int(vehicle.get("id", "0"))].trip.edges
            if edge in edges:
                last_row[vehicle.get("id", "")] = edges.index(edge)
    present = []
    for vehicle in steps[-1].iter("vehicle") if steps else ():
        name, (edge, _, lane) = vehicle.get("id", ""), vehicle.get("lane", "").rpartition("_")
        trip = departures[int(name)].trip
        if edge in trip.edges:
            present.append(Departure(0.0, trip, last_row[name], float(vehicle.get("pos", 0.0)), int(lane)))
        elif last_row.get(name, len(trip.edges)) + 1 < len(trip.edges):
            present.append(Departure(0.0, trip, last_row[name] + 1))
    return present
