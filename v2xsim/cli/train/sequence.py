"""`v2xsim train sequence`: train a sequence model on a corpus of motion tokens."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, Device, check_device, check_one_format
from v2xsim.cli.layout import print_csv, print_text, terminal_width
from v2xsim.cli.options import takes_fields_of
from v2xsim.cli.progress import progress_lines, shows_bars

if TYPE_CHECKING:
    from v2xsim.gpu.training.trainer import Progress, TrainSettings

NAME = "sequence"
EXAMPLE = "Example: v2xsim train sequence my_corpus --model hgrn --dim 128 --layers 4 --steps 2000 --out models/hgrn"


@dataclass(frozen=True)
class Options:
    """Options of `v2xsim train sequence`; their help texts describe them."""

    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder written by `v2xsim corpus`.", show_default=False)
    ]
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write the model into.", show_default=False)]
    model: Annotated[
        str, typer.Option(help="Model to train: transformer, gru, hgrn, block, kv_sharing, skipdecode or shared.")
    ] = "transformer"
    dim: Annotated[
        int, typer.Option(min=1, help="Width of the model: number of entries in the vector of each token.")
    ] = 128
    layers: Annotated[int, typer.Option(min=1, help="Number of layers of the model, all its parts together.")] = 4
    heads: Annotated[
        int | None,
        typer.Option(min=1, help="Number of attention heads. Default: --dim divided by 32.", show_default=False),
    ] = None
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Option of the model, such as kv_layers=2; repeatable.", show_default=False
        ),
    ] = None
    steps: Annotated[int, typer.Option(min=1, help="Number of weight updates.")] = 2000
    batch: Annotated[int, typer.Option(min=1, help="Number of windows per weight update.")] = 32
    window: Annotated[
        int,
        typer.Option(
            min=2, help="Number of tokens per window. A token is 0.5 s long unless the corpus has another time step."
        ),
    ] = 64
    rate: Annotated[float, typer.Option(help="Peak learning rate, reached after the warm-up.")] = 2e-3
    warm_up: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Steps over which the learning rate rises to its peak. Default: 5 % of --steps.",
            show_default=False,
        ),
    ] = None
    weight_decay: Annotated[
        float, typer.Option(min=0.0, help="Weight decay of the weight matrices; larger values keep weights smaller.")
    ] = 0.1
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, batches and dropout.")] = 1
    device: Annotated[Device, typer.Option(help="Device that torch runs on; cuda trains in mixed precision.")] = (
        Device.CPU
    )
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of CPU threads; this number changes the last digits of the trained weights. Default: all.",
            show_default=False,
        ),
    ] = None
    evaluate_every: Annotated[
        int, typer.Option(min=1, help="Number of steps between evaluations on the validation set.")
    ] = 500
    save_every: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of steps between checkpoints; if the training is killed, at most this many steps are lost.",
        ),
    ] = 200
    judged: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of windows for the evaluation: this many of the validation set and this many of the test set, spread evenly.",
        ),
    ] = 512
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a training that was stopped, in the same folder.")
    ] = False
    as_json: AsJson = False
    as_csv: AsCsv = False


@takes_fields_of(Options)
def command(options: Options) -> None:
    """Train a sequence model to predict the next motion token, and evaluate it on vehicles and towns it has not seen.

    The weights are written as safetensors. With --resume, a training that was stopped continues and ends with the same weights. For comparison, the
    output also has the unigram cross-entropy, which results if each token is predicted with its frequency in training.
    """
    check_one_format(options.as_json, options.as_csv)
    # Imported here, so that --help does not wait for the libraries that this loads.
    from v2xsim.gpu.training.trainer import TrainSettings

    settings = TrainSettings(
        options.steps,
        options.batch,
        options.rate,
        max(1, options.steps // 20) if options.warm_up is None else options.warm_up,
        options.weight_decay,
        seed=options.seed,
        evaluate_every=options.evaluate_every,
        save_every=options.save_every,
    )
    trained = _train(options, _model_options(options.option or []), settings)
    if options.as_json:
        typer.echo(json.dumps(trained, allow_nan=False))
        return
    if options.as_csv:
        shared = {name: trained[name] for name in ("model", "parameters", "device", "steps", "loss_nats")}
        print_csv([{"split": split, **trained[split], **shared} for split in ("validation", "test")])
        typer.echo(f"model: {options.out}", err=True)
        return
    width = terminal_width()
    print_text(
        f"{options.model}, {trained['parameters']:,} parameters: {options.steps:,} steps of {options.batch} windows of "
        f"{options.window} tokens, {options.device}",
        width,
    )
    for split in ("validation", "test"):
        evaluation = trained[split]
        print_text(
            f"{split}: {evaluation['nats']:.4f} nats, {evaluation['bits']:.4f} bits a token (unigram: {evaluation['unigram_nats']:.4f} nats); "
            f"{evaluation['tokens']:,} tokens",
            width,
        )
    print_text(f"model: {options.out}", width)


def _train(options: Options, model_options: dict[str, Any], settings: "TrainSettings") -> dict[str, Any]:
    """Train a sequence model; return data for JSON: its folder, its size and its evaluation."""
    import torch

    from v2xsim.gpu.sequence.corpus import VOCABULARY, Corpus
    from v2xsim.gpu.sequence.models import build
    from v2xsim.gpu.sequence.windows import unigram_nats
    from v2xsim.gpu.training.trainer import evaluate, train

    check_device(options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    corpus = Corpus.open(options.corpus)
    windows = corpus.train.windows(options.window, whole=True)
    judges = {
        "validation": corpus.validation.windows(options.window, whole=True).spread(options.judged),
        "test": corpus.test.windows(options.window, whole=True).spread(options.judged),
    }
    heads = max(1, options.dim // 32) if options.heads is None else options.heads
    model = build(
        options.model, len(corpus.vocabulary), options.dim, options.layers, heads, seed=options.seed, **model_options
    ).to(options.device)
    try:
        with _progress(settings.steps) as tell:
            history = train(model, windows, settings, judges["validation"], options.out, options.resume, tell)
    except KeyboardInterrupt as stop:
        stop.add_note("what was saved is kept; continue with --resume")
        raise
    corpus.vocabulary.save(options.out / VOCABULARY)
    report: dict[str, Any] = {
        "folder": str(options.out), "model": options.model, "parameters": model.parameter_count, "device": str(options.device),
        "steps": options.steps, "loss_nats": history.losses[-1],
    }  # fmt: skip
    for split, some in judges.items():
        score = evaluate(model, some)
        report[split] = {
            "nats": score.nats, "bits": score.bits, "tokens": score.tokens,
            "unigram_nats": unigram_nats(windows, some, len(corpus.vocabulary)),
        }  # fmt: skip
    return report


def _model_options(texts: list[str]) -> dict[str, Any]:
    """Return the options of a model; values are read as JSON if possible, else as text."""
    from v2xsim.errors import UserError

    parsed = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UserError(f"--option {text}: must be KEY=VALUE, such as kv_layers=2")
        try:
            parsed[key] = json.loads(value)
        except ValueError:
            parsed[key] = value
    return parsed


@contextmanager
def _progress(steps: int) -> Iterator[Callable[["Progress"], None]]:
    """Show a progress bar on standard error, or a line every ten seconds if standard error is not a terminal."""
    from rich import progress as rich_progress
    from rich.console import Console

    console = Console(stderr=True)
    speed, validation = 0.0, ""
    columns = (
        rich_progress.TextColumn("{task.description}"), rich_progress.BarColumn(bar_width=30), rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
    )  # fmt: skip
    lines = nullcontext(lambda text: None) if shows_bars(console) else progress_lines()
    with (
        lines as show,
        rich_progress.Progress(*columns, console=console, disable=not shows_bars(console), refresh_per_second=5) as bar,
    ):
        task = bar.add_task("loss", total=steps)

        def tell(now: "Progress") -> None:
            nonlocal speed, validation
            latest = now.tokens / max(now.wall_s, 1e-9)
            speed = 0.95 * speed + 0.05 * latest if speed else latest
            if now.validation is not None:
                validation = f", validation {now.validation:.3f}"
            text = f"loss {now.loss:.3f}{validation} nats, {speed:,.0f} tokens/s"
            bar.update(task, completed=now.step, description=text)
            show(f"step {now.step} of {steps}: {text}")
            if now.step == steps and not shows_bars(console):
                typer.echo(f"step {now.step} of {steps}: {text}", err=True)

        yield tell
