"""Small SharedLLM models with loud weights, and tokens for them."""

import torch

from v2xsim.gpu.sequence.sharedllm import SharedModel
from v2xsim.gpu.sequence.sharedllm_parts import ChunkEnd
from v2xsim.gpu.sequence.sharedllm_tree import ContextTree
from v2xsim.gpu.sequence.tokens import TokenModel
from v2xsim.gpu.sequence.transformer import Transformer

VOCABULARY, DIM, CHUNK = 11, 16, 8
CHOICES = ("query", "right", "random", "uniform", "none")


def louder(model, times=8.0):
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(times if weight.ndim == 2 else 1.0)
    return model.eval()


def made(dtype=torch.float64, inject=2, window=0, renew="all", **tree):
    torch.manual_seed(3)
    tree = ContextTree(**{"chunk": CHUNK, "depth": 2, "kept": 1, **tree})
    return louder(SharedModel(VOCABULARY, DIM, 3, 2, tree, inject, ChunkEnd(window, renew)).to(dtype))


def plain():
    torch.manual_seed(4)
    return louder(TokenModel(Transformer(DIM, 3, 2), VOCABULARY).double())


def tokens(batch, count, seed=0):
    return torch.randint(VOCABULARY, (batch, count), generator=torch.Generator().manual_seed(seed))


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def told_apart(**said):
    """Return a model whose first layer leaves every token what it is."""
    model = made(chunk=16, depth=3, **said)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.eye(VOCABULARY, DIM))
        for layers in (model.upper.layers, model.lower.layers):
            layers[0].out.weight.zero_()
            layers[0].down.weight.zero_()
    return model
