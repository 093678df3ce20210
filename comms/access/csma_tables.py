"""What the compiled event loop of IEEE 802.11p works on: stations, their queues, what is on the air, the rules.

The tuples hold arrays and numbers only, no tuples and no bools: numba takes those three to five times as slowly.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64, UInt64

# Columns of the integers of a station.
(
    QUEUED,  # packets waiting
    FIRST,  # place of the first of them in the ring
    BACKOFF,  # slots of back-off left
    START_US,  # planned start of its next packet, or NONE
    VERSION,  # goes up when a start is planned or called off
    SENT_AT_US,  # when its last packet began
    LOCKED_LINK,  # over which of the sender's links the packet arrives on which it is locked
    IDLE_SINCE_US,  # since when it senses an idle channel
    BUSY_SINCE_US,  # since when it senses a busy channel, or NONE
    NUMBER,  # of the packet that it sends
    TARGET,  # station addressed by it
    LINKS,  # number of links over which it arrives
    INTEGERS,
) = range(13)
# Columns of what every link changes, side by side because the loop over links is the hot one.
(
    ENERGY,  # power on the air
    LOCKED_ON,  # sender of the packet on which it is locked, NOTHING, or ITSELF while it sends
    LOCKED_MW,  # power of that packet; infinity without one
    DISTURBANCE,  # interference with that packet: the most so far, or summed over time
    LOCKED_AT_US,  # when that packet began
    ONGOING,  # transmissions on the air
    HOLDS,  # number of reasons, apart from the power, for which its channel is busy: packets sensed, sent, locked on
    CBR_BUSY_SINCE_US,  # since when its channel counts as busy in the busy ratio, or -1
    FLOATS,
) = range(9)
NOTHING, ITSELF = -1.0, -2.0
# Columns of what is needed only when a packet begins or ends.
(
    EBN0_DB,  # energy per bit against SINR of the packet that it sends
    CHANGED_US,  # until when the interference has been summed over time
    RARE,
) = range(3)
# Kinds of events: at one instant, transmissions end before others begin.
END, START = 0, 1
# Which draw of a packet's key a back-off is: before the packet, if the channel was busy, and after it.
BACKOFF_BEFORE, BACKOFF_AFTER = 1, 2
NONE = -1


class Stations(NamedTuple):
    """Every station.

    Attributes:
        state: Integers, by station and column.
        level: What every link changes, by station and column.
        rare: The rest, by station and column.
        key: Random key of each station.
    """

    state: Int64[np.ndarray, "stations 12"]
    level: Float[np.ndarray, "stations 8"]
    rare: Float[np.ndarray, "stations 2"]
    key: UInt64[np.ndarray, " stations"]


class Queues(NamedTuple):
    """Packets that wait, in a ring for each station.

    Attributes:
        row: Row of each station's ring; it stays while stations come and go.
        packet: Number, target and airtime in us.
        key: Random key of each packet.
        ebn0_db: Energy per bit against SINR.
    """

    row: Int64[np.ndarray, " stations"]
    packet: Int64[np.ndarray, "rings room 3"]
    key: UInt64[np.ndarray, "rings room"]
    ebn0_db: Float[np.ndarray, "rings room"]


class OnAir(NamedTuple):
    """What each station sends, and at which stations it arrives.

    Attributes:
        key: Random key of the packet.
        receiver: Row of the station at the other end of each link; -1 for one that has left.
        power_mw: Received power there, fading included.
        cause_so_far: DELIVERED, or the cause of loss, as known so far.
    """

    key: UInt64[np.ndarray, " stations"]
    receiver: Int32[np.ndarray, "stations links"]
    power_mw: Float[np.ndarray, "stations links"]
    cause_so_far: Int8[np.ndarray, "stations links"]


class Arrivals(NamedTuple):
    """Packets that become ready, by instant.

    Attributes:
        number: The caller's.
        sender: Row of the station.
        target: Row of the station addressed; -1 for everybody.
        ready_us: When each is ready.
        airtime_us: For how long it is on the air.
        ebn0_db: Energy per bit against SINR of its modulation.
        key: Random key of each.
        admitted: How many of them have joined their queues.
    """

    number: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    ready_us: Int64[np.ndarray, " packets"]
    airtime_us: Int64[np.ndarray, " packets"]
    ebn0_db: Float[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]
    admitted: Int64[np.ndarray, " 1"]


class Rules(NamedTuple):
    """How stations access the channel; `csma.CsmaParams` says more about each.

    Attributes:
        aifs_us: Idle time before sending.
        slot_us: Length of a slot.
        window: Contention window, in slots.
        capacity: Packets that a station can hold.
        capture: How many times as strong a later packet must be to take a receiver over; 0 for never.
        worst: 1 if the worst moment of a packet decides, 0 if its mean interference does.
    """

    aifs_us: int
    slot_us: int
    window: int
    capacity: int
    capture: float
    worst: int


class Thresholds(NamedTuple):
    """What receivers notice.

    Attributes:
        noise_mw: Over the channel.
        noise_dbm: The same.
        sensitivity_mw: Weakest packet that a receiver locks on.
        preamble_mw: A packet stronger than this makes the channel busy.
        energy_mw: A total power above this does.
        busy_mw: Total power that counts as busy time; infinity counts single packets above `preamble_mw`.
    """

    noise_mw: float
    noise_dbm: float
    sensitivity_mw: float
    preamble_mw: float
    energy_mw: float
    busy_mw: float
