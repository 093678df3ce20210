"""Arguments and options that several commands take."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from v2xsim.errors import UserError


class Device(StrEnum):
    """Device that torch runs on."""

    CPU = "cpu"
    CUDA = "cuda"


ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A YAML file, a packaged scenario (such as demo, highway or nlos_grid), or the manifest.json of a run, which is run again.",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a key of the scenario, such as radio.tx_power_dbm=20; repeatable, once for each key. Paths in the value are relative to the working folder.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of the run; overrides run.seed.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder to write. Default: runs/NAME-SEED, followed by the values of --set.",
        show_default=False,
    ),
]
OnDevice = Annotated[
    Device | None, typer.Option(help="Device that casts lidar rays; overrides run.device.", show_default=False)
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else on it.")
]
AsCsv = Annotated[
    bool,
    typer.Option("--csv", help="Print comma-separated values on standard output, with all columns and all rows."),
]

OnTorchDevice = Annotated[Device, typer.Option("--device", help="Device that torch runs on.")]
Dim = Annotated[int, typer.Option(min=1, help="Width of the models: number of entries in the vector of each token.")]
Layers = Annotated[int, typer.Option(min=1, help="Number of layers of each model, all its parts together.")]
Batch = Annotated[int, typer.Option(min=1, help="Number of sequences that a model processes together.")]
Prompt = Annotated[
    int, typer.Option(min=1, help="Length of the prompt: tokens that a model reads before it generates.")
]
Generated = Annotated[int, typer.Option(min=1, help="Number of tokens to generate per sequence.")]
Vocabulary = Annotated[int, typer.Option(min=1, help="Size of the vocabulary: number of different tokens.")]


def check_one_format(as_json: bool, as_csv: bool) -> None:
    """Raise an error if the user asked for two formats at once."""
    if as_json and as_csv:
        raise UserError("--csv must not be given with --json: standard output takes one format")


def check_device(device: Device) -> None:
    """Raise an error if the user chose a GPU and torch finds none."""
    import torch

    if device is Device.CUDA and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no GPU here; take --device cpu")
