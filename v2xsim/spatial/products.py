"""Products and sums for compiled functions that are rounded once.

A fused multiply-add rounds a b + c once. BLAS libraries compute so on all processors that can; with the same order of
terms, compiled matrix products give the same bits as numpy's `@` there, and the same bits on every processor.
"""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic


def _fused_multiply_add(_context: Any, _a: Any, _b: Any, _c: Any) -> Any:
    signature = types.float64(types.float64, types.float64, types.float64)
    return signature, lambda _compiler, builder, _signature, arguments: builder.fma(*arguments)


fused_multiply_add: Callable[[float, float, float], float] = intrinsic(_fused_multiply_add)  # type: ignore[assignment]
"""Function of three numbers a, b and c that returns a b + c, rounded once; only compiled functions can call it."""
