"""`v2xsim sweep`: run a scenario with many settings and seeds."""

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2xsim.cli.arguments import AsJson, Overrides
from v2xsim.cli.layout import error_width, print_text, terminal_width
from v2xsim.cli.notes import print_notices, print_warnings
from v2xsim.cli.options import takes_fields_of
from v2xsim.cli.progress import duration, progress_lines, shows_bars
from v2xsim.errors import in_command

if TYPE_CHECKING:
    from v2xsim.study.expected import Estimate
    from v2xsim.study.plan import Plan
    from v2xsim.study.sweep import Report, Swept

NAME = "sweep"
EXAMPLE = "Example: v2xsim sweep demo --grid cooperation.relay=none,hybrid --seeds 5 --out sweeps/relay"
SOME_FAILED = 1
# Time without a finished point after which the progress names a reason.
_COMPILING_S = 15.0


class Backend(StrEnum):
    """The place where the points of a sweep run: this machine or a Dask cluster."""

    LOCAL = "local"
    DASK = "dask"


@dataclass(frozen=True)
class Options:
    """Options of `v2xsim sweep`; their help texts describe them."""

    sweep: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP", help="A sweep file (YAML), or a scenario to vary with --grid.", show_default=False
        ),
    ]
    grid: Annotated[
        list[str] | None,
        typer.Option(
            "--grid",
            metavar="KEY=A,B,…",
            help="Key of the scenario to vary, with its values; repeatable. All combinations of values run.",
            show_default=False,
        ),
    ] = None
    overrides: Overrides = None
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of seeds; every setting runs with the seeds 1, 2, 3 and so on.", show_default=False
        ),
    ] = None
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to write into. Default: sweeps/NAME.", show_default=False)
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of processes to run in parallel. Default: one per processor.",
            show_default=False,
        ),
    ] = None
    backend: Annotated[
        Backend, typer.Option(help="Where points run: local (this machine) or dask (a Dask cluster).")
    ] = Backend.LOCAL
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Address of the Dask scheduler, such as tcp://login1:8786.", show_default=False
        ),
    ] = None
    memory_per_worker: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory above which the process of a point is stopped and the point listed as failed, such as 2GB or 500MB. Points that ran together run "
            "again apart instead. Default: 90 % of this machine's memory, divided by the number of workers.",
            show_default=False,
        ),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Continue a sweep that was stopped, in the same folder.")] = (
        False
    )
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Run only the failed points of an earlier call again; with --resume, also those that have not run yet.",
        ),
    ] = False
    apart: Annotated[
        bool,
        typer.Option(
            "--apart",
            help="Run each point in a process of its own. Otherwise, points of one seed that differ only in messages and their use (relay rule, fusion, "
            "budget, access and so on) run together, up to 8 in a process, and compute traffic, scans and links once. The results are the same.",
        ),
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the plan, run a trial point and a trial group, and estimate from them time, memory and disk of all points that would run.",
        ),
    ] = False
    as_json: AsJson = False


@takes_fields_of(Options)
def command(options: Options) -> None:
    """Run a scenario with many settings and seeds, in several processes, and collect one table.

    All settings are checked first, and the sweep does not start if one of them cannot be run. A point is one setting with one seed. A point that
    fails is listed and does not stop the others; the exit code is then 1. With --resume, a sweep that was stopped or killed continues.
    """
    plan = _plan(options.sweep, options.grid or [], options.overrides or [], options.seeds)
    print_warnings(plan.notes())
    from v2xsim.notices import Notice
    from v2xsim.study.point_notices import notices_of
    from v2xsim.study.preflight import preflight
    from v2xsim.study.sweep import default_folder, estimate, points_to_run
    from v2xsim.study.sweep import sweep as run_sweep

    memory_bytes = None if options.memory_per_worker is None else _bytes_of(options.memory_per_worker)
    told: list[Notice] = []
    if options.dry_run:
        print_notices(preflight(plan))
        folder = options.out or default_folder(plan)
        _print_plan(plan, None if options.as_json else folder)
        points = points_to_run(plan, folder, resume=options.resume, retry_failed=options.retry_failed)
        together = not options.apart and options.backend is Backend.LOCAL
        cost = estimate(plan, options.workers, memory_bytes, points, together=together)
        print_notices(cost.notices(folder))
        if options.as_json:
            typer.echo(json.dumps(_estimate_object(cost)))
        else:
            _print_estimate(cost)
        return

    def tell(notice: "Notice") -> None:
        told.append(notice)
        print_notices([notice])

    counts: list[int] = []

    def counted(show: "Report") -> "Report":
        def report(finished: int, failed: int, total: int) -> None:
            counts[:] = finished, failed, total
            show(finished, failed, total)

        return report

    try:
        with point_progress() as progress:
            swept = run_sweep(
                plan,
                out=options.out,
                workers=options.workers,
                backend=options.backend.value,
                scheduler=options.scheduler,
                memory_per_worker_bytes=memory_bytes,
                resume=options.resume,
                retry_failed=options.retry_failed,
                together=not options.apart,
                progress=counted(progress),
                notify=tell,
            )
    except KeyboardInterrupt as stop:
        stop.add_note(
            _kept(*counts) if counts else "finished points are kept; continue with the same command and --resume"
        )
        raise
    notices = notices_of(swept.folder)
    print_notices(
        Notice(notice.subject, notice.points, notice.sentence(swept.finished))
        for notice in notices
        if notice.texts > 1 or not any(before.text.endswith(notice.text) for before in told)
    )
    if options.as_json:
        typer.echo(json.dumps(_swept_object(swept) | {"notices": [notice.as_object() for notice in notices]}))
    else:
        _print_swept(swept, len(plan.points))
    if swept.failed:
        raise typer.Exit(SOME_FAILED)


def _bytes_of(text: str) -> int:
    """Return the bytes of a size such as 2GB.

    Raises:
        UserError: If the text is no size, or the size is too small for any point.
    """
    from v2xsim.errors import UserError
    from v2xsim.study.sweep import LEAST_MEMORY_BYTES

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B", text.strip(), re.IGNORECASE)
    if match is None:
        raise UserError(f"--memory-per-worker: must be a number with a unit, such as 2GB or 500MB, got {text!r}")
    count = float(match[1]) * (1024 if match[3] else 1000) ** (" kmgt".index(match[2].lower() or " "))
    if count < LEAST_MEMORY_BYTES:
        raise UserError(f"--memory-per-worker: must be at least 100MB, the memory of an empty process, got {text!r}")
    return round(count)


def _kept(finished: int, failed: int, total: int) -> str:
    """Return what is left of a sweep that was stopped, and how it continues."""
    failures = f", {failed} failed" if failed else ""
    return (
        f"{finished} of {total} points finished{failures}; they are kept; continue with the same command and --resume"
    )


def _plan(sweep: str, grid: Sequence[str], overrides: Sequence[str], seeds: int | None) -> "Plan":
    """Return the plan of a sweep file, or of a scenario with the options of the command line."""
    from v2xsim.errors import UserError
    from v2xsim.scenario.errors import Document, Keys, ScenarioError
    from v2xsim.scenario.load import find, text_of
    from v2xsim.scenario.mistaken import Kind, kind_of, refuse_other_content, refuse_other_file
    from v2xsim.scenario.overrides import shortened
    from v2xsim.scenario.yamltext import read_yaml
    from v2xsim.study.plan import plan_of

    def pair(option: str, text: str) -> tuple[str, Any]:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ScenarioError(f"{option} {text}: must be KEY=VALUE with a dotted key, such as radio.tx_power_dbm=20")
        # Brackets make a list of the values of --grid, which commas separate; a value that is a list has its own brackets.
        parsed = read_yaml(f"[{value}]" if option == "--grid" else value, f"{option} {text}").data
        return key.strip(), parsed

    file = find(sweep)
    refuse_other_file(file, sweep, Kind.SWEEP)
    data = read_yaml(text_of(file, sweep), sweep).data
    kind = kind_of(data)
    if kind in (Kind.PLAN, Kind.SET_UP, Kind.STUDY):
        refuse_other_content(data, sweep, Kind.SWEEP)
    if kind is Kind.SWEEP:
        if grid or overrides or seeds is not None:
            raise UserError(f"{sweep}: is a sweep file; --grid, --set and --seeds are for varying a scenario")
        return plan_of(sweep)
    if not grid and seeds is None:
        raise UserError(
            f"{sweep}: is a scenario; give what to vary with --grid KEY=A,B or --seeds N, or name a sweep file"
        )

    def pairs(option: str, texts: Sequence[str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for text in texts:
            key, value = pair(option, text)
            if key in values:
                raise UserError(f"{option}: {key} is given twice; give one of the values")
            values[key] = value
        return values

    chosen, fixed = pairs("--grid", grid), pairs("--set", overrides)
    name = data["name"] if isinstance(data, dict) and isinstance(data.get("name"), str) else file.stem
    content = {"name": name, "scenario": str(sweep), "grid": chosen, "set": fixed, "seeds": seeds or 1}
    options: dict[Keys, str] = {
        ("grid", key): f"--grid {shortened(text)}" for key, text in zip(chosen, grid, strict=True)
    }
    options |= {("set", key): f"--set {shortened(text)}" for key, text in zip(fixed, overrides, strict=True)}
    return plan_of(Document(sweep, content, options))


@contextmanager
def point_progress() -> Iterator["Report"]:
    """Show a progress bar on standard error, or a line every ten seconds if standard error is not a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not shows_bars(console):
        with progress_lines() as show:
            yield _in_lines(show)
        return
    columns = (
        TextColumn("points"), BarColumn(bar_width=30), MofNCompleteColumn(), TextColumn("{task.fields[failed]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, refresh_per_second=2) as bar:
        task = bar.add_task("points", total=None, failed="")
        begun: list[int] = []

        def report(finished: int, failed: int, total: int) -> None:
            if not begun:
                # The remaining time is estimated only from points of this run, not from those that an earlier run finished.
                begun.append(finished + failed)
                bar.reset(task, total=total, completed=finished + failed)
            bar.update(task, completed=finished + failed, total=total, failed=f"{failed} failed" if failed else "")

        yield report


def _in_lines(show: Callable[[str], None]) -> "Report":
    """Return a function that reports the progress of a sweep as a text."""
    begun_s = time.monotonic()
    first: list[int] = []

    def report(finished: int, failed: int, total: int) -> None:
        over = finished + failed
        first.append(over)
        # The remaining time is estimated only from points of this run, not from those that an earlier run finished.
        ran = over - first[0]
        left = f", about {duration((time.monotonic() - begun_s) / ran * (total - over))} left" if ran else ""
        waits = not ran and time.monotonic() - begun_s > _COMPILING_S
        compiling = (
            "; after an installation, the first points compile code, which may take some minutes" if waits else ""
        )
        show(f"{over} of {total} points, {failed} failed{left}{compiling}")

    return report


def _print_plan(plan: "Plan", folder: Path | None) -> None:
    from v2xsim.study.axes import has_values
    from v2xsim.study.labels import counted, value_text

    counts = f"{plan.source}: {counted(len(plan.settings), 'setting')} x {counted(len(plan.seeds), 'seed')} = {counted(len(plan.points), 'point')}"
    print_text(counts, error_width() if folder is None else terminal_width(), err=folder is None)
    if folder is None:
        return
    for row, setting in enumerate(plan.settings[:10]):
        own = plan.file.baseline
        is_baseline = has_values(setting, own) if own else row == plan.baseline
        mark = " (baseline)" * is_baseline
        _say(f"  {row}: " + ", ".join(f"{key}={value_text(value)}" for key, value in setting.items()) + mark)
    if len(plan.settings) > 10:
        _say(f"  ... and {len(plan.settings) - 10} more")
    _say(f"seeds: {', '.join(map(str, plan.seeds[:10]))}{', ...' if len(plan.seeds) > 10 else ''}")
    _say(f"folder: {folder}")


def _print_estimate(cost: "Estimate") -> None:
    from v2xsim.study.labels import counted

    _say(f"trial point: {cost.outcome.wall_s:.1f} s, {cost.outcome.peak_bytes / 1e9:.2f} GB of memory")
    (least_s, most_s), (least_bytes, most_bytes) = cost.point_wall_s, cost.point_peak_bytes
    _say(
        f"each point: {least_s:.1f} to {most_s:.1f} s, {least_bytes / 1e9:.2f} to {most_bytes / 1e9:.2f} GB of memory, as estimated for "
        f"{cost.counted} of {counted(cost.settings, 'setting')}"
    )
    _say(
        f"all {cost.points}: about {duration(cost.wall_s)} with {counted(cost.workers, 'worker')}, {cost.peak_bytes / 1e9:.1f} GB of "
        f"memory, {_size(cost.disk_bytes)} on disk"
    )


def _print_swept(swept: "Swept", total: int) -> None:
    from v2xsim.study.labels import counted, value_text

    _say(
        f"{swept.finished} of {total} points finished ({swept.ran} now), {len(swept.failed)} failed, {_size(swept.disk_bytes)} on disk"
    )
    for failure in swept.failed[:10]:
        setting = ", ".join(f"{key}={value_text(value)}" for key, value in failure["settings"].items())
        _say(f"  failed: {setting or 'no setting varied'}, seed {failure['seed']}: {failure['reason']}")
        _say(f"    log: {swept.folder / failure['log']}")
    if swept.waiting:
        _say(f"{counted(swept.waiting, 'point')} not run yet; --resume runs {'it' if swept.waiting == 1 else 'them'}")
    if len(swept.failed) > 10:
        _say(f"  ... and {len(swept.failed) - 10} more: {swept.folder / 'failures.json'}")
    if swept.failed:
        _say(
            "after the cause is corrected, run the failed points again with --retry-failed; after a value in the sweep is corrected, continue with --resume"
        )
    _say(f"results: {swept.folder / 'results.parquet'}")
    if swept.finished:
        _say(f"next: v2xsim report {in_command(swept.folder)}")


def _say(text: str) -> None:
    print_text(text, terminal_width())


def _swept_object(swept: "Swept") -> dict[str, Any]:
    return {
        "folder": str(swept.folder), "finished": swept.finished, "ran": swept.ran, "failed": swept.failed, "waiting": swept.waiting,
        "disk_bytes": swept.disk_bytes,
    }  # fmt: skip


def _estimate_object(cost: "Estimate") -> dict[str, Any]:
    return {
        "points": cost.points, "workers": cost.workers, "wall_s": cost.wall_s, "peak_bytes": cost.peak_bytes,
        "disk_bytes": cost.disk_bytes, "trial_wall_s": cost.outcome.wall_s, "point_wall_s": cost.point_wall_s,
        "point_peak_bytes": cost.point_peak_bytes,
    }  # fmt: skip


def _size(count: int) -> str:
    return (
        f"{count / 1e9:.1f} GB"
        if count >= 1e9
        else f"{count / 1e6:.1f} MB"
        if count >= 1e6
        else f"{count / 1e3:.0f} kB"
    )
