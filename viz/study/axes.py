"""The layout of a study's figures: which settings are drawn as lines, points or rows, so that they can be distinguished."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.study.labels import word_text
from v2xsim.study.studies import Study

# Largest number of lines or rows that can be distinguished in one figure.
MOST_LINES = 6
MOST_ROWS = 16


@dataclass(frozen=True)
class Layout:
    """How the settings of a study are drawn: as rows, lines or points, and which settings are left out.

    Attributes:
        kind: `rows`: one row for each setting. `lines`: curves over a numeric key, one line for each combination of the
            other keys. `scatter`: one point for each setting, over each numeric key; for studies that rarely repeat a value.
        key: Key on the x axis if the kind is `lines`; otherwise empty.
        lines: Name and settings of each line; the settings are in rising order of the key.
        left_out: Text that states what is not drawn; empty if everything is drawn.
    """

    kind: str
    key: str
    lines: tuple[tuple[str, Int64[np.ndarray, " _points"]], ...]
    left_out: str


def numeric(study: Study, key: str) -> bool:
    """Return whether the value of a key is a number in every setting."""
    return all(isinstance(s[key], int | float) and not isinstance(s[key], bool) for s in study.settings)


def column(study: Study, key: str) -> Float[np.ndarray, " settings"]:
    """Return the value of a numeric key in each setting."""
    return np.array([float(setting[key]) for setting in study.settings])


def layout(study: Study) -> Layout:
    """Return the layout of the figures of a study, chosen by its keys and values."""
    count = len(study.settings)
    numbers = {key: len(set(column(study, key).tolist())) for key in study.keys if numeric(study, key)}
    if count > MOST_ROWS and numbers and max(numbers.values()) > max(MOST_ROWS, count / 4):
        return Layout("scatter", "", (), "")
    key = max(numbers, key=lambda name: numbers[name], default="")
    if key and numbers[key] >= 3:
        return _lines(study, key)
    shown = _first(study, MOST_ROWS)
    rest = count - len(shown)
    return Layout(
        "rows", "", tuple((study.label(s), np.array([s])) for s in shown), f"{rest} of {count} settings" if rest else ""
    )


def few(study: Study) -> list[int]:
    """Return the rows of the few settings that get a curve of their own: the baseline first, then others at even distances."""
    others = [s for s in range(len(study.settings)) if s != study.baseline]
    if len(others) < MOST_LINES:
        return [study.baseline, *others]
    spread = np.linspace(0, len(others) - 1, MOST_LINES - 1).round().astype(int)
    return [study.baseline, *(others[n] for n in spread)]


def _lines(study: Study, key: str) -> Layout:
    groups: dict[str, list[int]] = {}
    for row, setting in enumerate(study.settings):
        rest = {k: v for k, v in setting.items() if k != key}
        groups.setdefault(", ".join(f"{k.rsplit('.', 1)[-1]}={word_text(v)}" for k, v in rest.items()), []).append(row)
    of_baseline = next(name for name, rows in groups.items() if study.baseline in rows)
    names = [of_baseline, *(name for name in groups if name != of_baseline)]
    left_out = f"{len(names) - MOST_LINES} of {len(names)} lines" if len(names) > MOST_LINES else ""
    values = column(study, key)
    lines = [(name, np.array(sorted(groups[name], key=lambda s: values[s]))) for name in names[:MOST_LINES]]
    return Layout("lines", key, tuple(lines), left_out)


def _first(study: Study, most: int) -> list[int]:
    rows = list(range(len(study.settings)))
    return [study.baseline, *(r for r in rows if r != study.baseline)][:most]
