"""Tests whether Triton kernels can be used; this module does not import Triton itself."""

import importlib.util
from functools import cache

import torch
from torch import Tensor


@cache
def has_triton() -> bool:
    """Return whether Triton is installed, without importing it."""
    return importlib.util.find_spec("triton") is not None


def works_on(*tensors: Tensor) -> bool:
    """Return whether Triton kernels without gradients work on these tensors.

    The tensors must be on a GPU, with at most 32 bits per number, and the numbers of a head must be adjacent in memory.
    """
    return (
        tensors[0].is_cuda
        and has_triton()
        and all(x.dtype in (torch.bfloat16, torch.float16, torch.float32) and x.stride(-1) == 1 for x in tensors)
        and not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))
    )
