"""Curves over time: values of many stations are collected into time windows and drawn as a mean with a quartile band."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from matplotlib.axes import Axes

# Largest number of time windows; a line in a picture of 900 pixels width could not show more.
_MOST_WINDOWS = 150


@dataclass(frozen=True)
class Course:
    """The distribution of a quantity over time, from all stations that measured it.

    Attributes:
        time_s: Middle of each time window.
        mean: Mean of the values in each window.
        low: Lower quartile of the values in each window.
        high: Upper quartile of the values in each window.
    """

    time_s: Float[np.ndarray, " windows"]
    mean: Float[np.ndarray, " windows"]
    low: Float[np.ndarray, " windows"]
    high: Float[np.ndarray, " windows"]


def course_of(time_us: Int64[np.ndarray, " rows"], value: Float[np.ndarray, " rows"]) -> Course:
    """Return mean and quartiles of values over time; NaN values do not count.

    Each instant is a time window of its own, unless there are more instants than a picture can show.
    """
    known = np.isfinite(value)
    time_us, value = time_us[known], value[known]
    if not len(value):
        none = np.zeros(0)
        return Course(none, none, none, none)
    instants, window = np.unique(time_us, return_inverse=True)
    if len(instants) > _MOST_WINDOWS:
        span_us = (int(instants[-1]) - int(instants[0])) / _MOST_WINDOWS
        window = np.minimum((time_us - instants[0]) / span_us, _MOST_WINDOWS - 1).astype(np.int64)
        window = np.unique(window, return_inverse=True)[1]
    order = np.lexsort((value, window))
    count = np.bincount(window)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    ranked = value[order]
    return Course(
        np.bincount(window, time_us) / count / 1e6,
        np.bincount(window, value) / count,
        _quantile(ranked, first, count, 0.25),
        _quantile(ranked, first, count, 0.75),
    )


def _quantile(
    ranked: Float[np.ndarray, " rows"], first: np.ndarray, count: np.ndarray, share: float
) -> Float[np.ndarray, " windows"]:
    """Return a quantile of each group of values, with linear interpolation.

    Args:
        ranked: Values of all groups one after the other, sorted within each group.
        first: Index of the first value of each group.
        count: Number of values in each group.
        share: Which quantile, 0 to 1; 0.5 is the median.
    """
    position = share * (count - 1)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, count - 1)
    rest = position - below
    return np.asarray(ranked[first + below] * (1 - rest) + ranked[first + above] * rest)


def draw_course(axes: Axes, course: Course, color: str, label: str, **line: Any) -> None:
    """Draw the mean of a quantity over time with its quartile band; a single instant is drawn as a dot."""
    marker = "o" if len(course.time_s) == 1 else ""
    if (course.high > course.low).any():
        axes.fill_between(course.time_s, course.low, course.high, color=color, alpha=0.18, linewidth=0)
    axes.plot(course.time_s, course.mean, color=color, label=label, marker=marker, markersize=4, **line)
