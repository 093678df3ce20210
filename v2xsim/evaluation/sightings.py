"""How many stations saw each road user in range of a lidar, and how long it took until one did (table `seen`)."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from v2xsim.evaluation.awareness_times import SurvivalTimes
from v2xsim.evaluation.metric import Mean, Metric, Rows, arrays_of

SEEN_COLUMNS = ("time_us", "agent", "stations", "most_points")
"""Columns of the table `seen` that are read."""
NEVER = -1
"""Instead of a time: it did not happen."""
# Stations that see a road user, as the metrics tell them apart; the last one stands for two or more.
_NUMBERS = ("nobody", "one", "several")


@dataclass(frozen=True)
class FirstSeen:
    """When each road user that came within range of a lidar was first seen, and by how many stations, in rising order of agent ids.

    Attributes:
        agent: Agent id.
        in_range_us: First tick at which it was within range of a lidar of another station.
        seen_us: First tick at which one station had enough returns from it; NEVER if none had.
        last_us: Last tick at which it was within range.
        ticks: Number of ticks at which it was within range, by the number of stations that had a return from it: none, one, two or more.
        sights: Stations that had a return from it, summed over these ticks.
    """

    agent: Int64[np.ndarray, " users"]
    in_range_us: Int64[np.ndarray, " users"]
    seen_us: Int64[np.ndarray, " users"]
    last_us: Int64[np.ndarray, " users"]
    ticks: Int64[np.ndarray, "users 3"]
    sights: Int64[np.ndarray, " users"]

    @staticmethod
    def none() -> "FirstSeen":
        """Return no road user."""
        none = np.zeros(0, np.int64)
        return FirstSeen(none, none, none, none, np.zeros((0, 3), np.int64), none)


class Sightings:
    """Follows the road users of the table `seen`, whose rows come in parts, in order of time.

    Args:
        least_points: Number of returns of one station from which on it counts as seen, in `FirstSeen.seen_us`.
    """

    def __init__(self, least_points: int = 1) -> None:
        self._least_points, self.users = least_points, FirstSeen.none()
        self._shares = [Mean(f"seen_by_{number}", "1") for number in _NUMBERS]
        self._redundancy = Mean("seen_redundancy", "stations")

    def add(self, seen: pa.Table) -> None:
        """Add the next rows of the table `seen`, with the columns of SEEN_COLUMNS or more."""
        time_us, agent, stations, most_points = arrays_of(seen, *SEEN_COLUMNS)
        if len(agent) == 0:
            return
        number = np.minimum(stations, len(_NUMBERS) - 1)
        for n, share in enumerate(self._shares):
            share.add(number == n)
        self._redundancy.add(stations[stations > 0])
        self.users = self._with(time_us, agent, stations, number, most_points >= self._least_points)

    def _with(
        self, time_us: Int64[np.ndarray, " rows"], agent: np.ndarray, stations: np.ndarray, number: np.ndarray, is_seen: np.ndarray
    ) -> FirstSeen:  # fmt: skip
        """Return the road users so far, with further rows."""
        old = self.users
        every, at = np.unique(np.concatenate([old.agent, agent]), return_inverse=True)
        held, new = at[: len(old.agent)], at[len(old.agent) :]
        late = np.iinfo(np.int64).max
        first_us, seen_us, last_us = (np.full(len(every), fill, np.int64) for fill in (late, late, NEVER))
        ticks, sights = np.zeros((len(every), len(_NUMBERS)), np.int64), np.zeros(len(every), np.int64)
        first_us[held], last_us[held], ticks[held], sights[held] = old.in_range_us, old.last_us, old.ticks, old.sights
        seen_us[held] = np.where(old.seen_us == NEVER, late, old.seen_us)
        np.minimum.at(first_us, new, time_us)
        np.minimum.at(seen_us, new[is_seen], time_us[is_seen])
        np.maximum.at(last_us, new, time_us)
        np.add.at(ticks, (new, number), 1)
        np.add.at(sights, new, stations)
        return FirstSeen(every, first_us, np.where(seen_us == late, NEVER, seen_us), last_us, ticks, sights)

    def rows(self) -> Rows:
        """Return the metrics of the whole run."""
        users, times = self.users, SurvivalTimes()
        is_seen = users.seen_us != NEVER
        # Without a row, nothing was recorded or no lidar was there, and 0 would read as if everybody had been seen.
        never = float((~is_seen).sum())
        times.add((users.seen_us - users.in_range_us)[is_seen], (users.last_us - users.in_range_us)[~is_seen])
        return [
            *(row for mean in (*self._shares, self._redundancy) for row in mean.rows()),
            ("first_seen_delay", "", Metric(times.quantile_s(0.5), "s", times.count)),
            ("first_seen_delay_p90", "", Metric(times.quantile_s(0.9), "s", times.count)),
            ("never_seen", "", Metric(never if len(users.agent) else float("nan"), "road users", len(users.agent))),
        ]
