"""Empty positions before rows of tokens, which shift the tokens relative to the blocks."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor


def moved_right(
    tokens: Int64[Tensor, "batch time"], mask: Bool[Tensor, "batch time"] | None, block: int, generator: torch.Generator
) -> tuple[Int64[Tensor, "batch longer"], Bool[Tensor, "batch longer"]]:
    """Return rows shifted right by a random 0 to block - 1 empty positions, padded to the same length."""
    batch, time = tokens.shape
    if time == 0:
        return tokens, torch.ones_like(tokens, dtype=torch.bool)
    places = torch.randint(block, (batch, 1), generator=generator, device=generator.device).to(tokens.device)
    at = torch.arange(time + block - 1, device=tokens.device) - places
    there, at = (at >= 0) & (at < time), at.clamp(0, time - 1)
    if mask is not None:
        there = there & mask.gather(1, at)
    return tokens.gather(1, at), there


def padded_to_blocks(
    tokens: Int64[Tensor, "batch time"], block: int, mask: Bool[Tensor, "batch time"] | None = None
) -> tuple[Int64[Tensor, "batch longer"], Bool[Tensor, "batch longer"]]:
    """Return a prompt with empty positions before it, so that it ends together with a block, and its mask.

    The next token then starts a block, so the prompt leaves no unfinished block.
    """
    missing = -tokens.shape[1] % block
    arrived = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
    return F.pad(tokens, (missing, 0)), F.pad(arrived, (missing, 0))
