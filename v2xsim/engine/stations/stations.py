"""The knowledge of all stations, each by itself, and what they measure of each other's packets."""

from collections import deque

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.hearing import Hearing
from v2xsim.engine.stations.knowledge import Knowledge
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.scenario.schema_radio import Radio


class Stations:
    """Who is there, and what each knows.

    Args:
        frames_kept: Frames that a station keeps of its states.
        detect_us: Time from a capture to the end of its detection.
        forget_us: A station not heard for so long counts as gone.
    """

    def __init__(self, frames_kept: int, detect_us: int, forget_us: int) -> None:
        self._frames_kept, self._detect_us, self.forget_us = frames_kept, detect_us, forget_us
        self._knowledge: dict[int, Knowledge] = {}
        self._ego_agents: set[int] = set()
        # All stations at once, since a packet is measured by hundreds: row i is what station i measured.
        self._hearing = Hearing.nobody()

    @property
    def ego_agents(self) -> set[int]:
        """Every station that fuses, or did while it was there."""
        return self._ego_agents

    def enter(self, states: OwnStates) -> None:
        """Take the stations of a tick: newcomers have heard nobody."""
        self._hearing = self._hearing.over(states.agent)
        # For good: frames that an ego captured before it left are still fused and scored.
        for agent in states.agent[states.ego].tolist():
            self._ego_agents.add(agent)

    def knowledge_of(self, agent: int) -> Knowledge:
        """Return what a station knows."""
        if agent not in self._knowledge:
            self._knowledge[agent] = Knowledge(agent, deque(maxlen=self._frames_kept))
        return self._knowledge[agent]

    def egos(self) -> list[Knowledge]:
        """Return the knowledge of every ego, in rising order of their agents."""
        return [self.knowledge_of(agent) for agent in sorted(self._ego_agents)]

    def keep_frame(self, frame: Frame) -> None:
        """Let a station keep its own newest frame."""
        self.knowledge_of(frame.agent).frames.append(frame)

    def detected_frame(self, agent: int, now_us: int) -> Frame | None:
        """Return a station's newest frame whose detection is finished, None without one."""
        return self.knowledge_of(agent).frame_detected_by(now_us, self._detect_us)

    def measure(
        self,
        receivers: Int64[np.ndarray, " receivers"],
        sender: int,
        snr_db: Float[np.ndarray, " receivers"],
        time_us: int,
    ) -> None:
        """Let all who received a packet remember how well they heard its sender."""
        self._hearing.note(receivers, sender, snr_db, time_us, self.forget_us)

    def heard_lately(self, now_us: int) -> Bool[np.ndarray, "stations stations"]:
        """Return which senders (columns) each station (rows) has heard lately."""
        return self._hearing.heard_lately(now_us, self.forget_us)

    def delivery(self, now_us: int, radio: Radio) -> Float[np.ndarray, "stations stations"]:
        """Return the predicted delivery of a data packet over each link, 0 to 1; symmetric."""
        return self._hearing.delivery(now_us, self.forget_us, radio)
