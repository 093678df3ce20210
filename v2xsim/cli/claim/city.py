"""`v2xsim claim city`: the number of vehicles from which an index is faster than comparing all descriptors."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson
from v2xsim.cli.claim.measurements import print_measured
from v2xsim.cli.threads import use_one_thread

NAME = "city"
EXAMPLE = "Example: v2xsim claim city --vehicles 1000 --vehicles 10000"
_USUAL = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)


def command(
    vehicles: Annotated[
        list[int] | None,
        typer.Option(
            min=2,
            max=200_000,
            help="Number of vehicles in the city; repeatable. Default: seven numbers from 1000 to 100000.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the HNSW index with brute force in a city whose vehicles update and look up descriptors every second.

    The command runs on one thread, with descriptors that each vehicle updates 0.1 to 5 times per second. One row for 100000 vehicles takes minutes.
    """
    use_one_thread()
    from v2xsim.claims.city import city_rows

    print_measured({"city": lambda show: city_rows(tuple(vehicles or _USUAL))}, as_json, as_csv)
