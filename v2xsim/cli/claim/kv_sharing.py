"""`v2xsim claim kv-sharing`: cost in cross-entropy and saving in bytes of sharing keys and values between layers."""

from typing import Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Dim, Layers
from v2xsim.cli.claim.measurements import CorpusFolder, Seeds, print_measured, shows_steps
from v2xsim.errors import UserError

NAME = "kv-sharing"
EXAMPLE = "Example: v2xsim claim kv-sharing --corpus my_corpus"


def command(
    corpus: CorpusFolder = None,
    dim: Dim = 64,
    layers: Layers = 8,
    kv_layers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of layers that compute keys and values of their own; each other layer uses the keys and values of one of them.",
        ),
    ] = 4,
    seeds: Seeds = 1,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the cross-entropy and the bytes of Transformers whose layers share keys and values in several ways.

    Every model is trained on a corpus, so --corpus must be given.
    """
    if corpus is None:
        raise UserError("claim kv-sharing trains on a corpus; name its folder with --corpus (v2xsim corpus makes one)")
    from v2xsim.claims.corpus import windows_of
    from v2xsim.claims.kv_sharing import sharing_rows

    windows = windows_of(corpus)
    print_measured(
        {"sharing": lambda show: sharing_rows(windows, dim, layers, kv_layers, seeds=seeds, on_step=shows_steps(show))},
        as_json,
        as_csv,
    )
