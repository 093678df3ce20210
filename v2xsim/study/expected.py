"""What the points of a sweep will take: one point and a group are tried, and the costs of the other settings are scaled from them by their estimates."""

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from v2xsim.errors import UserError
from v2xsim.estimate.estimate import RunEstimate, estimated, resource_notices
from v2xsim.notices import Notice
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import Plan, Point

# Most settings whose work is counted, and the time after which no further one is: each runs its traffic up to the first tick.
_MOST_SETTINGS, _MOST_S = 12, 20.0
# Of a process that has loaded the simulator; and the part of the rest that each further point of a group takes. With one thread and metrics
# alone, it was 0.15 in demo (5 s), 0.10 in urban_grid (3 s) and nlos_grid (5 s), and 0.09 in crowded (1 s).
_LOADED_BYTES, _FURTHER_POINT = 210_000_000, 0.2


@dataclass(frozen=True)
class Estimate:
    """An estimate of the cost of a sweep, computed from one trial point and the work of some settings.

    Attributes:
        outcome: Outcome of the trial point.
        points: Number of points that would run.
        settings: Number of settings of the sweep.
        workers: Number of processes that would run at the same time.
        wall_s: Estimated wall-clock time for all points; those that share a process compute their world once.
        peak_bytes: Estimated memory of all workers together, if each runs points of the largest setting.
        disk_bytes: Estimated size of the folder.
        point_wall_s: Least and largest estimated time of a point.
        point_peak_bytes: Least and largest estimated memory of a point.
        counted: Number of settings whose work was counted; each other setting is assumed to cost their mean.
        limit_bytes: Memory above which a point is stopped; 0 for no limit.
        shared: Part of the time of a point that the points of a group spend only once, 0 to 1.
    """

    outcome: Outcome
    points: int
    settings: int
    workers: int
    wall_s: float
    peak_bytes: int
    disk_bytes: int
    point_wall_s: tuple[float, float]
    point_peak_bytes: tuple[int, int]
    counted: int
    limit_bytes: int = 0
    shared: float = 0.0

    def notices(self, folder: Path) -> Iterator[Notice]:
        """Yield warnings about memory and disk that this machine lacks."""
        yield from resource_notices(self.peak_bytes, self.disk_bytes, folder)
        most_bytes = self.point_peak_bytes[1]
        if self.limit_bytes and most_bytes > self.limit_bytes:
            yield Notice(
                "estimate.memory_per_worker", 1,
                f"points of the largest setting need about {most_bytes / 1e9:.2f} GB of memory, but a point is stopped above {self.limit_bytes / 1e9:.2f} GB; "
                "use fewer --workers, or a larger --memory-per-worker",
            )  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """A group of points that ran in one process to see what they share.

    Attributes:
        points: The points.
        cpu_s: Processor time of the process, which other work on the machine changes less than the wall-clock time.
    """

    points: Sequence[Point]
    cpu_s: float


def expected(
    plan: Plan, workers: int, outcome: Outcome, trial_bytes: int, limit_bytes: int = 0, points: Sequence[Point] | None = None,
    groups: Sequence[Sequence[Point]] | None = None, group: Trial | None = None,
) -> Estimate:  # fmt: skip
    """Return what points of a plan will take.

    Args:
        plan: The plan.
        workers: Number of processes that run at the same time.
        outcome: Outcome of the first point of the plan.
        trial_bytes: What the first point wrote.
        limit_bytes: Memory above which a point is stopped, unless the sweep file has a smaller one; 0 for no limit.
        points: The points that will run; None for all of the plan.
        groups: The same points, by the process that runs them; None for one point in each.
        group: A group that was tried; without one, each point is taken to compute its world itself.
    """
    points = plan.points if points is None else points
    groups = [(point,) for point in points] if groups is None else groups
    rows, costs = _settings(plan)
    first = costs[0]
    wall_s = outcome.wall_s * np.array([cost.wall_s / first.wall_s for cost in costs])
    peak = np.array([max(outcome.peak_bytes + cost.peak_bytes - first.peak_bytes, 0) for cost in costs])
    # Without tables, a point writes only its metrics, whose size is about the same for every setting.
    keeps_tables = plan.file.keep == "tables"
    disk = trial_bytes * np.array(
        [cost.disk_bytes / max(first.disk_bytes, 1) if keeps_tables else 1.0 for cost in costs]
    )
    others = len(plan.settings) - len(rows)
    each = len(points) / len(plan.settings)
    setting_s = dict(zip(rows, wall_s.tolist(), strict=True))

    def alone_s(some: Sequence[Point]) -> list[float]:
        return [setting_s.get(point.setting, float(wall_s.mean())) for point in some]

    # The time of a point alone in processor time.
    busy = outcome.cpu_s / outcome.wall_s if outcome.wall_s else 1.0
    shared = 0.0 if group is None else _shared([busy * own_s for own_s in alone_s(group.points)], group.cpu_s)
    each_s = [_together_s(alone_s(members), shared) for members in groups]
    further = max((len(group) for group in groups), default=1) - 1
    process_bytes = int(peak.max() + further * _FURTHER_POINT * max(peak.max() - _LOADED_BYTES, 0.0))
    return Estimate(
        outcome, len(points), len(plan.settings), workers, _all_done_s(each_s, workers), process_bytes * min(workers, len(groups)),
        round(each * (disk.sum() + others * disk.mean())), (float(wall_s.min()), float(wall_s.max())),
        (int(peak.min()), int(peak.max())), len(rows), limit_bytes, shared,
    )  # fmt: skip


def _together_s(alone_s: Sequence[float], shared: float) -> float:
    """Return the time of a process of several points: the shared part of a mean point once, and what each has of its own."""
    return sum(alone_s) * (shared / len(alone_s) + 1.0 - shared)


def _shared(alone_s: Sequence[float], group_s: float) -> float:
    """Return which part of a point's time is shared, from the times that the points of a group would take alone and the time of the group."""
    count = len(alone_s)
    return float(np.clip((1.0 - group_s / sum(alone_s)) / (1.0 - 1.0 / count), 0.0, 1.0)) if count > 1 else 0.0


def _all_done_s(each_s: Sequence[float], workers: int) -> float:
    """Return when the last point ends, if each begins as soon as a worker is free."""
    free_s = [0.0] * workers
    for own_s in each_s:
        heapq.heapreplace(free_s, free_s[0] + own_s)
    return max(free_s)


def _settings(plan: Plan) -> tuple[Sequence[int], list[RunEstimate]]:
    """Return the rows of some settings, the first and the last of all before the others, and the estimates of a point of each."""
    spread = np.unique(np.linspace(0, len(plan.settings) - 1, _MOST_SETTINGS).round().astype(int)).tolist()
    # Values are mostly listed from small to large: the last setting is often the largest, so it must not fall to the limit of time.
    rows = list(dict.fromkeys((spread[0], spread[-1], *spread)))
    costs: list[RunEstimate] = []
    began_s = time.monotonic()
    for number, row in enumerate(rows):
        if number and time.monotonic() - began_s > _MOST_S:
            return rows[:number], costs
        try:
            costs.append(estimated(plan.scenarios[row], plan.file.threads))
        except UserError as error:
            raise UserError(f"{plan.source}: setting {row}: {error}") from error
    return rows, costs
