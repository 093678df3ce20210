"""`v2xsim demo`: run the packaged demo and draw its pictures."""

import typer

from v2xsim.cli import run
from v2xsim.cli.arguments import AsCsv, AsJson, OnDevice, Out, Overrides, Seed

NAME = "demo"
EXAMPLE = "Example: v2xsim demo --out runs/first-look"
_NEXT = (
    "`v2xsim study run relay_short --seeds development` shows when a relay is worth its spectrum (about three minutes)"
)


def command(
    overrides: Overrides = None,
    seed: Seed = None,
    out: Out = None,
    device: OnDevice = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Run the packaged demo and draw its pictures: a truck and a corner building hide a crossing car from the ego."""
    run.command("demo", overrides, seed, out, device, as_json, as_csv, pictures=True)
    if not (as_json or as_csv):
        typer.echo(f"next: {_NEXT}")
