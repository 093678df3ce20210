"""The interface of all sequence models: `y, state = module(x, state, mask, dt)`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.state import State, widest

_AUTOCAST = (torch.float16, torch.bfloat16, torch.float32)
"""Floating-point types that autocast may produce, in some places and not in others."""


class SequenceModule(nn.Module, ABC):
    """A causal module that reads a sequence in pieces of any length.

    A sequence may be split anywhere: if the state is passed on, the pieces give the same result as the whole. A masked
    position (for example, a packet that did not arrive) *holds* the state: nothing decays and nothing is added, but the
    position is counted.

    Attributes:
        width: Number of entries of an input vector; 0 if the inputs are tokens.
        takes_dt: Whether time steps of different lengths are supported; if not, every `dt` must be 1.
        period: Number of steps after which the sequence of operations repeats; 1 if all steps are alike.
        any_precision: Whether a state may have another floating-point type than the parameters; if not, only
            differences due to autocast are allowed.
    """

    width: int
    takes_dt: bool = True
    period: int = 1
    any_precision: bool = False

    @property
    @abstractmethod
    def signature(self) -> str:
        """Kind and sizes of the model; a state fits only a model with the same signature."""

    @abstractmethod
    def init_state(
        self, batch: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None, room: int = 0
    ) -> State:
        """Return the state of `batch` rows that have not read anything yet.

        Args:
            batch: Number of rows.
            device: Device of the state (None for the device of the module).
            dtype: Floating-point type of the state (None for that of the module).
            room: Number of positions for which to allocate memory, if the state grows; this avoids later copies.
        """

    def standing(self, state: State, room: int) -> State | None:
        """Return the state in a form in which steps can be recorded and repeated (None if the module does not support this).

        Steps change the returned state in place, so only `replay.RecordedSteps` may use it. The state given as argument
        stays valid.

        Args:
            state: State of rows that have all read the same number of positions.
            room: Number of steps for which to allocate memory.
        """
        return None

    @abstractmethod
    def _advance(
        self,
        x: Shaped[Tensor, "batch time *width"],
        state: State,
        mask: Bool[Tensor, "batch time"] | None,
        dt: Float[Tensor, "batch time"] | None,
    ) -> tuple[Tensor, State]:
        """Do the work of `forward`, on checked input with at least one position."""

    def forward(
        self,
        x: Shaped[Tensor, "batch time *width"],
        state: State | None = None,
        mask: Bool[Tensor, "batch time"] | None = None,
        dt: float | Float[Tensor, ""] | Float[Tensor, "batch time"] | None = None,
    ) -> tuple[Tensor, State]:
        """Read a piece of a sequence and return the outputs and the new state.

        Args:
            x: Input of each position of the piece, whose length may be 1 or 0. Values at masked positions are ignored.
            state: State after the positions before the piece (None for a new state).
            mask: False where nothing arrived.
            dt: Time from the previous position to each position, in steps (None for 1).

        Returns:
            The output at each position, and the state after the piece.

        Raises:
            UserError: If shapes, types, devices or the state do not fit, or a number is not finite.
        """
        batch, time = self._checked(x, state, mask)
        state = self._begun(state, batch, x.device)
        steps = self._checked_dt(dt, batch, time, x)
        if mask is not None:
            x = torch.where(mask[..., None] if self.width else mask, x, torch.zeros((), dtype=x.dtype, device=x.device))
        if time == 0 or batch == 0:
            return self._nothing(x), state
        return self._advance(x, state, mask, steps)

    def step(
        self,
        x: Shaped[Tensor, "batch *width"],
        state: State | None = None,
        mask: Bool[Tensor, " batch"] | None = None,
        dt: float | Float[Tensor, ""] | Float[Tensor, " batch"] | None = None,
    ) -> tuple[Tensor, State]:
        """Read one position: the same as `forward`, but without the time axis."""
        dims = 2 if self.width else 1
        if not isinstance(x, Tensor) or x.ndim != dims:
            raise UserError(f"{self._name}.step: x must have {dims} dimensions (one position a row), got {_shape(x)}")
        if mask is not None and (not isinstance(mask, Tensor) or mask.ndim != 1):
            raise UserError(
                f"{self._name}.step: mask must be booleans, one for each of {len(x)} rows, got {_shape(mask)}"
            )
        tick = dt[:, None] if isinstance(dt, Tensor) and dt.ndim else dt
        y, state = self(x[:, None], state, None if mask is None else mask[:, None], tick)
        return y[:, 0], state

    def load_state(self, tensors: Mapping[str, Tensor]) -> State:
        """Return the state from the tensors of `State.state_dict`; the state of another model is rejected."""
        state = State.load(tensors)
        self._refuse_other(state)
        state.refuse_incomplete(self.init_state(0))
        return state

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the parameters."""
        return next(self.parameters()).dtype

    @property
    def parameter_count(self) -> int:
        """Number of trained weights; weights that are used in two places count once."""
        return sum(p.numel() for p in self.parameters())

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _nothing(self, x: Tensor) -> Tensor:
        """Return the output for a piece without positions."""
        return x.new_zeros(*x.shape[:2], self.width) if self.width else x

    def _begun(self, state: State | None, batch: int, device: torch.device) -> State:
        """Return the state from which to continue: a new one if none is given.

        Effects of inference mode and autocast on the state are removed.

        Raises:
            UserError: If the floating-point type of the state does not fit.
        """
        if state is None:
            return self.init_state(batch, device)
        there, own_dtype = state.precisions(), self.dtype
        if there != {own_dtype} and not self.any_precision:
            autocast = own_dtype != torch.float64 and torch.is_autocast_enabled(device.type)
            if there - {own_dtype, *_AUTOCAST} or not (autocast or own_dtype in there):
                raise UserError(
                    f"{self._name}: the state is of {widest(there)}, the parameters of {own_dtype}; convert it with state.to(dtype={own_dtype})"
                )
            state = state if autocast else state.to(dtype=own_dtype)
        return state.outside_inference() if torch.is_grad_enabled() else state

    # Checks ---------------------------------------------------------------------------------------------------------

    def _checked(self, x: Any, state: State | None, mask: Tensor | None) -> tuple[int, int]:
        if not isinstance(x, Tensor):
            raise UserError(f"{self._name}: x must be a torch tensor, got {type(x).__name__}; use torch.as_tensor")
        if x.device != self.device:
            raise UserError(
                f"{self._name}: x is on {x.device}, the parameters on {self.device}; move x with x.to({str(self.device)!r})"
            )
        usable = isinstance(mask, Tensor) and mask.dtype == torch.bool and mask.device == x.device
        self._check_input(x, mask if usable else None)
        batch, time = int(x.shape[0]), int(x.shape[1])
        if mask is not None:
            if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != (batch, time):
                raise UserError(
                    f"{self._name}: mask must be booleans of shape ({batch}, {time}) as x has it, got {_shape(mask)}; "
                    "True where something arrived"
                )
            if mask.device != x.device:
                raise UserError(
                    f"{self._name}: mask is on {mask.device}, x on {x.device}; move it with mask.to(x.device)"
                )
        if state is not None:
            self._refuse_other(state)
            if state.batch != batch:
                raise UserError(
                    f"{self._name}: the state holds {state.batch} rows, x has {batch}; state.select(rows) drops rows, "
                    "state.append(n) adds fresh ones"
                )
            if state.device != x.device:
                raise UserError(
                    f"{self._name}: the state is on {state.device}, x on {x.device}; move it with state.to(x.device)"
                )
        return batch, time

    def _check_input(self, x: Tensor, mask: Tensor | None) -> None:
        if x.ndim != 3 or x.shape[2] != self.width:
            raise UserError(f"{self._name}: x must have shape (batch, time, {self.width}), got {_shape(x)}")
        allowed = {self.dtype} | (
            {torch.float16, torch.bfloat16} if torch.is_autocast_enabled(x.device.type) else set()
        )
        if x.dtype not in allowed:
            raise UserError(
                f"{self._name}: x is of {x.dtype}, the parameters of {self.dtype}; convert with x.to({self.dtype})"
            )
        finite = torch.isfinite(x.detach()).all(-1)
        if mask is not None and mask.shape == finite.shape:
            finite = finite | ~mask
        if not bool(finite.all()):
            row, position = (~finite).nonzero()[0].tolist()
            raise UserError(
                f"{self._name}: x must be finite where the mask is True; row {row}, position {position} holds NaN or infinity; "
                "mask what did not arrive"
            )

    def _checked_dt(self, dt: Any, batch: int, time: int, x: Tensor) -> Tensor | None:
        if dt is None:
            return None
        if not isinstance(dt, Tensor | int | float) or (isinstance(dt, Tensor) and dt.is_complex()):
            raise UserError(f"{self._name}: dt must be a number or a tensor of numbers, got {_shape(dt)}")
        if isinstance(dt, Tensor) and dt.device != x.device and (dt.ndim or dt.device.type == "meta"):
            raise UserError(f"{self._name}: dt is on {dt.device}, x on {x.device}; move it with dt.to(x.device)")
        steps = torch.as_tensor(dt, device=x.device)
        steps = steps.to(x.dtype if x.dtype.is_floating_point else self.dtype)
        if steps.ndim == 0:
            steps = steps.expand(batch, time)
        if steps.shape != (batch, time):
            raise UserError(
                f"{self._name}: dt must be a number or of shape ({batch}, {time}) as x has it, got {_shape(dt)}"
            )
        if not bool((torch.isfinite(steps) & (steps >= 0)).all()):
            raise UserError(f"{self._name}: dt must be finite and at least 0 (steps since the position before)")
        if bool((steps == 1.0).all()):
            return None
        if not self.takes_dt:
            raise UserError(f"{self._name}: dt must be 1 or left out, this model reads positions of equal length")
        return steps

    def _refuse_other(self, state: Any) -> None:
        if not isinstance(state, State):
            raise UserError(
                f"{self._name}: the state must be a State, got {type(state).__name__}; init_state makes a fresh one"
            )
        if state.maker != self.signature:
            raise UserError(
                f"{self._name}: the state was made by {state.maker}, this model is {self.signature}; "
                "use that model, or begin with init_state"
            )


def _shape(x: Any) -> str:
    return f"{tuple(x.shape)} of {x.dtype}" if isinstance(x, Tensor) else f"{x!r} ({type(x).__name__})"
