"""`v2xsim claim matching`: how good the choice of helpers is, how long it takes, and what it is worth beside asking everybody."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Overrides
from v2xsim.cli.claim.measurements import print_measured
from v2xsim.cli.threads import use_one_thread

NAME = "matching"
EXAMPLE = "Example: v2xsim claim matching nlos_grid --cases 100 --repeats 5 --set run.duration_s=2"


def command(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENARIO]...",
            help="Scenarios: YAML files or packaged ones. Default: nlos_grid and hidden_grid.",
            show_default=False,
        ),
    ] = None,
    cases: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of random cases, with 8 and with 14 helpers each, in which rules are compared with the optimum.",
        ),
    ] = 1000,
    repeats: Annotated[
        int, typer.Option(min=1, help="Number of repetitions of each choice that is timed; medians are printed.")
    ] = 31,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds of each scenario: 1, 2, and so on.")] = 1,
    known: Annotated[
        int,
        typer.Option(
            min=2, help="Number of helpers that an ego must know so that its frame counts in the table asked."
        ),
    ] = 8,
    overrides: Overrides = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the choice of helpers with the optimum on small random cases and with asking everybody, and measure its time.

    The first two tables are for the rules blind_cells and most_weight, for the latter also without sets that are tried (tried 0: the greedy choice alone).
    Columns of the first table: mean, worst: share of the optimum that is reached, on average and in the worst case; optimal: share of the cases
    in which it is reached; lines: the aims. Columns of the second: choice: time of all choices of one tick; cpu: processor time of the same, which
    is compared with the aim; sizes: further processor time to predict the sizes of the answers. Measure times on an idle machine.

    For the other tables, a scenario runs three times for each seed: under its own rule, and under history with 1 and 3 helpers. All else is computed
    from the matrices that reached the egos, as if all answers arrived. Columns of the third table: coverage: share of the blind weight that everybody
    would cover; occupied: share of the occupied cells that everybody would send; bytes share: size of the answers relative to those of everybody, who
    is asked for all blind cells; matched share: the same if everybody is asked only for what he announced. Column of the fourth: covered: share of the blind weight that the helpers picked by a rule announced.
    """
    use_one_thread()
    from v2xsim.claims.matching_asked import FAMILIES, Tallied, asked_rows, pick_rows
    from v2xsim.claims.matching_greedy import greedy_rows
    from v2xsim.claims.matching_time import time_rows
    from v2xsim.scenario import load

    tallied = [Tallied(load(name, overrides or []), seeds, known) for name in scenarios or FAMILIES]
    print_measured(
        {
            "greedy": lambda show: greedy_rows(cases),
            "time": lambda show: time_rows(repeats),
            "asked": lambda show: asked_rows(tallied),
            "picked": lambda show: pick_rows(tallied),
        },
        as_json,
        as_csv,
    )
