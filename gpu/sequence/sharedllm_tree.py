"""SharedLLM's context tree: how a chunk of the past is cut into nodes, and how much of each node is kept.

Han et al., SharedLLM (arXiv 2410.19318), section 3.2. A chunk is halved repeatedly. At each level, one half is expanded
further and the other half is kept as a node; the last level keeps both halves. By default all nodes keep the same
number of entries, whatever their length, so the compression ratio halves with each level: important parts are kept in
detail, other parts coarsely.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.sizes import check_whole, one_each

Choice = Literal["query", "right", "random", "uniform", "none"]
CHOICES: tuple[Choice, ...] = ("query", "right", "random", "uniform", "none")
Alike = Literal["last", "mean", "max"]
ALIKES: tuple[Alike, ...] = ("last", "mean", "max")

# Odd factors, so that multiplication is invertible and loses no bit: those of MurmurHash3's 64-bit finaliser
# (Appleby, public domain).
_FIRST_FACTOR = -0xAE502812AA7333
_SECOND_FACTOR = -0x3B314601E57A13AD


# By default an eighth of the entries of a chunk is kept.
_USUAL_RATIO = 8


@dataclass(frozen=True)
class Node:
    """A part of each chunk that is compressed separately.

    Attributes:
        start: Position in the chunk of the first token of the node, for each chunk.
        length: Number of tokens of the node.
        kept: Number of entries kept of the node.
    """

    start: Int64[Tensor, " chunks"]
    length: int
    kept: int


@dataclass(frozen=True)
class ContextTree:
    """How every chunk is cut into nodes, and how the half to expand is chosen.

    Attributes:
        chunk: Number of tokens in a chunk.
        depth: Number of times that a chunk is halved.
        kept: Number of entries kept of each node: one number for all, or one per level from the top; the last level has
            two nodes. None means chunk / (8 (depth + 1)), which keeps an eighth of all entries.
        choice: Rule for the half that is expanded. `query`: the half more similar to the query. `right`: the later half
            (the paper's rule if there is no query). `random`: by a hash of the chunk. `uniform`: there is no tree; the
            same number of entries is kept at even distances. `none`: no entry is kept.
        alike: Vector of a half that is compared with the query: that of its last token (as in the paper), the mean over
            its tokens, or that of the most similar token.
        seed: Seed of the choice `random`, which depends only on this seed and on the tokens of the chunk, not on time
            or batch.
    """

    chunk: int
    depth: int = 3
    kept: int | Sequence[int] | None = None
    choice: Choice = "query"
    alike: Alike = "last"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.choice not in CHOICES or self.alike not in ALIKES:
            raise UserError(
                f"choice must be one of {', '.join(CHOICES)} and alike one of {', '.join(ALIKES)}, "
                f"got {self.choice!r} and {self.alike!r}"
            )
        check_whole(1, chunk=self.chunk, depth=self.depth)
        # After a shift by 20 bits and a multiplication, the seed must stay within 64 bits.
        check_whole(0, 2**32, seed=self.seed)
        if self.chunk % (1 << self.depth):
            raise UserError(
                f"a chunk must be a multiple of 2^depth = {1 << self.depth} tokens, got chunk {self.chunk} and depth {self.depth}"
            )
        for level, count in enumerate(self.by_level, 1):
            if not 1 <= count <= self.chunk >> level:
                raise UserError(
                    f"kept must be from 1 to the node's length, which is {self.chunk >> level} at level {level}, got {count}"
                )

    @property
    def by_level(self) -> tuple[int, ...]:
        """Number of entries kept of one node at each level."""
        kept = max(1, self.chunk // (_USUAL_RATIO * (self.depth + 1))) if self.kept is None else self.kept
        return one_each("kept", kept, self.depth, "levels", 1)

    @property
    def per_chunk(self) -> int:
        """Total number of entries kept of a chunk."""
        return 0 if self.choice == "none" else sum(self.by_level) + self.by_level[-1]

    @property
    def ratio(self) -> float:
        """Compression ratio: number of tokens of a chunk per kept entry."""
        return self.chunk / self.per_chunk if self.per_chunk else float("inf")

    @property
    def decisions(self) -> int:
        """Number of levels at which a half is chosen: all levels but the last."""
        return 0 if self.choice in ("uniform", "none") else self.depth - 1

    def __str__(self) -> str:
        kept = "_".join(map(str, self.by_level))
        coin = f", seed {self.seed}" if self.choice == "random" else ""
        how = f"{self.choice} {self.alike}" if self.choice == "query" else self.choice
        return f"chunk {self.chunk}, depth {self.depth}, kept {kept}, {how}{coin}"

    def nodes(self, right: Bool[Tensor, "chunks decisions"]) -> list[Node]:
        """Return the nodes into which each chunk is cut.

        Args:
            right: Whether the later half was expanded at each level of the tree.
        """
        if self.choice == "none":
            return []
        start = torch.zeros(len(right), dtype=torch.int64, device=right.device)
        if self.choice == "uniform":
            return [Node(start, self.chunk, self.per_chunk)]
        cut = []
        for level, kept in enumerate(self.by_level[:-1], 1):
            half = self.chunk >> level
            later = right[:, level - 1]
            cut.append(Node(start + half * ~later, half, kept))
            start = start + half * later
        half, kept = self.chunk >> self.depth, self.by_level[-1]
        return [*cut, Node(start, half, kept), Node(start + half, half, kept)]

    def places(self, right: Bool[Tensor, "chunks decisions"]) -> Int64[Tensor, "chunks kept"]:
        """Return the position within its chunk of each kept entry, in the order in which the entries are stored."""
        positions = [node.start[:, None] + spaced(node.length, node.kept, right.device) for node in self.nodes(right)]
        return (
            torch.cat(positions, 1) if positions else torch.zeros(len(right), 0, dtype=torch.int64, device=right.device)
        )

    def coins(self, tokens: Int[Tensor, "chunks chunk"]) -> Bool[Tensor, "chunks decisions"]:
        """Return pseudo-random bits from the tokens and the seed; equal chunks always give equal bits."""
        position = torch.arange(1, self.chunk + 1, device=tokens.device, dtype=torch.int64)
        mixed = _mixed((tokens.to(torch.int64) + 2) * _mixed(position + (self.seed << 20))).sum(1)
        level = torch.arange(self.decisions, device=tokens.device)
        return (_mixed(mixed[:, None] + level) >> 40) % 2 == 1

    def likeness(
        self,
        hidden: Float[Tensor, "chunks two half dim"],
        query: Float[Tensor, "chunks dim"],
        present: Bool[Tensor, "chunks two half"] | None,
    ) -> Float[Tensor, "chunks two"]:
        """Return the similarity of each half to the query: a cosine, or minus infinity if the half has no token."""
        if self.alike == "max":
            cosines = F.cosine_similarity(hidden, query[:, None, None], dim=-1)
            return (cosines if present is None else cosines.masked_fill(~present, -torch.inf)).amax(-1)
        if self.alike == "mean" and present is None:
            half_vector = hidden.mean(2)
        elif self.alike == "mean":
            assert present is not None
            half_vector = (hidden * present[..., None]).sum(2)
        else:
            half_vector = at_last(hidden.flatten(0, 1), None if present is None else present.flatten(0, 1))
            half_vector = half_vector.view(len(query), 2, -1)
        cosine = F.cosine_similarity(half_vector, query[:, None], dim=-1)
        return cosine if present is None else cosine.masked_fill(~present.any(-1), -torch.inf)


def spaced(length: int, count: int, device: torch.device | None = None) -> Int64[Tensor, " count"]:
    """Return `count` evenly spaced positions.

    Each position is the last one of a section, because the vector there depends on the whole section.
    """
    return torch.arange(1, count + 1, device=device) * length // count - 1


def at_last(x: Float[Tensor, "rows time dim"], present: Bool[Tensor, "rows time"] | None) -> Float[Tensor, "rows dim"]:
    """Return the vector at the last position of each row that has a token; if there is none, at the first position."""
    if present is None:
        return x[:, -1]
    positions = torch.arange(x.shape[1], device=x.device)
    last = (positions * present).amax(1)
    return x[torch.arange(len(x), device=x.device), last]


def _mixed(x: Int64[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    x = (x ^ (x >> 33)) * _FIRST_FACTOR
    x = (x ^ (x >> 33)) * _SECOND_FACTOR
    return x ^ (x >> 33)
