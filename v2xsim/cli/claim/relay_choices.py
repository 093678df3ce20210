"""`v2xsim claim relay-choices`: how often relay rules pick differently, what that is worth, and which of their terms saturate."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Overrides
from v2xsim.cli.claim.measurements import print_measured

NAME = "relay-choices"
EXAMPLE = "Example: v2xsim claim relay-choices t_junction --seeds 1 --set run.duration_s=2"


def command(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENARIO]...",
            help="Scenarios: YAML files or packaged ones. Default: the six of docs/nlos.md, from nlos_grid to rural_trucks.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of runs of each scenario, with the seeds 1, 2, and so on.")
    ] = 3,
    overrides: Overrides = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure how often relay rules pick differently from the same candidates, what that is worth, and which of their terms saturate.

    The scenario's own rule drives the run. Each time a station chooses among two or more candidates, every rule picks one of them by its
    score, without hysteresis. Choices of egos for their requests and of stations that may pass on broadcasts count alike.

    Columns of the first table: choices and candidates (mean number in a choice) of a run; differ is the share of the choices in which the two
    rules pick differently, with the least and the most of single runs; by score leaves out those in which one of them has equal scores and picks by chance. Columns of the second: once is the true probability
    that a packet crosses both hops over the candidate that the rule picks, without interference; retried is the same with the retries of the scenario on each hop. Columns of the third: at lower and at upper are the shares of
    candidates at an end of the term; tied and tied at end are the shares of choices whose two best candidates are equal, and equal at an end;
    spread is the mean difference between the best and the worst candidate of a choice.
    """
    from v2xsim.claims.relay_choices import FAMILIES, Tallied, choice_rows, term_rows
    from v2xsim.claims.relay_worth import worth_rows
    from v2xsim.scenario import load

    tallied = [Tallied(load(name, overrides or []), seeds) for name in scenarios or FAMILIES]
    print_measured(
        {
            "choices": lambda show: choice_rows(tallied),
            "worth": lambda show: worth_rows(tallied),
            "terms": lambda show: term_rows(tallied),
        },
        as_json,
        as_csv,
    )
