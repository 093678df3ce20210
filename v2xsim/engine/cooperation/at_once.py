"""An exchange without messages, as an upper bound for comparison: data reaches its receivers at once and without loss.

An ego may ask every other station that has a frame, at any distance. The ego chooses helpers by the matrices of their
newest frames, not by announced matrices.
"""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from v2xsim.engine.channel.air import Heard
from v2xsim.engine.channel.messages import AnswerMessage, Message
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.directory import Directory
from v2xsim.engine.cooperation.exchange import AnswerTo, fragments_of, request_of
from v2xsim.engine.cooperation.matching import Ask, Candidates
from v2xsim.engine.cooperation.transfers import Transfer, Transfers
from v2xsim.engine.stations.contents import NOBODY, Awareness, Report, Retold
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.engine.stations.stations import Stations
from v2xsim.scenario.schema import Scenario


class AtOnce:
    """Passes data to its receivers at the instant at which it is made; the methods are those of `Exchange`."""

    def __init__(
        self, scenario: Scenario, clock: Clock, stations: Stations, transfers: Transfers, answer_to: AnswerTo
    ) -> None:
        rule = scenario.cooperation
        self._clock, self._stations, self._transfers, self._answer_to = clock, stations, transfers, answer_to
        self._mtu_bytes, self._counts_copies = scenario.radio.mtu_bytes, rule.redundancy.reads_copies
        self._detect_us = round(rule.detect_ms * 1e3)
        self._directory = Directory(rule.shortlist) if rule.shortlist else None
        self._numbers: Iterator[int] = count(1)

    def announcement_phase_us(self, agent: int) -> int:
        """Return 0: no announcement disturbs another, so all stations announce themselves at the same instant."""
        return 0

    def announce(self, awareness: Awareness) -> None:
        """Store a station's announcement in the knowledge of every station that keeps announcements: of every ego at least."""
        now_us = self._clock.now_us
        listening = np.fromiter(self._stations.listening, np.int64)
        self._stations.neighbours.hear(awareness, now_us, listening, now_us)
        self._stations.bulletin.announce(awareness, now_us)

    def report(self, report: Report) -> None:
        """Store a station's report in the knowledge of every ego."""
        for knowledge in self._stations.egos():
            knowledge.take_report(report, self._clock.now_us, self._counts_copies)
        self._stations.bulletin.report(report, self._clock.now_us, self._counts_copies)

    def retell(self, retold: Retold) -> None:
        """Do nothing: what is broadcast reaches every ego."""

    def plan_passing(self, frame_us: int) -> None:
        """Do nothing: what is broadcast reaches every ego."""

    def candidates(self, states: OwnStates, frame_us: int, egos: Sequence[tuple[Frame, BlindZone]]) -> Candidates:
        """Return, for each ego, all other stations with a frame, or only those on the directory's short list."""
        now_us = self._clock.now_us
        newest = [self._stations.detected_frame(agent, now_us) for agent in states.agent[states.lidars > 0].tolist()]
        frames = [frame for frame in newest if frame is not None]
        agent, asking = (
            np.array([frame.agent for frame in some], np.int64) for some in (frames, [ego for ego, _ in egos])
        )
        may_ask = asking[:, None] != agent
        if self._directory is not None:
            self._directory.update(frames)
            listed = self._directory.short_lists([(ego, zone.weight) for ego, zone in egos])
            may_ask &= np.array([np.isin(agent, list(short)) for short in listed], bool).reshape(may_ask.shape)
        row = np.nonzero(may_ask)[1]
        position_m = np.array([frame.pose[:2] for frame in frames]).reshape(-1, 2)
        return Candidates(
            np.concatenate([[0], np.cumsum(may_ask.sum(axis=1))]), agent[row], position_m[row], np.ones(len(row)),
            np.ones(len(row)), np.full(len(row), np.inf), np.full(len(row), NOBODY, np.int64),
            np.zeros((len(row), 0), np.int64), np.ones(len(row), np.int64), row, [frame.matrix for frame in frames],
        )  # fmt: skip

    def ask(self, ego: Frame, asks: list[Ask]) -> None:
        """Make the helpers' answers to an ego's requests and store them in the ego's knowledge at once."""
        now_us = self._clock.now_us
        for ask in asks:
            request = request_of(next(self._numbers), ego, ask)
            answer = self._answer_to(request)
            if answer is None:
                continue
            message = AnswerMessage(
                request.number, request.helper, ego.agent, NOBODY, answer.size_bytes, now_us, answer
            )
            capture_us = answer.frame.time_us
            transfer = Transfer.of(message, ego.time_us, capture_us, capture_us + self._detect_us, 1)
            transfer.on_air(now_us)
            transfer.receive(0, now_us)
            self._transfers.add(transfer)
            self._transfers.over(transfer.number)
            parts = np.ones(fragments_of(answer.size_bytes, self._mtu_bytes), bool)
            self._stations.knowledge_of(ego.agent).receive_part(message.number, answer, parts)

    def over(self, message: Message) -> None:
        """Do nothing: this exchange sends no message."""

    def receive(self, heard: Heard) -> None:
        """Raise AssertionError: this exchange sends no message."""
        raise AssertionError("an exchange without messages hears nothing")
