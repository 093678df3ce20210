"""An estimate of what a run takes before it starts, and warnings if the machine has less."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from v2xsim.estimate.costs import (
    CPU_US,
    DISK_BYTES,
    ERROR,
    MEMORY_BYTES,
    REFERENCE_S,
    calibration_s,
    cpu_amounts,
    disk_amounts,
    memory_amounts,
    total,
)
from v2xsim.estimate.workload import Workload, workload_of
from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario

# Factors beyond these mean that other programs disturbed the measurement of the machine's speed.
_SLOWEST, _FASTEST = 5.0, 0.2
# Stations that reach each other are reported from this number of stations and from this share of their pairs in range on.
_MANY_STATIONS, _MOST_PAIRS = 200, 0.5
_MANY_REQUESTS = 2500
# What is done before the first tick or after the last one, on one thread.
_BEFORE_TICKS = ("run", "building", "warm-up vehicle step")
# Share of each thing that other threads than the main one do; of an ego, its fusion, scores and rows.
_OTHER_THREADS = {
    "100,000 rays": 1.0, "100,000 rays among buildings": 1.0, "100,000 rays of a recorded cloud": 1.0, "ego tick": 0.5,
}  # fmt: skip
# Share of the time for which the busiest thread works; in the rest, it waits for others (Bologna with 50 lidars, the town with 10).
_BUSY = 0.8


@dataclass(frozen=True)
class RunEstimate:
    """What a run will take.

    Attributes:
        wall_s: Wall-clock time on idle processors, including reading, warm-up and metrics, but not the first compilation of kernels.
        cpu_s: Processor time of all threads together.
        peak_bytes: Largest resident memory.
        disk_bytes: Size of the run folder.
        error: Relative error of each of the four estimates in most scenarios.
        workload: What the run has to do.
        step_s: Time step of the run.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    disk_bytes: int
    error: float
    workload: Workload
    step_s: float

    def as_object(self) -> dict[str, object]:
        """Return the estimate as data for JSON."""
        return {
            "wall_s": round(self.wall_s, 2), "cpu_s": round(self.cpu_s, 2), "peak_bytes": self.peak_bytes, "disk_bytes": self.disk_bytes,
            "error": self.error, "workload": self.workload.as_object(),
        }  # fmt: skip


def machine_slowness() -> float:
    """Return the time of a piece of work on this machine relative to the machine on which the costs were measured; above 1 if slower."""
    return min(max(calibration_s() / REFERENCE_S, _FASTEST), _SLOWEST)


def estimated(scenario: Scenario, threads: int = 1, slowness: float = 1.0) -> RunEstimate:
    """Return what a run of a scenario will take. To count its road users and links, its traffic runs up to the first tick.

    Args:
        scenario: A checked scenario.
        threads: Threads of the run.
        slowness: Time of a piece of work here, relative to the machine on which the costs were measured.

    Raises:
        UserError: If an input cannot be used; a run would end in the same way.
    """
    work = workload_of(scenario)
    amounts = cpu_amounts(work, scenario.run.step_s)
    cost_s = {name: amount * CPU_US[name] * 1e-6 * slowness for name, amount in amounts.items()}
    ticks_s = sum(of_s for name, of_s in cost_s.items() if name not in _BEFORE_TICKS)
    cpu_s, wall_s = sum(cost_s.values()), ticks_s
    if threads > 1:
        others_s = sum(share * cost_s[name] for name, share in _OTHER_THREADS.items())
        wall_s = max(ticks_s - others_s, ticks_s / threads) / _BUSY
    return RunEstimate(
        cpu_s - ticks_s + wall_s, cpu_s, round(total(memory_amounts(work), MEMORY_BYTES)),
        round(total(disk_amounts(work), DISK_BYTES)), ERROR, work, scenario.run.step_s,
    )  # fmt: skip


def estimate_notices(scenario: Scenario, estimate: RunEstimate, folder: Path) -> Iterator[Notice]:
    """Yield warnings about a run that this machine may not finish, or whose cost grows faster than its size.

    Args:
        scenario: The scenario.
        estimate: What its run will take.
        folder: Folder into which it would be written, or one above it.
    """
    yield from resource_notices(estimate.peak_bytes, estimate.disk_bytes, folder)
    work = estimate.workload
    if not work.vehicles:
        yield Notice(
            "estimate.no_road_users", 1,
            f"no road user is there at the first tick ({scenario.run.begin_s:g} s), so the estimate is that of an empty road; increase run.begin_s to "
            "estimate a run with traffic",
        )  # fmt: skip
    pairs = work.stations * (work.stations - 1) / 2
    if work.stations >= _MANY_STATIONS and work.links > _MOST_PAIRS * pairs:
        yield Notice(
            "estimate.all_in_range", work.stations,
            f"{work.links:,} of {pairs:,.0f} pairs of stations are within radio.range_m ({scenario.radio.range_m:g} m), so time and disk grow with the square "
            "of the number of stations; reduce radio.range_m, or spread the stations over a larger area",
        )  # fmt: skip
    requests = work.egos * work.lidar_stations
    if not work.has_messages and requests > _MANY_REQUESTS:
        yield Notice(
            "estimate.all_asked", requests,
            f"with cooperation.transport synchronous, each of {work.egos} egos may ask each of {work.lidar_stations} stations with lidars, so time grows with "
            "their product; set cooperation.transport to radio, or name fewer egos (cooperation.egos)",
        )  # fmt: skip


def resource_notices(memory_bytes: int, disk_bytes: int, folder: Path) -> Iterator[Notice]:
    """Yield warnings about memory and disk that this machine lacks."""
    memory = available_memory_bytes()
    if memory is not None and memory_bytes > memory:
        yield Notice(
            "estimate.memory", 1,
            f"needs about {memory_bytes / 1e9:.1f} GB of memory, but {memory / 1e9:.1f} GB are free; use fewer lidars (lidars.count), a lidar with fewer rays "
            "(lidars.model), or, in a sweep, fewer --workers",
        )  # fmt: skip
    free_bytes = shutil.disk_usage(_existing(folder)).free
    if disk_bytes > free_bytes:
        yield Notice(
            "estimate.disk", 1,
            f"needs about {disk_bytes / 1e9:.1f} GB of disk, but {free_bytes / 1e9:.1f} GB are free at {folder}; record less (record.link_ticks, "
            "record.state_ticks, record.packet_share, record.clouds_every_s), or write to another disk (--out)",
        )  # fmt: skip


def available_memory_bytes() -> int | None:
    """Return the memory that processes can still take on this machine; None if unknown."""
    try:
        fields = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in fields if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    absolute = folder.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.exists())


def shares(amounts: Mapping[str, float], costs: Mapping[str, float]) -> dict[str, float]:
    """Return the share of each thing in a cost, the largest first."""
    parts = {name: amount * costs[name] for name, amount in amounts.items()}
    whole = max(sum(parts.values()), 1e-12)
    return {name: part / whole for name, part in sorted(parts.items(), key=lambda item: -item[1])}
