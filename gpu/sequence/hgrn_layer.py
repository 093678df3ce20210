"""One layer of HGRN: a gated linear recurrence over time, then a gated linear unit over channels."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from v2xsim.gpu.sequence.scan import Method, scan
from v2xsim.gpu.sequence.turning import Turn, turned

Bounds = Literal["exclusive", "inclusive", "none"]
Forget = Literal["data", "constant"]
NormGate = Literal["code", "paper"]

LEAST_SHARE = 2.0**-16
"""What each layer's share of the cumulative softmax is at least, so that bounds stay apart, and below 1, in 32 bits."""


def lower_bounds(weight: Float[Tensor, "layers dim"], kind: Bounds) -> Float[Tensor, "layers dim"]:
    """Return the least that each layer keeps of its state in a step: 0 at the first layer, rising, below 1.

    Args:
        weight: Any numbers; their softmax over layers says how far each layer's bound is from the next.
        kind: exclusive: the shares of the layers below (the paper). inclusive: of the layers below and this one, less the first's
            (flash-linear-attention); the two agree only for equal shares. none: 0 everywhere (ablation).
    """
    if kind == "none":
        return torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
    # In 64 bits: there are layers * dim numbers, and rounding must not undo their order.
    share = LEAST_SHARE + (1.0 - len(weight) * LEAST_SHARE) * weight.double().softmax(0)
    shares = share[:-1] if kind == "exclusive" else share[1:]
    bounds = torch.cat([torch.zeros_like(share[:1]), shares.cumsum(0)])
    return bounds.to(torch.promote_types(weight.dtype, torch.float32))


class Mixer(nn.Module):
    """The recurrence h_t = keep_t exp(i turn) h_(t-1) + (1 - keep_t) SiLU(V x_t), gated, normed and mapped back.

    keep_t = g + (1 - g) sigmoid(-W x_t) with the layer's lower bound g; W's sign is a matter of taste, and so it need not be turned.
    A step of uneven length raises `keep` to its power and turns by that many steps: without the turn, that is what taking the step in
    parts with the same input gives. Between the maps all is done in 32 bits at least.

    Args:
        dim: Entries of a vector, and of each part of the state.
        parts: 2 for a complex state, 1 for a real one, which does not turn.
        forget: data: what is kept hangs on the input. constant: one number a channel (ablation).
        norm_gate: code: norm, then gate (the authors' programme). paper: gate, then norm (their equation).
    """

    def __init__(self, dim: int, parts: int, forget: Forget, norm_gate: NormGate) -> None:
        super().__init__()
        self.dim, self.parts, self.norm_gate = dim, parts, norm_gate
        # One map for what enters, the output gate and the share that is replaced.
        self.maps = nn.Linear(dim, 2 * parts * dim + (dim if forget == "data" else 0))
        self.constant = nn.Parameter(torch.zeros(dim)) if forget == "constant" else None
        self.norm = nn.LayerNorm(parts * dim)
        self.out = nn.Linear(parts * dim, dim)

    def gates(
        self,
        x: Float[Tensor, "*batch dim"],
        bound: Float[Tensor, " dim"],
        mask: Bool[Tensor, "*batch"] | None,
        dt: Float[Tensor, "*batch"] | None,
    ) -> tuple[Float[Tensor, "*batch dim"], Float[Tensor, "*batch parts dim"], Float[Tensor, "*batch double"]]:
        """Return what is kept, what is added, and the output gate; kept whole and nothing added where the mask holds the state."""
        mapped = self.maps(x)
        # Autocast touches nothing of what follows; it may have halved the map.
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
        """Return what the gates let through of the states."""
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
    """Return the states of a piece.

    The turn does not depend on the input: in axes that turn along from the start of the piece, the recurrence is real.

    Args:
        keep: Share kept.
        entry: What is added.
        before: The state before the piece; zero if left out.
        turn: How far states have turned since then, at each position; None if they do not.
        method: Of the scan.
    """
    if entry.shape[1] == 1 and before is not None:
        state = before[:, None]
        return torch.addcmul(entry, keep[:, :, None], state if turn is None else turned(state, turn))
    if turn is None:
        return scan(keep, entry, before, method)
    return turned(scan(keep, turned(entry, turn, back=True), before, method), turn)


class Layer(nn.Module):
    """A mixer over time and a gated linear unit over channels, each added to what it reads (pre-norm)."""

    def __init__(self, mixer: Mixer, dim: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm, self.mixer = nn.LayerNorm(dim), mixer
        self.feed_norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 2 * hidden)
        self.down = nn.Linear(hidden, dim)

    def added(self, x: Float[Tensor, "*batch dim"], read: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Return x with what the mixer read, and then with what the gated linear unit makes of it."""
        x = x + F.dropout(read, self.dropout, self.training)
        gate, value = self.up(self.feed_norm(x)).chunk(2, -1)
        return x + F.dropout(self.down(F.silu(gate) * value), self.dropout, self.training)


def _over(keep: Tensor, share: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """Return what is kept and what is not, over steps of a length."""
    # Each logarithm where it is exact; neither is infinite in the branch that is not taken, or its gradient would be no number.
    near_one = torch.log1p(-share.clamp(max=0.5))
    log = torch.where(share < 0.5, near_one, keep.clamp(min=torch.finfo(keep.dtype).tiny).log())
    return (dt * log).exp(), -torch.expm1(dt * log)
