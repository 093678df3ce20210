"""Speed of a Block Transformer compared with a plain Transformer, at equal parameters and at equal cross-entropy."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from v2xsim.bench.decode import Length, batches_within, best_batch, rates, rows_at
from v2xsim.claims.corpus import CorpusWindows
from v2xsim.gpu.sequence.models import build
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenSequence, next_token_loss
from v2xsim.gpu.sequence.windows import Windows
from v2xsim.gpu.training.trainer import Progress, TrainSettings, train

BLOCK = 4
_HEAD_DIM = 64


@dataclass(frozen=True)
class BlockRow:
    """The generation speed of one model; its weights are untrained, which has no influence on the time.

    Attributes:
        module: Name of the model: transformer or block.
        device: Device on which the model ran: cpu or cuda.
        dim: Number of entries of a vector.
        layers: Number of layers, summed over all parts of the model.
        parameters: Number of weights.
        batch: Number of sequences that are generated together: the fastest number that fits into memory, unless one was
            given.
        prompt: Number of tokens in the prompt, before the generation.
        generated: Number of tokens that are generated.
        tokens_per_s: Tokens generated per second by all sequences together, without the time for the prompt.
        kv_bytes_per_row: Largest size of the state of one sequence, as `State.nbytes` counts it.
        against_transformer: `tokens_per_s` divided by that of the transformer.
    """

    module: str
    device: str
    dim: int
    layers: int
    parameters: int
    batch: int
    prompt: int
    generated: int
    tokens_per_s: float
    kv_bytes_per_row: int
    against_transformer: float


@dataclass(frozen=True)
class EqualLossRow:
    """The quality and speed of one trained model; all models are trained on the same tokens in the same order.

    Attributes:
        module: Name of the model: transformer or block.
        dim: Number of entries of a vector.
        layers: Number of layers, summed over all parts of the model.
        seed: Seed of the first weights and of the training batches.
        parameters: Number of trained weights.
        steps: Number of training steps.
        train_s: Duration of the training in seconds.
        nats: Cross-entropy per token on the validation windows, without their first block.
        nats_by_place: Cross-entropy as `nats`, for each position within a block; also given for the transformer.
        unseen_nats: Cross-entropy as `nats`, on windows of road networks that are not in the training set.
        batch: Number of sequences generated together that gives the most tokens per second within the memory limit.
        prompt: Number of tokens in the prompt, before the generation.
        generated: Number of tokens that are generated: the rest of a window.
        tokens_per_s: Tokens generated per second by all sequences together.
        against_transformer: `tokens_per_s` divided by that of the transformer.
        nearest: Whether this block model is compared with the transformer: its cross-entropy is the highest one not above
            the transformer's, or the lowest one if all are above.
    """

    module: str
    dim: int
    layers: int
    seed: int
    parameters: int
    steps: int
    train_s: float
    nats: float
    nats_by_place: tuple[float, ...]
    unseen_nats: float
    batch: int
    prompt: int
    generated: int
    tokens_per_s: float
    against_transformer: float
    nearest: bool


def block_rows(
    dim: int = 512,
    layers: int = 12,
    prompt: int = 128,
    generated: int = 2048,
    batches: Sequence[int] | None = None,
    full: bool = False,
    vocabulary: int = 512,
    memory_bytes: float | None = None,
    points: int = 5,
    device: torch.device | str | None = None,
) -> Iterator[BlockRow]:
    """Time the generation by a plain Transformer and by a Block Transformer.

    Both models have the same number of layers; in the Block Transformer, half of them are in each decoder.

    Steps are timed at several lengths, both models in turns. The states at a length are copies of the state of one sequence
    that has read random tokens. On a GPU, weights and states are in bfloat16. The paper's model of 302 million weights
    has dim 1024 and layers 24.

    Args:
        dim: Number of entries of a vector.
        layers: Number of layers over all parts.
        prompt: Number of tokens in the prompt, before the generation.
        generated: Number of tokens that are generated.
        batches: Numbers of sequences to try; by default up to what fits into the memory.
        full: Whether to time the whole generation instead of steps at several lengths.
        vocabulary: Number of different tokens.
        memory_bytes: Memory for the weights and states of one model; by default 6 GB on a CPU and 0.7 of a GPU's
            memory.
        points: Number of lengths at which steps are timed.
        device: Device to run on; by default a GPU if there is one.
    """
    torch_device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    length = Length(prompt, generated, BLOCK, points)
    if memory_bytes is None:
        memory_bytes = (
            0.7 * torch.cuda.get_device_properties(torch_device).total_memory if torch_device.type == "cuda" else 6e9
        )
    models = {
        name: build(name, vocabulary, dim, layers, max(1, dim // _HEAD_DIM), seed=0).eval()
        for name in ("transformer", "block")
    }
    for model in models.values():
        model.to(torch_device, torch.bfloat16 if torch_device.type == "cuda" else torch.float32)
    states, held = _held(models, length)
    best_batch = _best_batches(models, length, states, held, memory_bytes, batches)
    speeds = rates(models, best_batch, length, states, full)
    for name, model in models.items():
        yield BlockRow(
            name, torch_device.type, dim, layers, model.parameter_count, best_batch[name], prompt, generated, speeds[name], held[name],
            speeds[name] / speeds["transformer"],
        )  # fmt: skip


def equal_loss_rows(
    windows: CorpusWindows,
    plain: tuple[int, int] = (64, 4),
    blocks: Sequence[tuple[int, int]] = ((64, 4), (96, 4), (128, 6)),
    settings: TrainSettings | None = None,
    prompt: int = 16,
    batches: Sequence[int] = (16, 64, 256, 1024),
    memory_bytes: float = 2e9,
    on_step: Callable[[Progress], None] | None = None,
) -> list[EqualLossRow]:
    """Train a plain Transformer and Block Transformers of several sizes.

    Return the cross-entropy and the generation speed of each model.

    Args:
        windows: Windows of tokens to train and to evaluate on.
        plain: Width and number of layers of the transformer.
        blocks: Width and number of layers of each block model.
        settings: Training settings of all models.
        prompt: Number of tokens before a generation, which continues to the length of the windows.
        batches: Numbers of sequences to try, as far as they fit into the memory.
        memory_bytes: Memory for the weights and states of one model.
        on_step: Called after each step of training.
    """
    settings = settings or TrainSettings(steps=600, batch=32, rate=2e-3, warm_up=60, evaluate_every=10_000)
    sizes = [("transformer", *plain), *(("block", *size) for size in blocks)]
    models: dict[str, TokenSequence] = {}
    rows: list[EqualLossRow] = []
    length = Length(prompt, windows.validation.tokens.shape[1] - prompt, BLOCK, 3)
    for number, (name, dim, layers) in enumerate(sizes):
        model = build(name, windows.vocabulary, dim, layers, max(1, dim // 32), seed=settings.seed)
        begun = time.perf_counter()
        train(model, windows.training, settings, on_step=on_step)
        train_s = time.perf_counter() - begun
        models[str(number)] = model
        nats, by_place = judged(model, windows.validation)
        row = EqualLossRow(
            name, dim, layers, settings.seed, model.parameter_count, settings.steps, train_s, nats, by_place,
            judged(model, windows.unseen)[0], 0, prompt, length.generated, 0.0, 0.0, False,
        )  # fmt: skip
        rows.append(row)
    states, held = _held(models, length)
    best_batch = _best_batches(models, length, states, held, memory_bytes, batches)
    speeds, best = rates(models, best_batch, length, states), nearest([row.nats for row in rows])
    return [
        replace(
            row,
            batch=best_batch[key],
            tokens_per_s=speeds[key],
            against_transformer=speeds[key] / speeds["0"],
            nearest=int(key) == best,
        )
        for key, row in zip(models, rows, strict=True)
    ]


def nearest(nats: Sequence[float]) -> int:
    """Return the index of the cross-entropy to compare with the first one, the transformer's.

    The result is the highest of the other values that is not above the first value, or the lowest if all are above it.

    Args:
        nats: Cross-entropies of the transformer and then of each block model.
    """
    rest = range(1, len(nats))
    return min(rest, key=lambda i: (nats[i] > nats[0], abs(nats[i] - nats[0])))


@torch.no_grad()
def judged(model: TokenSequence, windows: Windows, batch: int = 64) -> tuple[float, tuple[float, ...]]:
    """Return the cross-entropy per token in nats: over all tokens, and for each position within a block.

    The first block of each window is not counted.
    """
    total, count = torch.zeros(BLOCK, dtype=torch.float64), torch.zeros(BLOCK, dtype=torch.float64)
    model.eval()
    for tokens, mask in windows.pieces(batch):
        logits = model(tokens, None, mask)[0]
        arrived = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
        for position in range(BLOCK):
            wanted = arrived.clone()
            wanted[:, torch.arange(tokens.shape[1]) % BLOCK != position] = False
            number = int(wanted[:, BLOCK:].sum())
            total[position] += float(next_token_loss(logits, tokens, wanted, first=BLOCK)) * number
            count[position] += number
    return float(total.sum() / count.sum()), tuple((total / count.clamp(min=1)).tolist())


def _held(models: dict[str, TokenSequence], length: Length) -> tuple[dict[str, dict[int, State]], dict[str, int]]:
    """Return, for each model, the states of one sequence at the timed lengths, and the largest size of a state in bytes."""
    states_and_bytes = {name: rows_at(model, length) for name, model in models.items()}
    return {name: row[0] for name, row in states_and_bytes.items()}, {
        name: row[1] for name, row in states_and_bytes.items()
    }


def _best_batches(
    models: dict[str, TokenSequence],
    length: Length,
    states: dict[str, dict[int, State]],
    row_bytes: dict[str, int],
    memory_bytes: float,
    batches: Sequence[int] | None = None,
) -> dict[str, int]:
    best_batches, half_way = {}, length.at()[length.points // 2]
    for name, model in models.items():
        able = batches_within(model, row_bytes[name], memory_bytes)
        wanted = able if batches is None else [size for size in batches if size <= able[-1]] or able[-1:]
        best_batches[name] = (
            wanted[0] if len(wanted) == 1 else best_batch(model, states[name][half_way], length.period, wanted)
        )
    return best_batches
