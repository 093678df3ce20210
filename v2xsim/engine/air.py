"""How messages get from station to station: fragments, slots, the medium, reassembly; or an ideal channel.

SimPy sees a wake-up only where an application waits for a packet (requests, data, and awareness messages that a relay
passes on). Everything else is resolved in one compiled call per tick, before anybody looks.
"""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.access import choose_slots
from v2xsim.comms.fragments import fragment_sizes
from v2xsim.comms.medium import (
    DELIVERED,
    OUTCOME_NAMES,
    Receptions,
    Transmissions,
    advance,
    reindexed,
    silent,
)
from v2xsim.comms.messages import PACKET_HEADER_BYTES, RELAY_HEADER_BYTES
from v2xsim.comms.pairs import kept_rows
from v2xsim.comms.phy import airtime_us, noise_dbm, receiver
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.fleet import Fleet
from v2xsim.engine.links import LinkBudget
from v2xsim.engine.messages import AWARENESS, EVERYBODY, NOBODY, Message, Packet
from v2xsim.records import LINK_STATE_NAMES
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Radio
from v2xsim.streams import Streams

_OUTCOMES = np.array(OUTCOME_NAMES, object)
_STATES = np.array(LINK_STATE_NAMES, object)
CBR_WINDOW_US = 100_000
UNHEARD_BIN_M = 5.0
_UNHEARD_BINS = 4000


@dataclass(frozen=True)
class Heard:
    """A packet and all stations that received it.

    Attributes:
        packet: The packet.
        receivers: Their agent ids, rising.
        time_us: When it ended.
        snr_db: As each receiver measured it.
    """

    packet: Packet
    receivers: Int64[np.ndarray, " receivers"]
    time_us: int
    snr_db: Float[np.ndarray, " receivers"]


class Air(Protocol):
    """What the engine asks of a channel."""

    def tick(self, fleet: Fleet, budget: LinkBudget) -> None:
        """Take the links that hold from now on."""

    def send(self, message: Message, *, sender: int, target: int, hop: int, window_us: int, urgent: bool) -> None:
        """Hand a message to the radio; `target` is the next hop or EVERYBODY."""

    def forward(self, packet: Packet, *, sender: int, target: int, window_us: int) -> None:
        """Pass one packet on as it came."""

    def settle(self) -> None:
        """Deliver all that has arrived by now."""

    def close(self) -> None:
        """Write what was counted over the run."""


class IdealAir:
    """A channel that delivers everything to everybody in no time."""

    def __init__(self, clock: Clock, on_heard: Callable[[Heard], None], packets: Columns) -> None:
        self._clock, self._on_heard, self._packets = clock, on_heard, packets
        self._fleet: Fleet | None = None
        self._budget: LinkBudget | None = None

    def tick(self, fleet: Fleet, budget: LinkBudget) -> None:
        """Take the links that hold from now on."""
        self._fleet, self._budget = fleet, budget

    def send(self, message: Message, *, sender: int, target: int, hop: int, window_us: int, urgent: bool) -> None:
        """Hand a message to the radio."""
        now = self._clock.now_us
        packet = Packet(message, hop, 0, 1, sender, target, message.size_bytes, now, now)
        self._clock.at(now, Order.ARRIVAL, lambda: self._deliver(packet))

    def forward(self, packet: Packet, *, sender: int, target: int, window_us: int) -> None:
        """Pass one packet on as it came."""
        raise AssertionError("an ideal channel has no relays")

    def settle(self) -> None:
        """Deliver all that has arrived by now."""

    def close(self) -> None:
        """Write what was counted over the run."""

    def _deliver(self, packet: Packet) -> None:
        fleet, budget = self._fleet, self._budget
        assert fleet is not None
        assert budget is not None
        now = self._clock.now_us
        tx = fleet.index(packet.sender)
        rows = np.array([r for r in range(len(fleet)) if r != tx and packet.target in (EVERYBODY, fleet.agent[r])], int)
        if tx < 0 or len(rows) == 0:
            return
        self._packets.add(
            queued_us=packet.message.queued_us, start_us=now, end_us=now, message=packet.message.number, kind=packet.message.kind, hop=packet.hop,
            fragment=0, fragments=1, size_bytes=packet.size_bytes, tx=packet.sender, rx=fleet.agent[rows],
            addressed=True, distance_m=budget.distance_m[tx, rows], link_state=_STATES[budget.state[tx, rows]],
            power_dbm=budget.power_dbm[tx, rows], sinr_db=np.full(len(rows), np.inf), outcome="delivered",
        )  # fmt: skip
        self._on_heard(Heard(packet, fleet.agent[rows], now, np.full(len(rows), np.inf)))


class RadioAir:
    """The radio medium: random-slot access, interference, half duplex (comms.access, comms.medium)."""

    def __init__(
        self,
        clock: Clock,
        radio: Radio,
        streams: Streams,
        on_heard: Callable[[Heard], None],
        packets: Columns,
        channel: Columns,
        unheard: Columns,
        end_us: int,
    ) -> None:
        self._clock, self._radio, self._streams = clock, radio, streams
        self._on_heard, self._packets, self._channel, self._unheard = on_heard, packets, channel, unheard
        self._too_weak = np.zeros((len(LINK_STATE_NAMES), _UNHEARD_BINS), np.int64)
        self._receiver = receiver(
            radio.bandwidth_mhz, radio.noise_figure_db, radio.sensitivity_dbm, radio.busy_threshold_dbm
        )
        self.noise_dbm = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db)
        self._slot_us = round(radio.slot_ms * 1e3)
        self._state = silent(0, clock.now_us)
        self._fleet: Fleet | None = None
        self._budget: LinkBudget | None = None
        self._keys = np.zeros(0, np.uint64)
        self._flying: dict[int, Packet] = {}
        self._new: list[tuple[int, int, int, int, int, int, int]] = []
        self._count = 0
        self._own: dict[int, deque[tuple[int, int]]] = {}
        self._busy_us = np.zeros(0, np.int64)
        self._window_end_us = clock.now_us + CBR_WINDOW_US
        self._end_us = end_us

    def tick(self, fleet: Fleet, budget: LinkBudget) -> None:
        """Take the links that hold from now on."""
        self.settle()
        if self._fleet is None or not np.array_equal(self._fleet.agent, fleet.agent):
            rows = kept_rows(self._fleet.agent if self._fleet is not None else np.zeros(0, np.int64), fleet.agent)
            self._flush()
            self._state = reindexed(self._state, rows)
            self._busy_us = np.where(rows >= 0, self._busy_us[rows] if len(self._busy_us) else 0, 0)
            self._keys = np.array([self._streams.key("reception", a) for a in fleet.agent], np.uint64)
        self._fleet, self._budget = fleet, budget

    def send(self, message: Message, *, sender: int, target: int, hop: int, window_us: int, urgent: bool) -> None:
        """Hand a message to the radio."""
        header = PACKET_HEADER_BYTES + (RELAY_HEADER_BYTES if message.relay != NOBODY or hop > 1 else 0)
        sizes = fragment_sizes(message.size_bytes, self._radio.mtu_bytes, header)
        self._enqueue(message, sizes, np.arange(len(sizes)), len(sizes), sender, target, hop, window_us, urgent)

    def forward(self, packet: Packet, *, sender: int, target: int, window_us: int) -> None:
        """Pass one packet on as it came."""
        self._enqueue(
            packet.message, np.array([packet.size_bytes]), np.array([packet.fragment]), packet.fragments,
            sender, target, packet.hop + 1, window_us, True,
        )  # fmt: skip

    def _enqueue(
        self, message: Message, sizes: np.ndarray, fragment: np.ndarray, fragments: int,
        sender: int, target: int, hop: int, window_us: int, urgent: bool,
    ) -> None:  # fmt: skip
        fleet = self._fleet
        row = fleet.index(sender) if fleet is not None else -1
        if fleet is None or row < 0:
            return
        now = self._clock.now_us
        radio = self._radio
        mcs = radio.awareness_mcs if message.kind == AWARENESS else radio.mcs
        airtimes = np.asarray(airtime_us(sizes, mcs, radio.bandwidth_mhz), np.int64)
        own = self._own.setdefault(sender, deque())
        while own and own[0][1] <= now:
            own.popleft()
        busy = np.array(own, np.int64).reshape(-1, 2)
        draws = self._streams.uniforms("slot", message.number, hop, fragment)[:, 0]
        starts = choose_slots(now, window_us, self._slot_us, airtimes, busy[:, 0], busy[:, 1], draws)
        target_row = fleet.index(target) if target != EVERYBODY else -1
        for k in range(len(sizes)):
            start, end = int(starts[k]), int(starts[k] + airtimes[k])
            number, self._count = self._count, self._count + 1
            self._flying[number] = Packet(
                message, hop, int(fragment[k]), fragments, sender, target, int(sizes[k]), start, end
            )
            key = self._streams.key("packet", message.number, hop, int(fragment[k]), sender)
            self._new.append((number, row, target_row, start, end, mcs, key))
            own.append((start, end))
            if urgent:
                self._clock.at(end, Order.ARRIVAL, self.settle)
        self._own[sender] = deque(sorted(own, key=lambda interval: interval[1]))

    def _flush(self) -> None:
        """Hand new packets to the medium before its stations change."""
        if self._new and self._fleet is not None:
            self._advance(self._state.time_us)

    def settle(self) -> None:
        """Deliver all that has arrived by now."""
        while self._clock.now_us >= self._window_end_us:
            if self._fleet is not None:
                self._advance(self._window_end_us)
                if self._window_end_us <= self._end_us:
                    self._channel.add(
                        time_us=self._window_end_us, station=self._fleet.agent, busy_share=self._busy_us / CBR_WINDOW_US
                    )
                self._busy_us = np.zeros(len(self._fleet), np.int64)
            self._window_end_us += CBR_WINDOW_US
        self._advance(self._clock.now_us)

    def _advance(self, until_us: int) -> None:
        if self._fleet is None or self._budget is None:
            return
        if until_us == self._state.time_us and not self._new:
            return
        new = Transmissions.none()
        if self._new:
            columns = list(zip(*self._new, strict=True))
            self._new = []
            packet, row, target, start, end, mcs = [np.array(column, np.int64) for column in columns[:6]]
            new = Transmissions(packet, row, target, start, end, mcs, np.array(columns[6], np.uint64))
        self._state, receptions, busy_us = advance(
            self._state, new, until_us, self._budget.power_dbm, self._keys, self._receiver, self._radio.bandwidth_mhz
        )
        self._busy_us = self._busy_us + busy_us
        if len(receptions):
            self._take(receptions)
        # A packet that nobody heard at all has no receptions.
        for number in [n for n, flying in self._flying.items() if flying.end_us <= until_us]:
            lost = self._flying.pop(number)
            self._count_unheard(lost, self._fleet.index(lost.sender), np.zeros(0, np.int64))

    def _take(self, receptions: Receptions) -> None:
        """Record outcomes and hand on what was delivered, packet by packet in the order of arrival."""
        fleet, budget = self._fleet, self._budget
        assert fleet is not None
        assert budget is not None
        _numbers, first = np.unique(receptions.packet, return_index=True)
        edges = np.append(np.sort(first), len(receptions))
        for low, high in itertools.pairwise(edges):
            packet = self._flying.pop(int(receptions.packet[low]))
            rows = receptions.receiver[low:high]
            tx = int(receptions.sender[low])
            outcome = receptions.outcome[low:high]
            known = tx >= 0
            self._count_unheard(packet, tx, rows)
            self._packets.add(
                queued_us=packet.message.queued_us, start_us=packet.start_us, end_us=packet.end_us, message=packet.message.number,
                kind=packet.message.kind, hop=packet.hop, fragment=packet.fragment, fragments=packet.fragments,
                size_bytes=packet.size_bytes, tx=packet.sender, rx=fleet.agent[rows],
                addressed=(fleet.agent[rows] == packet.target) | (packet.target == EVERYBODY),
                distance_m=budget.distance_m[tx, rows] if known else np.full(len(rows), np.nan),
                link_state=_STATES[budget.state[tx, rows]] if known else np.full(len(rows), "NLOSb", object),
                power_dbm=receptions.power_dbm[low:high], sinr_db=receptions.sinr_db[low:high],
                outcome=_OUTCOMES[outcome],
            )  # fmt: skip
            delivered = np.flatnonzero(outcome == DELIVERED)
            if len(delivered):
                snr_db = receptions.snr_db[low + delivered]
                self._on_heard(Heard(packet, fleet.agent[rows[delivered]], packet.end_us, snr_db))

    def _count_unheard(self, packet: Packet, tx: int, reported: Int64[np.ndarray, " receivers"]) -> None:
        """Count the stations that an awareness message was too weak for to be reported at."""
        if tx < 0 or packet.message.kind != AWARENESS or packet.hop > 1:
            return
        assert self._budget is not None
        silent_rows = np.ones(len(self._budget.agent), bool)
        silent_rows[reported] = False
        silent_rows[tx] = False
        place = (self._budget.distance_m[tx, silent_rows] / UNHEARD_BIN_M).astype(np.int64)
        np.add.at(self._too_weak, (self._budget.state[tx, silent_rows], np.minimum(place, _UNHEARD_BINS - 1)), 1)

    def close(self) -> None:
        """Write what was counted over the run."""
        state, place = np.nonzero(self._too_weak)
        if len(state):
            self._unheard.add(
                bin_m=(place * UNHEARD_BIN_M).astype(np.int64), link_state=_STATES[state],
                count=self._too_weak[state, place],
            )  # fmt: skip
