"""Named random streams from one seed: one stream for each purpose, with integer keys for stations and instants.

A random number depends on the seed, the name of the purpose and the keys, and never on the number of draws before it. So an
additional vehicle, relay or recorder does not change any other random number. For the same reason, the key of a road user or
station is made from its name, and not from its agent id, which depends on who else exists.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int64, UInt64
from numpy.random import Generator, Philox

# Constants of splitmix64 (Steele, Lea, Flood, OOPSLA 2014), as in `v2xsim.stream_numbers`.
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MASK = 2**64 - 1


class NameKeys:
    """The keys of road users and stations for random draws: numbers below 2^63, each made from a name alone."""

    def __init__(self) -> None:
        self._key = np.zeros(64, np.int64)

    def add(self, agent: int, name: str) -> None:
        """Enter the name of an agent id."""
        if agent >= len(self._key):
            self._key = np.concatenate([self._key, np.zeros(agent, np.int64)])
        self._key[agent] = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") >> 1

    def of(self, agents: Int64[np.ndarray, " agents"]) -> Int64[np.ndarray, " agents"]:
        """Return the keys of road users and stations with some agent ids."""
        return self._key[agents]

    def of_one(self, agent: int) -> int:
        """Return the key of one road user or station."""
        return int(self._key[agent])


@dataclass(frozen=True)
class Streams:
    """The random streams of one run.

    Attributes:
        seed: Seed of the run.
        names: Keys of road users and stations; without them, a key is the agent id.
    """

    seed: int
    names: NameKeys | None = None

    def agent_keys(self, agents: Int64[np.ndarray, " agents"]) -> Int64[np.ndarray, " agents"]:
        """Return the keys of some road users or stations for draws that are theirs."""
        return agents if self.names is None else self.names.of(agents)

    def agent_key(self, agent: int) -> int:
        """Return the key of one road user or station."""
        return agent if self.names is None else self.names.of_one(agent)

    def key(self, name: str, *keys: int | np.int64) -> int:
        """Return a 64-bit key made from the seed, the name of a purpose and integer keys."""
        text = f"{self.seed}|{name}|" + ("%d|" * len(keys))[:-1] % keys
        return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")

    def keys(self, name: str, rows: Iterable[tuple[int, ...]]) -> UInt64[np.ndarray, " rows"]:
        """Return what `key` returns for each of several rows of integer keys."""
        head = f"{self.seed}|{name}|"
        texts = [f"{head}{'|'.join(map(str, row))}".encode() for row in rows]
        return np.frombuffer(b"".join([blake2b(text, digest_size=8).digest() for text in texts]), "<u8")

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
        start = np.full(len(arrays[0]) if arrays else 1, self.key(name, *scalars), np.uint64)
        return uniforms_from(start, *arrays, count=count)

    def uniform(self, name: str, *keys: int | np.int64) -> float:
        """Return the first random number of `uniforms` for integer keys; for a single number, this takes less time."""
        state = (self.key(name, *keys) + _GOLDEN) & _MASK
        state = (state ^ (state >> 30)) * _MIX_1 & _MASK
        state = (state ^ (state >> 27)) * _MIX_2 & _MASK
        return (((state ^ (state >> 31)) >> 11) + 0.5) * 2.0**-53

    def normals(self, name: str, *keys: int | np.int64 | np.ndarray, count: int = 1) -> Float[np.ndarray, "rows count"]:
        """Return standard normal random numbers (Box-Muller method); arguments as in `uniforms`."""
        pairs = self.uniforms(name, *keys, count=2 * count)
        return np.sqrt(-2.0 * np.log(pairs[:, :count])) * np.cos(2.0 * np.pi * pairs[:, count:])


def uniforms_from(
    key: UInt64[np.ndarray, " rows"], *keys: Int64[np.ndarray, " rows"], count: int
) -> Float[np.ndarray, "rows count"]:
    """Return uniform random numbers in (0, 1), as `Streams.uniforms` does, for rows with keys of different streams.

    Args:
        key: For each row, the key that `Streams.key` gives for the name of the purpose and the integer keys.
        keys: Integer arrays, as for `Streams.uniforms`.
        count: Number of random numbers per row.
    """
    # Imported here, so that a scenario can be checked without loading compiled code.
    from v2xsim.stream_numbers import uniforms

    table = np.empty((len(keys), len(key)), np.int64)
    for row, one in enumerate(keys):
        table[row] = one
    numbers: np.ndarray = uniforms(key, table, count)
    return numbers
