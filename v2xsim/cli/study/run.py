"""`v2xsim study run`: run all rules of a study with all loads, families and seeds."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from v2xsim.cli.layout import print_text, terminal_width
from v2xsim.cli.notes import print_notices, print_warnings
from v2xsim.cli.options import takes_fields_of
from v2xsim.cli.progress import duration
from v2xsim.cli.sweep import SOME_FAILED, point_progress
from v2xsim.errors import in_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from v2xsim.study.plan import Point
    from v2xsim.study.study_folder import Provenance
    from v2xsim.study.study_plan import FamilyPlan

NAME = "run"
EXAMPLE = "Example: v2xsim study run relay --seeds development --dry-run"
_MOST_FAILURES = 5


class SeedsOf(StrEnum):
    """Which seeds of a study file run."""

    DEVELOPMENT = "development"
    TEST = "test"


@dataclass(frozen=True)
class Options:
    """Options of `v2xsim study run`; their help texts describe them."""

    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A study file (YAML), or the name of a packaged one, such as relay.",
            show_default=False,
        ),
    ]
    seeds: Annotated[
        SeedsOf,
        typer.Option(
            help="Seeds to run: development, or test. After the first test run, the study file must not change.",
            show_default=False,
        ),
    ]
    family: Annotated[
        list[str] | None,
        typer.Option("--family", metavar="NAME", help="Family to run; repeatable. Default: all.", show_default=False),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to write into. Default: studies/NAME/development or studies/NAME/test.",
            show_default=False,
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of points to run in parallel. Default: one per processor.", show_default=False
        ),
    ] = None
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run the points again that failed in an earlier call.")
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Run a trial point and a trial group of each family, and estimate from them the time of each family and of the whole study.",
        ),
    ] = False


@takes_fields_of(Options)
def command(options: Options) -> None:
    """Run all rules of a study with all values of the load axis, in all families and with all of its development or test seeds.

    Each family is a sweep with a folder of its own. All settings of all families are checked before the first run of any. A call that was stopped continues with the same command; finished points are
    kept. A point that fails is listed and does not stop the others; the exit code is then 1. If none failed, the report is written as by v2xsim study report. The file study.json records the SHA-256 digest of the study file and the time of the
    first run.
    """
    from v2xsim.study.store import check_continues
    from v2xsim.study.study_folder import begin, check_folder, default_folder, is_begun, points_text, provenance_in
    from v2xsim.study.study_plan import plans_of, settings_of_rules
    from v2xsim.study.studyfile import read_study_file
    from v2xsim.study.sweep import sweep

    file, document, path = read_study_file(options.file)
    plans = plans_of(file, document, path.parent, options.seeds.value, options.family or ())
    print_warnings(note for family in plans for note in family.plan.notes())
    folder = options.out or default_folder(file, options.seeds.value)
    if not options.dry_run:
        check_folder(folder)
    _say(f"{file.name}, {options.seeds.value} seeds: {points_text(plans)}")
    for family in plans:
        if is_begun(folder, family):
            check_continues(folder / family.name, family.plan)
    waiting = _waiting(plans, folder, options)
    _check(plans, waiting)
    if options.dry_run:
        _estimate(plans, waiting, folder, options)
        return
    begin(folder, path, options.seeds.value, [family for family in plans if waiting[family.name]])
    _warn_of_plan(provenance_in(folder))
    failed, settings = 0, settings_of_rules(file)
    for number, family in enumerate(plans, 1):
        _say(f"family {number} of {len(plans)}: {family.name}")
        try:
            with point_progress() as progress:
                swept = sweep(
                    family.plan, out=folder / family.name, workers=options.workers, resume=is_begun(folder, family), retry_failed=options.retry_failed and is_begun(folder, family),
                    progress=progress, checked=True,
                )  # fmt: skip
        except KeyboardInterrupt as stop:
            stop.add_note("finished points are kept; continue with the same command")
            raise
        failed += len(swept.failed)
        _say(
            f"  {swept.finished} of {len(family.plan.points)} points finished ({swept.ran} now), {len(swept.failed)} failed"
        )
        for failure in swept.failed[:_MOST_FAILURES]:
            rule, value = settings[failure["setting"]]
            _say(f"  failed: {rule.name}, {rule.load.key}={value:g}, seed {failure['seed']}: {failure['reason']}")
            _say(f"    log: {swept.folder / failure['log']}")
        if len(swept.failed) > _MOST_FAILURES:
            _say(f"  ... and {len(swept.failed) - _MOST_FAILURES} more: {swept.folder / 'failures.json'}")
    if failed:
        _say("after the cause is corrected, run the failed points again with --retry-failed")
        _say(f"next: v2xsim study report {in_command(folder)}")
        raise typer.Exit(SOME_FAILED)
    from v2xsim.cli.study.report import command as report

    report(folder)


def _warn_of_plan(known: "Provenance") -> None:
    """Warn if the plan of a test lies in a repository, but is not committed, or if points ran with different code."""
    from v2xsim.study.git_state import InGit
    from v2xsim.study.study_provenance import codes_of

    states = [file.state for call in known.calls for file in call.files if file.sha256 == known.sha256]
    if known.purpose == "test" and states and states[0] in (InGit.CHANGED, InGit.UNTRACKED):
        print_warnings(
            [f"{known.age_of_plan}; commit it first, and name a new folder with --out, if a reader shall see that"]
        )
    if len(codes := codes_of(known.calls)) > 1:
        print_warnings(
            [
                f"points of this study run with different code: {'; '.join(codes)}; to run all with one, name a new folder with --out"
            ]
        )


def _waiting(plans: "Sequence[FamilyPlan]", folder: Path, options: Options) -> "dict[str, list[Point]]":
    """Return the points that would run, by the name of the family."""
    from v2xsim.study.study_folder import is_begun
    from v2xsim.study.sweep import points_to_run

    return {
        family.name: points_to_run(
            family.plan, folder / family.name, resume=is_begun(folder, family), retry_failed=options.retry_failed
        )
        for family in plans
    }


def _check(plans: "Sequence[FamilyPlan]", waiting: "Mapping[str, Sequence[Point]]") -> None:
    """Check the settings of all families of which points would run, and print what is remarkable.

    Raises:
        ScenarioError: If a setting cannot be run; the message has those of all families.
    """
    from v2xsim.scenario.errors import ScenarioError
    from v2xsim.study.preflight import preflight

    refused = []
    for family in plans:
        if not waiting[family.name]:
            continue
        try:
            print_notices(preflight(family.plan))
        except ScenarioError as error:
            refused.append(str(error))
    if refused:
        raise ScenarioError("\n".join(refused))


def _estimate(
    plans: "Sequence[FamilyPlan]", waiting: "Mapping[str, Sequence[Point]]", folder: Path, options: Options
) -> None:
    """Print how long each family and the whole study would take."""
    from v2xsim.study.labels import counted
    from v2xsim.study.sweep import default_workers, estimate

    total_s = 0.0
    for family in plans:
        points = waiting[family.name]
        if not points:
            _say(f"  {family.name}: all points are finished")
            continue
        cost = estimate(family.plan, options.workers, points=points)
        print_notices(cost.notices(folder / family.name))
        total_s += cost.wall_s
        shared = f"; points of a group share {100 * cost.shared:.0f} % of it" if cost.shared else ""
        _say(
            f"  {family.name}: {counted(len(points), 'point')}, about {duration(cost.wall_s)} (alone, a point takes {_range(cost.point_wall_s)} s{shared})"
        )
    workers = options.workers or default_workers(plans[0].plan)
    _say(f"all together: about {duration(total_s)} with {counted(workers, 'worker')}")


def _range(ends: tuple[float, float]) -> str:
    low, high = (f"{end:.1f}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _say(text: str) -> None:
    print_text(text, terminal_width())
