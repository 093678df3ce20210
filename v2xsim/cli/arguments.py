"""Arguments and options that several commands take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where torch works."""

    CPU = "cpu"
    CUDA = "cuda"


ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="A YAML file, or a packaged scenario: demo, highway, urban_grid.", show_default=False
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a key of the scenario, such as radio.tx_power_dbm=20; can be given again. Paths count from the working folder.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, help="Takes the place of run.seed.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder to write; runs/NAME-SEED if left out.", show_default=False),
]
OnDevice = Annotated[
    Device | None, typer.Option(help="Where torch does its work; takes the place of run.device.", show_default=False)
]
