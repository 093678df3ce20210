"""One layer of HGRN: a gated linear recurrence over time, then a gated linear unit over channels."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from v2xsim.gpu.sequence.scan import Method, scan
from v2xsim.gpu.sequence.sizes import check_option
from v2xsim.gpu.sequence.turning import Turn, turned

Bounds = Literal["exclusive", "inclusive", "none"]
Forget = Literal["data", "constant"]
NormGate = Literal["code", "paper"]

LEAST_SHARE = 2.0**-16
"""Smallest share of each layer in the cumulative softmax, so that bounds stay distinct, and below 1, in 32 bits."""


@dataclass(frozen=True)
class Variant:
    """A variant of HGRN's recurrence; the defaults are those of the authors' program.

    Attributes:
        complex_state: Whether states are complex numbers whose phase turns with time.
        norm_gate: Order of normalisation and output gate. `code`: normalisation, then gate (the authors' program).
            `paper`: gate, then normalisation (the equation of the paper).
        bounds: Lower bounds of the kept share: exclusive (the paper), inclusive (flash-linear-attention), none (for
            ablation).
        forget: `data`: the kept share depends on the input. `constant`: the kept share is one learnt number per channel
            (for ablation).

    Raises:
        UserError: If an option is unknown.
    """

    complex_state: bool = True
    norm_gate: NormGate = "code"
    bounds: Bounds = "exclusive"
    forget: Forget = "data"

    def __post_init__(self) -> None:
        for options, option in ((Bounds, self.bounds), (Forget, self.forget), (NormGate, self.norm_gate)):
            check_option(options, option)

    @property
    def parts(self) -> int:
        """Number of real numbers that make one number of a state: 2 if it is complex, else 1."""
        return 2 if self.complex_state else 1


AUTHORS = Variant()
"""The variant of the authors' program."""


def lower_bounds(weight: Float[Tensor, "layers dim"], kind: Bounds) -> Float[Tensor, "layers dim"]:
    """Return the smallest share of its state that each layer keeps in a step: 0 at the first layer, rising, below 1.

    Args:
        weight: Arbitrary numbers; their softmax over the layers gives the shares, which are the differences between the
            bounds of neighbouring layers.
        kind: `exclusive`: the bound of a layer is the sum of the shares of the layers below (the paper). `inclusive`:
            the sum of the shares of the layers below and of the layer itself, minus the share of the first layer
            (flash-linear-attention). The two agree only if all shares are equal. `none`: the bound is 0 for all layers
            (for ablation).
    """
    if kind == "none":
        return torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
    # Computed in 64 bits: there are only layers * dim numbers, and rounding must not change their order.
    share = LEAST_SHARE + (1.0 - len(weight) * LEAST_SHARE) * weight.double().softmax(0)
    shares = share[:-1] if kind == "exclusive" else share[1:]
    bounds = torch.cat([torch.zeros_like(share[:1]), shares.cumsum(0)])
    return bounds.to(torch.promote_types(weight.dtype, torch.float32))


class Mixer(nn.Module):
    """The recurrence h_t = keep_t exp(i turn) h_(t-1) + (1 - keep_t) SiLU(V x_t), with its input and output maps.

    keep_t = g + (1 - g) sigmoid(-W x_t) with the layer's lower bound g. The sign of W is arbitrary, since W is learnt.
    A step of length dt raises `keep` to the power dt and turns by dt steps: without the turn, this equals several
    smaller steps with the same input. Everything between the input and the output map is computed in at least 32 bits.

    Args:
        dim: Number of entries of a vector, and of each part of the state.
        variant: Variant of the recurrence; its bounds are not used here.
    """

    def __init__(self, dim: int, variant: Variant) -> None:
        super().__init__()
        self.dim, self.parts, self.norm_gate = dim, variant.parts, variant.norm_gate
        # One linear map gives the entry, the output gate and the replaced share, since one large product is faster than three.
        self.maps = nn.Linear(dim, 2 * self.parts * dim + (dim if variant.forget == "data" else 0))
        self.constant = nn.Parameter(torch.zeros(dim)) if variant.forget == "constant" else None
        self.norm = nn.LayerNorm(self.parts * dim)
        self.out = nn.Linear(self.parts * dim, dim)

    def gates(
        self,
        x: Float[Tensor, "*batch dim"],
        bound: Float[Tensor, " dim"],
        mask: Bool[Tensor, "*batch"] | None,
        dt: Float[Tensor, "*batch"] | None,
    ) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "*batch parts dim"], Float[Tensor, "*batch double"]]:
        """Return the kept share of the state, the entry to add, and the output gate.

        At masked positions, the whole state is kept and nothing is added.
        """
        mapped = self.maps(x)
        # Autocast does not affect the code below, but it may have reduced the precision of the map's output.
        mapped = mapped if mapped.dtype == torch.float64 else mapped.float()
        width = self.parts * self.dim
        content, gate = F.silu(mapped[..., : 2 * width]).chunk(2, -1)
        replace = self.constant.to(mapped.dtype) if self.constant is not None else mapped[..., 2 * width :]
        share = (1.0 - bound) * replace.sigmoid()
        keep = 1.0 - share
        if dt is not None:
            keep, share = _over(keep, share, dt[..., None].to(keep.dtype))
        entry = share[..., None, :] * content.unflatten(-1, (self.parts, self.dim))
        if mask is not None:
            keep = torch.where(mask[..., None], keep, 1.0)
            entry = torch.where(mask[..., None, None], entry, 0.0)
        return keep.expand(*x.shape[:-1], self.dim), entry, gate

    def read(
        self, states: Float[Tensor, "*batch parts dim"], gate: Float[Tensor, "*batch double"], dtype: torch.dtype
    ) -> Float[Tensor, "*batch dim"]:
        """Return the output of the mixer from the states and the output gate."""
        flat = states.flatten(-2)
        read = (
            self.norm((flat * gate).to(dtype))
            if self.norm_gate == "paper"
            else self.norm(flat.to(dtype)) * gate.to(dtype)
        )
        return self.out(read)


def recurrence(
    keep: Float[Tensor, "batch time dim"],
    entry: Float[Tensor, "batch time parts dim"],
    before: Float[Tensor, "batch parts dim"] | None,
    turn: Turn | None,
    method: Method = "auto",
) -> Float[Tensor, "batch time parts dim"]:
    """Return the states at the positions of a piece of a sequence.

    The turn does not depend on the input. In coordinates that turn with the states from the start of the piece on, the
    recurrence is real.

    Args:
        keep: Share of the state that each position keeps, 0 to 1.
        entry: Value that each position adds.
        before: State before the piece (None for zero).
        turn: Turn of the states from the start of the piece to each position (None for no turn).
        method: Algorithm that computes the recurrence (see scan.scan).
    """
    if entry.shape[1] == 1 and before is not None:
        state = before[:, None]
        return torch.addcmul(entry, keep[:, :, None], state if turn is None else turned(state, turn))
    if turn is None:
        return scan(keep, entry, before, method)
    return turned(scan(keep, turned(entry, turn, back=True), before, method), turn)


class Layer(nn.Module):
    """A mixer over time and a gated linear unit over channels, each added to its input (pre-norm)."""

    def __init__(self, mixer: Mixer, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm, self.mixer = nn.LayerNorm(dim), mixer
        self.feed_norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 2 * hidden)
        self.down = nn.Linear(hidden, dim)

    def added(self, x: Float[Tensor, "*batch dim"], read: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Return x plus the mixer's output, plus the output of the gated linear unit."""
        x = x + F.dropout(read, self.dropout, self.training)
        gate, value = self.up(self.feed_norm(x)).chunk(2, -1)
        return x + F.dropout(self.down(F.silu(gate) * value), self.dropout, self.training)


def _over(keep: Tensor, share: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """Return the kept and the replaced share of the state over steps of length dt."""
    # Each of the two logarithms is used where it is exact. Neither may be infinite in the branch that is not used, or
    # its gradient would be NaN.
    near_one = torch.log1p(-share.clamp(max=0.5))
    log = torch.where(share < 0.5, near_one, keep.clamp(min=torch.finfo(keep.dtype).tiny).log())
    return (dt * log).exp(), -torch.expm1(dt * log)
