"""Input and output of an access layer as flat arrays: packets, links, receptions.

Every access layer (csma, sidelink, random_slot) is an object with the same three calls, so that the engine, the validation and the
benchmark run the same code:

    submit(packets)                    takes packets that become ready at the present instant or later; -> their ends, if known
    advance(until_us, field)           -> receptions of all packets that ended by then, and busy time
    reindexed(row, station_key)        carries the state over to another list of stations

While the field stays the same, one call of `advance` over a long time gives the same result as several calls over parts
of it.
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
# Outcomes besides those: a packet that was never sent, and one that the receiver has received before (the sender repeated
# it because the acknowledgement was lost).
NOT_SENT, DUPLICATE = 6, 7
ALL_OUTCOME_NAMES = (*OUTCOME_NAMES, "not_sent", "duplicate")


# Rows of `Packets._table` by which it is sorted.
_NUMBER, _READY_US = 0, 3


@dataclass(frozen=True)
class Packets:
    """Packets for an access layer, which chooses when to send them.

    Attributes:
        number: Number that the caller gives each packet; the receptions of a packet carry it.
        sender: Row of the sending station.
        target: Row of the addressed station; -1 for a broadcast. The addressed station gets an outcome even if the
            packet is too weak to be detected.
        ready_us: Time at which each packet is ready to be sent.
        size_bytes: Size in bytes without the preamble and headers of the physical layer.
        mcs: Index of the modulation and coding scheme.
        period_us: Period of the stream of packets that the packet belongs to; the station may reserve resources for a
            stream (at most one stream per station); 0 for a single packet.
        key: Random key of each packet, from which its random draws are computed; all keys differ.
        retries: How often each packet may be sent again if no acknowledgement arrives; 0 (None: for all) for a packet that
            is not acknowledged, such as every broadcast.
    """

    number: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    ready_us: Int64[np.ndarray, " packets"]
    size_bytes: Int64[np.ndarray, " packets"]
    mcs: Int64[np.ndarray, " packets"]
    period_us: Int64[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]
    retries: Int64[np.ndarray, " packets"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if getattr(self, "retries", None) is None:
            object.__setattr__(self, "retries", np.zeros(np.size(self.number), np.int64))

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, rows: np.ndarray | slice) -> "Packets":
        return Packets._of(self._table[:, rows])

    @cached_property
    def _table(self) -> Int64[np.ndarray, "9 packets"]:
        """All columns in one array, because sorting and cutting it takes a fifth of the time of nine arrays."""
        return np.array(
            [self.number, self.sender, self.target, self.ready_us, self.size_bytes, self.mcs, self.period_us, self.retries,
             self.key.view(np.int64)], np.int64,
        )  # fmt: skip

    @staticmethod
    def _of(table: Int64[np.ndarray, "9 packets"]) -> "Packets":
        """Return packets from the array of all their columns."""
        packets = Packets(
            table[0], table[1], table[2], table[3], table[4], table[5], table[6], table[8].view(np.uint64), table[7]
        )  # fmt: skip
        packets.__dict__["_table"] = table
        return packets

    def split(self, first: int) -> tuple["Packets", "Packets"]:
        """Return the first packets, as many as `first`, and the others."""
        if first == 0:
            return _NO_PACKETS, self
        if first == len(self.number):
            return self, _NO_PACKETS
        return self[:first], self[first:]

    @staticmethod
    def none() -> "Packets":
        """Return an empty set of packets."""
        empty = np.zeros(0, np.int64)
        return Packets(empty, empty, empty, empty, empty, empty, empty, np.zeros(0, np.uint64))

    def with_more(self, packets: "Packets") -> "Packets":
        """Return these and other packets, sorted by the time at which they are ready, then by number.

        So the fragments of one message enter their sender's queue in their order.
        """
        if len(self.number) == 0 and len(packets.number) <= 1:
            return packets
        both = np.concatenate([self._table, packets._table], axis=1) if len(self.number) else packets._table
        return Packets._of(both[:, np.lexsort((both[_NUMBER], both[_READY_US]))])


_NO_PACKETS = Packets.none()


class LinkRows(NamedTuple):
    """The arrays of a `Field`, as compiled loops take them."""

    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int32[np.ndarray, " links"]
    power_mw: Float[np.ndarray, " links"]
    nakagami_m: Float[np.ndarray, " links_or_none"]


@dataclass(frozen=True)
class Field:
    """The links of every sender and their received powers, as compressed sparse rows.

    A station that is not listed for a sender receives neither packets nor interference from it.

    Attributes:
        offset: Index of the first link of each sender; one entry more than stations.
        other: Row of the receiver of each link, in rising order for each sender.
        power_mw: Mean received power of each link, after path loss, blockage, shadowing and antenna gains.
        nakagami_m: Fading from packet to packet on each link: a Nakagami shape m, infinity for no fading, or -K for a
            Rician channel; empty if no link fades.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int32[np.ndarray, " links"]
    power_mw: Float[np.ndarray, " links"]
    nakagami_m: Float[np.ndarray, " links_or_none"]

    @property
    def stations(self) -> int:
        """Number of stations."""
        return len(self.offset) - 1

    @cached_property
    def most_links(self) -> int:
        """Largest number of links of one sender."""
        return int(np.diff(self.offset).max(initial=0))

    @cached_property
    def rows(self) -> LinkRows:
        """The same links as a named tuple of arrays, for compiled loops."""
        return LinkRows(self.offset, self.other, self.power_mw, self.nakagami_m)


@dataclass(frozen=True)
class Receptions:
    """Packets that ended, sorted by their end, with the outcome at each receiver, as compressed sparse rows.

    Packets that end at the same time are sorted by start and key (`random_slot`) or by the order of their events (other
    schemes).

    The listed receivers are those at which the packet was above the sensitivity, those that were transmitting if the
    scheme checks that first (sidelink), and the addressed station. `random_slot` also lists receptions below the
    sensitivity, down to its report limit. At all other stations in range the outcome is SENSING: the packet was too
    weak.

    Attributes:
        number: Number that the caller gave each packet.
        by: Row of the sender of each packet; -1 if it has left.
        began_us: Start time of each packet.
        ended_us: End time of each packet.
        noise_dbm: Noise power over the part of the channel that each packet occupied.
        offset: Index of the first reception of each packet; one entry more than packets.
        receiver: Row of the receiving station of each reception, in rising order for each packet. Under 802.11p, a
            packet that is on the air while the stations are renumbered keeps the order of their old rows.
        outcome: DELIVERED or the cause of loss of each reception; `OUTCOME_NAMES` gives the text of each value.
        power_dbm: Received power of each reception, fading included.
        sinr_db: Ratio of signal to noise plus interference that decided the outcome. For an 802.11p receiver that was
            not locked on the packet at its end, this is the SNR.
        repeat: How often each packet was sent before; a packet that is sent again keeps its number (None: all 0).
        is_ack: Whether each entry is not the packet with that number but its acknowledgement (None: none is).
        finished: Numbers of the packets with `Packets.retries` that are not sent again: acknowledged, or given up (None:
            no number).
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
    repeat: Int64[np.ndarray, " packets"] = None  # type: ignore[assignment]
    is_ack: Bool[np.ndarray, " packets"] = None  # type: ignore[assignment]
    finished: Int64[np.ndarray, " finished"] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if all(getattr(self, name) is not None for name in ("repeat", "is_ack", "finished")):
            return
        packets = np.size(self.number)
        for name, missing, dtype in (
            ("repeat", packets, np.int64),
            ("is_ack", packets, np.bool_),
            ("finished", 0, np.int64),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, np.zeros(missing, dtype))

    def __len__(self) -> int:
        return len(self.receiver)

    def of(self, kept: Bool[np.ndarray, " packets"]) -> "Receptions":
        """Return the receptions of the packets that `kept` selects, in the same order as before."""
        rows, count = kept[self.packet_row], np.diff(self.offset)[kept]
        return Receptions(
            self.number[kept], self.by[kept], self.began_us[kept], self.ended_us[kept], self.noise_dbm[kept],
            np.concatenate([[0], np.cumsum(count)]).astype(np.int64), self.receiver[rows], self.outcome[rows],
            self.power_dbm[rows], self.sinr_db[rows], self.repeat[kept], self.is_ack[kept], self.finished,
        )  # fmt: skip

    @cached_property
    def packet_row(self) -> Int64[np.ndarray, " receptions"]:
        """Index of the packet of each reception."""
        return np.repeat(np.arange(len(self.number)), np.diff(self.offset))

    @cached_property
    def packet(self) -> Int64[np.ndarray, " receptions"]:
        """Number that the caller gave the packet of each reception."""
        return self.number[self.packet_row]

    @cached_property
    def sender(self) -> Int64[np.ndarray, " receptions"]:
        """Row of the sender of each reception; -1 if it has left."""
        return self.by[self.packet_row]

    @cached_property
    def start_us(self) -> Int64[np.ndarray, " receptions"]:
        """Start time of the packet of each reception."""
        return self.began_us[self.packet_row]

    @cached_property
    def end_us(self) -> Int64[np.ndarray, " receptions"]:
        """End time of the packet of each reception."""
        return self.ended_us[self.packet_row]

    @cached_property
    def snr_db(self) -> Float[np.ndarray, " receptions"]:
        """Signal to noise ratio of each reception, without interference."""
        return self.power_dbm - self.noise_dbm[self.packet_row]

    @staticmethod
    def joined(parts: Sequence["Receptions"]) -> "Receptions":
        """Return the receptions of several sets, concatenated in their order."""
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
    """Return the field given by a square matrix of received powers; links weaker than a limit are left out.

    Args:
        power_dbm: Received power by sender and receiver; the diagonal is ignored.
        least_dbm: Limit in dBm: a weaker link carries no packets and causes no interference.
        nakagami_m: Fading by sender and receiver, as in `Field` (None for no fading).
    """
    kept = power_dbm >= least_dbm
    np.fill_diagonal(kept, False)
    sender, receiver = np.nonzero(kept)
    offset = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    shape = np.zeros(0) if nakagami_m is None else nakagami_m[sender, receiver]
    return Field(offset, receiver.astype(np.int32), 10.0 ** (0.1 * power_dbm[sender, receiver]), shape)
