"""What runs cost against their size: time, memory and disk by vehicles, stations, lidars, duration and threads.

Most points are runs on a motorway with 60 vehicles per kilometre. It is longer for more vehicles, so density and number of neighbours stay the
same. The other points are the shipped scenarios.
"""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from v2xsim.bench.scale_fit import Growth, growth
from v2xsim.children import environment, python
from v2xsim.errors import UserError
from v2xsim.estimate.costs import MEMORY_BYTES, Fitted, cpu_amounts, disk_amounts, fitted, memory_amounts
from v2xsim.estimate.workload import Workload

AXES = ("vehicles", "stations", "lidars", "duration", "threads")
COSTS = ("cpu_s", "whole_cpu_s", "wall_s", "peak_bytes", "disk_bytes")
MOTORWAY, SHIPPED = "motorway", "shipped"
_PER_KM = 60.0
# Losses of all scenarios of the benchmark, so that its rows can be compared with those of versions whose scenarios had other losses.
_CHANNEL = ("radio.propagation.vehicle_blockage=tr37885", "radio.propagation.building_loss=tr37885")
# Time step of all scenarios of the benchmark.
_STEP_S = 0.1


@dataclass(frozen=True)
class Size:
    """The size of a run.

    Attributes:
        scenario: The motorway, or the name of a shipped scenario, whose size is its own.
        vehicles: Vehicles on the motorway.
        stations: Connected vehicles.
        lidars: Stations with a lidar; all of them are egos.
        duration_s: Simulated time.
        threads: Threads that cast lidars.
        begin_s: Simulated time of SUMO before the first tick.
    """

    scenario: str = MOTORWAY
    vehicles: int = 120
    stations: int = 40
    lidars: int = 4
    duration_s: float = 5.0
    threads: int = 1
    begin_s: float = 5.0

    def overrides(self) -> list[str]:
        """Return the values of the scenario's keys for this size; of a shipped scenario, only the duration and the channel."""
        if self.scenario != MOTORWAY:
            return [*_CHANNEL, f"run.duration_s={self.duration_s:g}"]
        return [
            f"traffic.highway.length_m={max(1000.0 * self.vehicles / _PER_KM, 200.0):.0f}",
            f"traffic.highway.density_per_km={_PER_KM:g}", f"stations.count={self.stations}", f"lidars.count={self.lidars}",
            f"run.duration_s={self.duration_s:g}", f"run.begin_s={self.begin_s:g}", "cooperation.fusion=early",
            *_CHANNEL,
        ]  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One measured run.

    Attributes:
        axis: The axis along which it was measured.
        size: Its size.
        real_time_factor: Simulated time divided by wall-clock time, without warm-up.
        cpu_s: Processor time of all threads in the measured part of the run.
        wall_s: Wall-clock time of the measured part.
        peak_bytes: Largest resident memory of the process.
        disk_bytes: Size of the run folder.
        whole_cpu_s: Processor time of the whole run, with reading, compiling, warm-up and metrics.
        workload: What the run had to do in each tick.
        timing: All times of the run.
    """

    axis: str
    size: Size
    real_time_factor: float
    cpu_s: float
    wall_s: float
    peak_bytes: int
    disk_bytes: int
    whole_cpu_s: float = 0.0
    workload: Mapping[str, float] = field(default_factory=dict)
    timing: Mapping[str, float] = field(default_factory=dict)


def sizes(quick: bool) -> Iterator[tuple[str, Size]]:
    """Yield the sizes that are measured along each axis."""
    duration_s = 2.0 if quick else 5.0
    for vehicles in (100, 200, 400) if quick else (120, 240, 480, 960):
        yield "vehicles", Size(MOTORWAY, vehicles, 40, 2, duration_s)
    for stations in (40, 80, 160) if quick else (50, 100, 200, 400, 800):
        yield "stations", Size(MOTORWAY, 2 * stations, stations, 2, duration_s)
    for lidars in (0, 2, 4, 8) if quick else (0, 5, 10, 20, 40):
        yield "lidars", Size(MOTORWAY, 120 if quick else 240, 40 if quick else 120, lidars, duration_s)
    for longer_s in (2.0, 4.0, 8.0) if quick else (10.0, 20.0, 40.0, 80.0):
        yield "duration", Size(duration_s=longer_s)
    cores = os.cpu_count() or 1
    for threads in (1, 2, 4):
        if threads <= max(cores, 2):
            stations, lidars = (40, 8) if quick else (120, 20)
            yield "threads", Size(MOTORWAY, 120 if quick else 240, stations, lidars, 2.0 if quick else 5.0, threads)
    for name in ("demo", "highway", "urban_grid"):
        yield SHIPPED, Size(name, duration_s=duration_s)
    # What a step of SUMO's warm-up takes.
    yield SHIPPED, Size(MOTORWAY, 120 if quick else 480, 40, 2, duration_s, begin_s=60.0 if quick else 120.0)


def measure(axis: str, size: Size) -> Point:
    """Run one size in a process of its own.

    Raises:
        UserError: If the run fails, such as without SUMO.
    """
    order = {
        "overrides": size.overrides(),
        "threads": size.threads,
        "scenario": "highway" if size.scenario == MOTORWAY else size.scenario,
    }
    ended = subprocess.run(
        python("-m", "v2xsim.bench.scale_point", json.dumps(order)), env=environment(size.threads), capture_output=True,
        text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if ended.returncode != 0:
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        raise UserError(f"bench scale: the run of {size} failed: {lines[-1] if lines else ended.returncode}")
    return point_of(axis, size, json.loads(ended.stdout.splitlines()[-1]))


def point_of(axis: str, size: Size, cost: Mapping[str, Any]) -> Point:
    """Return the point of a run, given what its process printed."""
    timing = cost["timing"]
    return Point(
        axis, size, timing["real_time_factor"], timing["main_cpu_s"] + timing["threads_cpu_s"], timing["measured_s"],
        cost["peak_bytes"], cost["disk_bytes"], cost["whole_cpu_s"], cost["workload"], timing,
    )  # fmt: skip


def points(quick: bool, axes: Iterable[str] = (*AXES, SHIPPED)) -> Iterator[Point]:
    """Yield the measured points of some axes, after a short run that fills the caches of kernels."""
    wanted = set(axes)
    measure("", Size(duration_s=0.5))
    yield from (measure(axis, size) for axis, size in sizes(quick) if axis in wanted)


def size_along(axis: str, size: Size) -> float:
    """Return the size along an axis."""
    return float(size.duration_s if axis == "duration" else getattr(size, axis))


def growths(measured: Sequence[Point]) -> dict[str, dict[str, Growth]]:
    """Return how each cost grows along each axis that has at least two points."""
    grown: dict[str, dict[str, Growth]] = {}
    for axis in AXES:
        own = [point for point in measured if point.axis == axis]
        if len(own) >= 2:
            along = np.array([size_along(axis, point.size) for point in own])
            grown[axis] = {
                cost: growth(along, np.array([getattr(point, cost) for point in own], float)) for cost in COSTS
            }
    return grown


def costs(measured: Sequence[Point]) -> dict[str, Fitted]:
    """Return the costs of single things, fitted to all points that ran on one thread: processor time in us, memory and disk in bytes.

    No scene of the benchmark has more than a few buildings, so the memory of a building is not fitted.
    """
    own = [(Workload(**point.workload), point) for point in measured if point.size.threads == 1]  # type: ignore[arg-type]
    loads = [work for work, _ in own]
    return {
        "cpu_us": fitted(
            [cpu_amounts(work, _STEP_S) for work in loads],
            [1e6 * point.whole_cpu_s for _, point in own],
            _scan_cost_us(own),
        ),
        "memory_bytes": fitted(
            [memory_amounts(work) for work in loads],
            [point.peak_bytes for _, point in own],
            {"building": MEMORY_BYTES["building"]},
        ),
        "disk_bytes": fitted([disk_amounts(work) for work in loads], [point.disk_bytes for _, point in own]),
    }


def _scan_cost_us(own: Sequence[tuple[Workload, Point]]) -> dict[str, float]:
    """Return the processor time of 100,000 rays in the open, from the stage `scans`: each ego has a lidar, so a fit cannot separate the two."""
    scans_us = [
        1e6 * point.timing["stage_scans_s"] * point.cpu_s / point.wall_s / (work.rays * work.ticks / 1e5)
        for work, point in own
        if work.rays > 0 and work.buildings == 0 and "stage_scans_s" in point.timing
    ]
    return {"100,000 rays": float(np.median(scans_us))} if scans_us else {}
