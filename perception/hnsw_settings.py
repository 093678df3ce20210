"""What an index is set up with, and the levels that its seed draws."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32

from v2xsim.errors import UserError
from v2xsim.perception.hnsw_build import HEURISTIC, SIMPLE
from v2xsim.perception.hnsw_input import whole

_HIGHEST = 31


@dataclass(frozen=True)
class Settings:
    """What an index is set up with; see `Index.init_index`."""

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
        """Number of the selection, for kernels."""
        return SIMPLE if self.selection == "simple" else HEURISTIC


def levels(settings: Settings, begin: int, count: int) -> Int32[np.ndarray, " count"]:
    """Return levels of new items: floor(-ln(U) / ln(M)), as in the paper's 4.1.

    Args:
        settings: Of the index.
        begin: Items that had levels drawn before.
        count: Of new items.
    """
    draw = _uniforms(settings.random_seed, begin, count)
    return np.minimum(-np.log(draw) / np.log(settings.M), _HIGHEST).astype(np.int32)


def _uniforms(seed: int, begin: int, count: int) -> Float64[np.ndarray, " count"]:
    """Return numbers in (0, 1] by counter: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    step = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        z = (np.arange(begin, begin + count, dtype=np.uint64) + np.uint64(1)) * step + np.uint64(seed) * np.uint64(
            0xD1342543DE82EF95
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) + 1.0) * 2.0**-53
