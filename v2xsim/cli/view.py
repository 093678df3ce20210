"""`v2xsim view`: pictures of a finished run."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "view"
EXAMPLE = "Example: v2xsim view runs/demo-1"


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)],
    frame: Annotated[
        int | None,
        typer.Option(
            help="Number of the kept frame to draw, from 0. Default: the frame that shows most: one point for each road user that only fusion "
            "found, one for each helper whose data came through a relay; of equal frames, that with the larger filled share of the blind zone.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw pictures of a finished run: what egos saw alone and after fusion, packet delivery, and coverage. No display is needed."""
    from v2xsim.cli.run import draw
    from v2xsim.cli.run_summary import print_paths
    from v2xsim.runfolder import finished

    print_paths("pictures", draw(finished(run), frame))
