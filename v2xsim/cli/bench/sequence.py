"""`v2xsim bench sequence`: speed, bytes and parameters of the sequence models."""

from dataclasses import asdict
from typing import Annotated

import typer

from v2xsim.cli.arguments import (
    AsCsv,
    AsJson,
    Device,
    Dim,
    Generated,
    Layers,
    OnTorchDevice,
    Prompt,
    Vocabulary,
    check_device,
    check_one_format,
)  # fmt: skip
from v2xsim.cli.tables import print_rows

NAME = "sequence"
EXAMPLE = "Example: v2xsim bench sequence --dim 128 --layers 4"


def command(
    dim: Dim = 256,
    layers: Layers = 8,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of sequences that a model processes together. Default: for each model, the largest number (at most 256) that fits into 2 GB for weights and states, or a quarter of it, whichever is faster.",
            show_default=False,
        ),
    ] = None,
    prompt: Prompt = 128,
    generated: Generated = 2048,
    vocabulary: Vocabulary = 512,
    device: OnTorchDevice = Device.CPU,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Measure tokens per second, bytes of state and parameters of each sequence model.

    All models have the same width and number of layers, and untrained weights. The models run in one process, in turns:
    on a CPU in 32 bits on one thread, on a GPU in bfloat16.
    """
    check_one_format(as_json, as_csv)
    check_device(device)
    from v2xsim.bench.sequence import Sizes, throughput_rows
    from v2xsim.cli.progress import status

    sizes = Sizes(dim, layers, vocabulary, batch, prompt, generated)
    with status() as show:
        rows = [asdict(row) for row in throughput_rows(sizes, device, on_turn=show)]
    print_rows("throughput", rows, as_json, as_csv)
