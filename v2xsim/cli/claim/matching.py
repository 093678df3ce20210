"""`v2xsim claim matching`: how good the choice of helpers is, and how long it takes."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson
from v2xsim.cli.claim.measurements import print_measured
from v2xsim.cli.threads import use_one_thread

NAME = "matching"
EXAMPLE = "Example: v2xsim claim matching --cases 100 --repeats 5"


def command(
    cases: Annotated[
        int, typer.Option(min=1, help="Number of random cases in which the greedy choice is compared with the optimum.")
    ] = 1000,
    repeats: Annotated[
        int, typer.Option(min=1, help="Number of repetitions of each choice that is timed; medians are printed.")
    ] = 31,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the choice of helpers by blind_cells with the optimum on small random cases, and measure how long choices take.

    Columns of the first table: mean, worst: share of the optimum that is reached, on average and in the worst case; optimal: share of the cases
    in which it is reached; lines: the aims. Columns of the second: choice: time of all choices of one tick; cpu: processor time of the same, which
    is compared with the aim; sizes: further processor time to predict the sizes of the answers. Measure times on an idle machine.
    """
    use_one_thread()
    from v2xsim.claims.matching_greedy import greedy_rows
    from v2xsim.claims.matching_time import time_rows

    print_measured(
        {"greedy": lambda show: greedy_rows(cases), "time": lambda show: time_rows(repeats)}, as_json, as_csv
    )
