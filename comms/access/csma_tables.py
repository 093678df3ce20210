"""What the compiled event loop of IEEE 802.11p works on: stations, their queues, what is on the air, the rules.

The tuples hold arrays and numbers only, no tuples and no bools: numba takes those three to five times as slowly.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64, UInt64

# Columns of the integer state of a station: packets waiting and the first of them in the ring; slots of back-off left; planned
# start, and a number that goes up when it is planned or called off; when its last packet began; which link of the sender it is locked on
# came over; since when its channel is idle or busy; number, target and links of what it sends.
(QUEUED, FIRST, BACKOFF, START_US, VERSION, SENT_AT_US, LOCKED_LINK, IDLE_SINCE_US, BUSY_SINCE_US, NUMBER, TARGET, LINKS,
 INTEGERS) = range(13)  # fmt: skip
# Columns of what every link touches, all of a station side by side: power on the air there; what it receives (a station,
# NOTHING, or ITSELF while it sends), that packet's power (infinity without one), its interference (the most, or summed over
# time) and when it began; how many transmissions are on the air; for how many reasons apart from power its channel is busy;
# since when the channel counts as busy, or -1.
ENERGY, LOCKED_ON, LOCKED_MW, DISTURBANCE, LOCKED_AT_US, ONGOING, HOLDS, LOUD_SINCE_US, FLOATS = range(9)
NOTHING, ITSELF = -1.0, -2.0
# Columns of the rest: energy per bit against SINR of what it sends, since when interference has not been summed up.
EBN0_DB, CHANGED_US, RARE = range(3)
# Kinds of events: at one instant a transmission ends before another begins.
END, START = 0, 1
NONE = -1


class Stations(NamedTuple):
    """Every station.

    Attributes:
        state: Table of integers.
        level: Table of what every link touches.
        rare: Table of the rest.
        key: Of each station's chance.
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
    """What each station sends, and at whom it arrives.

    Attributes:
        key: Random key of the packet.
        receiver: Row of the station at the other end of each link; -1 for one that has left.
        power_mw: Received power there, fading included.
        verdict: Outcome so far.
    """

    key: UInt64[np.ndarray, " stations"]
    receiver: Int32[np.ndarray, "stations links"]
    power_mw: Float[np.ndarray, "stations links"]
    verdict: Int8[np.ndarray, "stations links"]


class Arrivals(NamedTuple):
    """Packets that become ready, by instant.

    Attributes:
        number: The caller's.
        sender: Row of the station.
        target: Row of the station addressed; -1 for everybody.
        ready_us: When each is ready.
        airtime_us: For how long it is on the air.
        ebn0_db: Energy per bit against SINR of its modulation.
        key: Of its chance.
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
