"""`v2xsim import-osm`: turn an OpenStreetMap extract into a scenario."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "import-osm"
EXAMPLE = "Example: v2xsim import-osm town.osm.xml.gz --out my_town"


def command(
    osm_file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="OpenStreetMap extract: a .osm or .osm.xml file, which may be gzipped.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder to write into; must be new or empty.", show_default=False)
    ],
) -> None:
    """Turn an OpenStreetMap extract into roads, buildings, traffic and a scenario that runs."""
    # Imported here, so that --help does not wait for the libraries that this loads.
    from v2xsim.import_osm import import_osm

    scenario = import_osm(osm_file, out, progress=lambda what: typer.echo(what, err=True))
    typer.echo(f"scenario: {scenario}")
    typer.echo(f"next:     v2xsim run {scenario}")
