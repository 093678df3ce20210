"""`v2xsim bench`: what parts of the simulator cost on this machine."""

import json
import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from v2xsim.cli.arguments import Device
from v2xsim.cli.bench_sequence import Claim

NAME = "bench"
EXAMPLE = "Example: v2xsim bench radio --vehicles 200 --vehicles 1000"


class Subject(StrEnum):
    """What can be measured."""

    RADIO = "radio"
    HNSW = "hnsw"
    DESCRIPTORS = "descriptors"
    SEQUENCE = "sequence"


def _size(text: str) -> Any:
    return typer.Option(min=1, help=f"sequence: {text}", show_default=False)


def command(
    subject: Annotated[Subject, typer.Argument(help="What to measure.", show_default=False)],
    vehicles: Annotated[
        list[int] | None,
        typer.Option(
            min=2,
            max=200_000,
            help="Number of vehicles; can be given again. 100 to 2000 if left out.",
            show_default=False,
        ),
    ] = None,
    city: Annotated[
        bool,
        typer.Option("--city", help="hnsw: a city's descriptors renewed and asked each second, against comparing all."),
    ] = False,
    dim: Annotated[int | None, _size("Entries of a vector.")] = None,
    layers: Annotated[int | None, _size("Layers of a model, over all its parts.")] = None,
    batch: Annotated[int | None, _size("Rows.")] = None,
    prompt: Annotated[int | None, _size("Tokens read at once.")] = None,
    generated: Annotated[int | None, _size("Tokens generated one by one.")] = None,
    vocabulary: Annotated[int | None, _size("Number of tokens.")] = None,
    seeds: Annotated[int | None, _size("Seeds that a claim is measured with.")] = None,
    device: Annotated[Device, typer.Option(help="sequence: where torch works.")] = Device.CPU,
    claim: Annotated[
        Claim | None,
        typer.Option(
            help="sequence: measure what is claimed of a model instead of all models' speed.", show_default=False
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="sequence: folder of a corpus, for claims about prediction.", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")
    ] = False,
) -> None:
    """Measure what parts of the simulator cost on this machine.

    radio: CPU seconds per simulated second of each access scheme, and what they go into. hnsw: recall against queries per second of the
    index beside hnswlib, usearch and brute force, one thread. descriptors: how well each ranks helpers by the gain of exact matching.
    sequence: tokens per second, bytes of state and parameters of each sequence model.
    """
    if subject is Subject.HNSW:
        _hnsw(city, tuple(vehicles or ()), as_json)
    elif subject is Subject.DESCRIPTORS:
        from v2xsim.claims.descriptors import all_rankings

        _print_rows([asdict(row) for row in all_rankings()], as_json)
    elif subject is Subject.SEQUENCE:
        said = {
            "dim": dim,
            "layers": layers,
            "batch": batch,
            "prompt": prompt,
            "generated": generated,
            "vocabulary": vocabulary,
            "seeds": seeds,
        }
        _sequence({name: value for name, value in said.items() if value is not None}, device, claim, corpus, as_json)
    else:
        _radio(tuple(vehicles or (100, 200, 500, 1000, 2000)), as_json)


def _sequence(said: dict[str, int], device: Device, which: Claim | None, corpus: Path | None, as_json: bool) -> None:
    from v2xsim.cli import bench_sequence

    if which is None:
        tables = iter([bench_sequence.throughput(said, device)])
    else:
        tables = bench_sequence.claim(which, said, device, corpus)
    every: list[dict[str, object]] = []
    for title, rows in tables:
        every += rows
        if not as_json:
            bench_sequence.print_table(title, rows)
    if as_json:
        _print_rows(every, True)


def _hnsw(city: bool, vehicles: tuple[int, ...], as_json: bool) -> None:
    # One thread for all of them, before anything loads a library of matrix products.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from v2xsim.bench import hnsw
    from v2xsim.claims.city import city_rows

    for name in hnsw.absent():
        typer.echo(f"{name} is not installed and left out: pip install 'v2xsim[bench]'", err=True)
    rows: list[dict[str, object]] = []
    found = (city_rows(vehicles) if vehicles else city_rows()) if city else hnsw.all_rows()
    for row in found:
        rows.append(asdict(row))
        typer.echo(", ".join(f"{key} {_short(value)}" for key, value in rows[-1].items()), err=True)
    _print_rows(rows, as_json)


def _print_rows(rows: list[dict[str, object]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"rows": rows}, allow_nan=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name, value in rows[0].items():
        table.add_column(name, justify="left" if isinstance(value, str) else "right", no_wrap=True)
    for said in rows:
        table.add_row(*(_short(value) for value in said.values()))
    Console(highlight=False, width=120).print(table)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _radio(vehicles: tuple[int, ...], as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from v2xsim.bench.radio import all_costs

    rows = []
    for cost in all_costs(vehicles):
        rows.append(cost)
        typer.echo(f"{cost.access}, {cost.channel}, {cost.vehicles} vehicles: {cost.cpu_s_per_sim_s:.3f}", err=True)
    if as_json:
        typer.echo(json.dumps({"rows": [asdict(row) for row in rows]}, allow_nan=False))
        return
    table = Table(title="CPU seconds per simulated second", title_justify="left")
    for name in (
        "access",
        "channel",
        "vehicles",
        "CPU s / s",
        "times real time",
        "geometry",
        "radio",
        "engine",
        "delivered",
    ):
        table.add_column(name, justify="left" if name in ("access", "channel") else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.access, row.channel, f"{row.vehicles:,}", f"{row.cpu_s_per_sim_s:.3f}", f"{1 / max(row.cpu_s_per_sim_s, 1e-9):.1f}",
            f"{row.geometry:.0%}", f"{row.radio:.0%}", f"{row.engine:.0%}", f"{row.delivered:.2f}",
        )  # fmt: skip
    Console(highlight=False, width=120).print(table)
