"""Code that all claims share: one printed table for each measurement, and the options for a corpus and for seeds."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from v2xsim.cli.arguments import check_one_format
from v2xsim.cli.layout import print_csv
from v2xsim.cli.tables import Row, print_json, print_table, reported

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from v2xsim.gpu.training.trainer import Progress

Show = Callable[[str], None]
"""Function called with one line of text about the present step of a measurement."""

Measurement = Callable[[Show], "Iterable[DataclassInstance]"]
"""Function that carries out a measurement, and returns or yields its rows; it reports its steps to its argument."""

CorpusFolder = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Corpus to train on, as written by `v2xsim corpus`.", show_default=False),
]
Seeds = Annotated[int, typer.Option(min=1, help="Number of seeds; every model is trained once with each seed.")]


def print_measured(measurements: Mapping[str, Measurement], as_json: bool, as_csv: bool = False) -> None:
    """Run measurements and print their rows: a table after each, or all rows at the end as JSON or comma-separated values.

    Args:
        measurements: Function that runs each measurement, by the title of its table.
        as_json: Whether to print JSON instead of tables.
        as_csv: Whether to print comma-separated values instead; the first column names the measurement of each row.
    """
    check_one_format(as_json, as_csv)
    from v2xsim.cli.progress import status

    every: list[Row] = []
    for title, measure in measurements.items():
        with status() as show:
            rows = reported(title, measure(show))
        every += [{"measurement": title, **row} for row in rows] if as_csv else rows
        if not as_json and not as_csv:
            print_table(title, rows)
    if as_json:
        print_json(every)
    if as_csv:
        print_csv(every)


def shows_steps(show: Show) -> "Callable[[Progress], None]":
    """Return a function that shows number and loss of each training step on one line."""
    return lambda progress: show(f"step {progress.step}, loss {progress.loss:.3f} nats")


def leave_out(title: str) -> None:
    """Print that a measurement is left out because no corpus is given."""
    typer.echo(f"{title} trains on a corpus and is left out; name its folder with --corpus", err=True)
