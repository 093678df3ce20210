"""A gated recurrent unit (GRU) with the common interface: the plain recurrent baseline."""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.module import SequenceModule
from v2xsim.gpu.sequence.sizes import check_start, check_whole
from v2xsim.gpu.sequence.state import State


class Gru(SequenceModule):
    """Layers of gated recurrent units over vectors.

    In a step of length dt, the share of the state that is kept (the update gate) is raised to the power dt.

    Args:
        dim: Number of entries of a vector.
        layers: Number of layers.
        residual: Whether each layer adds to its input, with norms before it and at the end, as in the other models.

    References:
        Cho et al. 2014 (arXiv 1406.1078), in cuDNN's form (the reset gate comes after the product).
    """

    def __init__(self, dim: int, layers: int, residual: bool = False) -> None:
        super().__init__()
        check_whole(1, dim=dim, layers=layers)
        self.width = dim
        self.layers = nn.ModuleList(nn.GRU(int(dim), int(dim), batch_first=True) for _ in range(layers))
        self.norms = nn.ModuleList(nn.RMSNorm(dim, eps=1e-6) for _ in range(layers + 1)) if residual else None

    @property
    def signature(self) -> str:
        """Kind and sizes of the model, by which a state is recognised as its own."""
        return f"Gru(dim {self.width}, layers {len(self.layers)}{', residual' if self.norms else ''})"

    def init_state(
        self, batch: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None, room: int = 0
    ) -> State:
        """Return the state of `batch` rows that have not read anything yet; it never grows, so `room` is not used."""
        check_start(batch, dtype, room)
        state_device = torch.device(device) if device is not None else self.device
        memory = Memory(
            torch.zeros(batch, len(self.layers), self.width, device=state_device, dtype=dtype or self.dtype)
        )
        return State.fresh(self.signature, batch, state_device, {"hidden": memory})

    def standing(self, state: State, room: int) -> State | None:
        """Return the state unchanged: it never grows."""
        return state

    def _advance(
        self,
        x: Float[Tensor, "batch time dim"],
        state: State,
        mask: Bool[Tensor, "batch time"] | None,
        dt: Tensor | None,
    ) -> tuple[Tensor, State]:
        hidden, last = state.memory("hidden"), []
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, nn.GRU)
            before, read = hidden[:, number], x if self.norms is None else self.norms[number](x)
            if mask is None and dt is None:
                with _exact(read):
                    made, after = layer(read, before[None].contiguous())
                last.append(after[0])
            else:
                made = _one_by_one(layer, read, before, mask, dt)
                last.append(made[:, -1])
            x = made if self.norms is None else x + made
        y = x if self.norms is None else self.norms[-1](x)
        return y, state.advanced(x.shape[1], {"hidden": Memory(torch.stack(last, 1).to(hidden.dtype))}, dt)


def _exact(x: Tensor) -> AbstractContextManager[None]:
    """Switch off cuDNN's rounding of the factors of 32-bit products (TF32).

    With this rounding, which is cuDNN's default, reading a stream in pieces would not give the same result as reading
    it at once.
    """
    if not (x.is_cuda and x.dtype == torch.float32):
        return nullcontext()
    now = torch.backends.cudnn
    flags: AbstractContextManager[None] = now.flags(
        now.enabled, now.benchmark, deterministic=now.deterministic, allow_tf32=False
    )
    return flags


def _one_by_one(layer: nn.GRU, x: Tensor, hidden: Tensor, mask: Tensor | None, dt: Tensor | None) -> Tensor:
    """Return the hidden states, computed position by position; they do not change where nothing arrived."""
    weights: tuple[Tensor, ...] = tuple(layer.all_weights[0])
    from_x, from_h, bias_x, bias_h = weights
    inputs, states = F.linear(x, from_x, bias_x), []
    for t in range(x.shape[1]):
        reset_x, keep_x, new_x = inputs[:, t].chunk(3, -1)
        reset_h, keep_h, new_h = F.linear(hidden, from_h, bias_h).chunk(3, -1)
        keep = torch.sigmoid(keep_x + keep_h)
        if dt is not None:
            keep = keep ** dt[:, t, None]
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        after = (1.0 - keep) * new + keep * hidden
        hidden = after if mask is None else torch.where(mask[:, t, None], after, hidden)
        states.append(hidden)
    return torch.stack(states, 1)
