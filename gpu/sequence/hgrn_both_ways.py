"""HGRN for complete sequences: states run from both ends, along one axis or along the two axes of an image."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.hgrn import check_sizes
from v2xsim.gpu.sequence.hgrn_layer import AUTHORS, Layer, Mixer, Variant, lower_bounds, recurrence
from v2xsim.gpu.sequence.scan import Method
from v2xsim.gpu.sequence.sizes import check_option
from v2xsim.gpu.sequence.turning import elapsed, first_rates, turns


class HgrnEncoder(nn.Module):
    """Layers of HGRN in which every position depends on the whole sequence, or on its row and column of an image.

    The states of all directions are summed, and all directions use the same gates. The model is not causal, so there is
    no state from which to continue. For a classifier, take the mean of the output over positions.

    Args:
        dim: Number of entries of a vector.
        layers: Number of layers.
        axes: Number of axes: 1 for sequences, 2 for images.
        hidden: Width of the gated linear unit (None for the value of dim).
        shared_turns: Whether the states of all directions turn at the same rates.
        variant: Variant of the recurrence; by default that of the authors' program.
        dropout: Share of entries set to zero in training, 0 to 1.
        method: Algorithm that computes the recurrence (see scan.scan); all give the same results.

    References:
        Qin, Yang and Zhong, NeurIPS 2023 (arXiv 2311.04823), and their program for Long Range Arena.
    """

    def __init__(
        self,
        dim: int,
        layers: int,
        axes: int = 1,
        hidden: int | None = None,
        shared_turns: bool = True,
        variant: Variant = AUTHORS,
        dropout: float = 0.0,
        method: Method = "auto",
    ) -> None:
        super().__init__()
        check_sizes(dim, layers, hidden, dropout)
        check_option(Method, method)
        if axes not in (1, 2):
            raise UserError(f"axes must be 1 (sequences) or 2 (images), got {axes}")
        self.dim, self.axes, self.bounds, self.method = dim, axes, variant.bounds, method
        self.bound_weight = nn.Parameter(torch.zeros(layers, dim), requires_grad=variant.bounds != "none")
        rate = first_rates(dim).to(torch.get_default_dtype())
        self.turn_rad = (
            nn.Parameter(rate.repeat(layers, 1 if shared_turns else 2 * axes, 1)) if variant.complex_state else None
        )
        self.layers = nn.ModuleList(
            Layer(Mixer(dim, variant), dim, dim if hidden is None else hidden, dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        x: Float[Tensor, "batch *places dim"],
        mask: Bool[Tensor, "batch *places"] | None = None,
        state: None = None,
    ) -> Float[Tensor, "batch *places dim"]:
        """Read sequences (batch, time, dim) or images (batch, rows, columns, dim).

        Args:
            x: Input vectors; those at masked positions are ignored.
            mask: False where there is no input; the states do not change at a position without input.
            state: Must be None.

        Raises:
            UserError: If shapes, types or devices do not fit, a number is not finite, or a state is given.
        """
        self._check(x, mask, state)
        if mask is not None:
            x = torch.where(mask[..., None], x, torch.zeros((), dtype=x.dtype, device=x.device))
        if x.numel() == 0:
            return x
        bounds = lower_bounds(self.bound_weight, self.bounds)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, Layer)
            keep, entry, gate = layer.mixer.gates(layer.norm(x), bounds[number], mask, None)
            states = torch.stack([self._run(keep, entry, mask, number, way) for way in range(2 * self.axes)]).sum(0)
            x = layer.added(x, layer.mixer.read(states, gate, x.dtype))
        normed: Tensor = self.norm(x)
        return normed

    def _run(
        self,
        keep: Float[Tensor, "batch *places dim"],
        entry: Float[Tensor, "batch *places parts dim"],
        mask: Bool[Tensor, "batch *places"] | None,
        layer: int,
        way: int,
    ) -> Float[Tensor, "batch *places parts dim"]:
        """Return the states of one direction: forward or backward, along the columns or along the rows."""
        across, backward = way >= 2, way % 2 == 1

        def lines(x: Tensor) -> Tensor:
            x = x.transpose(1, 2) if across else x
            x = x.flatten(0, 1) if self.axes == 2 else x
            return x.flip(1) if backward else x

        turn = None
        if self.turn_rad is not None:
            rates = self.turn_rad[layer]
            time = keep.shape[1] if across or self.axes == 1 else keep.shape[2]
            passed = elapsed(time, None if mask is None else lines(mask), None, keep.device)
            turn = turns(rates[way % len(rates)], passed, keep.dtype)
        states = recurrence(lines(keep), lines(entry), None, turn, self.method)
        states = states.flip(1) if backward else states
        if self.axes == 2:
            states = states.unflatten(0, (len(keep), -1))
        return states.transpose(1, 2) if across else states

    def _check(self, x: Any, mask: Any, state: object) -> None:
        if state is not None:
            raise UserError(
                "HgrnEncoder: the state must be left out, it reads in both directions and cannot continue from one; use Hgrn for streams"
            )
        weight = self.norm.weight
        if not isinstance(x, Tensor) or x.ndim != 2 + self.axes or x.shape[-1] != self.dim:
            wanted = "(batch, time, {})" if self.axes == 1 else "(batch, rows, columns, {})"
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise UserError(f"HgrnEncoder: x must be a tensor of shape {wanted.format(self.dim)}, got {got}")
        lower = torch.is_autocast_enabled(x.device.type) and x.dtype in (torch.float16, torch.bfloat16)
        if x.device != weight.device or not (x.dtype == weight.dtype or lower):
            raise UserError(
                f"HgrnEncoder: x is of {x.dtype} on {x.device}, the parameters of {weight.dtype} on {weight.device}; "
                f"convert with x.to({str(weight.device)!r}, {weight.dtype})"
            )
        if mask is not None and not isinstance(mask, Tensor):
            raise UserError(
                f"HgrnEncoder: mask must be a tensor of booleans, got {type(mask).__name__}; use torch.as_tensor"
            )
        if mask is not None and (mask.dtype != torch.bool or mask.shape != x.shape[:-1] or mask.device != x.device):
            raise UserError(
                f"HgrnEncoder: mask must be booleans of shape {tuple(x.shape[:-1])} on {x.device}, "
                f"got {tuple(mask.shape)} of {mask.dtype} on {mask.device}; True where there is something"
            )
        finite = torch.isfinite(x.detach()).all(-1)
        if not bool((finite if mask is None else finite | ~mask).all()):
            raise UserError("HgrnEncoder: x must be finite where the mask is True; mask what is not there")
