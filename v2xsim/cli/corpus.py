"""`v2xsim corpus`: tokenised traffic for sequence models."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from v2xsim.datasets.motion.runs import Report

NAME = "corpus"
EXAMPLE = "Example: v2xsim corpus my_corpus --small"


def command(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new or empty.", show_default=False)],
    small: Annotated[
        bool,
        typer.Option(
            "--small", help="2 towns, 20 vehicles, 2 minutes: a corpus in seconds. Other options still count."
        ),
    ] = False,
    vehicles: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Vehicles on the road in each run; 100.", show_default=False)
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Traffic of each run, minutes; 10.", show_default=False)
    ] = None,
    step: Annotated[float, typer.Option(help="Duration of a token, seconds: 0.1, 0.2, 0.3, 0.4 or 0.5.")] = 0.5,
    vocabulary: Annotated[int, typer.Option(min=1, max=32_768, help="Largest number of tokens.")] = 384,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Metres within which a move counts as covered, root mean square over a 7.5 m box's corners; 0.6 m per second of the step.",
            show_default=False,
        ),
    ] = None,
    shortest: Annotated[float, typer.Option(help="Leave out tracks shorter than this, seconds.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all chance; the towns stay the same.")] = 1,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="SUMO runs at once; one a processor if left out.", show_default=False)
    ] = None,
    network: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A .net.xml or .sumocfg to train and validate on as well; can be given again.",
            show_default=False,
        ),
    ] = None,
    test_network: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Likewise, to test on; training never sees it. Can be given again.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the manifest as JSON on standard output and nothing else there.")
    ] = False,
) -> None:
    """Drive SUMO on many networks and write the traffic as tokens: training, validation and test sequences.

    Eight generated towns make training (one run each) and validation (other drives on every second town); three others make the test.
    The defaults give about 1.7 million tokens of half a second. The same settings give the same bytes. Read it in Python with
    v2xsim.gpu.sequence.corpus.Corpus.open(OUT).
    """
    # Here, since --help must not wait for the libraries that this loads.
    from dataclasses import replace

    from v2xsim.datasets.motion.make import SMALL, Settings, make

    base = SMALL if small else Settings()
    settings = replace(
        base, vehicles=vehicles or base.vehicles, minutes=minutes or base.minutes, step_s=step, vocabulary=vocabulary,
        tolerance_m=0.6 * step if tolerance is None else tolerance, shortest_s=shortest, seed=seed, networks=tuple(network or ()),
        test_networks=tuple(test_network or ()),
    )  # fmt: skip
    with _progress() as report:
        manifest = make(out, settings, jobs or os.cpu_count() or 1, report)
    if as_json:
        typer.echo(json.dumps(manifest, allow_nan=False))
    else:
        _print(manifest)
        typer.echo(f"corpus: {out}")


@contextmanager
def _progress() -> Iterator["Report"]:
    """Show a bar on standard error, or a line for each thing that is done where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total, what: typer.echo(f"{what}: {done} of {total} runs", err=True)
        return
    columns = (TextColumn("{task.description:<21}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=5) as bar:
        task = bar.add_task("driving", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


def _print(manifest: Mapping[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in (
        "split",
        "tokens",
        "sequences",
        "standing",
        "unigram nats",
        "uncovered",
        "drift mean",
        "99 %",
        "largest",
    ):
        table.add_column(name, justify="left" if name == "split" else "right", no_wrap=True)
    disks = []
    for split, said in manifest["splits"].items():
        drift, other = said["covering"]["drift"], said["random_k_disks"]["drift"]
        table.add_row(
            split, f"{said['tokens']:,}", f"{said['sequences']:,}", f"{said['stationary']:.1%}",
            f"{said['unigram_cross_entropy_nats']:.3f}", f"{said['covering']['uncovered']:.2%}", f"{drift['mean_m']:.2f} m",
            f"{drift['quantile_99_m']:.2f} m", f"{drift['largest_m']:.2f} m",
        )  # fmt: skip
        disks.append(f"{split} {other['mean_m']:.2f} m, {other['quantile_99_m']:.2f} m, {other['largest_m']:.2f} m")
    Console(highlight=False, width=120).print(table)
    typer.echo(
        f"vocabulary: {manifest['vocabulary']['tokens']} tokens; drift of as many random k-disks: {'; '.join(disks)}"
    )
