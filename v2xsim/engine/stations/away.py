"""What is kept of egos that have left: what they will still know if they come back.

Announcements, answers and reports from before they left will be too old by then. The list of stations that they heard is kept, so that no
station counts twice, and an old copy of an announcement counts as old.
"""

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.stations.contents import Awareness, Report
from v2xsim.engine.stations.knowledge import REPORT_VALID_US, Knowledge
from v2xsim.engine.stations.neighbours import Announced, Neighbours


class Bulletin:
    """What all egos receive at once if data reaches its receivers without messages; egos that come back get it from here."""

    def __init__(self) -> None:
        self._announced: dict[int, Announced] = {}
        # By agent: time of each station's newest announcement.
        self._sent_us: dict[int, int] = {}
        self._reports: list[tuple[Report, int, bool]] = []

    @property
    def is_used(self) -> bool:
        """Whether a station has announced itself here."""
        return bool(self._sent_us)

    def announce(self, awareness: Awareness, now_us: int) -> None:
        """Note an announcement that all egos have learned now."""
        self._announced[awareness.origin] = Announced(awareness, now_us, now_us)
        self._sent_us[awareness.origin] = now_us

    def report(self, report: Report, now_us: int, keep_copy: bool) -> None:
        """Note a report that all egos have now; arguments as in `Knowledge.take_report`."""
        self._reports.append((report, now_us, keep_copy))

    def forget(self, now_us: int, forget_us: int) -> None:
        """Forget announcements and reports that no ego uses any more."""
        self._announced = {
            origin: item for origin, item in self._announced.items() if now_us - item.arrived_us <= forget_us
        }
        self._reports = [item for item in self._reports if now_us - item[1] <= REPORT_VALID_US]

    def catch_up(self, knowledge: Knowledge, neighbours: Neighbours, heard: dict[int, int], since_us: int) -> None:
        """Give an ego that has come back all that it learned before it left, and all that it has missed.

        Args:
            knowledge: New knowledge of the ego.
            neighbours: What egos know of other stations; the ego has no part in it.
            heard: Time of the newest announcement of each station that the ego heard, as far as it is not in this bulletin.
            since_us: Time at which the ego became one.
        """
        own = knowledge.agent
        missed = {origin: time_us for origin, time_us in self._sent_us.items() if time_us >= since_us and origin != own}
        neighbours.begin(own, heard | missed, (item for origin, item in self._announced.items() if origin != own))
        for report, at_us, keep_copy in self._reports:
            knowledge.take_report(report, at_us, keep_copy)


class Away:
    """The egos that left long ago, with the stations that each of them heard."""

    def __init__(self) -> None:
        # By agent: since when it is an ego, and the origins and times of the newest announcements.
        self._egos: dict[int, tuple[int, Int64[np.ndarray, "2 heard"]]] = {}

    def put(self, agent: int, heard: dict[int, int], since_us: int, bulletin: Bulletin) -> None:
        """Store what is kept of an ego that left.

        Args:
            agent: Agent id of the ego.
            heard: Time of the newest announcement of each station that it heard, by agent id.
            since_us: Time at which it became an ego.
            bulletin: What all egos receive at once.
        """
        # If there is a bulletin, it has all stations that the ego heard.
        kept = {} if bulletin.is_used else heard
        # As an array: a long run has many egos that have left, and most of them never come back.
        self._egos[agent] = since_us, np.array([list(kept.keys()), list(kept.values())], np.int64)

    def __contains__(self, agent: int) -> bool:
        return agent in self._egos

    def restore(self, knowledge: Knowledge, neighbours: Neighbours, bulletin: Bulletin) -> None:
        """Give an ego that was stored and has come back what it still knows."""
        since_us, (origin, sent_us) = self._egos.pop(knowledge.agent)
        knowledge.ego_since_us = since_us
        heard = dict(zip(origin.tolist(), sent_us.tolist(), strict=True))
        bulletin.catch_up(knowledge, neighbours, heard, since_us)
