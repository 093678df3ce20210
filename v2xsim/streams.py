"""Named random streams from one seed: one stream for each purpose, with integer keys for stations and instants.

A random number depends on the seed, the name of the purpose and the keys, and never on the number of draws before it. So an
additional vehicle, relay or recorder does not change any other random number.
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Float, UInt64
from numpy.random import Generator, Philox

# Constants of splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _mixed(state: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """Return the output of splitmix64 for each 64-bit state (Steele, Lea, Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        state = (state ^ (state >> np.uint64(30))) * _MIX_1
        state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))


@dataclass(frozen=True)
class Streams:
    """The random streams of one run."""

    seed: int

    def key(self, name: str, *keys: int | np.int64) -> int:
        """Return a 64-bit key made from the seed, the name of a purpose and integer keys."""
        text = f"{self.seed}|{name}|" + "|".join(str(int(k)) for k in keys)
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")

    def generator(self, name: str, *keys: int | np.int64) -> Generator:
        """Return a new numpy random generator for a purpose and its integer keys."""
        return Generator(Philox(key=self.key(name, *keys)))

    def uniforms(
        self, name: str, *keys: int | np.int64 | np.ndarray, count: int = 1
    ) -> Float[np.ndarray, "rows count"]:
        """Return uniform random numbers in (0, 1), one row for each element of the keys that are arrays.

        Args:
            name: Name of the purpose.
            keys: Integers, or integer arrays of one common length; row r depends only on element r of each array.
            count: Number of random numbers per row.
        """
        scalars = [int(k) for k in keys if not isinstance(k, np.ndarray)]
        arrays = [k for k in keys if isinstance(k, np.ndarray)]
        rows = len(arrays[0]) if arrays else 1
        with np.errstate(over="ignore"):
            state = np.full(rows, self.key(name, *scalars), np.uint64)
            for array in arrays:
                state = _mixed(state + _GOLDEN + _mixed(array.astype(np.int64).view(np.uint64) + _GOLDEN))
            columns = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
            bits = _mixed(state[:, None] + columns[None, :])
        return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53

    def normals(self, name: str, *keys: int | np.int64 | np.ndarray, count: int = 1) -> Float[np.ndarray, "rows count"]:
        """Return standard normal random numbers (Box-Muller method); arguments as in `uniforms`."""
        pairs = self.uniforms(name, *keys, count=2 * count)
        return np.sqrt(-2.0 * np.log(pairs[:, :count])) * np.cos(2.0 * np.pi * pairs[:, count:])
