"""Generation of tokens after a prompt: the most likely token each time, or a random one."""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from v2xsim.errors import UserError
from v2xsim.gpu.sequence.replay import steps_of
from v2xsim.gpu.sequence.state import State
from v2xsim.gpu.sequence.tokens import TokenSequence

_COLDEST = 1e-30
"""Lowest temperature: below it the most likely token is always drawn; logits divided by it still fit into 32 bits."""


@torch.no_grad()
def generate(
    model: TokenSequence,
    prompt: Int64[Tensor, "batch time"],
    count: int,
    mask: Bool[Tensor, "batch time"] | None = None,
    temperature: float = 0.0,
    top_k: int = 0,
    generator: torch.Generator | None = None,
    state: State | None = None,
    on_token: Callable[[int], None] | None = None,
) -> tuple[Int64[Tensor, "batch count"], State]:
    """Return the tokens generated after a prompt, and the state after all of them but the last.

    Args:
        model: Token model that predicts the tokens.
        prompt: Tokens of the prompt, at least one per row.
        count: Number of tokens to generate.
        mask: False where the prompt has no token (padding).
        temperature: 0 takes the most likely token; 1 draws from the model's distribution; a higher value makes the
            draws more even.
        top_k: Number of most likely tokens from which to draw; 0 for all.
        generator: Random generator of the draws; required if the temperature is above 0, so that the same seed gives
            the same result.
        state: State from which to continue. If the state was created with enough `room`, its memory need not be copied.
        on_token: Function that is called after each token with the number of tokens generated so far.
    """
    if not isinstance(prompt, Tensor) or prompt.ndim != 2:
        shape = tuple(prompt.shape) if isinstance(prompt, Tensor) else type(prompt).__name__
        raise UserError(f"generate: the prompt must be a tensor of shape (batch, time), got {shape}")
    if (
        not isinstance(count, int)
        or not isinstance(top_k, int)
        or count < 0
        or not 0.0 <= temperature < torch.inf
        or top_k < 0
    ):
        raise UserError(
            "generate: count and top_k must be whole numbers, and these and temperature finite and at least 0, "
            f"got {count}, {top_k} and {temperature}"
        )
    if temperature > 0.0 and generator is None:
        raise UserError(
            "generate: a temperature above 0 needs a generator (torch.Generator), so that one seed gives one answer"
        )
    if state is None:
        state = model.init_state(len(prompt), prompt.device, room=prompt.shape[1] + count)
        if "prompt" in state.notes:
            state = replace(state, notes={**state.notes, "prompt": prompt.shape[1]})
    logits, state = model.prefill(prompt, state, mask)
    steps, made = steps_of(model, state, count - 1), []
    # The earlier state is no longer needed; release its memory.
    del state
    for number in range(count):
        made.append(_drawn(logits, temperature, top_k, generator))
        if on_token is not None:
            on_token(number + 1)
        if number + 1 < count:
            logits = steps(made[-1])
    return torch.stack(made, 1) if made else prompt[:, :0], steps.state()


def _drawn(
    logits: Float[Tensor, "batch vocabulary"], temperature: float, top_k: int, generator: torch.Generator | None
) -> Int64[Tensor, " batch"]:
    if temperature == 0.0:
        return logits.argmax(-1)
    logits = logits.float() / max(temperature, _COLDEST)
    if top_k:
        least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
