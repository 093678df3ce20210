"""What goes into an access layer and what comes out, over flat arrays: packets, links, receptions.

Every access layer (csma, sidelink) is an object with the same three calls, so that the engine, the validation and the
benchmark drive the same code:

    submit(packets)                    hands packets over; each at or after the instant reached so far
    advance(until_us, field)           -> Receptions and busy time of all that ended by then
    reindexed(row, station_key)        carries the state over to another set of stations

Where time is cut into calls of `advance` changes nothing, as long as the field stays the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8, Int32, Int64, UInt64

DELIVERED, HALF_DUPLEX, SENSING, RECEIVER_BUSY, PROPAGATION, COLLISION = range(6)
OUTCOME_NAMES = ("delivered", "half_duplex", "sensing", "receiver_busy", "propagation", "collision")


@dataclass(frozen=True)
class Packets:
    """Packets handed to an access layer, which finds the time for them.

    Attributes:
        number: The caller's, handed back with receptions.
        sender: Row of the station.
        target: Row of the station addressed, which gets an outcome however weak; -1 for everybody.
        ready_us: When the packet is ready to be sent.
        size_bytes: On the air, without what the physical layer adds.
        mcs: Modulation and coding.
        period_us: Of a periodic stream, one per station, that resources may be reserved for; 0 for a single packet.
        key: Of its chance; distinct.
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
        """Return no packet."""
        empty = np.zeros(0, np.int64)
        return Packets(empty, empty, empty, empty, empty, empty, empty, np.zeros(0, np.uint64))

    def with_more(self, packets: "Packets") -> "Packets":
        """Return these and others, by the time at which they are ready, then by key."""
        names = Packets.__dataclass_fields__
        both = Packets(**{n: np.concatenate([getattr(self, n), getattr(packets, n)]) for n in names})
        return both[np.lexsort((both.key, both.ready_us))]


@dataclass(frozen=True)
class Field:
    """The links that matter, by sender: compressed rows. Who is not listed neither hears nor disturbs.

    Attributes:
        offset: Where the links of each sender begin; one more than stations.
        other: Row of the receiver of each link, rising within a sender.
        power_mw: Mean received power: path loss, blockage, shadowing, gains.
        nakagami_m: Shape of the fading per packet and link, infinity for none, -K for a Rician one; empty where no link
            fades.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int32[np.ndarray, " links"]
    power_mw: Float[np.ndarray, " links"]
    nakagami_m: Float[np.ndarray, " links_or_none"]

    @property
    def stations(self) -> int:
        """Number of stations."""
        return len(self.offset) - 1


@dataclass(frozen=True)
class Receptions:
    """Packets that ended, by their end, start and key, and their outcomes at receivers: compressed rows.

    Listed are the receivers at which a packet was above the sensitivity, or which were transmitting where that counts first
    (sidelink), and the station that it was addressed to; `random_slot` lists weaker ones too. For all others in range it was too
    weak: SENSING.

    Attributes:
        number: The caller's, by packet.
        by: Row of the sending station, by packet; -1 for one that has left.
        began_us: When the packet began.
        ended_us: When it ended.
        noise_dbm: Noise over what the packet occupied of the channel.
        offset: Where the receivers of each packet begin; one more than packets.
        receiver: Row of the receiving station, rising within a packet.
        outcome: DELIVERED or the cause of loss; OUTCOME_NAMES names them.
        power_dbm: Received power, fading included.
        sinr_db: Against noise and the interference that counted.
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
        """Return some of the packets, in their order."""
        rows, count = kept[self.place], np.diff(self.offset)[kept]
        return Receptions(
            self.number[kept], self.by[kept], self.began_us[kept], self.ended_us[kept], self.noise_dbm[kept],
            np.concatenate([[0], np.cumsum(count)]).astype(np.int64), self.receiver[rows], self.outcome[rows],
            self.power_dbm[rows], self.sinr_db[rows],
        )  # fmt: skip

    @cached_property
    def place(self) -> Int64[np.ndarray, " receptions"]:
        """Which of the packets each reception is of."""
        return np.repeat(np.arange(len(self.number)), np.diff(self.offset))

    @cached_property
    def packet(self) -> Int64[np.ndarray, " receptions"]:
        """The caller's number of each reception's packet."""
        return self.number[self.place]

    @cached_property
    def sender(self) -> Int64[np.ndarray, " receptions"]:
        """Row of each reception's sender; -1 for one that has left."""
        return self.by[self.place]

    @cached_property
    def start_us(self) -> Int64[np.ndarray, " receptions"]:
        """When each reception's packet began."""
        return self.began_us[self.place]

    @cached_property
    def end_us(self) -> Int64[np.ndarray, " receptions"]:
        """When each reception's packet ended."""
        return self.ended_us[self.place]

    @cached_property
    def snr_db(self) -> Float[np.ndarray, " receptions"]:
        """Against noise alone."""
        return self.power_dbm - self.noise_dbm[self.place]

    @staticmethod
    def of_powers(
        packets: tuple[np.ndarray, ...], noise_dbm: Float[np.ndarray, " packets"], found: tuple[np.ndarray, ...]
    ) -> "Receptions":
        """Return receptions of what a compiled loop found.

        Args:
            packets: Number, sender, begin, end, and where receptions begin.
            noise_dbm: Over what each packet occupied.
            found: Receiver, outcome, received power in milliwatts, interference against the noise.
        """
        number, by, began_us, ended_us, offset = packets
        receiver, outcome, power_mw, ratio = found
        noise = np.repeat(noise_dbm.astype(np.float32), np.diff(offset))
        power_dbm = np.float32(10.0) * np.log10(power_mw)
        sinr_db = power_dbm - noise - np.float32(10.0) * np.log10(np.float32(1.0) + ratio)
        return Receptions(number, by, began_us, ended_us, noise_dbm, offset, receiver, outcome, power_dbm, sinr_db)

    @staticmethod
    def joined(parts: Sequence["Receptions"]) -> "Receptions":
        """Return the packets of several, one after the other."""
        names = [name for name in Receptions.__dataclass_fields__ if name != "offset"]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        counts = np.concatenate([np.diff(part.offset) for part in parts])
        return Receptions(offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), **columns)

    @staticmethod
    def none() -> "Receptions":
        """Return no packet."""
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
    """Return the field of a square array of received powers, without links weaker than a limit.

    Args:
        power_dbm: By sender and receiver; the diagonal is left out whatever it holds.
        least_dbm: Weaker links neither hear nor disturb.
        nakagami_m: By sender and receiver; no fading if left out.
    """
    kept = power_dbm >= least_dbm
    np.fill_diagonal(kept, False)
    sender, receiver = np.nonzero(kept)
    offset = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    shape = np.zeros(0) if nakagami_m is None else nakagami_m[sender, receiver]
    return Field(offset, receiver.astype(np.int32), 10.0 ** (0.1 * power_dbm[sender, receiver]), shape)
