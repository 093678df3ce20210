"""`v2xsim claim tall-relay`: how much farther a tall vehicle reaches than a car."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson
from v2xsim.cli.claim.measurements import print_measured

NAME = "tall-relay"
EXAMPLE = "Example: v2xsim claim tall-relay --seeds 1"
_USUAL = (0.1, 0.3)


def command(
    truck_share: Annotated[
        list[float] | None,
        typer.Option(
            min=0.01,
            max=0.99,
            help="Share of trucks on the motorway; repeatable. Default: 0.1 and 0.3.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of runs, with the seeds 1, 2, and so on.")] = 3,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the range at a delivery of 0.9 between two cars with that between a car and a truck or bus, on a motorway.

    All vehicles have a radio on the roof and block links; there is no interference.
    """
    from v2xsim.claims.tall_relay import range_rows

    print_measured({"range": lambda show: range_rows(tuple(truck_share or _USUAL), seeds)}, as_json, as_csv)
