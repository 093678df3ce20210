"""HGRN: a recurrent network with a state of fixed size, whose upper layers cannot forget quickly."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from v2xsim.gpu.sequence.hgrn_layer import AUTHORS, Layer, Mixer, Variant, lower_bounds, recurrence
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.module import SequenceModule
from v2xsim.gpu.sequence.scan import Method
from v2xsim.gpu.sequence.sizes import check_dropout, check_option, check_start, check_whole
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.turning import elapsed, first_rates, turns


class Hgrn(SequenceModule):
    """Layers of hierarchically gated linear recurrences over vectors.

    In layer k, with a lower bound g_k that is 0 at the first layer and rises: keep_t = g_k + (1 - g_k) sigmoid(W x_t),
    h_t = keep_t exp(i turn) h_(t-1) + (1 - keep_t) SiLU(V x_t), and the output is h_t gated by the input.

    Where nothing arrived, the state does not change at all: it neither decays nor turns, and the `dt` of that position
    does not count. A step of length dt raises `keep` to the power dt and turns by dt steps.

    The state has 2 dim numbers per layer, whatever the length of the sequence.

    Args:
        dim: Number of entries of a vector.
        layers: Number of layers.
        hidden: Width of the gated linear unit (None for 2 times dim).
        variant: Variant of the recurrence; by default that of the authors' program.
        dropout: Share of entries set to zero in training, 0 to 1.
        method: Algorithm that computes the recurrence (see scan.scan); all give the same results.

    References:
        Qin, Yang and Zhong, NeurIPS 2023 (arXiv 2311.04823).
    """

    # The recurrence is computed in at least 32 bits, whatever the precision of the state.
    any_precision = True

    def __init__(
        self,
        dim: int,
        layers: int,
        hidden: int | None = None,
        variant: Variant = AUTHORS,
        dropout: float = 0.0,
        method: Method = "auto",
    ) -> None:
        super().__init__()
        check_sizes(dim, layers, hidden, dropout)
        check_option(Method, method)
        self.width, self.hidden = dim, 2 * dim if hidden is None else hidden
        self.variant, self.method = variant, method
        self.bound_weight = nn.Parameter(torch.zeros(layers, dim), requires_grad=variant.bounds != "none")
        rate = first_rates(dim).to(torch.get_default_dtype())
        self.turn_rad = nn.Parameter(rate.repeat(layers, 1)) if variant.complex_state else None
        self.layers = nn.ModuleList(Layer(Mixer(dim, variant), dim, self.hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    @property
    def signature(self) -> str:
        """Kind and sizes of the model, by which a state is recognised as its own."""
        return (
            f"Hgrn(dim {self.width}, layers {len(self.layers)}, parts {self.variant.parts}, "
            f"bounds {self.variant.bounds}, forget {self.variant.forget}, norm and gate as {self.variant.norm_gate})"
        )

    def init_state(
        self, batch: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None, room: int = 0
    ) -> State:
        """Return the state of `batch` rows that have not read anything yet; it never grows.

        Args:
            batch: Number of rows.
            device: Device of the state (None for the device of the module).
            dtype: Floating-point type of the state (None for that of the module, but at least 32 bits).
            room: Not used.
        """
        check_start(batch, dtype, room)
        state_device = torch.device(device) if device is not None else self.device
        wide = torch.promote_types(self.dtype, torch.float32)
        shape = (batch, len(self.layers), self.variant.parts, self.width)
        memory = Memory(torch.zeros(shape, device=state_device, dtype=dtype or wide))
        return State.fresh(self.signature, batch, state_device, {"hidden": memory})

    def lower_bounds(self) -> Float[Tensor, "layers dim"]:
        """Return the smallest share (0 to 1) of its state that each layer keeps in a step."""
        return lower_bounds(self.bound_weight, self.variant.bounds)

    def standing(self, state: State, room: int) -> State | None:
        """Return the state unchanged: it never grows."""
        return state

    def _advance(
        self,
        x: Float[Tensor, "batch time dim"],
        state: State,
        mask: Bool[Tensor, "batch time"] | None,
        dt: Float[Tensor, "batch time"] | None,
    ) -> tuple[Tensor, State]:
        hidden, after, bounds = state.memory("hidden"), [], self.lower_bounds()
        turn = None
        if self.turn_rad is not None:
            turn = turns(self.turn_rad, elapsed(x.shape[1], mask, dt, x.device), bounds.dtype)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            keep, entry, gate = layer.mixer.gates(layer.norm(x), bounds[number], mask, dt)
            here = None if turn is None else (turn[0][number], turn[1][number])
            states = recurrence(keep, entry, hidden[:, number].to(keep.dtype), here, self.method)
            after.append(states[:, -1].to(hidden.dtype))
            x = layer.added(x, layer.mixer.read(states, gate, x.dtype))
        return self.norm(x), state.advanced(x.shape[1], {"hidden": Memory(torch.stack(after, 1))}, dt)


def check_sizes(dim: int, layers: int, hidden: int | None, dropout: float) -> None:
    """Raise an error for sizes below 1 and for an invalid dropout."""
    check_whole(1, dim=dim, layers=layers, hidden=dim if hidden is None else hidden)
    check_dropout(dropout)
