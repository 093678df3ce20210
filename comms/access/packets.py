"""Input and output of an access layer as flat arrays: packets, links, receptions.

Every access layer (csma, sidelink, random_slot) is an object with the same three calls, so that the engine, the validation and the
benchmark run the same code:

    submit(packets)                    takes packets that become ready at the present instant or later
    advance(until_us, field)           -> receptions of all packets that ended by then, and busy time
    reindexed(row, station_key)        carries the state over to another list of stations

The result does not depend on how time is divided into calls of `advance`, as long as the field is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8, Int32, Int64, UInt64

# Outcomes of a packet at a receiver: delivered, or the first cause of loss that applies.
DELIVERED, HALF_DUPLEX, SENSING, RECEIVER_BUSY, PROPAGATION, COLLISION = range(6)
OUTCOME_NAMES = ("delivered", "half_duplex", "sensing", "receiver_busy", "propagation", "collision")


@dataclass(frozen=True)
class Packets:
    """Packets for an access layer, which chooses when to send them.

    Attributes:
        number: The caller's number for each packet, returned with its receptions.
        sender: Row of the sending station.
        target: Row of the addressed station, which gets an outcome however weak the packet is; -1 for a broadcast.
        ready_us: When the packet is ready to be sent.
        size_bytes: Size without the physical layer's additions.
        mcs: Index of modulation and coding.
        period_us: Period of the stream that the packet belongs to, for which resources may be reserved (at most one
            stream per station); 0 for a single packet.
        key: Random key of each packet; all different.
    """

    number: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    ready_us: Int64[np.ndarray, " packets"]
    size_bytes: Int64[np.ndarray, " packets"]
    mcs: Int64[np.ndarray, " packets"]
    period_us: Int64[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, rows: np.ndarray | slice) -> "Packets":
        return Packets(**{name: getattr(self, name)[rows] for name in Packets.__dataclass_fields__})

    @staticmethod
    def none() -> "Packets":
        """Return an empty set of packets."""
        empty = np.zeros(0, np.int64)
        return Packets(empty, empty, empty, empty, empty, empty, empty, np.zeros(0, np.uint64))

    def with_more(self, packets: "Packets") -> "Packets":
        """Return these and other packets, sorted by the time at which they are ready, then by key."""
        names = Packets.__dataclass_fields__
        both = Packets(**{n: np.concatenate([getattr(self, n), getattr(packets, n)]) for n in names})
        return both[np.lexsort((both.key, both.ready_us))]


class LinkRows(NamedTuple):
    """The arrays of a `Field`, as compiled loops take them."""

    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int32[np.ndarray, " links"]
    power_mw: Float[np.ndarray, " links"]
    nakagami_m: Float[np.ndarray, " links_or_none"]


@dataclass(frozen=True)
class Field:
    """The links by sender, as compressed rows.

    A station that is not listed for a sender neither receives it nor suffers its interference.

    Attributes:
        offset: Start of the links of each sender; one entry more than stations.
        other: Row of the receiver of each link, rising within a sender.
        power_mw: Mean received power, with path loss, blockage, shadowing and antenna gains.
        nakagami_m: Fading of each packet on a link: a Nakagami shape, infinity for none, -K for a Rician channel;
            empty if no link fades.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int32[np.ndarray, " links"]
    power_mw: Float[np.ndarray, " links"]
    nakagami_m: Float[np.ndarray, " links_or_none"]

    @property
    def stations(self) -> int:
        """Number of stations."""
        return len(self.offset) - 1

    @property
    def rows(self) -> LinkRows:
        """The same links for a compiled loop."""
        return LinkRows(self.offset, self.other, self.power_mw, self.nakagami_m)


@dataclass(frozen=True)
class Receptions:
    """Packets that ended, sorted by end, with their outcomes at receivers as compressed rows.

    `random_slot` sorts packets that end together by start and key; the others list them in the order of their events.

    The listed receivers are those at which the packet was above the sensitivity, those that were transmitting if the
    scheme checks that first (sidelink), and the addressed station. `random_slot` lists weaker receptions too. At all
    other stations in range the outcome is SENSING: the packet was too weak.

    Attributes:
        number: The caller's number of each packet.
        by: Row of the sender of each packet; -1 if it has left.
        began_us: Start of each packet.
        ended_us: End of each packet.
        noise_dbm: Noise over the part of the channel that the packet occupied.
        offset: Start of the receivers of each packet; one entry more than packets.
        receiver: Row of the receiving station, rising within a packet.
        outcome: DELIVERED, or the cause of loss; OUTCOME_NAMES has their names.
        power_dbm: Received power, fading included.
        sinr_db: Signal to noise and interference ratio that decided the outcome; the SNR where a 802.11p receiver was not locked on
            the packet when it ended.
    """

    number: Int64[np.ndarray, " packets"]
    by: Int64[np.ndarray, " packets"]
    began_us: Int64[np.ndarray, " packets"]
    ended_us: Int64[np.ndarray, " packets"]
    noise_dbm: Float[np.ndarray, " packets"]
    offset: Int64[np.ndarray, " packets_plus_1"]
    receiver: Int32[np.ndarray, " receptions"]
    outcome: Int8[np.ndarray, " receptions"]
    power_dbm: Float32[np.ndarray, " receptions"]
    sinr_db: Float32[np.ndarray, " receptions"]

    def __len__(self) -> int:
        return len(self.receiver)

    def of(self, kept: Bool[np.ndarray, " packets"]) -> "Receptions":
        """Return the receptions of some of the packets, in their order."""
        rows, count = kept[self.packet_row], np.diff(self.offset)[kept]
        return Receptions(
            self.number[kept], self.by[kept], self.began_us[kept], self.ended_us[kept], self.noise_dbm[kept],
            np.concatenate([[0], np.cumsum(count)]).astype(np.int64), self.receiver[rows], self.outcome[rows],
            self.power_dbm[rows], self.sinr_db[rows],
        )  # fmt: skip

    @cached_property
    def packet_row(self) -> Int64[np.ndarray, " receptions"]:
        """Row of the packet of each reception."""
        return np.repeat(np.arange(len(self.number)), np.diff(self.offset))

    @cached_property
    def packet(self) -> Int64[np.ndarray, " receptions"]:
        """The caller's number of the packet of each reception."""
        return self.number[self.packet_row]

    @cached_property
    def sender(self) -> Int64[np.ndarray, " receptions"]:
        """Row of the sender of each reception; -1 if it has left."""
        return self.by[self.packet_row]

    @cached_property
    def start_us(self) -> Int64[np.ndarray, " receptions"]:
        """Start of the packet of each reception."""
        return self.began_us[self.packet_row]

    @cached_property
    def end_us(self) -> Int64[np.ndarray, " receptions"]:
        """End of the packet of each reception."""
        return self.ended_us[self.packet_row]

    @cached_property
    def snr_db(self) -> Float[np.ndarray, " receptions"]:
        """Signal to noise ratio of each reception, without interference."""
        return self.power_dbm - self.noise_dbm[self.packet_row]

    @staticmethod
    def joined(parts: Sequence["Receptions"]) -> "Receptions":
        """Return the receptions of several sets, one after the other."""
        names = [name for name in Receptions.__dataclass_fields__ if name != "offset"]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        counts = np.concatenate([np.diff(part.offset) for part in parts])
        return Receptions(offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), **columns)

    @staticmethod
    def none() -> "Receptions":
        """Return an empty set of receptions."""
        row, level = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return Receptions(
            row,
            row,
            row,
            row,
            np.zeros(0),
            np.zeros(1, np.int64),
            row.astype(np.int32),
            row.astype(np.int8),
            level,
            level,
        )


def field_of(
    power_dbm: Float[np.ndarray, "stations stations"],
    least_dbm: float,
    nakagami_m: Float[np.ndarray, "stations stations"] | None = None,
) -> Field:
    """Return the field of a square array of received powers, without the links weaker than a limit.

    Args:
        power_dbm: Power by sender and receiver; the diagonal is ignored.
        least_dbm: Weaker links neither carry packets nor interfere.
        nakagami_m: Fading by sender and receiver; None for no fading.
    """
    kept = power_dbm >= least_dbm
    np.fill_diagonal(kept, False)
    sender, receiver = np.nonzero(kept)
    offset = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    shape = np.zeros(0) if nakagami_m is None else nakagami_m[sender, receiver]
    return Field(offset, receiver.astype(np.int32), 10.0 ** (0.1 * power_dbm[sender, receiver]), shape)
