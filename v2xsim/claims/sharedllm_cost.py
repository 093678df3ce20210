"""The cost of a context for SharedLLM in bytes, positions and seconds, compared with a plain Transformer."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.transformer import Transformer


@dataclass(frozen=True)
class CostRow:
    """The cost of a context of one length.

    Attributes:
        chunks: Number of chunks of the context.
        tokens: Number of tokens of the context.
        ratio: Compression: number of tokens of the context for each kept entry.
        kept_bytes: Size of the keys and values kept of the context, over all sequences of the batch.
        plain_bytes: Size of the cache of a plain Transformer with one layer for each upper layer that reads kept keys and
            values.
        lower_positions: Number of positions that each layer of the lower model reads for one sequence, starting with the
            first layer.
        condense_s: Time to choose the parts kept in detail and to encode the whole context.
        step_ms: Time to generate one token after the context.
        plain_step_ms: Time to generate one token with a plain Transformer of the upper model's size that has read the same
            number of tokens.
    """

    chunks: int
    tokens: int
    ratio: float
    kept_bytes: int
    plain_bytes: int
    lower_positions: tuple[int, ...]
    condense_s: float
    step_ms: float
    plain_step_ms: float


def cost_rows(batch: int = 8, counts: Sequence[int] = (1, 2, 4, 8, 16, 32), turns: int = 7) -> Iterator[CostRow]:
    """Yield the cost of contexts with an increasing number of chunks; times are medians over `turns` measurements."""
    vocabulary, dim, layers, heads, inject, chunk = 256, 128, 4, 4, 2, 256
    model = SharedModel(vocabulary, dim, layers, heads, ContextTree(chunk, 3, 8), inject).eval()
    plain = Transformer(dim, layers, heads).eval()
    generator, read = torch.Generator().manual_seed(0), _Positions(model)
    with torch.no_grad():
        for chunks in counts:
            context = torch.randint(vocabulary, (batch, chunks * chunk), generator=generator)
            query = torch.randn(batch, dim, generator=generator)
            read.reset()
            state = model.condense(context, query)
            positions = tuple(count // batch for count in read.counts)
            token, vector = context[:, 0], torch.zeros(batch, dim)
            behind = _filled(plain, batch, chunks * chunk, generator)
            yield CostRow(
                chunks, chunks * chunk, model.tree.ratio, state.nbytes() - model.init_state(batch).nbytes(),
                behind.nbytes() * inject // layers, positions,
                _median_s(lambda: model.condense(context, query), turns),  # noqa: B023
                1e3 * _median_s(lambda: model.step(token, state), turns),  # noqa: B023
                1e3 * _median_s(lambda: plain.step(vector, behind), turns),  # noqa: B023
            )  # fmt: skip


class _Positions:
    """Counts the positions that each layer of a lower model reads."""

    def __init__(self, model: SharedModel) -> None:
        assert model.lower is not None
        self.counts = [0] * len(model.lower.layers)
        for number, layer in enumerate(model.lower.layers):
            layer.key_value.register_forward_hook(self._counter(number))  # type: ignore[union-attr]

    def reset(self) -> None:
        self.counts[:] = [0] * len(self.counts)

    def _counter(self, number: int) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            self.counts[number] += inputs[0].shape[0] * inputs[0].shape[1]

        return count


def _filled(plain: Transformer, batch: int, count: int, generator: torch.Generator) -> State:
    """Return the state of a Transformer after `count` positions, with random entries: the values do not affect the time."""
    state = plain.init_state(batch)
    shape = (batch, plain.heads, count, plain.dim // plain.heads)
    slots = {
        name: cache.extend(torch.randn(shape, generator=generator), torch.randn(shape, generator=generator), 0)
        for name, cache in state.slots.items()
        if isinstance(cache, Cache)
    }
    return state.advanced(count, slots)


def _median_s(work: Callable[[], object], turns: int) -> float:
    took = []
    for _ in range(turns + 1):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return median(took[1:])
