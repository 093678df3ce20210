"""The separate knowledge of each station, and the measurements of stations on each other's packets."""

from collections import deque

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.engine.stations.away import Away, Bulletin
from v2xsim.engine.stations.contents import HeardList
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.heard_pairs import Measured
from v2xsim.engine.stations.hearing import Hearing
from v2xsim.engine.stations.knowledge import REPORT_VALID_US, Knowledge
from v2xsim.engine.stations.neighbours import Neighbours
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.engine.stations.vicinity import Vicinities

# Time between two searches for knowledge that can be forgotten.
_TIDY_US = 1_000_000


class Stations:
    """All stations of a run and the knowledge of each.

    Args:
        frames_kept: Number of own frames that each station keeps; older ones are forgotten.
        detect_us: Time from a capture to the end of its detection.
        forget_us: Another station that has not been heard for this long counts as gone.
        max_age_us: Answers whose data was captured earlier than this before an ego's frame are not fused with it.
        period_us: Longest time between two announcements of a station.
        all_listen: Whether all stations keep announcements, as they must to decide whether they relay; else only egos do.
        matrix_valid_us: As for `Neighbours`.

    Attributes:
        neighbours: What each listening station knows of others from their announcements.
        bulletin: What all egos receive at once, if data reaches its receivers without messages.
    """

    def __init__(
        self,
        frames_kept: int,
        detect_us: int,
        forget_us: int,
        max_age_us: int,
        period_us: int = 100_000,
        all_listen: bool = False,
        matrix_valid_us: int | None = None,
    ) -> None:
        self._frames_kept, self._detect_us, self.forget_us = frames_kept, detect_us, forget_us
        self._max_age_us = max_age_us
        # Of stations that are present, or that left not long ago.
        self._knowledge: dict[int, Knowledge] = {}
        self._left_us: dict[int, int] = {}
        self._ego_agents: set[int] = set()
        self._all_listen, self._listening = all_listen, set[int]()
        self.neighbours = Neighbours(forget_us, matrix_valid_us)
        self._away, self.bulletin = Away(), Bulletin()
        self._tidied_us = -(2**62)
        # One table for all stations, since hundreds of them measure each packet.
        self._hearing = Hearing(forget_us, period_us)
        # State of each station at the last tick, as the station itself knows it.
        self.states = OwnStates.none()

    @property
    def ego_agents(self) -> set[int]:
        """Agent ids of the stations that are or were egos, without those that left long ago."""
        return self._ego_agents

    @property
    def listening(self) -> set[int]:
        """Agent ids of the stations that keep announcements, without those that left long ago."""
        return self._listening

    def enter(self, states: OwnStates) -> None:
        """Set the stations of a new tick; stations that are new have heard no other yet."""
        if not np.array_equal(states.agent, self.states.agent):
            self._left_us |= dict.fromkeys(np.setdiff1d(self.states.agent, states.agent).tolist(), states.time_us)
            for agent in np.setdiff1d(states.agent, self.states.agent).tolist():
                self._left_us.pop(agent, None)
                self._return(agent, states.time_us)
        self.states = states.since(self.states)
        self._hearing.enter(states.agent)
        # An ego stays in this set after it has left, because frames that it captured before are still fused and scored. And it
        # stays an ego when it has no lidar any more.
        for agent in states.agent[states.ego].tolist():
            if agent not in self._ego_agents:
                self._ego_agents.add(agent)
                self._listen(agent)
                self.knowledge_of(agent).ego_since_us = states.time_us
        if self._all_listen:
            for agent in set(states.agent.tolist()) - self._listening:
                self._listen(agent)

    def _listen(self, agent: int) -> None:
        """Let a station keep announcements from now on."""
        if agent not in self._listening:
            self._listening.add(agent)
            self.neighbours.begin(agent)

    def _return(self, agent: int, time_us: int) -> None:
        """Give a station that comes, or comes back, what it still knows."""
        if agent in self._knowledge:
            self._knowledge[agent].returned_us = time_us
        elif agent in self._away:
            self._away.restore(self.knowledge_of(agent), self.neighbours, self.bulletin)
            self._ego_agents.add(agent)
            self._listening.add(agent)

    def tidy(self, next_frame_us: int, now_us: int, oldest_us: int) -> None:
        """Forget what no station can use any more.

        Args:
            next_frame_us: Capture time of the next frames that are fused, or earlier.
            now_us: Present simulated time.
            oldest_us: Messages that were made before this time have arrived or never will.
        """
        if now_us - self._tidied_us < _TIDY_US:
            return
        self._tidied_us = now_us
        self.bulletin.forget(now_us, self.forget_us)
        self.neighbours.forget(now_us, oldest_us)
        for agent in self._ego_agents:
            self.knowledge_of(agent).forget(next_frame_us, now_us, self._max_age_us)
        # A station that comes back later than this cannot use any answer, report or announcement from before.
        kept_us = max(self.forget_us, self._max_age_us, REPORT_VALID_US)
        for agent in [agent for agent, left_us in self._left_us.items() if left_us + kept_us < next_frame_us]:
            del self._left_us[agent]
            knowledge = self._knowledge.pop(agent, None)
            if knowledge is not None and knowledge.ego_since_us is not None:
                self._ego_agents.remove(agent)
                self._away.put(agent, self.neighbours.heard_by(agent), knowledge.ego_since_us, self.bulletin)
            if agent in self._listening:
                self._listening.remove(agent)
                self.neighbours.end(agent)

    def knowledge_of(self, agent: int) -> Knowledge:
        """Return the knowledge of a station."""
        if agent not in self._knowledge:
            self._knowledge[agent] = Knowledge(agent, deque(maxlen=self._frames_kept))
        return self._knowledge[agent]

    def egos(self) -> list[Knowledge]:
        """Return the knowledge of all stations that are or were egos, in rising order of their agent ids.

        Egos that left long ago are left out: they have no frame that waits for its fusion.
        """
        return [self.knowledge_of(agent) for agent in sorted(self._ego_agents)]

    def keep_frame(self, frame: Frame) -> None:
        """Store a new frame in the knowledge of the station that captured it."""
        self.knowledge_of(frame.agent).frames.append(frame)

    def detected_frame(self, agent: int, now_us: int) -> Frame | None:
        """Return a station's newest frame whose detection is finished; None if there is none."""
        return self.knowledge_of(agent).frame_detected_by(now_us, self._detect_us)

    def measure(
        self,
        receivers: Int64[np.ndarray, " receivers"],
        sender: int,
        snr_db: Float[np.ndarray, " receivers"],
        time_us: int,
        sequence: int = -1,
    ) -> None:
        """Update the measurements of all stations that received a packet from a sender.

        Args:
            receivers: Agent ids of the stations that received the packet, in rising order.
            sender: Agent id of the station that sent the packet.
            snr_db: SNR that each receiver measured.
            time_us: Time at which the packet ended.
            sequence: Sequence number of the sender's own announcement that the packet brought; -1 for another packet.
        """
        self._hearing.note(receivers, sender, snr_db, time_us, sequence)

    def heard_lately(self, agents: Int64[np.ndarray, " agents"], now_us: int) -> list[HeardList]:
        """Return for each of some stations the list of the other stations that it has heard lately, as it announces it."""
        return self._hearing.heard_by_each(agents, now_us)

    def measured(self, now_us: int) -> Measured:
        """Return what each present station measured on the packets of those that it has heard lately, rounded as in its announcements."""
        offset, *heard = self._hearing.measured(self.states.agent, now_us)
        rounded = HeardList.of(*heard)
        return Measured(offset, rounded.agent, rounded.snr_db, rounded.share)

    def vicinities(
        self, agents: Int64[np.ndarray, " agents"], now_us: int, busy_share: Float[np.ndarray, " agents"] | None = None
    ) -> Vicinities:
        """Return what each of some stations that are present, in rising order of their agent ids, knows of those around it.

        Args:
            agents: Agent ids of the stations.
            now_us: Present simulated time.
            busy_share: Busy ratio that each of them measured last, 0 to 1; None for an idle channel.
        """
        own = self.states.some(np.searchsorted(self.states.agent, agents))
        announced, measured = self.neighbours.announced(agents, now_us), self._hearing.measured(agents, now_us)
        return Vicinities(own, announced, measured, np.zeros(len(agents)) if busy_share is None else busy_share)

    def knows(self, agent: int, vehicle: int) -> bool:
        """Return whether a station has an announcement of a vehicle, or detected it in one of its frames; for metrics only."""
        if any(known.awareness.origin == vehicle for known in self.neighbours.known_by(agent)):
            return True
        return any((frame.detections.truth == vehicle).any() for frame in self.knowledge_of(agent).frames)

    def heard_by(self, agent: int, now_us: int) -> dict[int, tuple[float, float]]:
        """Return mean SNR in dB, and share of announcements that arrive, of each station that a station heard lately, by agent id."""
        found = self._hearing.measured(np.array([agent], np.int64), now_us)
        measured = zip(found.snr_db.tolist(), found.share.tolist(), strict=True)
        return dict(zip(found.sender.tolist(), measured, strict=True))
