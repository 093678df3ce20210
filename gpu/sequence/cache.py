"""Keys and values of one attention layer, which accumulate over time."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.triton_use import works_on

# Spare slots of a new buffer, so that a short cache is not copied at every step.
_LEAST_ROOM = 16
# Largest sizes (in entries, in numbers) for which one kernel on a GPU is faster than two copies.
_FEW, _MANY = 4, 1 << 20
NO_ENTRY = -1
"""Position that marks a slot without an entry for a row."""


class _Buffer:
    """Storage that several caches may share.

    Each cache uses a range of slots; only the one whose range ends last may append in place.
    """

    __slots__ = ("filled", "index", "keys", "values")

    def __init__(self, keys: Tensor, values: Tensor, index: Tensor | None, filled: int) -> None:
        self.keys, self.values, self.index, self.filled = keys, values, index, filled


@dataclass(frozen=True)
class Cache:
    """Keys and values by slot. A cache is never changed, because `extend` returns a new one.

    Slots are in the order of time. If every row has an entry in every slot, the position of an entry follows from its
    slot. If rows joined late or have missing entries, `index` holds the positions.

    Attributes:
        buffer: Storage of the keys and values.
        start: First slot of this cache.
        end: Slot after the last one.
        first: Position in the stream of the entry at `start`, if there is no index.
        window: Number of positions that a query can see, its own included; 0 for all. Older entries are dropped.
    """

    buffer: _Buffer
    start: int
    end: int
    first: int
    window: int

    @staticmethod
    def empty(
        batch: int, heads: int, head_dim: int, device: torch.device, dtype: torch.dtype, window: int = 0, room: int = 0
    ) -> "Cache":
        """Return a cache without entries, with memory for `room` slots."""
        shape = (batch, heads, room, head_dim)
        with torch.inference_mode(False):
            keys, values = (torch.empty(shape, device=device, dtype=dtype) for _ in range(2))
        return Cache(_Buffer(keys, values, None, 0), 0, 0, 0, window)

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def batch(self) -> int:
        """Number of rows."""
        return int(self.buffer.keys.shape[0])

    @property
    def keys(self) -> Float[Tensor, "batch heads slots head_dim"]:
        """Keys of all entries, with rotary embedding."""
        return self.buffer.keys[:, :, self.start : self.end]

    @property
    def values(self) -> Float[Tensor, "batch heads slots head_dim"]:
        """Values of all entries."""
        return self.buffer.values[:, :, self.start : self.end]

    @property
    def index(self) -> Int32[Tensor, "batch slots"] | None:
        """Position of each entry in its row, NO_ENTRY for a missing one (None if positions follow from the slots)."""
        return None if self.buffer.index is None else self.buffer.index[:, self.start : self.end]

    def positions(self) -> Int32[Tensor, "batch slots"]:
        """Return the position of each entry, whether the cache has an index or not."""
        index = self.index
        if index is not None:
            return index
        at = torch.arange(self.first, self.first + len(self), dtype=torch.int32, device=self.keys.device)
        return at.expand(self.batch, -1)

    def extend(
        self,
        keys: Float[Tensor, "batch heads time head_dim"],
        values: Float[Tensor, "batch heads time head_dim"],
        position: int | Int64[Tensor, "batch time"],
    ) -> "Cache":
        """Return the cache with entries appended.

        Args:
            keys: Keys of the new entries.
            values: Values of the new entries.
            position: Position of the first new entry, which must follow that of the last entry; or the position of each
                new entry, NO_ENTRY for a missing one.
        """
        now = self._trimmed()
        count = keys.shape[2]
        if count == 0:
            return now
        if isinstance(position, int) and self.buffer.index is None:
            if len(now) == 0:
                now = replace(now, first=position)
            index = None
        else:
            if isinstance(position, int):
                position = torch.arange(position, position + count, device=keys.device).expand(len(keys), -1)
            index = position.to(torch.int32)
        buffer = now.buffer
        # The autograd graph of a query may have saved these keys, even if they need no gradients themselves: copy
        # instead of overwriting.
        grows = torch.is_grad_enabled()
        if grows or (len(now) == 0 and buffer.keys.shape[2] < count):
            return now._concatenated(keys, values if grows else values.contiguous(), index)
        begin, end = now.end, now.end + count
        if (buffer.index is None) != (index is None) or buffer.filled != begin or end > buffer.keys.shape[2]:
            now = now._moved(max(len(now) + count, min(2 * len(now), len(now) + 4096) + _LEAST_ROOM), index is not None)
            buffer, begin, end = now.buffer, now.end, now.end + count
        if count <= _FEW and keys.numel() >= _MANY and works_on(keys, values, buffer.keys):
            from v2xsim.gpu.sequence.attention_triton import put

            put(keys, values, buffer.keys, buffer.values, begin)
        else:
            buffer.keys[:, :, begin:end] = keys
            buffer.values[:, :, begin:end] = values
        if index is not None:
            assert buffer.index is not None
            buffer.index[:, begin:end] = index
        buffer.filled = end
        return replace(now, end=end)

    def followed_by(
        self,
        keys: Float[Tensor, "batch heads time head_dim"],
        values: Float[Tensor, "batch heads time head_dim"],
        position: int | Int64[Tensor, "batch time"],
    ) -> "Cache":
        """Return the cache with entries appended temporarily: like `extend`, but without changing the storage."""
        indexed = self.buffer.index is not None or not isinstance(position, int)
        if isinstance(position, int):
            at = torch.arange(position, position + keys.shape[2], device=keys.device).expand(len(keys), -1)
            now = self if len(self) else replace(self, first=position)
        else:
            at, now = position, self
        return now._concatenated(keys, values, at.to(torch.int32) if indexed else None)

    def _trimmed(self) -> "Cache":
        """Return the cache without the entries that no later query can see."""
        if not self.window:
            return self
        start = max(self.start, self.end - (self.window - 1))
        return replace(self, start=start, first=self.first + start - self.start)

    def _concatenated(self, keys: Tensor, values: Tensor, index: Tensor | None) -> "Cache":
        if len(self):
            keys, values = torch.cat([self.keys, keys], 2), torch.cat([self.values, values], 2)
            if index is not None:
                index = torch.cat([self.positions(), index], 1)
        count = keys.shape[2]
        return replace(self, buffer=_Buffer(keys, values, index, count), start=0, end=count)

    def _moved(self, room: int, indexed: bool) -> "Cache":
        """Return the cache with its entries copied into a buffer of its own."""
        old, count = self.buffer, len(self)
        shape = (self.batch, old.keys.shape[1], room, old.keys.shape[3])
        with torch.inference_mode(False):
            keys, values = (torch.empty(shape, device=old.keys.device, dtype=old.keys.dtype) for _ in range(2))
            index = torch.empty(shape[0], room, dtype=torch.int32, device=old.keys.device) if indexed else None
        keys[:, :, :count], values[:, :, :count] = self.keys, self.values
        if index is not None:
            index[:, :count] = self.positions()
        return replace(self, buffer=_Buffer(keys, values, index, count), start=0, end=count)

    def _like(self, keys: Tensor, values: Tensor, index: Tensor | None) -> "Cache":
        """Return a cache with the given entries; slots at the front that no row uses are removed."""
        start = 0
        if index is not None and index.numel():
            used = (index != NO_ENTRY).any(0)
            start = int(used.to(torch.uint8).argmax()) if bool(used.any()) else index.shape[1]
        count = keys.shape[2]
        return replace(self, buffer=_Buffer(keys, values, index, count), start=start, end=count)

    def select(self, rows: Int64[Tensor, " rows"]) -> "Cache":
        """Return the cache with the given rows only."""
        index = None if self.index is None else self.index[rows]
        return self._like(self.keys[rows], self.values[rows], index)

    def append(self, count: int) -> "Cache":
        """Return the cache with additional rows that have no entries."""
        if not len(self):
            fresh = self.keys.new_empty(self.batch + count, self.keys.shape[1], 0, self.keys.shape[3])
            return replace(self, buffer=_Buffer(fresh, fresh.clone(), None, 0), start=0, end=0)
        shape = (count, *self.keys.shape[1:])
        index = torch.cat([self.positions(), self.positions().new_full((count, len(self)), NO_ENTRY)])
        return self._like(
            torch.cat([self.keys, self.keys.new_zeros(shape)]),
            torch.cat([self.values, self.values.new_zeros(shape)]),
            index,
        )

    def join(self, other: "Cache") -> "Cache":
        """Return a cache with the rows of both caches, aligned at their last entries."""
        if len(self) == len(other) and self.index is None and other.index is None and self.first == other.first:
            return self._like(torch.cat([self.keys, other.keys]), torch.cat([self.values, other.values]), None)
        longest = max(len(self), len(other))
        parts = [cache._padded(longest) for cache in (self, other)]
        return self._like(*(torch.cat(pair) for pair in zip(*parts, strict=True)))

    def _padded(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return keys, values and index with `count` empty slots added in front."""
        more = count - len(self)
        shape = (self.batch, self.keys.shape[1], more, self.keys.shape[3])
        index = torch.cat([self.positions().new_full((self.batch, more), NO_ENTRY), self.positions()], 1)
        return (
            torch.cat([self.keys.new_zeros(shape), self.keys], 2),
            torch.cat([self.values.new_zeros(shape), self.values], 2),
            index,
        )

    def since(self, position: int) -> "Cache":
        """Return the cache without the entries before a position."""
        index = self.index
        if index is not None:
            return self._like(self.keys, self.values, torch.where(index < position, NO_ENTRY, index))
        gone = min(len(self), max(0, position - self.first))
        return replace(self, start=self.start + gone, first=self.first + gone)

    def crop(self, count: int) -> "Cache":
        """Return the cache as it was after `count` positions.

        Raises:
            UserError: If entries that would be needed again were dropped because of a window.
        """
        if self.index is not None:
            return self._cropped_rows(count)
        if self.window:
            self._refuse_if_dropped(count, self.first if len(self) else 0)
        return replace(self, end=self.start + min(len(self), max(0, count - self.first)))

    def _cropped_rows(self, count: int) -> "Cache":
        held = self.positions()
        lost = held >= count
        index = torch.where(lost, torch.full_like(held, NO_ENTRY), held)
        used = (index != NO_ENTRY).any(0).nonzero()
        end = int(used[-1]) + 1 if len(used) else 0
        if self.window and len(self):
            # The slots of a row are consecutive in time, so any entry gives the position of the first slot, even if
            # that slot is empty.
            first = (held - torch.arange(len(self), device=held.device))[held != NO_ENTRY]
            if len(first) == 0:
                raise UserError(
                    "a window in which nothing has arrived cannot be cropped; keep an earlier state instead, it stays valid"
                )
            self._refuse_if_dropped(count, int(first.max()))
            if bool(lost[:, :end].any()):
                raise UserError(
                    "rows that joined at different times cannot be cropped where a window drops entries; "
                    "keep an earlier state instead, it stays valid"
                )
        return self._like(self.keys[:, :, :end], self.values[:, :, :end], index[:, :end])

    def _refuse_if_dropped(self, count: int, first: int) -> None:
        if first > max(0, count - (self.window - 1)):
            raise UserError(
                f"a state cannot be cropped to {count} positions: its window of {self.window} has dropped what came "
                f"before position {first}; keep an earlier state instead, it stays valid"
            )

    def precisions(self) -> set[torch.dtype]:
        """Return the floating-point types of keys and values."""
        return {self.buffer.keys.dtype, self.buffer.values.dtype}

    def outside_inference(self) -> "Cache":
        """Return the cache with tensors created in inference mode replaced by normal ones."""
        if not (self.buffer.keys.is_inference() or self.buffer.values.is_inference()):
            return self
        return self._like(self.keys.clone(), self.values.clone(), None if self.index is None else self.index.clone())

    def detach(self) -> "Cache":
        """Return the cache detached from the graph of gradients."""
        buffer = self.buffer
        if not (buffer.keys.requires_grad or buffer.values.requires_grad):
            # The result must not append in place to storage to which this cache also appends.
            return self
        # A cache with gradients counts as full (see `extend`), so appending copies it first.
        return replace(self, buffer=_Buffer(buffer.keys.detach(), buffer.values.detach(), buffer.index, buffer.filled))

    def to(self, device: torch.device | None, dtype: torch.dtype | None) -> "Cache":
        """Return the cache on another device or with another floating-point type."""
        index = None if self.index is None else self.index.to(device)
        return self._like(self.keys.to(device, dtype), self.values.to(device, dtype), index)

    def nbytes(self) -> int:
        """Return the number of bytes of the keys and values in use."""
        return 2 * self.keys.numel() * self.keys.element_size()

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that `from_tensors` needs, copied and contiguous, as safetensors requires."""
        numbers = torch.tensor([self.first, self.window, int(self.index is not None)])
        by_name = {"keys": self.keys, "values": self.values, "numbers": numbers}
        if self.index is not None:
            by_name["index"] = self.index
        return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in by_name.items()}

    @staticmethod
    def from_tensors(tensors: dict[str, Tensor]) -> "Cache":
        """Return the cache from tensors that the method `tensors` returned."""
        # Files of an earlier version, in which a missing index could not be detected, have two numbers here.
        first, window, *indexed = tensors["numbers"].tolist()
        index = tensors["index"] if any(indexed) else tensors.get("index")
        count = tensors["keys"].shape[2]
        return Cache(_Buffer(tensors["keys"], tensors["values"], index, count), 0, count, first, window)
