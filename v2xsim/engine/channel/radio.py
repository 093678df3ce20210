"""How messages get from station to station over the radio: fragments, the access layer, the medium, acknowledgements.

While a station waits for a packet (a request, an answer, or an awareness message that a relay forwards), SimPy events
look for arrivals (`v2xsim.engine.channel.awaited`). A station therefore acts on a packet up to QUANTUM_US after its end.
At all other times, one compiled call computes the access layer up to the instant at which a process next reads its
results.
"""

from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.access.busy_ratio import BusyRatio
from v2xsim.comms.access.dcc import Dcc
from v2xsim.comms.access.packets import DELIVERED, DUPLICATE, Packets, Receptions
from v2xsim.comms.access.scheme import AccessLayer
from v2xsim.comms.messages.fragments import fragment_sizes
from v2xsim.comms.messages.sizes import PACKET_HEADER_BYTES, RELAY_ADDRESS_BYTES, RELAY_HEADER_BYTES
from v2xsim.comms.pairs import carried, kept_rows
from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.engine.channel.access import access_layer
from v2xsim.engine.channel.air import Deliver, Ended, Heard, PacketEnd, ignore_end
from v2xsim.engine.channel.awaited import Awaited
from v2xsim.engine.channel.deliveries import deliveries_of
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import APPLICATION, AWARENESS, MESSAGE_KINDS, RETOLD, Message, Packet
from v2xsim.engine.channel.packet_table import PacketTable
from v2xsim.engine.channel.under_way import Over, UnderWay, ignore_over
from v2xsim.engine.clock import Clock
from v2xsim.engine.stages import Stages
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema_radio import Radio
from v2xsim.streams import Streams

# Packets of a station that left are forgotten after this time: by then its packets on the air have ended, and its queued
# packets are never sent.
_GIVEN_UP_US = 1_000_000
# Largest delay with which a relay passes on a packet, if radio.processing_spread_ms is not shorter: it computes nothing; our choice.
_FORWARDING_SPREAD_US = 2_000.0

# A sender that does not notice the acknowledgement of its last try gives the packet up while the acknowledgement is still on the air: at most
# for its airtime, below 0.1 ms at 10 MHz.
_LATE_ACK_US = 1_000


class RadioAir:
    """A channel with an access layer and a physical layer; it delivers packets and records their outcomes."""

    def __init__(
        self, clock: Clock, radio: Radio, streams: Streams, deliver: Deliver, table: PacketTable, channel: Columns,
        end_us: int, ended: Ended = ignore_end, over: Over = ignore_over,
        stages: Stages | None = None,
    ) -> None:  # fmt: skip
        self._clock, self._radio, self._streams, self._ended = clock, radio, streams, ended
        self._deliver, self._table, self._channel, self._end_us = deliver, table, channel, end_us
        self._stages = stages or Stages()
        self._layer: AccessLayer = access_layer(radio, clock.now_us)
        self._dcc = Dcc(radio.dcc)
        self._busy = BusyRatio(clock.now_us)
        self._fleet, self._links = Fleet.none(), LinkBudget.none()
        self._settled_us = clock.now_us
        # Packets by number, from the time they are sent until their outcome is known.
        self._flying: dict[int, Packet] = {}
        self._under_way, self._over = UnderWay(self._is_over), over
        # For the keys of random draws: how many messages of each kind each station has made, and which of them each message on
        # its way is. A number that counted the messages of all stations would change with what others send.
        self._made: dict[tuple[int, str], int] = {}
        self._own_number: dict[int, int] = {}
        self._packets_sent = 0
        # For each packet that the access layer may send again, the agent ids of the stations that have received it.
        self._received: dict[int, set[int]] = {}
        # Packets that are not sent again, and the time by which that was known: an acknowledgement may still arrive.
        self._finished: dict[int, tuple[Packet, int]] = {}
        self._awaited = Awaited(clock, self._submit_now, self.settle)
        # Packets that wait to be handed to the access layer: number, row of the sender, row of the target (-1 for a broadcast
        # or a station that has left), time at which the packet enters its sender's queue, size with headers, MCS, period, and how
        # often it may be sent again.
        self._submissions: list[tuple[int, ...]] = []
        # Integer keys of the random draws of each of these packets.
        self._submitted_keys: list[tuple[int, ...]] = []
        # Start of each station's period of announcements.
        self._phase_us: dict[int, int] = {}
        self._reception_key = np.zeros(0, np.uint64)
        self._departed: list[tuple[int, list[int]]] = []

    def tick(self, fleet: Fleet, links: LinkBudget) -> None:
        """Deliver the packets that arrived over the old links, then replace the links by those of the new tick."""
        self.settle()
        if not np.array_equal(self._fleet.agent, fleet.agent):
            self._reindex(fleet)
        self._fleet, self._links = fleet, links
        with self._stages.recording:
            self._table.tick(fleet, links)
        self._forget_departed()

    def phase_us(self, agent: int, period_us: int) -> int:
        """Return how long after the start of a period a station makes its announcement, below the period's length."""
        # The scheme `random_slot` needs no phase, because it draws a slot within the period itself.
        if self._radio.access.spreads_periods:
            return 0
        if agent not in self._phase_us:
            self._phase_us[agent] = int(
                self._streams.uniform("announcement.phase", self._streams.agent_key(agent)) * period_us
            )
        return self._phase_us[agent]

    def send(self, message: Message, *, period_us: int = 0, awaited: bool = True, repeated: bool = False) -> None:
        """Send a message from its origin to its relay or its destination; arguments as in `v2xsim.engine.channel.air.Air`."""
        # A message over a relay also carries the addresses of the relay and the destination, and of each further relay.
        header_bytes = PACKET_HEADER_BYTES + (RELAY_HEADER_BYTES if message.relay != NOBODY else 0)
        header_bytes += RELAY_ADDRESS_BYTES * len(message.more_relays)
        sizes = fragment_sizes(message.size_bytes, self._radio.mtu_bytes, header_bytes)
        wait_us = 0
        # Announcements and what is told on have moments of their own.
        if message.kind not in (AWARENESS, RETOLD):
            # All stations capture at the same ticks, but their computers do not finish in the same microsecond.
            spread_us = self._radio.processing_spread_ms * 1e3
            origin, number = self._streams.agent_key(message.origin), self._own_number_of(message)
            wait_us = int(self._streams.uniform(f"processing.{message.kind}", origin, number) * spread_us)
        packets = [
            Packet(message, 1, part, len(sizes), message.origin, message.first_target, size)
            for part, size in enumerate(sizes)
        ]
        self._enqueue(packets, wait_us, period_us=period_us, awaited=awaited)
        if repeated:
            again = [Packet(message, 2, p.fragment, p.fragments, p.sender, p.target, p.size_bytes) for p in packets]
            self._enqueue(again, wait_us, awaited=awaited)

    def forward(self, packet: Packet, *, sender: int, target: int) -> None:
        """Send a received packet again, unchanged, from a relay to a station or to EVERYBODY."""
        message = packet.message
        copy = Packet(message, packet.hop + 1, packet.fragment, packet.fragments, sender, target, packet.size_bytes)
        # Several stations may pass on the same packet, which ended at the same instant for all of them: without a spread, each finds the
        # channel idle, and all begin in the same slot.
        spread_us = min(self._radio.processing_spread_ms * 1e3, _FORWARDING_SPREAD_US)
        names = (
            self._streams.agent_key(sender),
            self._streams.agent_key(message.origin),
            self._own_number_of(message),
            packet.fragment,
        )
        self._enqueue([copy], int(self._streams.uniform(f"forwarding.{message.kind}", *names) * spread_us))

    def relays(self, origins: Set[int]) -> None:
        """Note the stations whose broadcasts a relay forwards: a relay acts on those that are under way, too."""
        if origins:
            self._awaited.watch(
                number
                for number, packet in self._flying.items()
                if packet.sender in origins and packet.hop == 1 and packet.target == EVERYBODY
            )

    def settle(self) -> None:
        """Deliver all packets that have arrived by now."""
        with self._stages.radio:
            self._settle()

    def _settle(self) -> None:
        # Congestion control must get the load of each window before the next window begins.
        while self._clock.now_us >= self._busy.window_end_us:
            window_end_us = self._busy.window_end_us
            self._advance(window_end_us)
            busy_share = self._busy.window_closed()
            if window_end_us <= self._end_us:
                self._channel.add(time_us=window_end_us, station=self._fleet.agent, busy_share=busy_share)
            self._dcc.measured(busy_share)
        self._advance(self._clock.now_us)

    def wait_us(self, size_bytes: int) -> Float[np.ndarray, " stations"]:
        """Return the least time that congestion control demands between two messages of a size, for each station."""
        radio = self._radio
        # A sidelink packet of any size lasts one subframe.
        slot_us = radio.access.dcc_airtime_us
        if slot_us is None:
            slot_us = float(airtime_us(size_bytes, radio.awareness_mcs, radio.bandwidth_mhz))
        return self._dcc.wait_us(slot_us)

    def busy_share(self, agents: Int64[np.ndarray, " agents"]) -> Float[np.ndarray, " agents"]:
        """Return the busy ratio, 0 to 1, that each of some present stations measured last; 0 before its first measurement."""
        share: Float[np.ndarray, " agents"] = self._busy.latest[np.searchsorted(self._fleet.agent, agents)]
        return share

    def oldest_us(self) -> int:
        """Return the time at which the oldest message was made of which a packet can still arrive; the present time if there is none."""
        return self._under_way.oldest_us(self._clock.now_us)

    def close(self) -> None:
        """Write the counts of the whole run into the result tables."""
        self._table.close()

    def _reindex(self, fleet: Fleet) -> None:
        """Adapt the state of the access layer to a new set of stations."""
        # Waiting packets name stations by their old rows, so the layer must get them before the rows change.
        self._submit()
        gone = set(np.setdiff1d(self._fleet.agent, fleet.agent).tolist())
        left_behind = [number for number, packet in self._flying.items() if packet.sender in gone] if gone else []
        self._departed.append((self._clock.now_us, left_behind))
        rows = kept_rows(self._fleet.agent, fleet.agent)
        self._reception_key = carried(self._reception_key, rows, 0)
        for row in np.flatnonzero(rows < 0):
            self._reception_key[row] = self._streams.key("reception", self._streams.agent_key(int(fleet.agent[row])))
        for agent in gone:
            self._phase_us.pop(agent, None)
        self._layer.reindexed(rows, self._reception_key)
        self._dcc.reindexed(rows)
        self._busy.reindexed(rows)

    def _forget_departed(self) -> None:
        """Forget the packets of stations that left at least 1 s ago, and those of which no acknowledgement can arrive any more."""
        no_ack_us = self._clock.now_us - _LATE_ACK_US
        self._finished = {number: kept for number, kept in self._finished.items() if kept[1] > no_ack_us}
        while self._departed and self._departed[0][0] <= self._clock.now_us - _GIVEN_UP_US:
            for number in self._departed.pop(0)[1]:
                packet = self._flying.pop(number, None)
                self._forget(number)
                if packet is not None:
                    self._end(packet, PacketEnd.SENDER_LEFT)

    def _own_number_of(self, message: Message) -> int:
        """Return the number of a message among those of its kind that its origin has made."""
        if message.number not in self._own_number:
            by_origin = message.origin, message.kind
            self._own_number[message.number] = self._made.get(by_origin, 0)
            self._made[by_origin] = self._own_number[message.number] + 1
        return self._own_number[message.number]

    def _is_over(self, message: Message) -> None:
        self._own_number.pop(message.number, None)
        self._over(message)

    def _end(self, packet: Packet, end: PacketEnd) -> None:
        # Only programs wait for the end of a packet that does not arrive.
        if packet.message.kind == APPLICATION:
            self._ended(packet, end)
        self._under_way.end(packet.message)

    def _forget(self, number: int) -> None:
        self._awaited.remove((number,))
        self._received.pop(number, None)

    def _enqueue(self, packets: Sequence[Packet], wait_us: int, *, period_us: int = 0, awaited: bool = True) -> None:
        """Add packets to those that the access layer gets next.

        Args:
            packets: Fragments of one message in their order, all with the same sender and target.
            wait_us: Time until the packets enter their sender's queue.
            period_us: Shortest time from this message to the sender's next one of this kind; 0 if none follows.
            awaited: Whether a station acts as soon as the packets arrive.
        """
        message, sender, target = packets[0].message, packets[0].sender, packets[0].target
        self._under_way.begin(message, len(packets))
        own_number, kind = self._own_number_of(message), MESSAGE_KINDS.index(message.kind)
        sender_row = self._fleet.index(sender)
        # A relay may have left between receiving a packet and forwarding it.
        if sender_row < 0:
            for packet in packets:
                self._end(packet, PacketEnd.SENDER_LEFT)
            return
        ready_us = self._clock.now_us + wait_us
        mcs = self._radio.awareness_mcs if message.kind == AWARENESS else self._radio.mcs
        # EVERYBODY is no station: its row is -1, as the access layer wants it.
        target_row = self._fleet.index(target) if target != EVERYBODY else -1
        origin_key, sender_key = self._streams.agent_key(message.origin), self._streams.agent_key(sender)
        for packet in packets:
            number, self._packets_sent = self._packets_sent, self._packets_sent + 1
            self._flying[number] = packet
            allowed = (self._radio.retries + 1) * message.rounds - 1 if target != EVERYBODY else 0
            if allowed:
                self._received[number] = set()
            # Only the first fragment reserves its next resource: the next message may have fewer fragments.
            period = period_us if packet.fragment == 0 else 0
            self._submissions.append(
                (number, sender_row, target_row, ready_us, packet.size_bytes, mcs, period, allowed)
            )
            self._submitted_keys.append((origin_key, kind, own_number, packet.hop, packet.fragment, sender_key))
            if awaited:
                self._awaited.add(number)

    def _submit_now(self) -> None:
        """Give new packets to the access layer, outside `settle`."""
        if self._submissions:
            with self._stages.radio:
                self._submit()

    def _submit(self) -> None:
        if not self._submissions:
            return
        number, sender, target, ready, size, mcs, period, retries = np.ascontiguousarray(
            np.array(self._submissions, np.int64).T
        )
        key = self._streams.keys("packet", self._submitted_keys).copy()
        self._submissions, self._submitted_keys = [], []
        ends_us = self._layer.submit(Packets(number, sender, target, ready, size, mcs, period, key, retries))
        self._awaited.submitted(number.tolist(), ends_us)

    def _advance(self, until_us: int) -> None:
        """Run the access layer up to a time and deliver the packets that ended by then."""
        self._submit()
        if until_us == self._settled_us:
            return
        receptions, busy_us = self._layer.advance(until_us, self._links.field)
        self._settled_us = until_us
        self._busy.add(busy_us)
        for number in self._layer.dropped:
            packet = self._flying.pop(number, None)
            self._forget(number)
            if packet is not None:
                self._table.add_unsent(packet, until_us)
                self._end(packet, PacketEnd.QUEUE_FULL)
        self._layer.dropped.clear()
        if len(receptions.number) or len(receptions.finished):
            self._hand_over(receptions)

    def _hand_over(self, receptions: Receptions) -> None:
        """Record the outcomes of packets and deliver each received packet to its receivers, in the order of arrival."""
        if self._received:
            receptions = self._without_duplicates(receptions)
        numbers, is_ack = receptions.number.tolist(), receptions.is_ack.tolist()
        ack_bytes = self._radio.access.ack_bytes
        packets = [
            self._acknowledged(number).acknowledged(ack_bytes) if ack
            else self._flying[number] if number in self._received
            else self._flying.pop(number)
            for number, ack in zip(numbers, is_ack, strict=True)
        ]  # fmt: skip
        is_over = numbers if not self._received else [number for number in numbers if not self._is_awaited(number)]
        # This must come before the delivery below, which may add awaited packets.
        self._awaited.remove(is_over)
        self._table.add(receptions, packets)
        begin, receiver, snr_db = deliveries_of(receptions, self._fleet.agent)
        began_us, ended_us = receptions.began_us.tolist(), receptions.ended_us.tolist()
        with self._stages.messages:
            for number, packet, low, high, start_us, end_us in zip(
                numbers, packets, begin[:-1], begin[1:], began_us, ended_us, strict=True
            ):
                if packet.is_ack:
                    continue
                if high > low:
                    self._deliver(Heard(packet, receiver[low:high], start_us, end_us, snr_db[low:high]))
                if number not in self._received:
                    self._end(packet, PacketEnd.SENT)
        for number in receptions.finished.tolist():
            packet = self._flying.pop(number)
            self._finished[number] = packet, self._clock.now_us
            self._forget(number)
            self._end(packet, PacketEnd.SENT)

    def _acknowledged(self, number: int) -> Packet:
        """Return the packet to which an acknowledgement belongs; its sender may have given it up before the acknowledgement ended."""
        return self._flying[number] if number in self._flying else self._finished[number][0]

    def _is_awaited(self, number: int) -> bool:
        """Return whether a packet of which a transmission ended may still arrive at its target."""
        return number in self._received and self._flying[number].target not in self._received[number]

    def _without_duplicates(self, receptions: Receptions) -> Receptions:
        """Mark the receptions of packets at stations that have received them before: they drop the copies."""
        offset, copies = receptions.offset, []
        for row, (number, is_ack) in enumerate(
            zip(receptions.number.tolist(), receptions.is_ack.tolist(), strict=True)
        ):
            received = self._received.get(number)
            if is_ack or received is None:
                continue
            first = int(offset[row])
            places = first + np.flatnonzero(receptions.outcome[first : offset[row + 1]] == DELIVERED)
            agents = self._fleet.agent[receptions.receiver[places]].tolist()
            copies += [place for place, agent in zip(places.tolist(), agents, strict=True) if agent in received]
            received.update(agents)
        if not copies:
            return receptions
        outcome = receptions.outcome.copy()
        outcome[copies] = DUPLICATE
        return replace(receptions, outcome=outcome)
