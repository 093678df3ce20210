"""Every registered model, small and with loud weights.

Weights are drawn large: with those of a fresh model attention is nearly uniform, and an entry too many or too few would not be seen.
"""

import math

import pytest
import torch

from v2xsim.gpu.sequence.models import MODELS, build

VOCABULARY, DIM, LAYERS, HEADS = 11, 24, 4, 2
# So small that short sequences reach past a horizon and several chunks.
OPTIONS = {"skipdecode": {"times": 1.5, "horizon": 9}, "shared": {"chunk": 8, "depth": 2}}
VARIANTS = [
    ("transformer", {"windows": 3}),
    ("gru", {"residual": False}),
    ("kv_sharing", {"kind": "sandwich", "target": "top", "kv_layers": 3}),
    ("kv_sharing", {"kind": "pizza", "target": "middle", "kv_layers": 2, "windows": [0, 5, 0, 3]}),
    ("block", {"block": 3, "prefix": 1}),
    ("block", {"kind": "lasagna", "kv_layers": 1}),
    ("block", {"times": 1.2, "horizon": 12, "token_layers": 1}),
    ("shared", {"chunk": 8, "depth": 2, "window": 3, "renew": "new"}),
]
CASES = [pytest.param(name, OPTIONS.get(name, {}), id=name) for name in MODELS] + [
    pytest.param(name, options, id="-".join([name, *map(str, options.values())])) for name, options in VARIANTS
]
every_model = pytest.mark.parametrize(("name", "options"), CASES)


CONSTANT = ("gru", "hgrn")


def loud(name, options, layers=LAYERS, dtype=torch.float64):
    model = build(name, VOCABULARY, DIM, layers, HEADS, seed=1, **options).to(dtype)
    draws = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in model.parameters():
            noise = torch.randn(weight.shape, generator=draws, dtype=torch.float64)
            weight.copy_(noise * 1.2 / math.sqrt(weight.shape[-1]) if weight.ndim >= 2 else weight + 0.2 * noise)
    return model.eval()


def tokens(batch, time, seed=0):
    return torch.randint(VOCABULARY, (batch, time), generator=torch.Generator().manual_seed(seed))


def close(found, expected, limit=1e-10):
    assert found.shape == expected.shape
    if found.numel():
        assert float((found - expected).detach().abs().max()) <= limit
