"""`v2xsim bench lidar`: rays per second of the lidar and camera kernels beside Embree."""

from itertools import chain
from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, check_one_format
from v2xsim.cli.tables import print_rows, reported
from v2xsim.cli.threads import use_one_thread

NAME = "lidar"
EXAMPLE = "Example: v2xsim bench lidar --json > lidar.json"


def command(
    threads: Annotated[
        int,
        typer.Option(
            min=1,
            max=256,
            help="Number of threads: each scans with a lidar of its own, and Embree shares the rays of one scan among them.",
        ),
    ] = 1,
    turns: Annotated[
        int, typer.Option(min=1, help="Number of scans of each engine in each scene; medians are printed.")
    ] = 25,
    torch_on_cpu: Annotated[
        bool,
        typer.Option(
            "--torch-on-cpu",
            help="Measure the batched caster in torch also if there is no GPU, with 4 lidars; it is slow there.",
        ),
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure rays per second of the lidar and camera kernels, and of Embree through Open3D, on the same scenes.

    A lidar has 64 x 1800 rays, a camera 640 x 480 pixels with depth, range, instance and class. There are 200 vehicles: in the streets of a town between 60 houses,
    or on a square without houses, as boxes or as meshes. All vehicles move between two scans, so Embree builds its scene again each time, and this counts; the rows
    "scene built before" leave it out, as for many lidars that share a scene. With
    one thread, times are those of the processor. Columns: against embree: rays per second relative to Embree; equal: share of the rays whose range is that of
    Embree to 1 mm. In the scene turning, the sensor moves while it turns; Embree casts all rays of the turn at once.

    If torch finds a GPU, the batched caster in torch is measured there, too: 64 lidars on vehicles of the same scenes at once, wall-clock time, results left on the GPU.
    """
    check_one_format(as_json, as_csv)
    use_one_thread()
    from v2xsim.bench.lidar import absent, all_rows, torch_rows

    for name in absent():
        typer.echo(f"{name} is not installed and left out: pip install 'v2xsim[bench]'", err=True)
    rows = chain(all_rows(threads, turns=turns), torch_rows(turns, torch_on_cpu))
    print_rows("lidar", reported("lidar", rows), as_json, as_csv)
