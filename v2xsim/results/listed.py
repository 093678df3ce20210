"""A mapping that is printed as a short list, one entry a line, however much it holds."""

import re
from typing import TypeVar

from v2xsim.scenario.explain import nearest

K = TypeVar("K")
V = TypeVar("V")

_AVERAGE_PRECISION = re.compile(r"ap_([0-9]*\.?[0-9]+)_(?:ego|fused)")
_MOST_LINES = 45
_WIDTH = 100


class Listed(dict[K, V]):
    """A dict whose printed form fits a screen: the first entries, each on a line of its own, and the number of the others."""

    def __missing__(self, key: object) -> V:
        """Refuse a key that is not there, with the nearest one."""
        raise KeyError(f"there is no {key!r}{self._hint(key)}")

    def _hint(self, key: object) -> str:
        """Return what a user of a key that is not there may have meant."""
        return nearest(str(key), map(str, self))

    def __repr__(self) -> str:
        shown = list(self.items())[:_MOST_LINES]
        width = min(40, max((len(str(key)) for key, _ in shown), default=0))
        lines = [_shortened(f"{key!s:<{width}}  {_text(value)}") for key, value in shown]
        others = len(self) - len(shown)
        return "\n".join([*lines, *([f"... and {others:,} more"] if others else [])]) or "nothing"


class ListedMetrics(Listed[str, V]):
    """The metrics of a run by name, printed as a short list."""

    def _hint(self, key: object) -> str:
        overlap = _AVERAGE_PRECISION.fullmatch(str(key))
        if overlap and 0.0 < float(overlap[1]) <= 1.0:
            return f"; v2xsim.open(FOLDER).evaluate(thresholds=({overlap[1]},)) computes it from a finished run"
        return super()._hint(key)


def _text(value: object) -> str:
    rows = getattr(value, "num_rows", None)
    return f"table of {rows:,} rows" if isinstance(rows, int) else repr(value)


def _shortened(text: str) -> str:
    line = text.replace("\n", " ")
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."
