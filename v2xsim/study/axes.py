"""Makes the settings of a sweep from the blocks of its file: grid, list, random draws and Sobol sequence."""

import itertools
import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from v2xsim.streams import Streams
from v2xsim.study.sweepfile import Draws, Range, SweepFile

Setting = dict[str, Any]
"""One setting of a sweep: the value of every varied key."""


def count_of(file: SweepFile) -> int:
    """Return the number of settings of a sweep, without making them."""
    blocks = [len(values) for values in file.grid.values()]
    blocks += [len(file.rows)] if file.rows else []
    blocks += [draws.points for draws in (file.random, file.sobol) if draws is not None]
    return math.prod(blocks)


def settings_of(file: SweepFile) -> list[Setting]:
    """Return all settings of a sweep in order: the last block varies fastest, and within a grid the last key."""
    names = list(file.grid)
    # Without a grid, this is one setting without keys.
    blocks = [[dict(zip(names, row, strict=True)) for row in itertools.product(*file.grid.values())]]
    if file.rows:
        blocks.append(list(file.rows))
    if file.random is not None:
        blocks.append(_placed(file.random, _random(file.random)))
    if file.sobol is not None:
        blocks.append(_placed(file.sobol, _sobol(file.sobol)))
    return [{k: v for part in row for k, v in part.items()} for row in itertools.product(*blocks)]


def factors_of(file: SweepFile) -> list[dict[str, Any]]:
    """Return the keys of each factor of a sweep: keys that only vary together, and whether they are drawn at random."""
    factors: list[dict[str, Any]] = [{"keys": [key], "drawn": False} for key in file.grid]
    if file.rows:
        factors.append({"keys": list(file.rows[0]), "drawn": False})
    return factors + [{"keys": list(draws.keys), "drawn": True} for draws in (file.random, file.sobol) if draws]


def canonical(value: Any) -> str:
    """Return a text that is equal for equal values: 1 and 1.0 are equal, 1 and true are not."""

    def plain(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: plain(inner) for key, inner in part.items()}
        if isinstance(part, list | tuple):
            return [plain(inner) for inner in part]
        return float(part) if isinstance(part, int) and not isinstance(part, bool) else part

    return json.dumps(plain(value), sort_keys=True)


def has_values(setting: Setting, values: Mapping[str, Any]) -> bool:
    """Return whether a setting has some values."""
    return all(canonical(setting[key]) == canonical(value) for key, value in values.items())


def _random(draws: Draws) -> Float[np.ndarray, "points keys"]:
    return Streams(draws.seed).uniforms("sweep.random", np.arange(draws.points), count=len(draws.keys))


def _sobol(draws: Draws) -> Float[np.ndarray, "points keys"]:
    """Return points of a scrambled Sobol sequence in the unit cube, one coordinate for each key.

    References:
        Owen, Scrambling Sobol' and Niederreiter-Xing points, 1998.
    """
    # Imported here, because the import of scipy.stats takes a while.
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(draws.keys), scramble=True, seed=np.random.default_rng(draws.seed))
    with warnings.catch_warnings():
        # A Sobol sequence is balanced only if the number of points is a power of two. The user may choose another number, so
        # scipy's warning is switched off.
        warnings.simplefilter("ignore", UserWarning)
        points: np.ndarray = sequence.random(draws.points)
    return points


def _placed(draws: Draws, unit: Float[np.ndarray, "points keys"]) -> list[Setting]:
    columns = [[_value(rule, float(u)) for u in unit[:, k]] for k, rule in enumerate(draws.keys.values())]
    return [dict(zip(draws.keys, row, strict=True)) for row in zip(*columns, strict=True)]


def _value(rule: Range | list[Any], unit: float) -> Any:
    """Return the value of a range or a list at a relative position.

    Args:
        rule: Range of numbers, or list of values.
        unit: Relative position, 0 for the start to 1 for the end.
    """
    if isinstance(rule, list):
        return rule[min(int(unit * len(rule)), len(rule) - 1)]
    low, high = rule.lowest, rule.highest
    if rule.integer:
        # Each whole number of the range gets an interval of length one.
        high += 1.0
    value = low + unit * (high - low) if rule.scale == "linear" else low * math.exp(unit * math.log(high / low))
    return min(int(value), int(rule.highest)) if rule.integer else value
