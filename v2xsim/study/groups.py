"""Which points of a sweep run together in one process: those of one seed whose scenarios have the same world."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

from v2xsim.runfolder import staged
from v2xsim.scenario.same_world import world_of
from v2xsim.study.plan import Plan, Point
from v2xsim.study.point import Job, scenario_of, store_metrics

MOST_TOGETHER = 8
"""Largest number of points in one process: each takes memory of its own, and a crash costs the work of all."""


def groups_of(plan: Plan, points: Sequence[Point], workers: int) -> list[tuple[Point, ...]]:
    """Return points in groups that run together, in the order of the first point of each.

    Groups are of about one size, and small enough that each worker has one.

    Args:
        plan: The plan.
        points: Points that will run.
        workers: Number of processes that run at the same time.
    """
    most = max(1, min(MOST_TOGETHER, -(-len(points) // workers)))
    worlds: dict[int, bytes | None] = {}
    alike: dict[tuple[bytes | int, int], list[Point]] = {}
    for point in points:
        if point.setting not in worlds:
            # The seed is that of the point; all scenarios of a plan have the same one here.
            text = world_of(plan.scenarios[point.setting])
            worlds[point.setting] = None if text is None else blake2b(text.encode(), digest_size=16).digest()
        world = worlds[point.setting]
        alike.setdefault((point.index if world is None else world, point.seed), []).append(point)
    groups: list[tuple[Point, ...]] = []
    for members in alike.values():
        parts = -(-len(members) // most)
        ends = [len(members) * n // parts for n in range(parts + 1)]
        groups += [tuple(members[begin:end]) for begin, end in pairwise(ends)]
    return sorted(groups, key=lambda group: group[0].index)


def work_together(jobs: Sequence[Job]) -> int:
    """Run the points of a group, and store the result of each when it has ended; return the exit code of the process.

    A point that fails leaves nothing: it runs again alone, and then leaves its reason.
    """
    # Imported here, so that a process that only describes jobs does not load the engine.
    from v2xsim.together import ends_of_runs

    scenarios = [scenario_of(job) for job in jobs]
    code = 0
    with ExitStack() as opened:
        folders = [opened.enter_context(ExitStack()) for _ in jobs]
        out = [
            folder.enter_context(staged(Path(job.tables)))
            for folder, job in zip(folders, jobs, strict=True)
            if job.tables
        ]
        ends = ends_of_runs(scenarios, out or None, threads=jobs[0].threads, tables=bool(out))
        for ended in opened.enter_context(closing(ends)):
            if (failure := ended.failure) is not None:
                # Removes the run folder.
                folders[ended.number].__exit__(type(failure), failure, failure.__traceback__)
                print(f"{failure}; this point runs again alone", file=sys.stderr, flush=True)
                code = 1
                continue
            assert ended.results is not None
            metrics = ended.results.tables["metrics"]
            # Moves the run folder to its place.
            folders[ended.number].close()
            store_metrics(jobs[ended.number], metrics, ended.results.notices)
    return code
