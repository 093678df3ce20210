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
            help="Number of the kept frame to draw, from 0. Default: the frame with the highest score: the number of road users that only "
            "fusion found, plus the number of helpers whose data came through a relay (docs/pictures.md).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw pictures of a finished run: what egos saw alone and after fusion, packet delivery, and coverage. No display is needed."""
    from v2xsim.cli.run import draw
    from v2xsim.cli.run_summary import print_paths
    from v2xsim.runfolder import finished

    print_paths("pictures", draw(finished(run), frame))
