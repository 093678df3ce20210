"""Tables of the compiled event loop of IEEE 802.11p: stations, their queues, transmissions on the air, and rules.

The tuples contain only arrays and numbers. Nested tuples and bools are avoided: numba needs three to five times as long
to unpack them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64, UInt64

# Columns of a station's integers.
(
    QUEUED,  # number of packets waiting
    FIRST,  # position of the first waiting packet in the ring
    BACKOFF,  # remaining back-off in slots
    START_US,  # planned start of its next packet, or NONE
    VERSION,  # rises by 1 when a start is planned or cancelled
    SENT_AT_US,  # time at which its last packet began
    LOCKED_LINK,  # number, among the sender's links, of the link that carries the packet it is locked on
    IDLE_SINCE_US,  # time since which it senses an idle channel
    BUSY_SINCE_US,  # time since which it senses a busy channel, or NONE
    CODE,  # code of its transmission (`acknowledged.code_of`)
    TARGET,  # row of the station that this packet is addressed to
    LINKS,  # number of links over which this packet arrives
    REPLY,  # retries and rate of the acknowledgement of the packet that it sends, as in `Arrivals.reply`
    TARGET_CAUSE,  # outcome of its last transmission at the target
    REPEAT,  # how often the first packet in the queue was sent before
    HAS_BEGUN,  # 1 from the first transmission of the first packet in the queue on, if it must be acknowledged
    EXCHANGE,  # rises by 1 when it begins to wait for an acknowledgement, and when it no longer waits
    WAIT_END_US,  # time at which an acknowledgement that it waits for has ended
    ACKS_TO,  # row of the station that it acknowledges, or NONE
    INTEGERS,
) = range(20)
# Columns of what changes with every link. They lie side by side because the loop over links takes most of the time.
(
    ENERGY,  # total power received, in mW
    LOCKED_ON,  # row of the sender whose packet it is locked on, NOTHING, or ITSELF while it sends
    LOCKED_MW,  # received power of that packet; infinity if there is none
    DISTURBANCE,  # interference with that packet: the maximum so far in mW, or the integral over time in mW us
    LOCKED_AT_US,  # time at which that packet began
    ONGOING,  # number of transmissions on the air at the station
    HOLDS,  # number of reasons, apart from the power, for which its channel is busy: packets sensed, sent, locked on
    CBR_BUSY_SINCE_US,  # time since which the channel counts as busy in the busy ratio, or -1
    FLOATS,
) = range(9)
NOTHING, ITSELF = -1.0, -2.0
# Columns that are needed only when a packet begins or ends.
(
    EBN0_DB,  # Eb/N0 minus SINR of the packet that it sends
    CHANGED_US,  # time up to which the interference has been integrated
    RARE,
) = range(3)
# Kinds of events: at one instant, transmissions end before others begin.
END, START, START_ACK, TIMEOUT = range(4)
# Rates that an acknowledgement may have: indices of modulation and coding schemes.
RATES = 8
# Number of the draw from a packet's key: for the back-off before the packet (if the channel was busy) and after it.
BACKOFF_BEFORE, BACKOFF_AFTER = 1, 2
NONE = -1


class Stations(NamedTuple):
    """State of every station, one row per station.

    Attributes:
        state: Integers, by station and column (QUEUED and the columns after it).
        level: What changes with every link, by station and column (ENERGY and the columns after it).
        rare: What changes only when a packet begins or ends, by station and column (EBN0_DB, CHANGED_US).
        key: Random key of each station.
    """

    state: Int64[np.ndarray, "stations 19"]
    level: Float[np.ndarray, "stations 8"]
    rare: Float[np.ndarray, "stations 2"]
    key: UInt64[np.ndarray, " stations"]


class Queues(NamedTuple):
    """Packets that wait to be sent, in one ring buffer per station.

    Attributes:
        row: Row of each station's ring; a ring keeps its row when stations come or go.
        packet: Number, target row, airtime in us and reply (as in `Arrivals`) of each packet, by ring and position.
        key: Random key of each packet.
        ebn0_db: Eb/N0 minus SINR of each packet; it depends on the data rate.
    """

    row: Int64[np.ndarray, " stations"]
    packet: Int64[np.ndarray, "rings room 4"]
    key: UInt64[np.ndarray, "rings room"]
    ebn0_db: Float[np.ndarray, "rings room"]


class OnAir(NamedTuple):
    """The transmission of each station, and the stations at which it arrives.

    Attributes:
        key: Random key of the packet that each station sends.
        receiver: Row of the receiving station, by sender and link; -1 for one that has left.
        power_mw: Received power, by sender and link, fading included.
        cause_so_far: DELIVERED, or the cause of loss known so far, by sender and link.
    """

    key: UInt64[np.ndarray, " stations"]
    receiver: Int32[np.ndarray, "stations links"]
    power_mw: Float[np.ndarray, "stations links"]
    cause_so_far: Int8[np.ndarray, "stations links"]


class Arrivals(NamedTuple):
    """Packets that become ready, sorted by the time at which they do.

    Attributes:
        number: The caller's number of each packet.
        sender: Row of the sending station.
        target: Row of the station that the packet is addressed to; -1 for a broadcast.
        ready_us: Time at which each packet is ready to be sent.
        airtime_us: Duration of each packet on the air.
        ebn0_db: Eb/N0 minus SINR of each packet; it depends on the data rate.
        key: Random key of each packet.
        reply: For a packet that must be acknowledged, how often it may be sent again, times RATES, plus the index of the
            acknowledgement's modulation and coding scheme; 0 for another packet.
        admitted: Number of packets that have joined their queues so far, from the start of the list.
    """

    number: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    ready_us: Int64[np.ndarray, " packets"]
    airtime_us: Int64[np.ndarray, " packets"]
    ebn0_db: Float[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]
    reply: Int64[np.ndarray, " packets"]
    admitted: Int64[np.ndarray, " 1"]


class Rules(NamedTuple):
    """Rules by which stations access the channel, each described in `csma.CsmaParams`.

    Attributes:
        aifs_us: Time for which the channel must be idle before a station sends (AIFS).
        slot_us: Length of a back-off slot.
        window: Contention window, in slots.
        capacity: Largest number of packets in a station's queue.
        capture: A receiver changes to a later packet only if it is stronger than the present one by more than this
            ratio of powers; 0 for never.
        worst: 1 if the highest interference during a packet decides its outcome, 0 if the mean does.
        most_window: Largest contention window, in slots.
        sifs_us: Time between a packet and its acknowledgement.
        timeout_us: Time after its packet at which a sender stops to wait for an acknowledgement that has not begun.
    """

    aifs_us: int
    slot_us: int
    window: int
    capacity: int
    capture: float
    worst: int
    most_window: int
    sifs_us: int
    timeout_us: int


class Replies(NamedTuple):
    """Acknowledgements by their modulation and coding scheme.

    Attributes:
        airtime_us: Duration.
        ebn0_db: Eb/N0 minus SINR.
    """

    airtime_us: Int64[np.ndarray, " rates"]
    ebn0_db: Float[np.ndarray, " rates"]


class Thresholds(NamedTuple):
    """Power levels at which receivers sense packets, lock on them and count the channel as busy.

    Attributes:
        noise_mw: Noise power over the channel.
        noise_dbm: The same noise power in dBm.
        sensitivity_mw: Power of the weakest packet that a receiver can lock on.
        preamble_mw: A packet at least this strong makes the channel busy.
        energy_mw: A total received power of at least this makes the channel busy.
        busy_mw: Total received power above which the time counts as busy; if infinite, single packets of at least
            `preamble_mw` count.
    """

    noise_mw: float
    noise_dbm: float
    sensitivity_mw: float
    preamble_mw: float
    energy_mw: float
    busy_mw: float
