"""Checks of the sizes of models and states, with error messages of a common form."""

from collections.abc import Iterable
from numbers import Real
from operator import index
from typing import Any, get_args

import torch

from v2xsim.errors import UserError


def check_whole(at_least: int, at_most: int | None = None, /, **sizes: Any) -> None:
    """Raise an error for values that are not integers from `at_least` to `at_most`; booleans are not accepted either.

    Raises:
        UserError: If a value is invalid; the message names the first one.
    """
    for name, size in sizes.items():
        if not is_whole(size) or size < at_least or (at_most is not None and size > at_most):
            limits = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
            raise UserError(f"{name} must be a whole number {limits}, got {size!r}")


def check_dropout(dropout: Any) -> None:
    """Raise an error for a value that is not a valid dropout share."""
    if not is_number(dropout) or not 0.0 <= dropout < 1.0:
        raise UserError(f"dropout must be a number from 0 to below 1, got {dropout!r}")


def check_option(options: object, option: str) -> None:
    """Raise an error for a word that is not among those listed by a Literal type."""
    known: tuple[str, ...] = get_args(options)
    if option not in known:
        raise UserError(f"an option must be one of {', '.join(known)}; got {option!r}")


def check_precision(dtype: Any) -> None:
    """Raise an error for a type that states cannot have."""
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UserError(f"dtype must be a floating-point type such as torch.float32, got {dtype!r}")


def check_start(batch: Any, dtype: Any, room: Any, prompt: Any = None) -> None:
    """Raise an error for invalid arguments of `init_state`; `dtype` and `prompt` may be None."""
    check_whole(0, batch=batch, room=room, prompt=0 if prompt is None else prompt)
    if dtype is not None:
        check_precision(dtype)


def one_each(name: str, given: Any, count: int, what: str, least: int) -> tuple[int, ...]:
    """Return `count` integers, from a single integer for all or from `count` integers.

    Raises:
        UserError: If the value is neither of these.
    """
    numbers = (given,) * count if is_whole(given) else tuple(given) if isinstance(given, Iterable) else ()
    if len(numbers) != count or not all(is_whole(size) and size >= least for size in numbers):
        raise UserError(
            f"{name} must be one whole number of at least {least}, or one for each of {count} {what}, got {given!r}"
        )
    return tuple(index(size) for size in numbers)


def is_number(value: Any) -> bool:
    """Return whether a value is a real number."""
    return isinstance(value, Real)


def is_whole(size: Any) -> bool:
    """Return whether a value is an integer; booleans do not count as integers."""
    try:
        index(size)
    except TypeError:
        return False
    return not isinstance(size, bool)


def holds_whole(numbers: Any) -> bool:
    """Return whether a value is a tensor of integers."""
    if not isinstance(numbers, torch.Tensor):
        return False
    return not (numbers.dtype == torch.bool or numbers.is_floating_point() or numbers.is_complex())
