"""How messages get from station to station over the radio: fragments, the access layer, the medium, the table of packets.

SimPy sees wake-ups only while an application waits for a packet (requests, data, and awareness messages that a relay
passes on): every QUANTUM_US, since only the access layer knows when a packet ends. Everything else is resolved in one
compiled call per tick, before anybody looks. So an application acts on a packet up to QUANTUM_US after its end.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from v2xsim.comms.access.busy_ratio import BusyRatio
from v2xsim.comms.access.dcc import Dcc
from v2xsim.comms.access.packets import DELIVERED, OUTCOME_NAMES, Packets, Receptions
from v2xsim.comms.access.scheme import AccessLayer
from v2xsim.comms.messages.fragments import fragment_sizes
from v2xsim.comms.messages.sizes import PACKET_HEADER_BYTES, RELAY_HEADER_BYTES
from v2xsim.comms.pairs import kept_rows
from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.engine.channel.access import access_layer
from v2xsim.engine.channel.air import Heard
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import AWARENESS, EVERYBODY, MESSAGE_KINDS, NOBODY, Message, Packet
from v2xsim.engine.channel.placing import placed
from v2xsim.engine.clock import Clock, Order
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import LINK_STATE_NAMES, NLOSB
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema_radio import Radio
from v2xsim.streams import Streams

QUANTUM_US = 500
# What a station had waiting when it left is gone; what it had on the air has ended after this.
_GIVEN_UP_US = 1_000_000
UNHEARD_BIN_M = 5.0
NOT_SENT = "not_sent"
_UNHEARD_BINS = 4000


class RadioAir:
    """The radio: an access layer and the medium below it, and what the applications and tables need of them."""

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
        packet_share: float = 1.0,
    ) -> None:
        self._packet_share = packet_share
        self._listed: dict[int, bool] = {}
        self._clock, self._radio, self._streams = clock, radio, streams
        self._on_heard, self._packets, self._channel, self._unheard = on_heard, packets, channel, unheard
        self._too_weak = np.zeros((len(LINK_STATE_NAMES), _UNHEARD_BINS), np.int64)
        self._layer: AccessLayer = access_layer(radio, clock.now_us)
        self._dcc = Dcc(radio.dcc)
        self._time_us = clock.now_us
        self._fleet: Fleet | None = None
        self._budget: LinkBudget | None = None
        self._flying: dict[int, Packet] = {}
        # How often each packet to one station has been sent again.
        self._attempt: dict[int, int] = {}
        self._waited_for: set[int] = set()
        self._polling = False
        self._new: list[tuple[int, int, int, int, int, int, int, int]] = []
        self._count = 0
        self._left: list[tuple[int, list[int]]] = []
        self._busy = BusyRatio(clock.now_us)
        self._end_us = end_us

    def tick(self, fleet: Fleet, budget: LinkBudget) -> None:
        """Take the links that hold from now on."""
        self.settle()
        if self._fleet is None or not np.array_equal(self._fleet.agent, fleet.agent):
            rows = kept_rows(self._fleet.agent if self._fleet is not None else np.zeros(0, np.int64), fleet.agent)
            self._hand_over()
            if self._fleet is not None:
                gone = set(np.setdiff1d(self._fleet.agent, fleet.agent).tolist())
                left = [n for n, packet in self._flying.items() if packet.sender in gone] if gone else []
                self._left.append((self._clock.now_us, left))
            keys = np.array([self._streams.key("reception", a) for a in fleet.agent], np.uint64)
            self._layer.reindexed(rows, keys)
            self._dcc.reindexed(rows)
            self._busy.reindexed(rows)
        self._fleet, self._budget = fleet, budget
        self._forget_departed()

    def _forget_departed(self) -> None:
        """Forget what stations that left a while ago had handed over."""
        now_us = self._clock.now_us
        while self._left and self._left[0][0] <= now_us - _GIVEN_UP_US:
            for number in self._left.pop(0)[1]:
                self._flying.pop(number, None)
                self._forget(number)

    def _forget(self, number: int) -> None:
        self._waited_for.discard(number)
        self._attempt.pop(number, None)

    def send(self, message: Message, *, sender: int, target: int, hop: int, window_us: int, urgent: bool) -> None:
        """Hand a message to the radio."""
        header = PACKET_HEADER_BYTES + (RELAY_HEADER_BYTES if message.relay != NOBODY or hop > 1 else 0)
        sizes = fragment_sizes(message.size_bytes, self._radio.mtu_bytes, header)
        period = window_us if message.kind == AWARENESS and hop == 1 else 0
        # Stations' clocks are not aligned: each hands its message over at a phase of its own. The random slot, which draws
        # within the period itself, needs none.
        wait_us = 0
        if period and not self._radio.access.spreads_periods:
            wait_us = int(self._streams.uniforms("announcement.phase", sender)[0, 0] * period)
        elif message.kind != AWARENESS:
            # All stations sense at the same ticks; their computers do not finish in the same microsecond.
            spread_us = self._radio.processing_spread_ms * 1e3
            wait_us = int(self._streams.uniforms("processing", message.number)[0, 0] * spread_us)
        self._enqueue(message, sizes, range(len(sizes)), len(sizes), sender, target, hop, period, urgent, wait_us)

    def forward(self, packet: Packet, *, sender: int, target: int, window_us: int) -> None:
        """Pass one packet on as it came."""
        self._enqueue(
            packet.message, np.array([packet.size_bytes]), (packet.fragment,), packet.fragments, sender, target,
            packet.hop + 1, 0, True, 0,
        )  # fmt: skip

    def _enqueue(
        self, message: Message, sizes: Int64[np.ndarray, " packets"], fragment: Sequence[int], fragments: int,
        sender: int, target: int, hop: int, period_us: int, urgent: bool, wait_us: int, attempt: int = 0,
    ) -> None:  # fmt: skip
        fleet = self._fleet
        row = fleet.index(sender) if fleet is not None else -1
        if fleet is None or row < 0:
            return
        now = self._clock.now_us
        mcs = self._radio.awareness_mcs if message.kind == AWARENESS else self._radio.mcs
        target_row = fleet.index(target) if target != EVERYBODY else -1
        for size, part in zip(sizes.tolist(), fragment, strict=True):
            number, self._count = self._count, self._count + 1
            self._flying[number] = Packet(message, hop, part, fragments, sender, target, size, now)
            key = self._streams.key("packet", message.number, hop, part, sender, *((attempt,) if attempt else ()))
            if target != EVERYBODY and attempt < self._radio.retries:
                self._attempt[number] = attempt
            self._new.append((number, row, target_row, now + wait_us, size, mcs, period_us if part == 0 else 0, key))
            if urgent:
                self._waited_for.add(number)
        if urgent and not self._polling:
            self._polling = True
            self._clock.at(now + QUANTUM_US, Order.ARRIVAL, self._poll)

    def _poll(self) -> None:
        self._polling = False
        self.settle()
        if self._waited_for and not self._polling:
            self._polling = True
            self._clock.at(self._clock.now_us + QUANTUM_US, Order.ARRIVAL, self._poll)

    def _hand_over(self) -> None:
        """Give new packets to the access layer."""
        if not self._new:
            return
        columns = list(zip(*self._new, strict=True))
        self._new = []
        number, row, target, ready, size, mcs, period = [np.array(column, np.int64) for column in columns[:7]]
        self._layer.submit(Packets(number, row, target, ready, size, mcs, period, np.array(columns[7], np.uint64)))

    def settle(self) -> None:
        """Deliver all that has arrived by now."""
        while self._clock.now_us >= self._busy.window_end_us:
            end_us = self._busy.window_end_us
            if self._fleet is not None:
                self._advance(end_us)
            ratio = self._busy.window_closed()
            if self._fleet is not None:
                if end_us <= self._end_us:
                    self._channel.add(time_us=end_us, station=self._fleet.agent, busy_share=ratio)
                self._dcc.measured(ratio)
        self._advance(self._clock.now_us)

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return the time that congestion control asks each station to leave between messages of a size."""
        radio = self._radio
        slot_us = radio.access.slot_limit_us
        if slot_us is None:
            slot_us = float(airtime_us(size_bytes, radio.awareness_mcs, radio.bandwidth_mhz))
        return self._dcc.wait_us(slot_us)

    def _advance(self, until_us: int) -> None:
        if self._fleet is None or self._budget is None or (until_us == self._time_us and not self._new):
            return
        self._hand_over()
        if until_us == self._time_us:
            return
        receptions, busy_us = self._layer.advance(until_us, self._budget.field)
        self._time_us = until_us
        self._busy.add(busy_us)
        self._note_unsent()
        if len(receptions.number):
            self._take(receptions)

    def _note_unsent(self) -> None:
        """Record packets that gave way in their sender's queue: lost to everybody, so one row each."""
        for number in self._layer.dropped:
            packet = self._flying.pop(number, None)
            self._forget(number)
            if packet is None or (packet.message.kind == AWARENESS and not self._is_listed(packet.sender)):
                continue
            self._packets.add(
                queued_us=packet.message.queued_us, start_us=self._time_us, end_us=self._time_us,
                message=packet.message.number, kind=packet.message.kind, hop=packet.hop, fragment=packet.fragment,
                fragments=packet.fragments, size_bytes=packet.size_bytes, tx=packet.sender, rx=packet.target, addressed=True,
                distance_m=np.nan, link_state=LINK_STATE_NAMES[NLOSB], power_dbm=np.nan, sinr_db=np.nan, outcome=NOT_SENT,
            )  # fmt: skip
        self._layer.dropped.clear()

    def _take(self, found: Receptions) -> None:
        """Record outcomes and hand on what was delivered, packet by packet in the order of arrival."""
        fleet, budget = self._fleet, self._budget
        assert fleet is not None
        assert budget is not None
        packets = [self._flying.pop(number) for number in found.number.tolist()]
        self._waited_for.difference_update(found.number.tolist())
        listed = np.array([p.message.kind != AWARENESS or self._is_listed(p.sender) for p in packets], bool)
        self._record(
            found if listed.all() else found.of(listed), [p for p, on in zip(packets, listed, strict=True) if on]
        )
        delivered = found.outcome == DELIVERED
        arrived = np.concatenate([[0], np.cumsum(delivered)])[found.offset]
        agent, snr_db = fleet.agent[found.receiver[delivered]], found.snr_db[delivered]
        if self._attempt:
            self._send_again(found, packets)
        times = zip(found.began_us.tolist(), found.ended_us.tolist(), strict=True)
        for packet, low, high, (start_us, end_us) in zip(packets, arrived[:-1], arrived[1:], times, strict=True):
            if high > low:
                self._on_heard(Heard(packet, agent[low:high], start_us, end_us, snr_db[low:high]))

    def _send_again(self, found: Receptions, packets: list[Packet]) -> None:
        """Send again what its target did not receive: the sender misses the acknowledgement."""
        assert self._fleet is not None
        agent = self._fleet.agent
        for k, number in enumerate(found.number.tolist()):
            attempt = self._attempt.pop(number, None)
            if attempt is None:
                continue
            packet, rows = packets[k], slice(int(found.offset[k]), int(found.offset[k + 1]))
            mine = agent[found.receiver[rows]] == packet.target
            if not (mine & (found.outcome[rows] == DELIVERED)).any():
                wait_us = int(found.ended_us[k]) - self._clock.now_us + round(self._radio.ack_timeout_ms * 1e3)
                self._enqueue(
                    packet.message, np.array([packet.size_bytes]), (packet.fragment,), packet.fragments, packet.sender,
                    packet.target, packet.hop, 0, True, max(0, wait_us), attempt + 1,
                )  # fmt: skip

    def _is_listed(self, agent: int) -> bool:
        """Return whether the packet table lists a station's awareness messages: by its own luck."""
        if self._packet_share >= 1.0:
            return True
        known = self._listed.get(agent)
        if known is None:
            known = bool(self._streams.uniforms("record.packets", agent)[0, 0] < self._packet_share)
            self._listed[agent] = known
        return known

    def _record(self, found: Receptions, packets: list[Packet]) -> None:
        """Add rows to the table of packets, and count stations too far to be listed."""
        fleet, budget = self._fleet, self._budget
        assert fleet is not None
        assert budget is not None
        counted = np.array([p.message.kind == AWARENESS and p.hop <= 1 for p in packets], bool)
        # The layer names packets by the links of now; a station that came in range meanwhile has no pair.
        pair = placed(found, budget.near, counted, budget.state, budget.distance_m, UNHEARD_BIN_M, self._too_weak)
        if len(found) == 0:
            return
        place = found.place
        known, rx = pair >= 0, fleet.agent[found.receiver]
        columns = np.array(
            [
                (
                    p.message.queued_us,
                    p.message.number,
                    p.hop,
                    p.fragment,
                    p.fragments,
                    p.size_bytes,
                    p.sender,
                    p.target,
                )
                for p in packets
            ],
            np.int64,
        )
        queued_us, message, hop, fragment, fragments, size_bytes, tx, target = columns.T
        kind = np.array([MESSAGE_KINDS.index(p.message.kind) for p in packets])
        self._packets.add(
            queued_us=queued_us[place], start_us=found.start_us, end_us=found.end_us, message=message[place],
            kind=Coded(kind[place], MESSAGE_KINDS), hop=hop[place], fragment=fragment[place], fragments=fragments[place],
            size_bytes=size_bytes[place], tx=tx[place], rx=rx,
            addressed=(rx == target[place]) | (target[place] == EVERYBODY),
            distance_m=_where(known, budget.distance_m, pair, np.nan),
            link_state=Coded(_where(known, budget.state, pair, NLOSB).astype(np.int64), LINK_STATE_NAMES),
            power_dbm=found.power_dbm, sinr_db=found.sinr_db, outcome=Coded(found.outcome, OUTCOME_NAMES),
        )  # fmt: skip

    def close(self) -> None:
        """Write what was counted over the run."""
        state, place = np.nonzero(self._too_weak)
        if len(state):
            self._unheard.add(
                bin_m=(place * UNHEARD_BIN_M).astype(np.int64), link_state=Coded(state, LINK_STATE_NAMES),
                count=self._too_weak[state, place],
            )  # fmt: skip


def _where(
    known: Bool[np.ndarray, " receivers"], values: np.ndarray, pair: Int32[np.ndarray, " receivers"], other: float
) -> np.ndarray:
    return np.where(known, values[pair], other) if len(values) else np.full(len(known), other)
