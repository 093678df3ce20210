"""`v2xsim import-osm`: turn an OpenStreetMap extract into a scenario."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from v2xsim.cli.notes import print_notices
from v2xsim.cli.progress import step_lines
from v2xsim.errors import in_command
from v2xsim.notices import Notice

NAME = "import-osm"
EXAMPLE = "Example: v2xsim import-osm town.osm.xml.gz --out my_town --duration 600"


class DrivingSide(Enum):
    """Side of the road on which traffic drives."""

    LEFT = "left"
    RIGHT = "right"


def command(
    osm_file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="OpenStreetMap extract: a .osm or .osm.xml file, which may be packed with gzip or bzip2.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write into; must be new or empty.", show_default=False)
    ],
    duration: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1.0,
            max=86_400.0,
            help="Duration of the run of the scenario. The traffic lasts as long, with nearly the same number of vehicles all the time.",
        ),
    ] = 30.0,
    driving_side: Annotated[
        DrivingSide | None,
        typer.Option(
            help="Side of the road on which traffic drives; by default it is found from the extract and from where it lies.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turn an OpenStreetMap extract into roads, buildings, traffic and a scenario that runs.

    What the extract has and the scenario lacks is reported on standard error.
    """
    # Imported here, so that --help does not wait for the libraries that this loads.
    from v2xsim.import_osm import import_osm

    notices: list[Notice] = []
    side: Literal["left", "right"] | None = None
    if driving_side is not None:
        side = "left" if driving_side is DrivingSide.LEFT else "right"
    with step_lines() as show:
        scenario = import_osm(
            osm_file, out, duration_s=duration, driving_side=side, progress=show, notify=notices.append
        )
    print_notices(notices)
    typer.echo(f"scenario: {scenario}")
    typer.echo(f"next:     v2xsim run {in_command(scenario)}")
