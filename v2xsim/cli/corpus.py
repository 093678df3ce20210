"""`v2xsim corpus`: tokenised traffic for sequence models."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2xsim.cli.arguments import AsCsv, check_one_format
from v2xsim.cli.layout import Column, print_csv, print_stacked, print_text, terminal_width
from v2xsim.cli.notes import print_notes
from v2xsim.cli.options import takes_fields_of
from v2xsim.cli.progress import shows_bars, step_lines

if TYPE_CHECKING:
    from v2xsim.datasets.motion.runs import Report

NAME = "corpus"
EXAMPLE = "Example: v2xsim corpus my_corpus --small"


@dataclass(frozen=True)
class Options:
    """Options of `v2xsim corpus`; their help texts describe them."""

    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder to write into; must be new or empty.", show_default=False)
    ]
    small: Annotated[
        bool,
        typer.Option(
            "--small",
            help="Write a small corpus, which takes seconds: 2 towns, 20 vehicles, 2 minutes. --vehicles and --minutes override the last two values.",
        ),
    ] = False
    vehicles: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100_000,
            help="Number of vehicles on the road in each run. By default 100 vehicles, or 20 with --small.",
            show_default=False,
        ),
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Duration of each run in minutes. By default 10 minutes, or 2 with --small.",
            show_default=False,
        ),
    ] = None
    step: Annotated[float, typer.Option(help="Time step of a token in seconds: 0.1, 0.2, 0.3, 0.4 or 0.5.")] = 0.5
    vocabulary: Annotated[
        int,
        typer.Option(
            min=1,
            max=32_768,
            help="Largest number of tokens in the vocabulary; more tokens describe moves more exactly.",
        ),
    ] = 384
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Error in metres up to which a token covers a move: root mean square over the corners of a 7.5 m long box. Default: 0.6 m per second of --step.",
            show_default=False,
        ),
    ] = None
    shortest: Annotated[
        float, typer.Option(help="Leave out vehicle tracks that are shorter than this time in seconds.")
    ] = 10.0
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of all random draws. The towns are the same for every seed.")
    ] = 1
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of SUMO runs in parallel. Default: one per processor.", show_default=False),
    ] = None
    network: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Additional network for training and validation, a .net.xml or .sumocfg file; repeatable.",
            show_default=False,
        ),
    ] = None
    test_network: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Additional network for the test set, a .net.xml or .sumocfg file; not used in training. Repeatable.",
            show_default=False,
        ),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the manifest as JSON on standard output, and nothing else on it.")
    ] = False
    as_csv: AsCsv = False


@takes_fields_of(Options)
def command(options: Options) -> None:
    """Run SUMO on many networks and write the traffic as tokens: training, validation and test sequences.

    Eight generated towns give the training set (one run each) and the validation set (other runs on every second town). Three other towns
    give the test set. With the defaults, the corpus has about 1.7 million tokens of half a second. The same settings give the same bytes. To read
    the corpus in Python, call v2xsim.gpu.sequence.corpus.Corpus.open(OUT).
    """
    check_one_format(options.as_json, options.as_csv)
    # Imported here, so that --help does not wait for the libraries that this loads.
    from v2xsim.datasets.motion.make import SMALL, Settings, make

    base = SMALL if options.small else Settings()
    settings = replace(
        base,
        vehicles=options.vehicles or base.vehicles,
        minutes=options.minutes or base.minutes,
        step_s=options.step,
        vocabulary=options.vocabulary,
        tolerance_m=0.6 * options.step if options.tolerance is None else options.tolerance,
        shortest_s=options.shortest,
        seed=options.seed,
        networks=tuple(options.network or ()),
        test_networks=tuple(options.test_network or ()),
    )
    with _progress() as report:
        manifest = make(options.out, settings, options.jobs or os.cpu_count() or 1, report)
    print_notes(f"{notice['run']}: {notice['text']}" for notice in manifest["notices"])
    if options.as_json:
        typer.echo(json.dumps(manifest, allow_nan=False))
    elif options.as_csv:
        print_csv(_rows(manifest))
        typer.echo(f"corpus: {options.out}", err=True)
    else:
        _print(manifest)
        typer.echo(f"corpus: {options.out}")


@contextmanager
def _progress() -> Iterator["Report"]:
    """Show a bar on standard error; if that is not a terminal, a line for each finished step and every ten seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not shows_bars(console):
        with step_lines() as show:
            yield lambda done, total, what: show(f"{what}: {done} of {total} runs")
        return
    columns = (TextColumn("{task.description:<21}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=5) as bar:
        task = bar.add_task("driving", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


def _rows(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the statistics of each split with all digits, as rows of a table."""
    return [
        {
            "split": split, "tokens": statistics["tokens"], "sequences": statistics["sequences"],
            "standing": statistics["stationary"], "unigram_nats": statistics["unigram_cross_entropy_nats"],
            "uncovered": statistics["covering"]["uncovered"],
            **{f"drift_{name}": value for name, value in statistics["covering"]["drift"].items()},
            **{f"random_k_disks_drift_{name}": value for name, value in statistics["random_k_disks"]["drift"].items()},
        }
        for split, statistics in manifest["splits"].items()
    ]  # fmt: skip


def _print(manifest: Mapping[str, Any]) -> None:
    rows, disks = [], []
    for split, statistics in manifest["splits"].items():
        drift, other = statistics["covering"]["drift"], statistics["random_k_disks"]["drift"]
        rows.append(
            {
                "split": split, "tokens": f"{statistics['tokens']:,}", "sequences": f"{statistics['sequences']:,}",
                "standing": f"{statistics['stationary']:.1%}", "unigram nats": f"{statistics['unigram_cross_entropy_nats']:.3f}",
                "uncovered": f"{statistics['covering']['uncovered']:.2%}", "drift mean": f"{drift['mean_m']:.2f} m",
                "99 %": f"{drift['quantile_99_m']:.2f} m", "largest": f"{drift['largest_m']:.2f} m",
            }
        )  # fmt: skip
        disks.append(f"{split} {other['mean_m']:.2f} m, {other['quantile_99_m']:.2f} m, {other['largest_m']:.2f} m")
    columns = [
        Column(name, [row[name] for row in rows], left=name == "split", rank=name != "split") for name in rows[0]
    ]
    print_stacked(columns, terminal_width())
    print_text(
        f"vocabulary: {manifest['vocabulary']['tokens']} tokens; drift of as many random k-disks: {'; '.join(disks)}",
        terminal_width(),
    )
