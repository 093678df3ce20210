"""`v2xsim claim memory`: the contribution of HGRN's lower bounds and forget gate to its memory."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Device, OnTorchDevice, check_device
from v2xsim.cli.claim.measurements import Seeds, print_measured

NAME = "memory"
EXAMPLE = "Example: v2xsim claim memory --seeds 1"


def command(
    seeds: Seeds = 3,
    steps: Annotated[int, typer.Option(min=1, help="Number of training steps of each model.")] = 400,
    device: OnTorchDevice = Device.CPU,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Train HGRN to remember the last of several signs, with and without its lower bounds and its forget gate."""
    check_device(device)
    from v2xsim.claims.memory import memory_rows

    print_measured({"memory": lambda show: memory_rows(seeds, steps, device)}, as_json, as_csv)
