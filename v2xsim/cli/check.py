"""`v2xsim check`: check whether a scenario can be run, without running it."""

from typing import TYPE_CHECKING, Annotated

import typer

from v2xsim.cli.arguments import Overrides, ScenarioName, Seed
from v2xsim.cli.layout import print_text, terminal_width
from v2xsim.cli.notes import print_notices, print_warnings
from v2xsim.errors import UserError

if TYPE_CHECKING:
    from v2xsim.estimate.estimate import RunEstimate
    from v2xsim.notices import Notice
    from v2xsim.scenario import Scenario

NAME = "check"
EXAMPLE = "Example: v2xsim check my_town/town.yaml --strict --estimate"


# How the summary names what takes processor time.
_PARTS = {
    "run": "start and end of the run", "building": "buildings", "warm-up vehicle step": "warm-up", "vehicle tick": "road users",
    "link tick": "links", "100,000 rays": "casting of rays", "100,000 rays among buildings": "buildings that rays may hit",
    "ego tick": "egos", "100,000 rays of a recorded cloud": "recorded clouds",
}  # fmt: skip


def command(
    scenario: ScenarioName,
    overrides: Overrides = None,
    seed: Seed = None,
    traffic: Annotated[
        bool | None,
        typer.Option(
            "--traffic/--no-traffic",
            help="Whether to run the traffic, without lidars and radio, and to report what looks wrong in it, such as bodies that "
            "overlap. Default: yes for scripts, traces and recorded traffic, no for traffic that SUMO simulates.",
        ),
    ] = None,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Estimate time, memory and disk of the run, and warn if this machine has less memory or disk free. The traffic runs up to run.begin_s.",
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail with exit code 2 if there is a warning; run the traffic also if SUMO simulates it.",
        ),
    ] = False,
) -> None:
    """Check a scenario without running it: its keys, the limits of values, its parts, the files that it names, and its traffic.

    Warnings on standard error report what is probably wrong: keys without effect, values with which a run means little, data that
    is left out of the input files, bodies that overlap, and settings under which cooperation cannot work. Notes report what is usual,
    such as buildings without a height on the map. Neither stops a run.
    """
    from v2xsim.cli.outline import outline
    from v2xsim.scenario import load

    loaded = load(scenario, overrides or [], seed)
    print_warnings(loaded.notes)
    if loaded.loaded_plugins:
        # Imported here, so that --help does not wait for the compiled kernels that this loads.
        from v2xsim.part_trials import try_own_parts

        try_own_parts(loaded)
    wanted = traffic if traffic is not None else strict or not _needs_sumo(loaded)
    # Imported here, as above.
    from v2xsim.doubtful import unread_matrices, value_notices

    notices = (*value_notices(loaded), *unread_matrices(loaded), *_notices(loaded, wanted))
    cost, cost_notices = _estimate(loaded) if estimate else (None, ())
    notices += cost_notices
    print_notices(notices)
    count = len(dict.fromkeys([*loaded.notes, *(notice.text for notice in notices if notice.is_warning)]))
    if strict and count:
        raise UserError(
            f"{scenario}: {count} {'warning' if count == 1 else 'warnings'}, and --strict allows none; see above"
        )
    typer.echo(f"OK: {scenario}" + (f", {count} {'warning' if count == 1 else 'warnings'}" if count else ""))
    width = terminal_width()
    for part, summary in outline(loaded):
        print_text(f"  {part:<12} {summary}", width)
    if cost is not None:
        print_text("  " + estimate_text(cost), width)
    if not wanted and traffic is None:
        print_text("The traffic was not run; --traffic runs it and reports what looks wrong in it.", width)


def _estimate(scenario: "Scenario") -> "tuple[RunEstimate, tuple[Notice, ...]]":
    # Imported here, so that a plain check does not wait for the engine.
    from v2xsim.estimate.estimate import estimate_notices, estimated, machine_slowness
    from v2xsim.run_arguments import default_threads
    from v2xsim.runfolder import default_folder

    cost = estimated(scenario, default_threads(), machine_slowness())
    return cost, tuple(estimate_notices(scenario, cost, default_folder(scenario, {})))


def estimate_text(cost: "RunEstimate") -> str:
    """Return an estimate as one line of the summary of a scenario."""
    from v2xsim.cli.progress import duration
    from v2xsim.estimate.costs import CPU_US, cpu_amounts
    from v2xsim.estimate.estimate import shares
    from v2xsim.run_arguments import default_threads
    from v2xsim.study.labels import counted

    work = cost.workload
    largest = list(shares(cpu_amounts(work, cost.step_s), CPU_US).items())[:3]
    parts = ", ".join(f"{_PARTS.get(name, name)} {share:.0%}" for name, share in largest)
    return (
        f"estimate     {duration(cost.wall_s)} with {counted(default_threads(), 'thread')} on idle processors, {duration(cost.cpu_s)} of processor time, "
        f"{cost.peak_bytes / 1e9:.2f} GB of memory, {cost.disk_bytes / 1e6:,.0f} MB on disk "
        f"(each within {cost.error:.0%} in most scenarios), for {work.vehicles:,} road users and {work.stations:,} stations with {work.links:,} links, "
        f"{work.lidar_stations:,} of the stations with lidars; most processor time goes into {parts}"
    )


def _needs_sumo(scenario: "Scenario") -> bool:
    return scenario.traffic.source not in ("script", "fcd", "recorded")


def _notices(scenario: "Scenario", with_traffic: bool) -> "tuple[Notice, ...]":
    # Imported here, so that neither --help nor a plain check waits for the compiled kernels that this loads.
    if with_traffic:
        from v2xsim.cli.progress import progress_bar
        from v2xsim.traffic_preview import previewed

        with progress_bar() as progress:
            return previewed(scenario, lambda done_s, total_s: progress(done_s, total_s, "traffic"))
    from v2xsim.input_checks import input_notices

    return input_notices(scenario)
