"""What a part returned, checked: an array of the right shape and type, with finite numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from v2xsim.parts import Part
from v2xsim.plugins import wrong_answer

_CALLED = {"float64": "float64 numbers", "int64": "int64 numbers", "bool": "truth values (bool)"}


def array_from(
    part: Part, method: str, value: Any, axes: Mapping[str, int], dtype: str = "float64", finite: bool = True
) -> np.ndarray:
    """Return what a part's method returned if it is the array that its kind asks for.

    Built-in parts are held to the same by the contract tests and are not checked again in every tick.

    Args:
        part: The part.
        method: Its method.
        value: What it returned.
        axes: Name and length of every axis.
        dtype: numpy's name of the type.
        finite: Whether infinity and NaN are refused; where they are not, NaN still is.

    Raises:
        PartError: If it is something else; the message names the user's file and line.
    """
    if part.file is None:
        found: np.ndarray = value
        return found
    wanted = " x ".join(f"{length} {name}" for name, length in axes.items())
    if not isinstance(value, np.ndarray):
        raise wrong_answer(part, method, f"must return an array of {wanted}, got {type(value).__name__}")
    if value.shape != tuple(axes.values()):
        raise wrong_answer(part, method, f"must return an array of {wanted}, got shape {value.shape}")
    if value.dtype != np.dtype(dtype):
        raise wrong_answer(
            part, method, f"must return {_CALLED[dtype]}, got {value.dtype}; convert them with .astype({dtype!r})"
        )
    if dtype == "float64":
        bad = ~np.isfinite(value) if finite else np.isnan(value)
        if bad.any():
            where = tuple(int(k) for k in np.argwhere(bad)[0])
            kind = "finite numbers" if finite else "numbers"
            raise wrong_answer(
                part, method, f"must return {kind}, got {value[where]} at {list(where)} and {int(bad.sum()) - 1} more"
            )
    return value
