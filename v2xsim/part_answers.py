"""Checks of what parts read and return: views without what a part says it does not read; results of the right shape and type, with finite numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64

from v2xsim.parts import Part
from v2xsim.plugins import wrong_answer
from v2xsim.records import Boxes, Detections

_T = TypeVar("_T")
_Record = TypeVar("_Record")


class LockedProperty(cached_property[_T]):
    """A property of a view that is computed once and whose arrays are read-only."""

    def __get__(self, instance: object, owner: type[Any] | None = None) -> Any:
        """Return the property's value; the first access computes and stores it."""
        value = super().__get__(instance, owner)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        return value


class HiddenArray(np.ndarray):
    """An array of a view that a part says it does not read: to compute with it raises an exception, so that it does not go unnoticed.

    Only its shape and type can be read.
    """

    why = ""

    def __array_finalize__(self, other: Any) -> None:
        """Keep the message in every view of the array."""
        self.why = getattr(other, "why", "")

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise AttributeError(self.why)

    __array_ufunc__ = __array_function__ = __getitem__ = __iter__ = __len__ = _refuse
    astype = copy = tolist = item = nonzero = argsort = argmax = argmin = _refuse


def without(record: _Record, names: Sequence[str], why: str) -> _Record:
    """Return a view with some of its arrays hidden, because the part says that it does not read them.

    Args:
        record: A view, or a record in it.
        names: Fields to hide.
        why: What a part learns that reads one of them all the same: what it must set to read it.
    """
    hidden = {}
    for name in names:
        shown = getattr(record, name)
        # One zero takes no memory, whatever the shape.
        hidden[name] = np.broadcast_to(np.zeros((), shown.dtype), shown.shape).view(HiddenArray)
        hidden[name].why = why
    return replace(record, **hidden)  # type: ignore[type-var]


_CALLED = {"bool": "truth values (bool)"}


def array_from(
    part: Part,
    method: str,
    value: Any,
    axes: Mapping[str, int],
    dtype: str = "float64",
    finite: bool = True,
    name: str = "",
    least: float = -np.inf,
    most: float = np.inf,
) -> np.ndarray:
    """Check that a part's method returned the array that the kind of part demands, and return it.

    Results of built-in parts are checked by the contract tests, not in every tick.

    Args:
        part: The part whose method was called.
        method: Name of the method.
        value: Result of the method.
        axes: Name and length of every axis.
        dtype: Element type that the array must have, as numpy names it.
        finite: Whether infinite numbers are an error; NaN always is.
        name: Name of the array in messages, if the method returns several arrays.
        least: Smallest allowed number; minus infinity for no limit.
        most: Largest allowed number; infinity for no limit.

    Raises:
        PartError: If the result is not such an array; the message names the user's file and line.
    """
    if part.file is None:
        array: np.ndarray = value
        return array
    wanted = " x ".join(f"{length} {axis}" for axis, length in axes.items())
    must = f"must return {f'as {name} ' if name else ''}"
    # Only plain numpy arrays are accepted: a masked array could hide invalid numbers.
    if type(value) is not np.ndarray:
        raise wrong_answer(part, method, f"{must}an array of {wanted}, got {type(value).__name__}")
    if value.shape != tuple(axes.values()):
        raise wrong_answer(part, method, f"{must}an array of {wanted}, got shape {value.shape}")
    if value.dtype != np.dtype(dtype):
        raise wrong_answer(
            part,
            method,
            f"{must}{_CALLED.get(dtype, f'{dtype} numbers')}, got {value.dtype}; convert them with .astype({dtype!r})",
        )
    if dtype.startswith("float"):
        bad = ~np.isfinite(value) if finite else np.isnan(value)
        if bad.any():
            at = [int(k) for k in np.argwhere(bad)[0]]
            numbers = "finite numbers" if finite else "numbers"
            others = f" and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""
            raise wrong_answer(part, method, f"{must}{numbers}, got {value[tuple(at)]} at {at}{others}")
        if value.min(initial=np.inf) < least:
            raise wrong_answer(part, method, f"{must}numbers of at least {least:g}, got {value.min():g}")
        if value.max(initial=-np.inf) > most:
            raise wrong_answer(part, method, f"{must}numbers of at most {most:g}, got {value.max():g}")
    return value


def detections_from(
    part: Part,
    method: str,
    returned: Any,
    agent: Int64[np.ndarray, " objects"],
    above: str = "",
    others: Sequence[int] = (-1,),
) -> Detections:
    """Check that a part returned valid detections (arrays of equal length, existing road users), and return them.

    Args:
        part: The part whose method was called.
        method: Name of the method.
        returned: Result of the method.
        agent: Agent ids of the road users that exist.
        above: Prefix for the names of the arrays in messages.
        others: What the truth of a detection may be besides these agent ids.

    Raises:
        PartError: If the part comes from a user's file and its detections are wrong; built-in parts are not checked here.
    """
    if part.file is None:
        detections: Detections = returned
        return detections
    if not isinstance(returned, Detections) or not isinstance(returned.boxes, Boxes):
        raise wrong_answer(part, method, f"must return v2xsim.records.Detections, got {type(returned).__name__}")
    score: Any = returned.score
    rows = len(score) if isinstance(score, list | tuple) or np.ndim(score) else 0
    for name, array, columns in (
        ("score", returned.score, 0), ("velocity_mps", returned.velocity_mps, 2), ("boxes.center_m", returned.boxes.center_m, 3),
        ("boxes.size_m", returned.boxes.size_m, 3), ("boxes.yaw_rad", returned.boxes.yaw_rad, 0),
    ):  # fmt: skip
        axes = {"detections": rows} | ({"columns": columns} if columns else {})
        array_from(part, method, array, axes, name=f"{above}{name}")
    array_from(part, method, returned.truth, {"detections": rows}, "int64", name=f"{above}truth")
    if rows and not (0.0 <= returned.score.min() <= returned.score.max() <= 1.0):
        raise wrong_answer(
            part, method, f"must return scores from 0 to 1, got {returned.score.min():g} to {returned.score.max():g}"
        )
    if rows and (returned.boxes.size_m <= 0.0).any():
        raise wrong_answer(part, method, f"must return boxes of a size above 0, got {returned.boxes.size_m.min():g} m")
    if not np.isin(returned.truth, np.append(agent, others)).all():
        raise wrong_answer(
            part, method, "must return as truth identities of the view's road users, or -1 for a false positive"
        )
    return returned
