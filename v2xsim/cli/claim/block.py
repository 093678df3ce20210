"""`v2xsim claim block`: how much faster a Block Transformer generates than a plain Transformer."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Device, Dim, Generated, Layers, OnTorchDevice, Vocabulary, check_device
from v2xsim.cli.claim.measurements import CorpusFolder, Measurement, leave_out, print_measured, shows_steps

NAME = "block"
EXAMPLE = "Example: v2xsim claim block --corpus my_corpus"
_PROMPT, _TRAINED_PROMPT = 128, 16


def command(
    corpus: CorpusFolder = None,
    dim: Dim = 512,
    layers: Layers = 12,
    prompt: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Length of the prompt: tokens that a model reads before it generates. Default: {_PROMPT}, and {_TRAINED_PROMPT} for the trained models.",
            show_default=False,
        ),
    ] = None,
    generated: Generated = 2048,
    vocabulary: Vocabulary = 512,
    device: OnTorchDevice = Device.CPU,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the generation speed of a Block Transformer and a plain Transformer, at equal size and at equal cross-entropy.

    For the comparison at equal size, both models have untrained weights. For the comparison at equal cross-entropy,
    models of several sizes are trained on a corpus, on the CPU. The comparison at equal cross-entropy needs --corpus;
    the only other option that applies to it is --prompt.
    """
    check_device(device)
    from v2xsim.claims.block import block_rows, equal_loss_rows

    measurements: dict[str, Measurement] = {
        "equal size": lambda show: block_rows(
            dim, layers, prompt or _PROMPT, generated, vocabulary=vocabulary, device=device.value
        )
    }
    if corpus is None:
        leave_out("equal cross-entropy")
    else:
        from v2xsim.claims.corpus import windows_of

        windows = windows_of(corpus, prompt or _TRAINED_PROMPT)
        measurements["equal cross-entropy"] = lambda show: equal_loss_rows(
            windows, prompt=prompt or _TRAINED_PROMPT, on_step=shows_steps(show)
        )
    print_measured(measurements, as_json, as_csv)
