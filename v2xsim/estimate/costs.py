"""What each thing in a run costs, fitted to the measured time, memory and disk of many runs together.

An estimate is the sum of amounts times costs. `v2xsim bench scale --json` measures the costs again and prints them under `costs`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from v2xsim.estimate.workload import Workload

ORIGIN = "two virtual cores of an AMD EPYC, Python 3.11, 29 November 2026; 35 runs: bench scale, other settings of the shipped scenarios, two towns"
REFERENCE_S = 0.022
"""Processor time of `calibration_s` on that machine."""

CPU_US: Mapping[str, float] = {
    "run": 914_000, "building": 139, "warm-up vehicle step": 3.23, "vehicle tick": 13.5, "link tick": 1.39, "100,000 rays": 434,
    "100,000 rays among buildings": 50, "ego tick": 499, "100,000 rays of a recorded cloud": 11_400,
}  # fmt: skip
MEMORY_BYTES: Mapping[str, float] = {
    "run": 432e6,
    "building": 7100,
    "station": 160_000,
    "100,000 rays of a tick": 5.66e6,
}
DISK_BYTES: Mapping[str, float] = {
    "tick": 1540, "vehicle tick": 0, "link tick": 36.5, "receiver of an ego tick": 0, "ego tick": 1400, "100,000 rays of a recorded cloud": 1.2e6,
}  # fmt: skip
ERROR = 0.4
"""Largest relative error of the estimates of 35 runs, rounded up, each with costs fitted to the 34 others; 12 of the runs are not from `bench scale`."""


@dataclass(frozen=True)
class Fitted:
    """Costs that are fitted to measured runs.

    Attributes:
        costs: Cost of one of each thing.
        error: Root mean square of the relative error of the measured runs.
    """

    costs: dict[str, float]
    error: float


def cpu_amounts(work: Workload, step_s: float) -> dict[str, float]:
    """Return how much of each thing takes processor time in a run, by the keys of `CPU_US`."""
    return {
        "run": 1.0, "building": float(work.buildings), "warm-up vehicle step": 0.5 * work.vehicles * work.warm_up_s / step_s,
        "vehicle tick": work.vehicles * work.ticks, "link tick": work.links * work.ticks, "100,000 rays": work.rays * work.ticks / 1e5,
        "100,000 rays among buildings": work.rays * work.ticks / 1e5 * (work.buildings > 0), "ego tick": work.egos * work.ticks,
        "100,000 rays of a recorded cloud": work.clouds,
    }  # fmt: skip


def memory_amounts(work: Workload) -> dict[str, float]:
    """Return how much of each thing takes memory in a run, by the keys of `MEMORY_BYTES`."""
    return {
        "run": 1.0, "building": float(work.buildings), "station": float(work.stations), "100,000 rays of a tick": work.rays / 1e5,
    }  # fmt: skip


def disk_amounts(work: Workload) -> dict[str, float]:
    """Return how much of each thing takes disk in a run, by the keys of `DISK_BYTES`."""
    neighbours = 2.0 * work.links / max(work.stations, 1)
    return {
        "tick": float(work.ticks), "vehicle tick": work.vehicles * work.ticks, "link tick": work.links * work.ticks * work.recorded_rows,
        # Packets of answers: the channel limits them, so more than a few egos receive no more of them in total.
        "receiver of an ego tick": min(work.egos, 5) * neighbours * work.ticks, "ego tick": work.egos * work.ticks,
        "100,000 rays of a recorded cloud": work.clouds,
    }  # fmt: skip


def total(amounts: Mapping[str, float], costs: Mapping[str, float]) -> float:
    """Return the sum of amounts times costs."""
    return sum(amount * costs[name] for name, amount in amounts.items())


def fitted(
    amounts: Sequence[Mapping[str, float]], measured: Sequence[float], known: Mapping[str, float] | None = None
) -> Fitted:
    """Return the costs, at least 0 each, with which the relative errors of measured runs are least.

    Args:
        amounts: Amounts of each thing in each run.
        measured: What each run took.
        known: Costs that are not fitted, such as those of things whose number is always equal to that of another thing.
    """
    own_known, cost = dict(known or {}), np.array(measured, float)
    names = [name for name in amounts[0] if name not in own_known]
    rows = np.array([[own[name] for name in names] for own in amounts])
    before = np.array([total({name: own[name] for name in own_known}, own_known) for own in amounts])
    costs, _ = nnls(rows / cost[:, None], np.maximum(1.0 - before / cost, 0.0))
    error = float(np.sqrt(np.mean(((before + rows @ costs) / cost - 1.0) ** 2)))
    return Fitted({**own_known, **dict(zip(names, costs.tolist(), strict=True))}, error)


def calibration_s() -> float:
    """Return the processor time of a fixed piece of work, half in the interpreter and half in numpy: the least of five."""
    best_s, numbers = np.inf, np.linspace(0.1, 9.0, 200_000)
    for _ in range(5):
        began_s, kept = time.process_time(), {}
        for number in range(100_000):
            kept[number % 1000] = number * 3 + 1
        for _ in range(4):
            np.sort(np.sin(numbers * 37.0) * np.exp(-numbers))
        best_s = min(best_s, time.process_time() - began_s)
    return float(best_s)
