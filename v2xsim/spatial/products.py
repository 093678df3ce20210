"""Small matrix products for compiled functions, with one rounding for each product and sum.

A fused multiply-add rounds a b + c once. BLAS libraries compute so on all processors that can; with the same order of
terms, these products give the same bits as numpy's `@` there, and the same bits on every processor.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numba import njit, types
from numba.extending import intrinsic


def _fused_multiply_add(_context: Any, _a: Any, _b: Any, _c: Any) -> Any:
    signature = types.float64(types.float64, types.float64, types.float64)
    return signature, lambda _compiler, builder, _signature, arguments: builder.fma(*arguments)


fused_multiply_add: Callable[[float, float, float], float] = intrinsic(_fused_multiply_add)  # type: ignore[assignment]
"""Function of three numbers a, b and c that returns a b + c, rounded once; only compiled functions can call it."""


@njit(cache=True, nogil=True)
def multiply(
    a: Float[np.ndarray, "rows inner"],
    b: Float[np.ndarray, "inner columns"],
    product: Float[np.ndarray, "rows columns"],
) -> None:
    """Write the matrix product of a and b into `product`; terms are added in rising order."""
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total = fused_multiply_add(a[i, k], b[k, j], total)
            product[i, j] = total
