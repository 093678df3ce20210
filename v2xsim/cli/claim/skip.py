"""`v2xsim claim skip`: cost in cross-entropy and saving in time of skipping layers by position."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Batch, Generated, Layers, Vocabulary
from v2xsim.cli.claim.measurements import CorpusFolder, Measurement, Seeds, leave_out, print_measured, shows_steps

NAME = "skip"
EXAMPLE = "Example: v2xsim claim skip --corpus my_corpus"
_DIM, _TRAINED_DIM = 256, 64
_PROMPT, _TRAINED_PROMPT = 16, 8


def command(
    corpus: CorpusFolder = None,
    dim: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Width of the models. Default: {_DIM} for the speed, {_TRAINED_DIM} for the cross-entropy.",
            show_default=False,
        ),
    ] = None,
    layers: Layers = 12,
    prompt: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Length of the prompt: tokens that a model reads before it generates. Default: {_PROMPT} for the speed, {_TRAINED_PROMPT} for the cross-entropy.",
            show_default=False,
        ),
    ] = None,
    generated: Generated = 128,
    batch: Batch = 32,
    vocabulary: Vocabulary = 384,
    seeds: Seeds = 1,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare SkipDecode with running all layers and with early termination: generation speed and cross-entropy.

    The generation speed is measured with untrained weights; --generated, --batch and --vocabulary apply only to the speed. The cross-entropy is
    measured with models that are trained on a corpus, so it needs --corpus; --seeds applies only to the cross-entropy.
    """
    from v2xsim.claims.skip import skip_rows, speed_rows

    measurements: dict[str, Measurement] = {
        "speed": lambda show: speed_rows(dim or _DIM, layers, vocabulary, batch, prompt or _PROMPT, generated)
    }
    if corpus is None:
        leave_out("cross-entropy")
    else:
        from v2xsim.claims.corpus import windows_of

        windows = windows_of(corpus, prompt or _TRAINED_PROMPT)
        measurements["cross-entropy"] = lambda show: skip_rows(
            windows,
            dim or _TRAINED_DIM,
            layers,
            prompt or _TRAINED_PROMPT,
            seeds=seeds,
            on_step=shows_steps(show),
        )
    print_measured(measurements, as_json, as_csv)
