"""Age of information between stations in range, also of those that never heard each other, until they part or the run ends.

The age of information of an ordered pair of sender and receiver is the time since the newest message was made that the receiver has of
the sender, directly or through a relay. The table `links` says who is in range at each of its ticks, and each tick stands for the time
until the next one.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from v2xsim.evaluation.ages_loops import Pairs, end_all, follow, no_totals
from v2xsim.evaluation.metric import Metric, RowGroups, Rows, arrays_of
from v2xsim.evaluation.packet_rows import RECEIVED, Heard, Origins, heard_in, ways_of
from v2xsim.evaluation.whole_messages import WholeMessages

AGE_COLUMNS = {
    "packets": RECEIVED,
    "links": ("time_us", "a", "b", "distance_m"),
}
"""The columns from which the ages are computed, by table."""
# The rows of packets are in order of their ends but for this much. Metrics are not known if a row comes later than that.
_SLACK_US = 1_000_000
_TIMES = {"packets": "end_us", "links": "time_us"}
# Before and after all times.
_BEGIN_US, _END_US = -(2**62), 2**62


class _Links(NamedTuple):
    """Rows of the table `links`."""

    time_us: Int64[np.ndarray, " rows"]
    a: Int64[np.ndarray, " rows"]
    b: Int64[np.ndarray, " rows"]
    distance_m: Float32[np.ndarray, " rows"]


_NO_LINKS = _Links(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))


class Ages:
    """Follows the age of information of all pairs in range over a run, whose tables come in pieces of any length, in turn.

    What is held does not grow with the run: the pairs of the present tick, and the rows of one table for which those of the other have not come.
    Everything is added up in the order of time, so that the metrics do not depend on the pieces.

    Args:
        range_m: Pairs nearer than this are in range.
        packet_share: Share of the stations whose awareness messages have rows in `packets`. If it is below 1, the stations count from the
            first message of theirs that somebody received.
        period_us: Time between two ticks of the table `links`; 0 without that table.
        end_us: End of the run.
    """

    def __init__(self, range_m: float, packet_share: float, period_us: int, end_us: int) -> None:
        self._range_m, self._all_are_listed = np.float32(range_m), packet_share >= 1.0
        self._period_us, self._end_us = period_us, end_us
        self._pairs, self._origins, self._totals = Pairs.none(), Origins.none(), no_totals()
        self._whole = WholeMessages(over_relays=True)
        self._links: list[_Links] = []
        self._heard: list[Heard] = []
        # Times up to which the rows of each table are known, and up to which the pairs have been followed.
        self._reached_us = {"links": _BEGIN_US, "packets": _BEGIN_US}
        self._done_us = self._last_tick_us = _BEGIN_US
        self._is_in_order = True

    def add(self, table: str, rows: pa.Table) -> None:
        """Add the next rows of the table `links` or `packets`; others change nothing."""
        # Without the table of links, nobody is known to be in range.
        if not self._period_us or not rows.num_rows:
            return
        if table == "links":
            links = _Links(*arrays_of(rows, *AGE_COLUMNS["links"]))
            self._links.append(links)
            # The rows of the last tick may not be complete.
            self._last_tick_us = int(links.time_us[-1])
            self.reached("links", self._last_tick_us)
        elif table == "packets":
            ways = ways_of(rows)
            outcome, end_us = self._whole.of(rows, ways)
            heard = heard_in(rows, ways._replace(outcome=outcome), end_us, self._origins)
            self._is_in_order &= len(heard.end_us) == 0 or int(heard.end_us.min()) >= self._done_us
            self._heard.append(heard)
            self.reached("packets", int(arrays_of(rows, "end_us")[0].max()) - _SLACK_US)

    def reached(self, table: str, time_us: int) -> None:
        """Note that all rows of a table before a time have been added, and follow the pairs as far as both tables are known."""
        self._reached_us[table] = max(self._reached_us[table], time_us)
        self._follow(min(*self._reached_us.values(), self._last_us))

    @property
    def _last_us(self) -> int:
        """Time up to which the links of the latest tick stand: what arrives later changes nothing, unless there is another tick."""
        return max(min(self._last_tick_us + self._period_us, self._end_us), self._last_tick_us + 1)

    def _follow(self, until_us: int) -> None:
        """Follow the pairs up to a time."""
        if until_us <= self._done_us:
            return
        links = _Links(*map(np.concatenate, zip(_NO_LINKS, *self._links, strict=True)))
        heard = Heard(*map(np.concatenate, zip(Heard.none(), *self._heard, strict=True)))
        count = int(np.searchsorted(links.time_us, until_us, "left"))
        is_past = heard.end_us < until_us
        past = Heard(*(part[is_past] for part in heard))
        order = np.argsort(past.end_us, kind="stable")
        self._pairs = follow(
            self._pairs, self._totals, _Links(*(part[:count].copy() for part in links)), Heard(*(part[order] for part in past)),
            self._range_m, self._all_are_listed, until_us,
        )  # fmt: skip
        self._links = [_Links(*(part[count:].copy() for part in links))]
        self._heard = [Heard(*(part[~is_past] for part in heard))]
        self._done_us = until_us

    def rows(self) -> Rows:
        """Return the metrics of the whole run, after which nothing is added; NaN without a pair, or if packets are too far from the order of time."""
        self._follow(self._last_us)
        end_all(self._pairs, self._totals, self._last_us)
        area_us2, time_us, counts = (part.tolist() for part in self._totals)
        acquaintances, meetings, encounters, silent = counts
        share = silent / encounters if encounters and self._is_in_order else float("nan")
        return [
            self._mean("age_of_information", area_us2[0], time_us[0], acquaintances),
            self._mean("age_of_information_in_range", area_us2[1], time_us[1], meetings),
            ("silent_encounters", "", Metric(share, "1", encounters)),
        ]

    def _mean(self, name: str, area_us2: float, time_us: int, count: int) -> tuple[str, str, Metric]:
        is_known = time_us > 0 and self._is_in_order
        return name, "", Metric(area_us2 / time_us * 1e-3 if is_known else float("nan"), "ms", count)


def add_all(ages: Ages, groups: RowGroups) -> None:
    """Add the tables of a finished run to its ages: the row groups of each when those of the other have come as far."""
    sources = {table: iter(groups(table, columns)) for table, columns in AGE_COLUMNS.items()}
    come_to_us = dict.fromkeys(sources, _BEGIN_US)
    while sources:
        table = min(sources, key=come_to_us.__getitem__)
        group = next(sources[table], None)
        if group is None:
            del sources[table]
            ages.reached(table, _END_US)
            continue
        come_to_us[table] = int(arrays_of(group, _TIMES[table])[0].max())
        ages.add(table, group)
