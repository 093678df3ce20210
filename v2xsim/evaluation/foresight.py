"""Foresight: how many of the deaths of links egos foresaw in time, and how many of their alarms were false."""

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int64

from v2xsim.evaluation.metric import Metric, Rows, arrays_of, words_of

IN_TIME_US = 300_000
"""A death is foreseen if an alarm for it was raised at least this much earlier."""
NEAR_US = 500_000
"""An alarm is for a death that is no farther than this from the time foretold."""
UNAWARE_US = 2_000_000
"""An ego may raise an alarm this long after its link has ended alive: an alarm is raised when the detection in the frame of a tick is
finished, and an ego does not know at once that a station has left, or the run will end."""
CAUSES = ("building", "body")
"""The causes of deaths that can be foreseen: buildings on the map, and vehicles that the ego knew."""
_GONE = "gone"


class Foresight:
    """The deaths of links that were foreseen, and the alarms that were false, from the tables `deaths` and `foretold`."""

    def __init__(self) -> None:
        self._ends: list[np.ndarray] = []
        self._alarms: list[np.ndarray] = []
        self._causes: list[np.ndarray] = []

    def add_deaths(self, deaths: pa.Table) -> None:
        """Add some rows of the table `deaths`."""
        time_us, station, neighbour, known = arrays_of(deaths, "time_us", "station", "neighbour", "known")
        cause = words_of(deaths, "cause")
        self._ends.append(np.column_stack([station, neighbour, time_us]))
        # Deaths by vehicles that the ego did not know are deaths, but none that it could foresee.
        self._causes.append(np.where(known | cause.are(_GONE), cause.places(*CAUSES, _GONE), -1))

    def add_foretold(self, foretold: pa.Table) -> None:
        """Add some rows of the table `foretold`."""
        self._alarms.append(np.column_stack(arrays_of(foretold, "station", "neighbour", "death_us", "time_us")))

    def rows(self) -> Rows:
        """Return the metrics of the whole run; NaN without a death, or without an alarm whose time came."""
        ends = np.concatenate([np.zeros((0, 3), np.int64), *self._ends])
        cause = np.concatenate([np.zeros(0, np.int64), *self._causes])
        alarms = np.concatenate([np.zeros((0, 4), np.int64), *self._alarms])
        is_death = cause != len(CAUSES)
        warned_us = _warned_us(ends, alarms)
        rows: Rows = []
        for place, name in enumerate(CAUSES):
            rows.append(_share(f"deaths_foreseen_{name}", warned_us[cause == place] >= IN_TIME_US))
        is_right, is_open = _near(alarms, ends[is_death]), _ended(alarms, ends[~is_death])
        rows.append(_share("alarms_false", ~is_right[is_right | ~is_open]))
        foreseen = (cause >= 0) & is_death & (warned_us >= IN_TIME_US)
        time_s = float(np.median(warned_us[foreseen])) / 1e6 if foreseen.any() else float("nan")
        rows.append(("warning_time", "", Metric(time_s, "s", int(foreseen.sum()))))
        return rows


def _share(name: str, is_so: Bool[np.ndarray, " samples"]) -> tuple[str, str, Metric]:
    return name, "", Metric(float(is_so.mean()) if len(is_so) else float("nan"), "1", len(is_so))


def _by_link(rows: Int64[np.ndarray, "rows columns"]) -> dict[tuple[int, int], list[list[int]]]:
    """Return the further columns of some rows by their first two, which stand for a link."""
    links: dict[tuple[int, int], list[list[int]]] = {}
    for station, neighbour, *times_us in rows.tolist():
        links.setdefault((station, neighbour), []).append(times_us)
    return links


def _warned_us(
    ends: Int64[np.ndarray, "ends 3"], alarms: Int64[np.ndarray, "alarms 4"]
) -> Int64[np.ndarray, " ends"]:  # fmt: skip
    """Return how much earlier the first alarm for each death was raised; -1 without an alarm."""
    of_link = _by_link(alarms)
    return np.array([
        max((time_us - raised_us for due_us, raised_us in of_link.get((station, neighbour), ()) if abs(due_us - time_us) <= NEAR_US),
            default=-1)
        for station, neighbour, time_us in ends.tolist()
    ], np.int64)  # fmt: skip


def _near(
    alarms: Int64[np.ndarray, "alarms 4"], deaths: Int64[np.ndarray, "deaths 3"]
) -> Bool[np.ndarray, " alarms"]:  # fmt: skip
    """Return whether the link of each alarm died near the time foretold."""
    of_link = _by_link(deaths)
    return np.array([
        any(abs(time_us - due_us) <= NEAR_US for (time_us,) in of_link.get((station, neighbour), ()))
        for station, neighbour, due_us, _ in alarms.tolist()
    ], bool)  # fmt: skip


def _ended(
    alarms: Int64[np.ndarray, "alarms 4"], gone: Int64[np.ndarray, "ends 3"]
) -> Bool[np.ndarray, " alarms"]:  # fmt: skip
    """Return whether the link of each alarm ended, alive, before the time foretold was over: nobody can tell whether it was right.

    The time of such an end is the last tick of the link, so an alarm of this tick is raised after it.
    """
    of_link = _by_link(gone)
    return np.array([
        any(raised_us - UNAWARE_US <= time_us <= due_us + NEAR_US for (time_us,) in of_link.get((station, neighbour), ()))
        for station, neighbour, due_us, raised_us in alarms.tolist()
    ], bool)  # fmt: skip
