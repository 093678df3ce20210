"""An exchange that sends messages over a channel, which may delay and lose them."""

from collections.abc import Iterator, Sequence, Set
from itertools import count

import numpy as np

from v2xsim.comms.messages.sizes import coded_request_bytes
from v2xsim.engine.channel.air import Air, Heard
from v2xsim.engine.channel.messages import (
    AnswerMessage,
    AwarenessMessage,
    Message,
    Packet,
    ReportMessage,
    RequestMessage,
    RetoldMessage,
)
from v2xsim.engine.clock import Clock
from v2xsim.engine.cooperation.announcing import announcement_bytes
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast
from v2xsim.engine.cooperation.detected import Detected
from v2xsim.engine.cooperation.exchange import AnswerTo, fragments_of, request_of
from v2xsim.engine.cooperation.matching import Ask, Candidates, candidates, coding_of
from v2xsim.engine.cooperation.paths import Paths
from v2xsim.engine.cooperation.reassembly import Reassembly
from v2xsim.engine.cooperation.relaying import Relaying
from v2xsim.engine.cooperation.transfers import Transfer, Transfers
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY, Awareness, Report, Retold
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.engine.stations.own_tracks import OwnTracks
from v2xsim.engine.stations.reports_heard import ReportsHeard
from v2xsim.engine.stations.stations import Stations
from v2xsim.engine.stations.vicinity import Vicinities
from v2xsim.records import Detections
from v2xsim.scenario.schema import Scenario

# Kinds of messages that are for one station.
_ADDRESSED = (RequestMessage, AnswerMessage)


class OverTheAir:
    """Sends announcements, reports, requests and answers as messages; the methods are those of `Exchange`."""

    def __init__(
        self, scenario: Scenario, clock: Clock, air: Air, stations: Stations, tracks: OwnTracks, transfers: Transfers,
        relaying: Relaying, forecast: CycleForecast, answer_to: AnswerTo, reports_heard: ReportsHeard | None = None,
    ) -> None:  # fmt: skip
        rule = scenario.cooperation
        self._radio, self._tracks, self._forecast = scenario.radio, tracks, forecast
        self._clock, self._air, self._stations, self._transfers = clock, air, stations, transfers
        self._relaying, self._answer_to, self._reports_heard = relaying, answer_to, reports_heard
        # An ideal channel needs no measurements and no relays, and carries a message of any size in one packet.
        self._is_ideal = scenario.radio.access.ideal
        self._period_us, self._counts_copies = rule.awareness_rule.check_us, rule.redundancy.reads_copies
        self._detect_us, self._overhears = round(rule.detect_ms * 1e3), rule.overhearing
        self._coding = coding_of(rule)
        self._numbers: Iterator[int] = count(1)
        self._broadcasts = Reassembly()

    def announcement_phase_us(self, agent: int) -> int:
        """Return how long after the start of the message rule's period a station makes its announcement, 0 or more."""
        return self._air.phase_us(agent, self._period_us)

    def announce(self, awareness: Awareness) -> None:
        """Broadcast a station's announcement."""
        message = AwarenessMessage(
            next(self._numbers),
            awareness.origin,
            EVERYBODY,
            NOBODY,
            announcement_bytes(awareness),
            self._clock.now_us,
            awareness,
        )
        # Only a relay must act at once; all other stations read the announcement at the next step of a process.
        self._air.send(
            message, period_us=self._period_us, awaited=self._is_passed_on(message),
            repeated=awareness.origin in self._relaying.repeating,
        )  # fmt: skip

    def report(self, report: Report) -> None:
        """Broadcast a station's collective perception message."""
        number, now_us = next(self._numbers), self._clock.now_us
        message = ReportMessage(number, report.origin, EVERYBODY, NOBODY, report.size_bytes, now_us, report)
        # No other station acts on a report before its fusion.
        self._air.send(message, awaited=self._is_passed_on(message), repeated=report.origin in self._relaying.repeating)
        if self._reports_heard is not None:
            self._reports_heard.hear(report, np.array([report.origin]), now_us)

    def retell(self, retold: Retold) -> None:
        """Broadcast what a station tells on of what others reported."""
        number, now_us = next(self._numbers), self._clock.now_us
        message = RetoldMessage(number, retold.origin, EVERYBODY, NOBODY, retold.size_bytes, now_us, retold)
        self._air.send(message, awaited=False)
        if self._reports_heard is not None:
            self._reports_heard.hear(retold, np.array([retold.origin]), now_us)

    def _is_passed_on(self, message: Message) -> bool:
        return message.origin in self._relaying.passing

    def plan_passing(self, frame_us: int) -> None:
        """Let each station decide whether it passes on what others broadcast, from now on; `frame_us` is recorded.

        With a rule that repeats packets instead, each decides whether it sends its own broadcasts again.
        """
        if self._is_ideal or not (self._relaying.relays or self._relaying.repeats):
            return
        agents = self._stations.states.agent
        self._relaying.plan_passing(*self._known_to(agents), frame_us)
        self._air.relays(self._relaying.passing.keys())

    def candidates(self, states: OwnStates, frame_us: int, egos: Sequence[tuple[Frame, BlindZone]]) -> Candidates:
        """Return the stations that each ego knows from announcements and can reach, directly or through a relay."""
        agents = [ego.agent for ego, _ in egos]
        announced = self._stations.neighbours.matrices(agents, self._clock.now_us)
        if self._is_ideal:
            ego = np.repeat(np.array(agents, np.int64), np.diff(announced.offset))
            return candidates(agents, announced, Paths.perfect(ego, announced.agent), np.full(len(ego), np.inf))
        # An ego may have left since its capture.
        present = np.array([agent for agent in agents if states.index(agent) >= 0], np.int64)
        paths = self._relaying.paths(*self._known_to(present), frame_us)
        busy_share = self._air.busy_share(present)[np.searchsorted(present, paths.ego)]
        return candidates(agents, announced, paths, self._forecast.evidence(paths, busy_share))

    def _known_to(self, agents: np.ndarray) -> tuple[Vicinities, Sequence[tuple[int, Detections]]]:
        """Return what some stations know of the stations around them, and what each of them detected last."""
        now_us = self._clock.now_us
        vicinities = self._stations.vicinities(agents, now_us, self._air.busy_share(agents))
        return vicinities, Detected(vicinities.own, self._stations, self._tracks, now_us)

    def ask(self, ego: Frame, asks: list[Ask]) -> None:
        """Send an ego's requests to helpers, one message each."""
        for ask in asks:
            size_bytes = coded_request_bytes(ask.cells, self._coding)
            request = request_of(next(self._numbers), ego, ask)
            message = RequestMessage(
                request.number, ego.agent, request.helper, ask.relay, size_bytes, self._clock.now_us, request,
                rounds=ask.rounds, more_relays=ask.more_relays,
            )  # fmt: skip
            self._send(
                message, Transfer.of(message, ego.time_us, -1, -1, self._fragments(size_bytes), ask.predicted.success)
            )

    def receive(self, heard: Heard) -> None:
        """Process a packet at every station that received it.

        All receivers measure the link, relays forward the packet, and egos or the addressed station keep its content.
        """
        packet, message = heard.packet, heard.packet.message
        if not self._is_ideal:
            # A sequence number tells how many announcements of its sender were lost on this link.
            is_first = packet.hop == 1 and packet.fragment == 0
            sequence = message.body.sequence if is_first and isinstance(message, AwarenessMessage) else -1
            self._stations.measure(heard.receivers, packet.sender, heard.snr_db, heard.time_us, sequence)
        # Only first-hop packets are passed on, so a packet takes two hops at most.
        if packet.hop == 1 and message.destination == EVERYBODY and not isinstance(message, RetoldMessage):
            self._pass_on(heard, message)
        if isinstance(message, AwarenessMessage):
            is_whole = packet.fragments == 1
            listening = self._stations.listening
            receivers = heard.receivers if is_whole else np.array(self._completed_at(heard, listening), np.int64)
            self._stations.neighbours.hear(message.body, message.queued_us, receivers, heard.time_us)
        elif isinstance(message, ReportMessage):
            relay = packet.sender if packet.sender != message.origin else NOBODY
            for ego in self._reported_to(heard, message.body):
                self._stations.knowledge_of(ego).take_report(message.body, heard.time_us, self._counts_copies, relay)
        elif isinstance(message, RetoldMessage):
            for ego in self._reported_to(heard, message.body):
                news = self._stations.knowledge_of(ego).take_retold(message.body, message.queued_us, heard.time_us)
                if self._reports_heard is not None:
                    self._reports_heard.news += news
        else:
            self._receive_addressed(heard, packet, message)

    def _reported_to(self, heard: Heard, message: Report | Retold) -> list[int]:
        """Return the egos at which this packet completes a message with reported objects; note all stations at which it does, for retelling."""
        egos = self._stations.ego_agents
        if self._reports_heard is None:
            return self._completed_at(heard, egos)
        agents = self._completed_at(heard, self._stations.listening)
        self._reports_heard.hear(message, np.array(agents, np.int64), heard.time_us)
        return [agent for agent in agents if agent in egos]

    def over(self, message: Message) -> None:
        """Forget what was kept for the packets of a message that were under way: none of them can arrive any more."""
        if isinstance(message, _ADDRESSED):
            self._transfers.over(message.number)
        else:
            self._broadcasts.forget(message.number)

    def _pass_on(self, heard: Heard, message: Message) -> None:
        """Let the stations that decided to pass on what the sender broadcasts, and received this packet, send it again."""
        stations = self._relaying.passing.get(message.origin)
        if not stations:
            return
        for station in sorted(stations.intersection(heard.receivers.tolist())):
            self._air.forward(heard.packet, sender=station, target=EVERYBODY)

    def _completed_at(self, heard: Heard, keeping: Set[int]) -> list[int]:
        """Return the stations, of those that keep such messages, at which this packet completes its broadcast message."""
        receivers = [agent for agent in heard.receivers.tolist() if agent in keeping]
        if heard.packet.fragments == 1:
            return receivers
        return [agent for agent in receivers if self._broadcasts.completes(heard.packet, agent)]

    def _receive_addressed(self, heard: Heard, packet: Packet, message: Message) -> None:
        """Process a packet of a request or an answer at the relay that must forward it, and at its destination.

        With `cooperation.overhearing`, the destination also keeps what it decodes of the first hop, while the packet is still
        addressed to the relay.
        """
        is_last_hop = message.destination == packet.target
        reaches_end = (is_last_hop or self._overhears) and np.count_nonzero(heard.receivers == message.destination) > 0
        reaches_target = reaches_end if is_last_hop else np.count_nonzero(heard.receivers == packet.target) > 0
        transfer = self._transfers.of_message(message.number)
        if reaches_target or reaches_end:
            transfer.on_air(heard.start_us)
        # A relay forwards each fragment at once, without waiting for the others. It cannot know what the destination overheard.
        if not is_last_hop:
            receivers = set(heard.receivers.tolist()) if message.more_relays else ()
            for relay in (packet.target, *message.more_relays):
                if relay in receivers or (relay == packet.target and reaches_target):
                    self._air.forward(packet, sender=relay, target=message.destination)
        if not reaches_end:
            return
        is_whole = transfer.receive(packet.fragment, heard.time_us, packet.hop > 1)
        if isinstance(message, AnswerMessage):
            self._keep_answer(packet, message)
        # An incomplete request names only some of the cells, so a helper waits for all fragments. An incomplete answer is
        # still useful, so the ego keeps each fragment.
        elif isinstance(message, RequestMessage) and is_whole:
            self._answer(message, transfer)

    def _keep_answer(self, packet: Packet, message: AnswerMessage) -> None:
        """Store the arrived fragment of an answer in the ego's knowledge."""
        if message.destination not in self._stations.ego_agents:
            return
        # An ideal channel brings all fragments in one packet.
        parts = np.full(fragments_of(message.size_bytes, self._radio.mtu_bytes), packet.fragments == 1)
        parts[packet.fragment] = True
        self._stations.knowledge_of(message.destination).receive_part(message.number, message.body, parts)

    def _answer(self, request: RequestMessage, transfer: Transfer) -> None:
        """Send a helper's answer over the same relay as the request, or directly if the request came directly."""
        answer = self._answer_to(request.body)
        transfer.reached_helper(answer is not None)
        if answer is None:
            return
        message = AnswerMessage(
            next(self._numbers), request.destination, request.origin, request.relay, answer.size_bytes, self._clock.now_us,
            answer, rounds=request.rounds, more_relays=request.more_relays,
        )  # fmt: skip
        capture_us = answer.frame.time_us
        self._send(message, Transfer.of(
            message, request.body.frame_us, capture_us, capture_us + self._detect_us, self._fragments(answer.size_bytes),
        ))  # fmt: skip

    def _send(self, message: Message, transfer: Transfer) -> None:
        self._transfers.add(transfer)
        self._air.send(message)

    def _fragments(self, size_bytes: int) -> int:
        """Return the number of packets of a message."""
        return 1 if self._is_ideal else fragments_of(size_bytes, self._radio.mtu_bytes)
