"""A cache whose storage keeps its address while it fills, so that a step can be recorded and replayed."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from v2xsim.gpu.sequence.cache import Cache
from v2xsim.gpu.sequence.triton_use import works_on


@dataclass(frozen=True)
class StandingCache(Cache):
    """A cache of keys and values that is written in place.

    The number of entries is stored in a tensor, so no step depends on a Python number.

    Attributes:
        filled: Number of entries so far, as a tensor on the device; the same for all rows.
    """

    filled: Int64[Tensor, " 1"]

    @staticmethod
    @torch.no_grad()
    def of(cache: Cache, room: int) -> "StandingCache":
        """Return a fixed cache with the entries of another cache and room for `room` more.

        The result uses the storage of the other cache if there is enough room. The other cache stays valid.
        """
        buffer, count = cache.buffer, len(cache)
        if cache.start or buffer.filled != count or buffer.keys.shape[2] < count + room or buffer.index is not None:
            buffer = cache._moved(count + room, False).buffer
        buffer.filled = buffer.keys.shape[2]
        with torch.inference_mode(False):
            filled = torch.full((1,), count, dtype=torch.int64, device=buffer.keys.device)
        return StandingCache(buffer, 0, buffer.filled, cache.first, 0, filled)

    def extend(
        self,
        keys: Float[Tensor, "batch heads time head_dim"],
        values: Float[Tensor, "batch heads time head_dim"],
        position: int | Int64[Tensor, "batch time"],
    ) -> "StandingCache":
        """Append keys and values in place; the slot of an entry gives its position."""
        count, buffer = keys.shape[2], self.buffer
        if works_on(keys, values, buffer.keys):
            from v2xsim.gpu.sequence.attention_triton import put

            put(keys, values, buffer.keys, buffer.values, self.filled)
        else:
            slots = self.filled + torch.arange(count, device=keys.device)
            # Under autocast, new entries may have fewer bits than those in the cache.
            buffer.keys.index_copy_(2, slots, keys.to(buffer.keys.dtype))
            buffer.values.index_copy_(2, slots, values.to(buffer.values.dtype))
        self.filled.add_(count)
        return self

    def left(self, count: int) -> Cache:
        """Return an ordinary cache of the first `count` entries; it shares the storage, and copies before it writes."""
        return Cache(self.buffer, 0, count, self.first, self.window)
