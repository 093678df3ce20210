"""`v2xsim view`: pictures of a finished run."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Picture(StrEnum):
    """Pictures that are drawn only when they are asked for."""

    VISIBILITY = "visibility"


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
    picture: Annotated[
        Picture | None,
        typer.Option(
            help="Draw another picture instead: visibility is a map of the ground that lidars saw, and of the road users that none saw. Lidars are cast "
            "again for it, which takes 5 to 60 s.",
            show_default=False,
        ),
    ] = None,
    station: Annotated[
        str | None,
        typer.Option(
            help="With --picture visibility: name of the only station whose lidars count. Default: those of all stations.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw pictures of a finished run: what egos saw alone and after fusion, packet delivery, and coverage. No display is needed."""
    from v2xsim.cli.run import draw
    from v2xsim.cli.run_summary import print_paths
    from v2xsim.runfolder import finished

    if picture is not None:
        if frame is not None:
            raise typer.BadParameter(
                "has no effect with --picture visibility, which shows the whole run; leave it out", param_hint="--frame"
            )
        from v2xsim.viz import render_visibility

        print_paths("pictures", [render_visibility(finished(run), station=station)])
        return
    if station is not None:
        raise typer.BadParameter(
            "is for --picture visibility; add that, or leave --station out", param_hint="--station"
        )
    print_paths("pictures", draw(finished(run), frame))
