"""Benchmark of the sequence models: speed of reading a prompt, speed of generation, and size of the state.

All models have the same sizes, run in the same process and take turns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import torch

from v2xsim.bench.decode import Length, batches_within, now, prompted, random_tokens, rows_at, step_s
from v2xsim.gpu.sequence.models import build
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenSequence

# Name of the row, name of the model, and its options; layers and width are the same for all.
MODULES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("transformer", "transformer", {}),
    ("gru", "gru", {}),
    ("hgrn", "hgrn", {}),
    ("block", "block", {}),
    ("block+kv_sharing", "block", {"kind": "lasagna"}),
    ("block+skipdecode", "block", {"times": 1.5}),
    ("kv_sharing/lasagna-bottom", "kv_sharing", {}),
    ("kv_sharing/pizza-bottom", "kv_sharing", {"kind": "pizza"}),
    ("kv_sharing/sandwich-top", "kv_sharing", {"kind": "sandwich", "target": "top"}),
    ("kv_sharing+skipdecode", "kv_sharing", {"times": 2.0}),
    ("skipdecode", "skipdecode", {}),
    ("shared", "shared", {}),
)
# Steps are timed in rounds of the Block Transformer's block, after which its cost repeats.
_BLOCK = 4
# Limits of the search for the fastest number of sequences: memory in bytes, and number of sequences.
_MEMORY_BYTES, _MOST_ROWS = 2e9, 256
# Number of sequences whose prompts are read together, unless a batch was given.
_READ_ROWS = 16


@dataclass(frozen=True)
class Sizes:
    """The sizes of the models and sequences in a measurement.

    Attributes:
        dim: Number of entries of a vector.
        layers: Number of layers, summed over all parts of a model.
        vocabulary: Number of different tokens.
        batch: Number of sequences. None uses the largest number, at most 256, that fits into 2 GB for weights and states,
            or a quarter of it, whichever is faster.
        prompt: Number of tokens of the prompt, which are read at once.
        generated: Number of tokens that are generated one by one.
    """

    dim: int = 256
    layers: int = 8
    vocabulary: int = 512
    batch: int | None = None
    prompt: int = 128
    generated: int = 2048

    @property
    def heads(self) -> int:
        """Number of attention heads: one for each 32 entries, at least one."""
        return max(1, self.dim // 32)


@dataclass(frozen=True)
class Row:
    """The results of one model.

    Attributes:
        module: Name of the model and its variant.
        device: Device on which the model ran: cpu or cuda.
        prefill_tokens_per_s: Prompt tokens read per second by `prompt_rows` sequences together; median of the turns.
        decode_tokens_per_s: Tokens generated per second by `batch` sequences together: `batch` divided by the mean time of a
            step, which is timed at several lengths of the past.
        state_bytes: Largest size of the state of one sequence in the last steps of the generation, as `State.nbytes`
            counts it.
        parameters: Number of trained weights.
        dim: Number of entries of a vector.
        layers: Number of layers, summed over all parts of the model.
        batch: Number of sequences that are generated together.
        prompt: Number of tokens of the prompt.
        prompt_rows: Number of sequences whose prompts are read together.
        generated: Number of tokens that are generated.
        dtype: Precision of weights and state.
        threads: Number of processor threads.
    """

    module: str
    device: str
    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    state_bytes: int
    parameters: int
    dim: int
    layers: int
    batch: int
    prompt: int
    prompt_rows: int
    generated: int
    dtype: str
    threads: int


def throughput_rows(
    sizes: Sizes,
    device: str = "cpu",
    turns: int = 3,
    modules: Sequence[tuple[str, str, dict[str, Any]]] = MODULES,
    on_turn: Callable[[str], None] | None = None,
) -> Iterator[Row]:
    """Measure all models in turns, so that other load on the machine affects all of them alike; yield a row for each.

    A GPU works in bfloat16. A CPU works in 32 bits on one thread: several threads would wait for each other whenever
    another program runs.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from _measured(sizes, device, turns, modules, on_turn)
    finally:
        torch.set_num_threads(threads)


def _measured(
    sizes: Sizes,
    device: str,
    turns: int,
    modules: Sequence[tuple[str, str, dict[str, Any]]],
    on_turn: Callable[[str], None] | None,
) -> Iterator[Row]:
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    said = Length(sizes.prompt, sizes.generated, _BLOCK, min(3, sizes.generated))
    read_rows, lengths = sizes.batch or _READ_ROWS, said.at()
    models: dict[str, TokenSequence] = {}
    rows: dict[str, dict[int, State]] = {}
    held: dict[str, int] = {}
    batches: dict[str, int] = {}
    for name, model_name, options in modules:
        more = {"horizon": sizes.generated, **options} if model_name == "skipdecode" or "times" in options else options
        model = build(model_name, sizes.vocabulary, sizes.dim, sizes.layers, sizes.heads, seed=1, **more)
        models[name] = model.to(device, dtype).eval()
        rows[name], held[name] = rows_at(model, said)
        batches[name] = sizes.batch or _best(model, rows[name][lengths[len(lengths) // 2]], held[name])
        # The first call is not timed, because libraries choose their kernels in it.
        _read_s(model, read_rows, sizes.prompt)
        if on_turn is not None:
            on_turn(f"{name}: {batches[name]} rows")
    read: dict[str, list[float]] = {name: [] for name in models}
    step: dict[str, list[float]] = {name: [] for name in models}
    for turn in range(turns):
        for name, model in models.items():
            read[name].append(_read_s(model, read_rows, sizes.prompt))
            if turn < len(lengths):
                length = lengths[turn]
                step[name].append(step_s(model, batches[name], rows[name][length], _BLOCK))
            if on_turn is not None:
                on_turn(f"{name}, turn {turn + 1} of {turns}")
    for name, model in models.items():
        yield Row(
            name, device, read_rows * sizes.prompt / median(read[name]), batches[name] / mean(step[name]), held[name],
            model.parameter_count, sizes.dim, sizes.layers, batches[name], sizes.prompt, read_rows, sizes.generated,
            str(dtype).removeprefix("torch."), torch.get_num_threads(),
        )  # fmt: skip


def _best(model: TokenSequence, row: State, row_bytes: int) -> int:
    """Return the number of sequences that gives the most tokens per second, measured in the middle of the generation.

    Two numbers are tried: the largest that fits into memory, and a quarter of it.
    """
    most = min(_MOST_ROWS, batches_within(model, row_bytes, _MEMORY_BYTES)[-1])
    rates = {rows_: rows_ / step_s(model, rows_, row, _BLOCK) for rows_ in {most, max(1, most // 4)}}
    return max(rates, key=lambda rows_: (rates[rows_], rows_))


@torch.no_grad()
def _read_s(model: TokenSequence, rows: int, prompt: int) -> float:
    """Return the time in seconds that a model takes to read the prompts of some sequences together."""
    tokens, state = random_tokens(model, rows, prompt), prompted(model, rows, prompt)
    begun = now(model.device)
    model.prefill(tokens, state)
    return now(model.device) - begun
