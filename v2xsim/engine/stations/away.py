"""What is kept of egos that have left: what they will still know if they come back.

Announcements, answers and reports from before they left will be too old by then. The list of stations that they heard is kept, so that no
station counts twice, and an old copy of an announcement counts as old as long as one may arrive.
"""

import zlib
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from v2xsim.engine.stations.agent_set import grown
from v2xsim.engine.stations.contents import Awareness, Report
from v2xsim.engine.stations.knowledge import REPORT_VALID_US, Knowledge
from v2xsim.engine.stations.neighbours import Announced, Heard, Neighbours

_NEVER_US = -(2**62)


class Bulletin:
    """What all egos receive at once if data reaches its receivers without messages; egos that come back get it from here."""

    def __init__(self) -> None:
        self._announced: dict[int, Announced] = {}
        # By agent id: time of each station's newest announcement.
        self._sent_us = np.zeros(0, np.int64)
        self._reports: list[tuple[Report, int, bool]] = []

    @property
    def is_used(self) -> bool:
        """Whether a station has announced itself here."""
        return len(self._sent_us) > 0

    def announce(self, awareness: Awareness, now_us: int) -> None:
        """Note an announcement that all egos have learned now."""
        self._announced[awareness.origin] = Announced(awareness, now_us, now_us)
        self._sent_us = grown(self._sent_us, awareness.origin + 1, _NEVER_US)
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

    def catch_up(self, knowledge: Knowledge, neighbours: Neighbours, heard: Heard, since_us: int) -> None:
        """Give an ego that has come back all that it learned before it left, and all that it has missed.

        Args:
            knowledge: New knowledge of the ego.
            neighbours: What egos know of other stations; the ego has no part in it.
            heard: The stations that the ego heard, as far as they are not in this bulletin.
            since_us: Time at which the ego became one.
        """
        own = knowledge.agent
        missed = np.flatnonzero(self._sent_us >= since_us)
        # No copy of a missed announcement is under way: each reached all egos at the instant at which it was made.
        known = Heard(np.union1d(heard.agent, missed[missed != own]), heard.copied_us)
        neighbours.begin(own, known, (item for origin, item in self._announced.items() if origin != own))
        for report, at_us, keep_copy in self._reports:
            knowledge.take_report(report, at_us, keep_copy)


class _Left(NamedTuple):
    """What is kept of one ego: a long run has many that have left, and most of them never come back.

    Attributes:
        since_us: Time at which it became an ego.
        heard: Agent ids of the stations that it heard, packed.
        copied_us: As in `Heard`; None for nothing.
    """

    since_us: int
    heard: bytes
    copied_us: dict[int, int] | None


class Away:
    """The egos that left long ago, with the stations that each of them heard."""

    def __init__(self) -> None:
        self._egos: dict[int, _Left] = {}

    def put(self, agent: int, heard: Heard, since_us: int, bulletin: Bulletin) -> None:
        """Store what is kept of an ego that left.

        Args:
            agent: Agent id of the ego.
            heard: The stations that it heard.
            since_us: Time at which it became an ego.
            bulletin: What all egos receive at once.
        """
        # If there is a bulletin, it has all stations that the ego heard.
        kept = Heard.nobody() if bulletin.is_used else heard
        self._egos[agent] = _Left(since_us, _packed(kept.agent), kept.copied_us or None)

    def __contains__(self, agent: int) -> bool:
        return agent in self._egos

    def restore(self, knowledge: Knowledge, neighbours: Neighbours, bulletin: Bulletin) -> None:
        """Give an ego that was stored and has come back what it still knows."""
        left = self._egos.pop(knowledge.agent)
        knowledge.ego_since_us = left.since_us
        bulletin.catch_up(knowledge, neighbours, Heard(_unpacked(left.heard), left.copied_us or {}), left.since_us)


def _packed(agents: Int64[np.ndarray, " agents"]) -> bytes:
    """Return rising agent ids as a few bytes: those that an ego hears are close to each other."""
    return zlib.compress(np.diff(agents, prepend=0).astype("<i8").tobytes()) if len(agents) else b""


def _unpacked(packed: bytes) -> Int64[np.ndarray, " agents"]:
    return np.cumsum(np.frombuffer(zlib.decompress(packed), "<i8")) if packed else np.zeros(0, np.int64)
