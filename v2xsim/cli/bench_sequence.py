"""`v2xsim bench sequence`: speed, bytes and parameters of the sequence models, and the measurements behind what is claimed of them."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from v2xsim.errors import UserError


class Claim(StrEnum):
    """What is claimed of a model and can be measured anew."""

    MEMORY = "memory"
    BLOCK = "block"
    SHARING = "sharing"
    SKIP = "skip"
    SHARED = "shared"


# Functions in v2xsim.claims that yield rows. Those with a parameter `training` need a corpus.
_MEASUREMENTS: Mapping[Claim, tuple[tuple[str, str], ...]] = {
    Claim.MEMORY: (("memory", "memory_rows"),),
    Claim.BLOCK: (("block", "block_rows"), ("block", "equal_loss_rows")),
    Claim.SHARING: (("sharing", "sharing_rows"),),
    Claim.SKIP: (("skip", "speed_rows"), ("skip", "skip_rows")),
    Claim.SHARED: (
        ("shared", "recall_rows"),
        ("shared_cost", "cost_rows"),
        ("shared_context", "context_rows"),
    ),
}
# Tokens of a window, and windows of the validation and test sets: 32 s at half a second a token.
_WINDOW, _JUDGED = 64, 512
_NOT_TO_BE_MERGED = ("module", "device")

Table = tuple[str, list[dict[str, object]]]


def throughput(said: Mapping[str, int], device: str) -> Table:
    """Return a table of all modules; sizes that are not said are the usual ones."""
    check_device(device)
    from v2xsim.bench.sequence import Sizes, throughput_rows

    unknown = [name for name in said if name not in Sizes.__dataclass_fields__]
    if unknown:
        raise UserError(f"--{unknown[0]} is for claims; add --claim, or leave it out")
    sizes = replace(Sizes(), **said)
    with _status() as tell:
        return "throughput", [asdict(row) for row in throughput_rows(sizes, device, on_turn=tell)]


def claim(which: Claim, said: Mapping[str, int], device: str, corpus: Path | None) -> Iterator[Table]:
    """Yield a table for each measurement of a claim, with settings handed on to those that know them."""
    check_device(device)
    measurements = [
        (name, getattr(import_module(f"v2xsim.claims.{module}"), name)) for module, name in _MEASUREMENTS[which]
    ]
    known = {name for _, rows in measurements for name in inspect.signature(rows).parameters}
    for name in said:
        if name not in known:
            raise UserError(f"--claim {which} has no setting --{name}; leave it out")
    able = [(name, rows) for name, rows in measurements if corpus is not None or not _learns(rows)]
    if not able:
        raise UserError(f"--claim {which} trains on a corpus; name its folder with --corpus (v2xsim corpus makes one)")
    for name, _ in measurements:
        if name not in dict(able):
            typer.echo(f"{name} trains on a corpus and is left out; name its folder with --corpus", err=True)
    for name, rows in able:
        taken = inspect.signature(rows).parameters
        given: dict[str, Any] = {key: value for key, value in said.items() if key in taken}
        if "device" in taken:
            given["device"] = device
        if _learns(rows):
            assert corpus is not None
            given.update(_of_corpus(corpus))
        made: list[dict[str, object]] = []
        with _status() as tell:
            if "on_step" in taken:
                given["on_step"] = lambda step, tell=tell: tell(f"step {step.step}, loss {step.loss:.3f} nats")
            for row in rows(**given):
                made.append(asdict(row))
                # Some take an hour: what is known by then is not lost where somebody stops them.
                typer.echo(
                    f"{name}: {', '.join(f'{key} {_short(value)}' for key, value in made[-1].items())}", err=True
                )
        yield name, made


def print_table(title: str, rows: list[dict[str, object]]) -> None:
    """Print a line with what all rows agree on, and a table of the rest."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    same = [
        name for name, value in rows[0].items()
        if name not in _NOT_TO_BE_MERGED and len(rows) > 1 and all(row[name] == value for row in rows)
    ]  # fmt: skip
    typer.echo(": ".join(filter(None, [title, ", ".join(f"{name} {rows[0][name]}" for name in same)])))
    table = RichTable(box=box.SIMPLE_HEAD)
    for name, value in rows[0].items():
        if name not in same:
            words = isinstance(value, str)
            table.add_column(name.replace("_", " "), justify="left" if words else "right", no_wrap=words)
    for row in rows:
        table.add_row(*(_short(value) for name, value in row.items() if name not in same))
    Console(highlight=False, width=120).print(table)


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"
    if isinstance(value, list | tuple):
        return " ".join(_short(part) for part in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _learns(rows: Callable[..., object]) -> bool:
    return "training" in inspect.signature(rows).parameters


def _of_corpus(folder: Path) -> dict[str, object]:
    """Return what measurements that train take of a corpus."""
    from v2xsim.gpu.sequence.corpus import Corpus

    held = Corpus.open(folder)
    return {
        "training": held.train.windows(_WINDOW, whole=True),
        "validation": held.validation.windows(_WINDOW, whole=True).spread(_JUDGED),
        "unseen": held.test.windows(_WINDOW, whole=True).spread(_JUDGED),
        "vocabulary": len(held.vocabulary),
    }


def check_device(device: str) -> None:
    """Refuse a GPU that is not there."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no GPU here; take --device cpu")


@contextmanager
def _status() -> Iterator[Callable[[str], None]]:
    """Show what is being measured on standard error, where that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("building") as status:
        yield status.update
