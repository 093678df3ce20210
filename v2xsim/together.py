"""Several runs of one world in one process: what does not depend on messages is computed once for all of them.

The runs advance in turn, tick by tick. Each has its own radio, messages, fusion, scores and results; traffic, stations, lidar scans, own
detections and links are the same for all of them (`v2xsim.scenario.same_world`).
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from v2xsim.engine.lockstep import Lockstep
from v2xsim.opened_world import OpenedWorld, opened_world
from v2xsim.results.results import Results
from v2xsim.run_arguments import Progress, SteppingError, check_arguments, default_threads, no_progress
from v2xsim.scenario.same_world import check_same_world, differences, with_own_files
from v2xsim.scenario.schema import Scenario
from v2xsim.simulate import Simulation


def run_together(
    scenarios: Sequence[Scenario],
    *,
    out: Sequence[Path | str] | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
    tables: bool = True,
) -> list[Results]:
    """Simulate several scenarios of one world, and compute the world once.

    The scenarios may differ in the keys of `v2xsim.scenario.same_world.FREE_KEYS`, such as the relay rule, the access scheme, retries, budget and
    fusion. Each run takes memory of its own for its messages and tables; if they are large, give folders, or `tables=False`.

    Args:
        scenarios: The scenarios, as `v2xsim.load` returns them.
        out: For each of them, the folder to write its results into; None keeps all tables in memory.
        progress: Function called with the progress of all runs together.
        threads: Number of threads of all runs together, by default as in `v2xsim.run`.
        tables: Whether the results have all tables, as in `v2xsim.run`.

    Returns:
        The results of each scenario, with the tables and metrics that `v2xsim.run` gives. In `timing`, the first run has the time of the world.

    Raises:
        UserError: If the scenarios differ in a key on which the world may depend, or a run cannot go on. The first error of a run ends all
            of them; a note in it says which run it was.
    """
    results: dict[int, Results] = {}
    with closing(ends_of_runs(scenarios, out, progress, threads, tables)) as ends:
        for ended in ends:
            if ended.results is None:
                assert ended.failure is not None
                raise ended.failure
            results[ended.number] = ended.results
    return [results[number] for number in range(len(scenarios))]


@dataclass(frozen=True)
class Ended:
    """The end of one of several runs.

    Attributes:
        number: Number of the run's scenario, from 0.
        results: Results of the run; None if it failed.
        failure: Reason why it failed.
    """

    number: int
    results: Results | None
    failure: Exception | None = None


def ends_of_runs(
    scenarios: Sequence[Scenario], out: Sequence[Path | str] | None = None, progress: Progress | None = None,
    threads: int | None = None, tables: bool = True,
) -> Generator[Ended, None, None]:  # fmt: skip
    """Run scenarios of one world and yield the end of each; a run that fails does not end the others. Arguments as in `run_together`."""
    scenarios, folders = list(scenarios), [None] * len(scenarios) if out is None else list(out)
    if len(folders) != len(scenarios) or isinstance(out, str | Path):
        raise SteppingError(
            f"out must be a list with one folder for each of {len(scenarios)} scenarios, got {out if isinstance(out, str | Path) else len(folders)!r}"
        )
    for scenario, folder in zip(scenarios, folders, strict=True):
        check_arguments(scenario, folder, tables, threads)
    if not scenarios:
        return
    check_same_world(scenarios)
    scenarios = [with_own_files(scenario) for scenario in scenarios]
    threads = threads or default_threads()
    texts, whole = differences(scenarios), _Whole(progress or no_progress, len(scenarios))

    def failed(number: int, failure: Exception) -> Ended:
        failure.add_note(f"in run {number} of {len(scenarios)}, counted from 0 ({texts[number]})")
        return Ended(number, None, failure)

    with ExitStack() as opened:
        lockstep = Lockstep(threads, len(scenarios))
        opened.callback(lockstep.close)
        is_ahead = threads > 1 and scenarios[0].traffic.is_simulated
        # Kernels that only other runs need are loaded when these use them.
        world = opened.enter_context(opened_world(scenarios[0], is_ahead, whole.report))
        runs: dict[int, _Member] = {}
        try:
            for number, (scenario, folder) in enumerate(zip(scenarios, folders, strict=True)):
                try:
                    run = _Member(world, lockstep, scenario, whole.of(number), threads, folder, tables)
                    opened.enter_context(run)
                    runs[number] = run
                except Exception as failure:  # noqa: BLE001  (the other runs go on)
                    yield failed(number, failure)
            is_going = True
            while is_going:
                is_going = False
                for number, run in list(runs.items()):
                    try:
                        is_going |= run.advance()
                    except Exception as failure:  # noqa: BLE001  (the other runs go on)
                        del runs[number]
                        yield failed(number, failure)
            for number in list(runs):
                try:
                    ended = Ended(number, runs[number].ended())
                except Exception as failure:  # noqa: BLE001  (the other runs go on)
                    ended = failed(number, failure)
                del runs[number]
                yield ended
        except BaseException as stop:
            # Ctrl-C and the like end all runs; what they have written stays, as that of one run does.
            for run in runs.values():
                run.abandon(stop)
            raise


class _Member(Simulation):
    """A run that shares its world with others."""

    def __init__(
        self, world: OpenedWorld, lockstep: Lockstep, scenario: Scenario, progress: Progress, threads: int,
        out: Path | str | None, tables: bool,
    ) -> None:  # fmt: skip
        self._given, self._lockstep = world, lockstep
        super().__init__(scenario, progress=progress, threads=threads, out=out, tables=tables)
        # The time of the world is that of the first run.
        world.timing = dict.fromkeys(world.timing, 0.0)

    def _entered(self, opened: ExitStack, threads: int) -> OpenedWorld:
        """Take the world of all runs, which is closed after them."""
        return self._given

    def advance(self) -> bool:
        """Run through the next tick and all that happens before the one after it; return whether there is a further tick."""
        with self._running():
            return self._engine.advance()

    def ended(self) -> Results:
        """Run to the end, close the run, and return its results."""
        self.finish()
        results = self.results()
        self.close()
        return results

    def abandon(self, failure: BaseException) -> None:
        """End the run because the program is stopped."""
        self._fail(failure)


class _Whole:
    """The progress of several runs as that of one: the mean of what they have done."""

    def __init__(self, report: Progress, runs: int) -> None:
        self.report, self._done = report, [0.0] * runs

    def of(self, number: int) -> Progress:
        """Return the function that gets the progress of one run."""
        return partial(self._note, number)

    def _note(self, number: int, done: float, whole: float, phase: str) -> None:
        self._done[number] = done
        self.report(sum(self._done) / len(self._done), whole, phase)
