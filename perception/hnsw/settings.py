"""Settings of an index, and the levels drawn from its seed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32
from numba import njit

from v2xsim.errors import UserError
from v2xsim.perception.hnsw.build import HEURISTIC, SIMPLE
from v2xsim.perception.hnsw.input import whole

# Upper limit of the level: with M = 2, one item in 2^31 would reach it.
_HIGHEST = 31


@dataclass(frozen=True)
class Settings:
    """Settings of an index; `Index.init_index` describes each of them."""

    M: int
    ef_construction: int
    random_seed: int
    allow_replace_deleted: bool
    selection: str

    def __post_init__(self) -> None:
        whole("M", self.M, 2, 1024)
        whole("ef_construction", self.ef_construction, 1)
        whole("random_seed", self.random_seed, 0, 2**63)
        if self.selection not in ("heuristic", "simple"):
            raise UserError(f"selection must be heuristic or simple, got {self.selection!r}")

    @property
    def rule(self) -> int:
        """Number of the selection rule, for kernels."""
        return SIMPLE if self.selection == "simple" else HEURISTIC


def levels(settings: Settings, begin: int, count: int) -> Int32[np.ndarray, " count"]:
    """Return the random levels of new items: floor(-ln(U) / ln(M)), as in section 4.1 of the paper.

    Args:
        settings: Settings of the index.
        begin: Number of items that drew their levels earlier.
        count: Number of new items.
    """
    drawn: Int32[np.ndarray, " count"] = _drawn(np.uint64(settings.random_seed), begin, count, settings.M)
    return drawn


@njit(cache=True)
def _drawn(seed, begin, count, m):  # type: ignore[no-untyped-def]
    """Return the levels of items by their numbers, from SplitMix64 numbers in (0, 1] (Steele, Lea, Flood, OOPSLA 2014)."""
    levels = np.empty(count, np.int32)
    for i in range(count):
        z = np.uint64(begin + i + 1) * np.uint64(0x9E3779B97F4A7C15) + seed * np.uint64(0xD1342543DE82EF95)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        draw = (np.float64(z >> np.uint64(11)) + 1.0) * 2.0**-53
        levels[i] = min(-np.log(draw) / np.log(m), _HIGHEST)
    return levels
