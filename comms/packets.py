"""What goes into an access layer and what comes out, over flat arrays: packets, links, receptions.

Every access layer (csma, sidelink) is an object with the same three calls, so that the engine, the validation and the
benchmark drive the same code:

    submit(packets)                    hands packets over; each at or after the instant reached so far
    advance(until_us, field)           -> Receptions and busy time of all that ended by then
    reindexed(row, station_key)        carries the state over to another set of stations

Where time is cut into calls of `advance` changes nothing, as long as the field stays the same.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int64, UInt64

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
        power_dbm: Mean received power: path loss, blockage, shadowing, gains.
        nakagami_m: Shape of the fading per packet and link; infinity for none.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    other: Int64[np.ndarray, " links"]
    power_dbm: Float[np.ndarray, " links"]
    nakagami_m: Float[np.ndarray, " links"]

    @property
    def stations(self) -> int:
        """Number of stations."""
        return len(self.offset) - 1


@dataclass(frozen=True)
class Receptions:
    """Outcomes of packets at receivers, by the packets' end, start and key, then by receiver.

    Attributes:
        packet: The caller's number.
        sender: Row of the sending station; -1 for one that has left.
        receiver: Row of the receiving station.
        start_us: When the packet began.
        end_us: When it ended.
        outcome: DELIVERED or the cause of loss; OUTCOME_NAMES names them.
        power_dbm: Received power, fading included.
        snr_db: Against noise.
        sinr_db: Against noise and the mean interference over the packet.
    """

    packet: Int64[np.ndarray, " receptions"]
    sender: Int64[np.ndarray, " receptions"]
    receiver: Int64[np.ndarray, " receptions"]
    start_us: Int64[np.ndarray, " receptions"]
    end_us: Int64[np.ndarray, " receptions"]
    outcome: Int8[np.ndarray, " receptions"]
    power_dbm: Float[np.ndarray, " receptions"]
    snr_db: Float[np.ndarray, " receptions"]
    sinr_db: Float[np.ndarray, " receptions"]

    def __len__(self) -> int:
        return len(self.packet)

    @staticmethod
    def none() -> "Receptions":
        """Return no reception."""
        row, level = np.zeros(0, np.int64), np.zeros(0)
        return Receptions(row, row, row, row, row, np.zeros(0, np.int8), level, level, level)


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
    shape = np.full(len(sender), np.inf) if nakagami_m is None else nakagami_m[sender, receiver]
    return Field(offset, receiver.astype(np.int64), np.ascontiguousarray(power_dbm[sender, receiver]), shape)
