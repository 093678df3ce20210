"""One part of a state: a tensor with one row for each agent."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from v2xsim.errors import UserError


@dataclass(frozen=True)
class Memory:
    """A tensor with one entry per row. The shape of the tensor is fixed, or its second axis grows over time (`grows`).

    Attributes:
        value: The tensor; its first axis is the row.
        blank: Value with which new rows are filled.
        reverts: Whether the memory stays valid if the last positions are removed (`crop`).
        grows: Whether the second axis grows over time, so that rows may have different lengths; shorter rows end with
            blanks.
    """

    value: Shaped[Tensor, "batch *shape"]
    blank: float = 0.0
    reverts: bool = False
    grows: bool = False

    @property
    def batch(self) -> int:
        """Number of rows."""
        return int(self.value.shape[0])

    def select(self, rows: Int64[Tensor, " rows"]) -> "Memory":
        """Return the memory with the given rows only."""
        return replace(self, value=self.value[rows])

    def append(self, count: int) -> "Memory":
        """Return the memory with additional blank rows."""
        blank = self.value.new_full((count, *self.value.shape[1:]), self.blank)
        return replace(self, value=torch.cat([self.value, blank]))

    def join(self, other: "Memory") -> "Memory":
        """Return a memory with the rows of both memories."""
        longest = max(self.value.shape[1], other.value.shape[1]) if self.grows else 0
        return replace(self, value=torch.cat([self._filled(longest), other._filled(longest)]))

    def _filled(self, length: int) -> Tensor:
        """Return the rows; if the memory grows, they are padded with blanks to the given length."""
        if not self.grows:
            return self.value
        more = length - self.value.shape[1]
        blank = self.value.new_full((self.batch, more, *self.value.shape[2:]), self.blank)
        return torch.cat([self.value, blank], 1)

    def crop(self, count: int) -> "Memory":
        """Return the memory unchanged if it does not depend on positions."""
        if not self.reverts:
            raise UserError(
                f"a recurrent state cannot be cropped to {count} positions, it does not know its past; "
                "keep an earlier state instead, it stays valid"
            )
        return self

    def precisions(self) -> set[torch.dtype]:
        """Return the type of the tensor, if it is a floating-point type."""
        return {self.value.dtype} if self.value.is_floating_point() else set()

    def outside_inference(self) -> "Memory":
        """Return the memory with tensors created in inference mode replaced by normal ones."""
        return replace(self, value=self.value.clone()) if self.value.is_inference() else self

    def detach(self) -> "Memory":
        """Return the memory detached from the graph of gradients."""
        return replace(self, value=self.value.detach())

    def to(self, device: torch.device | None, dtype: torch.dtype | None) -> "Memory":
        """Return the memory on another device or with another floating-point type; integers keep their type."""
        return replace(self, value=self.value.to(device, dtype if self.value.is_floating_point() else None))

    def nbytes(self) -> int:
        """Return the number of bytes of the tensor; tensors of integers, such as token ids, count as 0."""
        return self.value.numel() * self.value.element_size() if self.value.is_floating_point() else 0

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors that `from_tensors` needs, copied."""
        return {
            "value": self.value.clone(memory_format=torch.contiguous_format),
            "numbers": torch.tensor([self.blank, float(self.reverts), float(self.grows)]),
        }

    @staticmethod
    def from_tensors(tensors: dict[str, Tensor]) -> "Memory":
        """Return the memory from tensors that the method `tensors` returned."""
        blank, reverts, grows = tensors["numbers"].tolist()
        return Memory(tensors["value"], blank, bool(reverts), bool(grows))
