"""Empty places before a row of tokens, which move it along the blocks."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor


def moved_right(
    tokens: Int64[Tensor, "batch time"], mask: Bool[Tensor, "batch time"] | None, block: int, generator: torch.Generator
) -> tuple[Int64[Tensor, "batch longer"], Bool[Tensor, "batch longer"]]:
    """Return rows with 0 to block - 1 empty places drawn before each, and as many after it as make all equally long."""
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
    """Return a prompt with empty places before it, so that it ends where a block ends, and its mask.

    The first token after it then begins a block: read so, a prompt leaves no unfinished block behind.
    """
    missing = -tokens.shape[1] % block
    arrived = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask
    return F.pad(tokens, (missing, 0)), F.pad(arrived, (missing, 0))
