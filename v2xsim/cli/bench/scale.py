"""`v2xsim bench scale`: what runs cost against their size."""

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, check_one_format
from v2xsim.cli.tables import print_table

if TYPE_CHECKING:
    from v2xsim.bench.scale import Point

NAME = "scale"
EXAMPLE = "Example: v2xsim bench scale --axis lidars --axis duration --json"
_FORMATS = {"real time": ".2f", "cpu_s": ".2f", "wall_s": ".2f", "memory_mb": ".0f", "disk_mb": ".1f"}


class Axis(StrEnum):
    """Quantity that grows from run to run."""

    VEHICLES = "vehicles"
    STATIONS = "stations"
    LIDARS = "lidars"
    DURATION = "duration"
    THREADS = "threads"


def command(
    axis: Annotated[
        list[Axis] | None,
        typer.Option(
            help="Quantity that grows from run to run; repeatable. Default: all, and runs of the shipped scenarios.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Measure small runs only: less than two minutes.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure time, memory and disk of runs against vehicles, stations, lidars, duration and threads, and fit exponents.

    Each run simulates a motorway with 60 vehicles per kilometre, in a process of its own. Along the axis of stations, there are two vehicles per station, so
    each station has as many neighbours on a long motorway as on a short one. Without --axis, the shipped scenarios run, too. The command takes less than ten
    minutes on two processors.
    """
    check_one_format(as_json, as_csv)
    from v2xsim.bench.scale import costs, growths, points

    measured = []
    for point in points(quick, [one.value for one in axis] if axis else [one.value for one in Axis] + ["shipped"]):
        measured.append(point)
        size = point.size
        typer.echo(
            f"{point.axis}: {_scene(point)}, {size.duration_s:g} s, {size.threads} {'thread' if size.threads == 1 else 'threads'}: {point.real_time_factor:.2f} x real time, {point.cpu_s:.2f} s of processor time",
            err=True,
        )
    grown = growths(measured)
    if as_json:
        if axis:
            typer.echo("no costs of single things: they need the runs of all axes, so leave out --axis", err=True)
        import json

        content = {
            "points": [asdict(point) for point in measured],
            # Along one axis, most things grow together or not at all, so their costs cannot be told apart.
            "costs": {} if axis else {what: asdict(fit) for what, fit in costs(measured).items()},
            "growth": {along: {cost: asdict(fit) for cost, fit in fits.items()} for along, fits in grown.items()},
        }
        typer.echo(json.dumps(content, allow_nan=False))
        return
    rows = [_cells(point) for point in measured]
    if as_csv:
        from v2xsim.cli.layout import print_csv

        print_csv(rows)
        return
    print_table("Cost of runs", rows, _FORMATS, merge=False)
    typer.echo()
    fitted: list[dict[str, object]] = [
        {
            "axis": along, "cost": cost, "exponent": fit.exponent, "fixed cost": fit.fixed_is,
            "fixed share": fit.fixed / (fit.fixed + fit.factor), "error": fit.error,
        }
        for along, fits in grown.items()
        for cost, fit in fits.items()
    ]  # fmt: skip
    print_table(
        "cost = fixed + factor x size ^ exponent",
        fitted,
        {"exponent": ".3f", "fixed share": ".0%", "error": ".1%"},
        merge=False,
    )


def _scene(point: "Point") -> str:
    work = point.workload
    return f"{point.size.scenario} of {work['vehicles']} vehicles, {work['stations']} stations, {work['lidar_stations']} lidars"


def _cells(point: "Point") -> dict[str, object]:
    size, work = point.size, point.workload
    return {
        "axis": point.axis, "scenario": size.scenario, "vehicles": work["vehicles"], "stations": work["stations"],
        "lidars": work["lidar_stations"], "s": size.duration_s,
        "threads": size.threads, "real time": point.real_time_factor, "cpu_s": point.cpu_s, "wall_s": point.wall_s,
        "memory_mb": point.peak_bytes / 1e6, "disk_mb": point.disk_bytes / 1e6,
    }  # fmt: skip
