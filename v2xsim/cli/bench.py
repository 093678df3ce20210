"""`v2xsim bench`: what parts of the simulator cost on this machine."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

NAME = "bench"
EXAMPLE = "Example: v2xsim bench radio --vehicles 200 --vehicles 1000"


class Subject(StrEnum):
    """What can be measured."""

    RADIO = "radio"


def command(
    subject: Annotated[Subject, typer.Argument(help="What to measure.", show_default=False)],
    vehicles: Annotated[
        list[int] | None,
        typer.Option(
            min=2,
            max=20_000,
            help="Number of vehicles; can be given again. 100 to 2000 if left out.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")
    ] = False,
) -> None:
    """Measure CPU seconds per simulated second of each access scheme, and what they go into."""
    from rich.console import Console
    from rich.table import Table

    from v2xsim.bench.radio import all_costs

    rows = []
    for cost in all_costs(tuple(vehicles or (100, 200, 500, 1000, 2000))):
        rows.append(cost)
        typer.echo(f"{cost.access}, {cost.channel}, {cost.vehicles} vehicles: {cost.cpu_s_per_sim_s:.3f}", err=True)
    if as_json:
        typer.echo(json.dumps({"rows": [asdict(row) for row in rows]}, allow_nan=False))
        return
    table = Table(title="CPU seconds per simulated second", title_justify="left")
    for name in (
        "access",
        "channel",
        "vehicles",
        "CPU s / s",
        "times real time",
        "geometry",
        "radio",
        "engine",
        "delivered",
    ):
        table.add_column(name, justify="left" if name in ("access", "channel") else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.access, row.channel, f"{row.vehicles:,}", f"{row.cpu_s_per_sim_s:.3f}", f"{1 / max(row.cpu_s_per_sim_s, 1e-9):.1f}",
            f"{row.geometry:.0%}", f"{row.radio:.0%}", f"{row.engine:.0%}", f"{row.delivered:.2f}",
        )  # fmt: skip
    Console(highlight=False, width=120).print(table)
