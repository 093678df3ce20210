"""The state of a sequence module, with one row for each agent.

The state is an explicit object, so that agents can join and leave during a stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.memory import Memory
from v2xsim.gpu.sequence.sizes import check_precision


@dataclass(frozen=True)
class State:
    """The state of a module after some input. A state is never changed: each step returns a new one, and the old stays valid.

    Attributes:
        maker: Signature (kind and sizes) of the module to which the state belongs.
        seen: Number of positions that each row has read, masked positions included.
        clock: Elapsed time of each row in steps; it differs from `seen` only if `dt` was given.
        steps: Number of positions that every row has read (None if the rows differ).
        timed: Whether steps with a given `dt` were read.
        slots: Memories, caches and states of parts of the module, by name.
        notes: Integers that apply to all rows, by name, such as the length of a prompt.
    """

    maker: str
    seen: Int64[Tensor, " batch"]
    clock: Float64[Tensor, " batch"]
    steps: int | None
    timed: bool
    slots: Mapping[str, "Memory | Cache | State"]
    notes: Mapping[str, int] = field(default_factory=dict)

    @staticmethod
    def fresh(
        maker: str, batch: int, device: torch.device, slots: Mapping[str, "Memory | Cache | State"], **notes: int
    ) -> "State":
        """Return the state of `batch` rows that have not read anything yet."""
        seen = torch.zeros(batch, dtype=torch.int64, device=device)
        return State(maker, seen, torch.zeros(batch, dtype=torch.float64, device=device), 0, False, slots, notes)

    @property
    def batch(self) -> int:
        """Number of rows."""
        return int(self.seen.shape[0])

    @property
    def device(self) -> torch.device:
        """Device of the state."""
        return self.seen.device

    def precisions(self) -> set[torch.dtype]:
        """Return the floating-point types in the state: usually one; under autocast also types with fewer bits."""
        types: set[torch.dtype] = set()
        for slot in self.slots.values():
            types |= slot.precisions()
        return types

    def memory(self, name: str) -> Tensor:
        """Return the tensor of the memory with a given name."""
        slot = self.slots[name]
        assert isinstance(slot, Memory)
        return slot.value

    def cache(self, name: str) -> Cache:
        """Return the cache with a given name."""
        slot = self.slots[name]
        assert isinstance(slot, Cache)
        return slot

    def part(self, name: str) -> "State":
        """Return the state of the part with a given name."""
        slot = self.slots[name]
        assert isinstance(slot, State)
        return slot

    def advanced(self, count: int, slots: Mapping[str, "Memory | Cache | State"], dt: Tensor | None = None) -> "State":
        """Return the state after `count` more positions, with new slots."""
        clock = self.clock + (count if dt is None else dt.to(torch.float64).sum(1))
        steps = None if self.steps is None else self.steps + count
        return replace(
            self, seen=self.seen + count, clock=clock, steps=steps, timed=self.timed or dt is not None,
            slots={**self.slots, **slots},
        )  # fmt: skip

    # Rows -----------------------------------------------------------------------------------------------------------

    def select(self, rows: Any) -> "State":
        """Return the state of some rows in the given order; rows may be left out (an agent left) or repeated.

        Args:
            rows: Indices of rows, or one boolean for each row.

        Raises:
            UserError: If a row is out of range.
        """
        rows = self._rows("select", rows)
        if rows.dtype == torch.bool:
            if rows.shape != (self.batch,):
                raise UserError(
                    f"select: a mask must have one entry for each of the {self.batch} rows, got {tuple(rows.shape)}"
                )
            rows = rows.nonzero()[:, 0]
        elif rows.numel() == 0:
            rows = rows.to(torch.int64).reshape(0)
        whole = not (rows.dtype.is_floating_point or rows.dtype.is_complex)
        if (
            rows.ndim != 1
            or not whole
            or (rows.numel() and not (int(rows.min()) >= 0 and int(rows.max()) < self.batch))
        ):
            raise UserError(f"select: rows must be whole numbers from 0 to {self.batch - 1}, got {rows.tolist()}")
        # Converted to 64-bit indices, because torch treats 8-bit integers as a mask.
        rows = rows.to(torch.int64)
        slots = {name: slot.select(rows) for name, slot in self.slots.items()}
        return replace(self, seen=self.seen[rows], clock=self.clock[rows], slots=slots)._recounted()

    def reorder(self, rows: Any) -> "State":
        """Return the state with all rows in another order, for example for a beam search.

        Raises:
            UserError: If the number of indices differs from the number of rows of the state.
        """
        rows = self._rows("reorder", rows)
        if rows.shape != (self.batch,) or rows.dtype == torch.bool:
            raise UserError(
                f"reorder: one row must be named by its number for each of {self.batch}, got {tuple(rows.shape)} of {rows.dtype}; "
                "use select"
            )
        return self.select(rows)

    def _rows(self, name: str, rows: Any) -> Tensor:
        try:
            return torch.as_tensor(rows, device=self.device)
        except (TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"{name}: rows must be whole numbers from 0 to {self.batch - 1}, got {rows!r} ({type(rows).__name__})"
            ) from error

    def append(self, more: "int | State") -> "State":
        """Return the state with rows appended: a number of new rows, or the rows of a state of the same module."""
        if isinstance(more, State):
            joined, own_type, theirs = self.join(more), widest(self.precisions()), widest(more.precisions())
            if own_type != theirs and not torch.is_autocast_enabled(self.device.type):
                raise UserError(
                    f"append: the states are of {own_type} and {theirs}; convert one with state.to(dtype={own_type})"
                )
            return joined
        if not isinstance(more, int) or isinstance(more, bool) or more < 0:
            raise UserError(
                f"append: give a State, or how many fresh rows (a whole number of at least 0), got {more!r}"
            )
        slots = {name: slot.append(more) for name, slot in self.slots.items()}
        seen = torch.cat([self.seen, self.seen.new_zeros(more)])
        clock = torch.cat([self.clock, self.clock.new_zeros(more)])
        return replace(self, seen=seen, clock=clock, slots=slots)._recounted()

    def join(self, other: "State") -> "State":
        """Return a state with the rows of both states, like `append`, but whatever their floating-point types.

        The types may differ because autocast may have treated parts of a batch differently.
        """
        if self.maker != other.maker or dict(self.notes) != dict(other.notes):
            raise UserError(
                f"append: both states must be of one model; this one is of {self.maker} {dict(self.notes)}, "
                f"the other of {other.maker} {dict(other.notes)}"
            )
        if self.device != other.device:
            raise UserError(
                f"append: the states are on {self.device} and {other.device}; move one with state.to(device)"
            )
        slots = {name: slot.join(other.slots[name]) for name, slot in self.slots.items()}  # type: ignore[arg-type]
        return replace(
            self, seen=torch.cat([self.seen, other.seen]), clock=torch.cat([self.clock, other.clock]),
            timed=self.timed or other.timed, slots=slots,
        )._recounted()  # fmt: skip

    def _recounted(self) -> "State":
        """Return the state with `steps` determined again: whether all rows have read the same number of positions."""
        even = self.batch == 0 or bool((self.seen == self.seen[0]).all())
        return replace(self, steps=(int(self.seen[0]) if self.batch else 0) if even else None)

    # Time -----------------------------------------------------------------------------------------------------------

    def crop(self, count: int) -> "State":
        """Return the state as it was after `count` positions; rows with fewer positions stay unchanged.

        Raises:
            UserError: If the state cannot go back: because it is recurrent, because a window has dropped entries, or
                because steps had different lengths.
        """
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 2**63:
            raise UserError(f"crop: the number of positions must be a whole number of at least 0, got {count!r}")
        if self.steps is not None and count >= self.steps:
            return self
        if self.timed:
            raise UserError(
                "crop: steps of different lengths (dt) are not stored, so the time is unknown; keep an earlier state"
            )
        slots = {name: slot.crop(count) for name, slot in self.slots.items()}
        seen = self.seen.clamp(max=count)
        return replace(self, seen=seen, clock=seen.to(torch.float64), slots=slots)._recounted()

    # Device and gradients
    # --------------------------------------------------------------------------------------------

    def outside_inference(self) -> "State":
        """Return the state with tensors created in inference mode replaced by normal ones, which can have gradients."""
        slots = {name: slot.outside_inference() for name, slot in self.slots.items()}
        same = all(slot is self.slots[name] for name, slot in slots.items())
        return self if same else replace(self, slots=slots)

    def detach(self) -> "State":
        """Return the state detached from the graph of gradients."""
        return replace(self, slots={name: slot.detach() for name, slot in self.slots.items()})

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "State":
        """Return the state on another device or with another floating-point type.

        Raises:
            UserError: If the given type is not a floating-point type.
        """
        if dtype is not None:
            check_precision(dtype)
        new_device = None if device is None else torch.device(device)
        slots = {name: slot.to(new_device, dtype) for name, slot in self.slots.items()}
        return replace(self, seen=self.seen.to(new_device), clock=self.clock.to(new_device), slots=slots)

    def nbytes(self) -> int:
        """Return the number of bytes of keys, values and recurrent states in use, those of nested states included.

        Four things are not counted: memory that is allocated and not yet in use; 16 bytes per row and state for
        positions and clocks; 4 bytes per row and cache entry for the positions of entries, which are stored only if
        rows joined late or have missing entries; and token ids. The token ids of a SharedModel grow with the stream, by
        4 bytes per row and token.
        """
        return sum(slot.nbytes() for slot in self.slots.values())

    # Files
    # -----------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of the tensors of the state, from which `load` restores it exactly, also through a safetensors file."""
        head = f"{int(self.timed)}\n{self.maker}"
        by_name = {
            "seen": self.seen.clone(),
            "clock": self.clock.clone(),
            "head": torch.tensor(list(head.encode()), dtype=torch.uint8),
        }
        by_name.update({f"notes.{name}": torch.tensor(value) for name, value in self.notes.items()})
        for name, slot in self.slots.items():
            slot_type = type(slot).__name__.lower()
            inner = slot.state_dict() if isinstance(slot, State) else slot.tensors()
            by_name.update({f"{slot_type}.{name}.{key}": value for key, value in inner.items()})
        return by_name

    @staticmethod
    def load(tensors: Mapping[str, Tensor]) -> "State":
        """Return the state from the tensors that `state_dict` returned.

        Raises:
            UserError: If a tensor is missing.
        """
        groups: dict[str, dict[str, dict[str, Tensor]]] = {"memory": {}, "cache": {}, "state": {}}
        notes: dict[str, int] = {}
        try:
            timed, maker = bytes(tensors["head"].tolist()).decode().split("\n", 1)
            for key, value in tensors.items():
                slot_type, _, rest = key.partition(".")
                if slot_type == "notes":
                    notes[rest] = int(value)
                elif slot_type in groups:
                    name, _, inner = rest.partition(".")
                    groups[slot_type].setdefault(name, {})[inner] = value
            slots: dict[str, Memory | Cache | State] = {}
            slots.update({name: Memory.from_tensors(inner) for name, inner in groups["memory"].items()})
            slots.update({name: Cache.from_tensors(inner) for name, inner in groups["cache"].items()})
            slots.update({name: State.load(inner) for name, inner in groups["state"].items()})
            state = State(maker, tensors["seen"], tensors["clock"], None, timed == "1", slots, notes)
        except (KeyError, ValueError) as error:
            raise UserError(f"no complete state: {error}; give what State.state_dict returned") from error
        return state._recounted()

    def refuse_incomplete(self, like: "State") -> None:
        """Raise an error if the state lacks a part or its parts disagree.

        A part is missing if another state of the same model (`like`) has it; parts disagree if they have different
        numbers of rows.

        Raises:
            UserError: If the state is incomplete or inconsistent.
        """
        if set(self.slots) != set(like.slots) or set(self.notes) != set(like.notes):
            wanted, there = sorted([*like.slots, *like.notes]), sorted([*self.slots, *self.notes])
            raise UserError(f"no complete state: it must hold {', '.join(wanted)}, got {', '.join(there) or 'nothing'}")
        if self.seen.dtype != torch.int64 or self.clock.shape != self.seen.shape:
            raise UserError(
                f"no complete state: seen must be torch.int64 and clock as long, got {self.seen.dtype}, {tuple(self.clock.shape)}"
            )
        for name, slot in self.slots.items():
            rows = int(slot.value.shape[0]) if isinstance(slot, Memory) else slot.batch
            if type(slot) is not type(like.slots[name]) or rows != self.batch:
                raise UserError(f"no complete state: {name} holds {rows} rows, the whole {self.batch}")
            if isinstance(slot, Cache) and slot.keys.shape != slot.values.shape:
                raise UserError(
                    f"no complete state: {name} holds keys of {tuple(slot.keys.shape)} and values of {tuple(slot.values.shape)}"
                )
            if isinstance(slot, State):
                slot.refuse_incomplete(like.part(name))


def widest(precisions: set[torch.dtype]) -> torch.dtype:
    """Return the type that can represent the numbers of all the given types."""
    return reduce(torch.promote_types, precisions)
