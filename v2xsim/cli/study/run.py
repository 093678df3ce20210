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
            help="Run one trial point of each family, and estimate from it the time of all points that would run.",
        ),
    ] = False


@takes_fields_of(Options)
def command(options: Options) -> None:
    """Run all rules of a study with all values of the load axis, in all families and with all of its development or test seeds.

    Each family is a sweep with a folder of its own. All settings of all families are checked first. A call that was stopped continues with the same command; finished points are
    kept. A point that fails is listed and does not stop the others; the exit code is then 1. If none failed, the report is written as by v2xsim study report. The file study.json records the SHA-256 digest of the study file and the time of the
    first run.
    """
    from v2xsim.study.study_folder import begin, default_folder, is_begun, points_text
    from v2xsim.study.study_plan import plans_of, settings_of_rules
    from v2xsim.study.studyfile import read_study_file
    from v2xsim.study.sweep import sweep

    file, document, path = read_study_file(options.file)
    plans = plans_of(file, document, path.parent, options.seeds.value, options.family or ())
    print_warnings(note for family in plans for note in family.plan.notes())
    folder = options.out or default_folder(file, options.seeds.value)
    _say(f"{file.name}, {options.seeds.value} seeds: {points_text(plans)}")
    if options.dry_run:
        _estimate(plans, folder, options)
        return
    begin(folder, path, options.seeds.value)
    failed, settings = 0, settings_of_rules(file)
    for number, family in enumerate(plans, 1):
        _say(f"family {number} of {len(plans)}: {family.name}")
        try:
            with point_progress() as progress:
                swept = sweep(
                    family.plan, out=folder / family.name, workers=options.workers, resume=is_begun(folder, family), retry_failed=options.retry_failed and is_begun(folder, family),
                    progress=progress, notify=lambda notice: print_notices([notice]),
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


def _estimate(plans: "tuple[FamilyPlan, ...]", folder: Path, options: Options) -> None:
    from v2xsim.study.study_folder import is_begun
    from v2xsim.study.sweep import estimate, points_to_run

    total_s = 0.0
    for family in plans:
        place = folder / family.name
        points = points_to_run(family.plan, place, resume=is_begun(folder, family), retry_failed=options.retry_failed)
        if not points:
            _say(f"  {family.name}: all points are finished")
            continue
        cost = estimate(family.plan, options.workers, points=points)
        print_notices(cost.notices(place))
        total_s += cost.wall_s
        _say(f"  {family.name}: {len(points)} points, about {duration(cost.wall_s)}")
    _say(f"all together: about {duration(total_s)}")


def _say(text: str) -> None:
    print_text(text, terminal_width())
