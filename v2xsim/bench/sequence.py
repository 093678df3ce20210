"""How fast each sequence model reads a prompt and generates, and what it keeps of each row: same sizes, same process, in turns."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch

from v2xsim.gpu.sequence.models import build
from v2xsim.gpu.sequence.tokens import TokenSequence

# Name of the row, of the model, and its options; layers and width are the same for all.
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
_WARM_UP = 8


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    Attributes:
        dim: Entries of a vector.
        layers: Over all parts of a model.
        vocabulary: Number of tokens.
        batch: Rows.
        prompt: Tokens read at once.
        generated: Tokens generated one by one.
    """

    dim: int = 256
    layers: int = 8
    vocabulary: int = 512
    batch: int = 8
    prompt: int = 128
    generated: int = 64

    @property
    def heads(self) -> int:
        """Of attention: as many as have 32 entries each, or one."""
        return max(1, self.dim // 32)


@dataclass(frozen=True)
class Row:
    """One module.

    Attributes:
        module: Name.
        device: Where it ran: cpu or cuda.
        prefill_tokens_per_s: Of the prompt, all rows together; median of the turns.
        decode_tokens_per_s: Of generated tokens, all rows together; median of the turns.
        state_bytes: Of all rows after the last token.
        state_bytes_per_row: The same of one.
        parameters: Numbers that are trained.
        dim: Entries of a vector.
        layers: Over all parts.
        batch: Rows.
        prompt: Tokens.
        generated: Tokens.
        dtype: Precision of weights and state.
        threads: Of the processor.
    """

    module: str
    device: str
    prefill_tokens_per_s: float
    decode_tokens_per_s: float
    state_bytes: int
    state_bytes_per_row: int
    parameters: int
    dim: int
    layers: int
    batch: int
    prompt: int
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
    """Measure all modules, one after the other, turn by turn, so that what else the machine does hits all alike.

    A GPU works in bfloat16. A CPU works in 32 bits on one thread: several would wait for each other wherever something else runs.
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
    models = {}
    for name, kind, options in modules:
        said = {"horizon": sizes.generated, **options} if kind == "skipdecode" or "times" in options else options
        model = build(kind, sizes.vocabulary, sizes.dim, sizes.layers, sizes.heads, seed=1, **said)
        models[name] = model.to(device, dtype).eval()
        # Compiles what must be compiled, and lets libraries choose their kernels.
        _timed(
            models[name], replace(sizes, prompt=min(sizes.prompt, _WARM_UP), generated=min(sizes.generated, _WARM_UP))
        )
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in models}
    for turn in range(turns):
        for name, model in models.items():
            found[name].append(_timed(model, sizes))
            if on_turn is not None:
                on_turn(f"{name}, turn {turn + 1} of {turns}")
    for name, model in models.items():
        prefill_s, decode_s = (median(one[i] for one in found[name]) for i in (0, 1))
        held = found[name][0][2]
        yield Row(
            name, device, sizes.batch * sizes.prompt / prefill_s, sizes.batch * sizes.generated / decode_s, held, held // sizes.batch,
            model.parameter_count, sizes.dim, sizes.layers, sizes.batch, sizes.prompt, sizes.generated, str(dtype).removeprefix("torch."),
            torch.get_num_threads(),
        )  # fmt: skip


@torch.no_grad()
def _timed(model: TokenSequence, sizes: Sizes) -> tuple[float, float, int]:
    """Return seconds of reading the prompt and of generating, and the bytes of the state after it."""
    draws = torch.Generator().manual_seed(1)
    prompt = torch.randint(model.vocabulary, (sizes.batch, sizes.prompt), generator=draws).to(model.device)
    state = model.init_state(sizes.batch, room=sizes.prompt + sizes.generated)
    if "prompt" in state.notes:
        state = replace(state, notes={**state.notes, "prompt": sizes.prompt})
    begun = _now(model.device)
    logits, state = model.prefill(prompt, state)
    read = _now(model.device)
    for _ in range(sizes.generated):
        logits, state = model.step(logits.argmax(-1), state)
    done = _now(model.device)
    return read - begun, done - read, state.nbytes()


def _now(device: torch.device) -> float:
    """Return the time once the device has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
