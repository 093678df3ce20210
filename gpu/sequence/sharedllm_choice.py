"""The choice of halves in the context trees of SharedLLM, and a loss to train it."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_lower import MISSING
from v2xsim.gpu.sequence.sizes import holds_whole

SHARPNESS = 10.0
"""Factor that turns cosines into logits: with a difference of 1 in the cosine, one half is e^10 times as likely as the other."""


def paths(
    model: SharedModel,
    context: Int64[Tensor, "batch past"],
    query: Float[Tensor, "batch dim"],
    mask: Bool[Tensor, "batch past"] | None = None,
) -> Bool[Tensor, "batch chunks decisions"]:
    """Return whether the later half is expanded at each level of the tree of each chunk.

    `ContextTree.places` converts the result to the kept positions.

    Args:
        model: SharedLLM with at least one layer in the lower model (`inject` above 0).
        context: Tokens of the past, in whole chunks.
        query: Query vector of each row.
        mask: False where the context has no token.

    Raises:
        UserError: If an argument does not fit, or the model keeps nothing of the past.
    """
    chunks = model.chunks_of(context, query, mask)
    if model.lower is None:
        raise UserError("paths: a model without injection chooses nothing; give it inject of at least 1")
    flat = chunks.flatten(0, 1)
    if len(flat) == 0:
        return torch.ones(*chunks.shape[:2], model.tree.decisions, dtype=torch.bool, device=flat.device)
    x = model.embedding(flat.clamp(min=0))
    right = model.lower.chosen(flat, x, flat != MISSING, query.repeat_interleave(chunks.shape[1], 0))
    return right.view(*chunks.shape[:2], model.tree.decisions)


def alignment_loss(
    model: SharedModel,
    context: Int64[Tensor, "batch past"],
    query: Float[Tensor, "batch dim"],
    place: Int64[Tensor, " batch"],
    mask: Bool[Tensor, "batch past"] | None = None,
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy, in nats, of expanding the halves that contain given positions of the context.

    No gradient passes through a choice, so a loss on tokens cannot train it. The alignment loss can train it; this loss
    is our addition to the paper. Training needs pairs of a query and the position of the answer, or, without labels,
    pairs of a token and its own position.

    Args:
        model: SharedLLM with at least one layer in the lower model (`inject` above 0).
        context: Tokens of the past, in whole chunks.
        query: Query vector of each row.
        place: Position in the context of each row that should be expanded.
        mask: False where the context has no token.

    Raises:
        UserError: If an argument does not fit, or the model keeps nothing of the past.
    """
    chunks = model.chunks_of(context, query, mask)
    fits = holds_whole(place) and place.shape == (len(context),)
    if model.lower is None or not fits or not bool(((place >= 0) & (place < context.shape[1])).all()):
        raise UserError(
            f"alignment_loss: place must be a tensor of {len(context)} numbers from 0 to {context.shape[1] - 1} and inject at "
            f"least 1, got {place.tolist() if isinstance(place, Tensor) else place!r} and inject {model.upper.inject}"
        )
    if len(context) == 0:
        raise UserError("alignment_loss: a loss needs at least one row, got 0")
    place = place.to(torch.int64)
    size = model.tree.chunk
    ids = chunks[torch.arange(len(chunks), device=place.device), place // size]
    x, present = model.embedding(ids.clamp(min=0)), None if mask is None else ids != MISSING
    place, losses = place % size, []
    for level in range(1, model.tree.decisions + 1):
        half = size >> level
        likeness = model.lower.likeness(x, present, query, place // (2 * half) * (2 * half), level)
        # A half without tokens counts as the least similar one.
        losses.append(F.cross_entropy(SHARPNESS * likeness.clamp(min=-1.0), place // half % 2))
    return torch.stack(losses).mean() if losses else query.new_zeros(())
