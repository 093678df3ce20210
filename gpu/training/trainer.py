"""A trainer of token models: one loop that can be stopped at any time and continues as if it had not been stopped.

The random numbers of step n (for its batch and for the model) depend only on the seed and on n, so no generator state
has to be stored.
"""

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from v2xsim.errors import UserError, reason_of
from v2xsim.gpu.sequence.checkpoint import (
    CHECKPOINT,
    MODEL,
    WEIGHTS,
    History,
    load_checkpoint,
    read_json,
    save_checkpoint,
    write_json,
)
from v2xsim.gpu.sequence.tokens import TokenSequence, next_token_loss
from v2xsim.gpu.sequence.windows import Source, Windows
from v2xsim.ownership import BusyError, alone_in

# AdamW's usual coefficients for language models.
_BETAS = (0.9, 0.95)


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training run.

    Attributes:
        steps: Number of updates of the weights.
        batch: Number of sequences in an update.
        rate: Largest learning rate; it is reached after `warm_up` steps and then falls to zero along half a cosine.
        warm_up: Number of steps over which the learning rate rises from zero.
        weight_decay: In each step, this value times the learning rate times the weight is subtracted from each weight
            of a matrix; vectors do not decay.
        clip: Largest norm of the gradient over all weights; a larger gradient is scaled down to it.
        seed: Seed of the batches and of the model's own random numbers.
        evaluate_every: Number of steps between evaluations on the validation set; the last step is always evaluated.
        save_every: Number of steps between checkpoints; if the process is killed, at most this number of steps is lost.
        mixed: Whether a GPU computes matrix products in bfloat16; on a CPU, this has no effect.
    """

    steps: int
    batch: int = 32
    rate: float = 1e-3
    warm_up: int = 0
    weight_decay: float = 0.1
    clip: float = 1.0
    seed: int = 1
    evaluate_every: int = 500
    save_every: int = 200
    mixed: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "evaluate_every", "save_every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (self.rate > 0 and self.clip > 0 and self.weight_decay >= 0 and self.seed >= 0):
            raise UserError(
                "rate and clip must be above 0, weight_decay and seed at least 0, "
                f"got {self.rate}, {self.clip}, {self.weight_decay} and {self.seed}"
            )
        if not 0 <= self.warm_up <= self.steps:
            raise UserError(f"warm_up must be from 0 to the {self.steps} steps, got {self.warm_up}")

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step; steps are counted from 0."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        share = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Progress:
    """Report of the trainer after each step.

    Attributes:
        step: Number of steps done.
        loss: Loss on the batch of the step, in nats per token.
        tokens: Number of tokens in the batch of the step.
        wall_s: Wall-clock duration of the step.
        validation: Cross-entropy on the validation set in nats per token (None if it was not evaluated after this
            step).
    """

    step: int
    loss: float
    tokens: int
    wall_s: float
    validation: float | None


@dataclass(frozen=True)
class Evaluation:
    """Measure of how well a model predicts tokens.

    Attributes:
        nats: Cross-entropy per token, in nats.
        tokens: Number of predicted tokens.
    """

    nats: float
    tokens: int

    @property
    def bits(self) -> float:
        """Cross-entropy per token in bits."""
        return self.nats / math.log(2.0)


def train(
    model: TokenSequence,
    source: Source,
    settings: TrainSettings,
    validation: Windows | None = None,
    folder: Path | None = None,
    resume: bool = False,
    on_step: Callable[[Progress], None] | None = None,
) -> History:
    """Train a model; its weights are changed in place.

    Args:
        model: Model with new weights, on the device on which to train.
        source: Source of batches.
        settings: Settings of the training.
        validation: Sequences for the evaluations at intervals and after the last step.
        folder: Folder for checkpoints (None stores no checkpoints).
        resume: Whether to continue from the checkpoint in the folder, if there is one.
        on_step: Function that is called after each step with a report.

    Raises:
        UserError: If the folder contains another training, or the loss is no longer finite. The last checkpoint stays
            valid.
    """
    if folder is None:
        return _train(model, source, settings, validation, None, False, on_step)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {reason_of(error)}") from None
    try:
        with alone_in(folder):
            return _train(model, source, settings, validation, folder, resume, on_step)
    except BusyError:
        raise UserError(
            f"{folder}: another process trains into this folder; wait for it, or name another folder"
        ) from None


def _train(
    model: TokenSequence,
    source: Source,
    settings: TrainSettings,
    validation: Windows | None,
    folder: Path | None,
    resume: bool,
    on_step: Callable[[Progress], None] | None,
) -> History:
    optimiser, history = _optimiser(model, settings), History()
    if folder is not None:
        description = {
            "recipe": model.recipe, "model": model.signature, "settings": asdict(settings), "data": source.fingerprint,
            "validation data": None if validation is None else validation.fingerprint,
        }  # fmt: skip
        if _goes_on(folder, description, resume):
            history = load_checkpoint(folder, model, optimiser)
    # There is one loss per step, so their number is the step at which a resumed training continues.
    for step in range(len(history.losses), settings.steps):
        begun = time.perf_counter()
        model.train()
        generator = torch.Generator().manual_seed(_seed_of(settings.seed, step))
        tokens, mask = source.draw(settings.batch, generator)
        tokens, mask = tokens.to(model.device), None if mask is None else mask.to(model.device)
        loss = _update(model, optimiser, tokens, mask, generator, settings, step)
        history.losses.append(loss)
        last, nats = step + 1 == settings.steps, None
        if validation is not None and (last or (step + 1) % settings.evaluate_every == 0):
            nats = evaluate(model, validation).nats
            history.evaluations.append((step + 1, nats))
        if folder is not None and (last or (step + 1) % settings.save_every == 0):
            save_checkpoint(folder, model, optimiser, history)
        if on_step is not None:
            on_step(Progress(step + 1, loss, tokens.numel(), time.perf_counter() - begun, nats))
    model.eval()
    return history


@torch.no_grad()
def evaluate(model: TokenSequence, windows: Windows, batch: int = 64) -> Evaluation:
    """Return the mean cross-entropy of the tokens of some sequences, each predicted from the tokens before it.

    The first token of a sequence is not counted.
    """
    training, total, count = model.training, 0.0, 0
    model.eval()
    for tokens, mask in windows.pieces(batch):
        tokens, mask = tokens.to(model.device), None if mask is None else mask.to(model.device)
        # The loss of a batch is a mean, so it is weighted by the number of tokens; otherwise a short last batch would
        # count too much.
        weight = tokens[:, 1:].numel() if mask is None else int(mask[:, 1:].sum())
        total += float(next_token_loss(model(tokens, None, mask)[0], tokens, mask)) * weight
        count += weight
    model.train(training)
    return Evaluation(total / max(1, count), count)


def _update(
    model: TokenSequence,
    optimiser: torch.optim.Optimizer,
    tokens: Tensor,
    mask: Tensor | None,
    generator: torch.Generator,
    settings: TrainSettings,
    step: int,
) -> float:
    """Do one training step and return its loss."""
    device_type, rate = model.device.type, settings.rate_at(step)
    for group in optimiser.param_groups:
        group["lr"] = rate
    # Dropout uses torch's global generator, which is seeded for this step and then restored.
    with torch.random.fork_rng(devices=[model.device] if device_type == "cuda" else []):
        torch.manual_seed(_seed_of(settings.seed, step))
        with torch.autocast(device_type, torch.bfloat16, enabled=settings.mixed and device_type == "cuda"):
            loss = model.loss(tokens, mask, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip))
    loss_value = float(loss.detach())
    # This is checked before the update, so that the weights stay those of the previous step.
    if not (math.isfinite(loss_value) and math.isfinite(norm)):
        raise UserError(
            f"step {step + 1}: loss and gradients must be finite, got a loss of {loss_value} and a norm of {norm} at a rate of "
            f"{rate:.3g}; the last checkpoint stays, try a lower rate, a longer warm_up or a smaller clip"
        )
    optimiser.step()
    return loss_value


def _optimiser(model: TokenSequence, settings: TrainSettings) -> torch.optim.Optimizer:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=settings.rate, betas=_BETAS)


def _seed_of(seed: int, step: int) -> int:
    """Return the seed of one step; the seeds of neighbouring steps are far apart."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])


def _goes_on(folder: Path, description: dict[str, Any], resume: bool) -> bool:
    """Return whether a folder contains a checkpoint of this training; if it contains none, prepare the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # Files that a killed training was writing; only this training writes here now.
    for draft in folder.glob(".*.draft"):
        if re.fullmatch(rf"\.({'|'.join(map(re.escape, (CHECKPOINT, WEIGHTS, MODEL)))})\.\d+\.draft", draft.name):
            draft.unlink(missing_ok=True)
    # Convert through JSON, so that it compares equal to the content of the file: tuples become lists.
    description = json.loads(json.dumps(description))
    if not (folder / CHECKPOINT).exists() and not (folder / WEIGHTS).exists():
        write_json(folder / MODEL, description)
        return False
    if not resume:
        raise UserError(f"{folder} holds a training already; continue with resume, or take another folder")
    held = read_json(folder / MODEL)
    for part, now in description.items():
        if held.get(part) != now:
            raise UserError(
                f"{folder} holds a training with {part} {_differing(held.get(part), now)}; resume it as it was, or take another folder"
            )
    return True


def _differing(held: object, now: object) -> str:
    """Return the settings that differ between two trainings, with both values."""
    if isinstance(held, dict) and isinstance(now, dict):
        keys = [key for key in {**held, **now} if held.get(key) != now.get(key)]
        return ", ".join(f"{key} {held.get(key)!r} there and {now.get(key)!r} here" for key in keys)
    return f"{held!r} there and {now!r} here"
