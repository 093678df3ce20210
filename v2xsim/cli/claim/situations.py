"""`v2xsim claim situations`: how often useful helpers are out of reach, and how often a relay would reach them."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Overrides
from v2xsim.cli.claim.measurements import print_measured

NAME = "situations"
EXAMPLE = "Example: v2xsim claim situations nlos_grid --seeds 1"


def command(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENARIO]...",
            help="Scenarios: YAML files or packaged ones. Default: the packaged families of docs/nlos.md, without the town.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of runs of each scenario, with the seeds 1, 2, and so on.")
    ] = 3,
    every: Annotated[
        float, typer.Option(min=0.05, max=5.0, help="Time between two instants of a run in seconds (run.step_s).")
    ] = 0.5,
    overrides: Overrides = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure how often helpers that fill 5 % of an ego's blind zone are out of direct reach, and how often a relay would reach them.

    The figures are the truth of the channel and of the lidars; no station knows them, and no message is sent. An ego-helper pair is
    dead below a true delivery of 0.7, and relayable if the product of the deliveries of two hops over some station is at least 0.7.

    Columns: useful s are the ego-helper-seconds of a run; dead and relayable are shares of these, behind building and behind vehicle
    shares of the dead ones, and choice is the share of the relayable ones with two or more stations that could relay. Least and most
    are those of single runs. distance m is the mean distance between ego and helper of the relayable ones.
    """
    from v2xsim.claims.situations import FAMILIES, situation_rows
    from v2xsim.scenario import load

    chosen = [load(name, [*(overrides or []), f"run.step_s={every:g}"]) for name in scenarios or FAMILIES]
    print_measured({"situations": lambda show: situation_rows(chosen, seeds)}, as_json, as_csv)
