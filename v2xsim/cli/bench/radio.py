"""`v2xsim bench radio`: computing time of the radio."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, check_one_format
from v2xsim.cli.tables import print_rows, print_table

if TYPE_CHECKING:
    from v2xsim.bench.radio import Cost

NAME = "radio"
EXAMPLE = "Example: v2xsim bench radio --vehicles 200 --vehicles 1000"
_USUAL = (100, 200, 500, 1000, 2000)
_FORMATS = {
    "CPU s / s": ".3f", "times real time": ".1f", "geometry": ".0%", "radio": ".0%", "engine": ".0%", "delivered": ".2f",
}  # fmt: skip


def command(
    vehicles: Annotated[
        list[int] | None,
        typer.Option(
            min=2,
            max=200_000,
            help="Number of vehicles; repeatable. Default: 100, 200, 500, 1000 and 2000.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure the CPU time of each radio access scheme per simulated second.

    Each scheme runs on two channels: the one used for validation, and one that computes blockage by moving vehicles. The table also shows
    which shares of the time are spent on link geometry, on the radio and in the engine.
    """
    check_one_format(as_json, as_csv)
    from v2xsim.bench.radio import all_costs

    costs = []
    for cost in all_costs(tuple(vehicles or _USUAL)):
        costs.append(cost)
        typer.echo(f"{cost.access}, {cost.channel}, {cost.vehicles} vehicles: {cost.cpu_s_per_sim_s:.3f}", err=True)
    if as_json or as_csv:
        print_rows("costs", [asdict(cost) for cost in costs], as_json, as_csv)
    else:
        print_table("CPU seconds per simulated second", [_cells(cost) for cost in costs], _FORMATS, merge=False)


def _cells(cost: "Cost") -> dict[str, object]:
    return {
        "access": cost.access, "channel": cost.channel, "vehicles": cost.vehicles, "CPU s / s": cost.cpu_s_per_sim_s,
        "times real time": 1 / max(cost.cpu_s_per_sim_s, 1e-9), "geometry": cost.geometry, "radio": cost.radio,
        "engine": cost.engine, "delivered": cost.delivered,
    }  # fmt: skip
