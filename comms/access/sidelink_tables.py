"""What the compiled slot loop of sensing-based sidelink works on: what is scheduled, what stations remember, its rules.

Each call of `run_slots` hands these tuples to numba once, which costs about 1 us a tuple. It would cost three to five times
as much with a tuple inside a tuple or with a bool, for which numba has no fast path, so there are none.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, Int32, Int64, UInt64

# Slots that a station remembers: not fewer than the sensing window, which is 1,000 ms in TS 36.213, 14.1.1.6, and at most
# 1,100 ms in TS 38.214, 8.1.4.
MEMORY = 1100
NONE = -1

# Columns of a scheduled transmission.
(
    NUMBER,  # of the packet
    TARGET,  # station addressed
    SLOT,  # in which it is sent
    SUBCHANNEL,  # the first
    WIDTH,  # number of subchannels
    PERIOD,  # announced with it, in slots; 0 for none
    LEFT,  # transmissions of the packet that follow
    SETTLED,  # 1 if its resource was announced before or changed already, so that it is not re-evaluated
    USED,  # 1 if the row holds a transmission
    ENTRY_COLUMNS,
) = range(10)
# Columns of a station. A grant is the resource that its stream of packets keeps.
(
    GRANT_SLOT,  # of its last use
    GRANT_SUBCHANNEL,  # the first
    GRANT_WIDTH,  # number of subchannels
    GRANT_PERIOD,  # in slots
    GRANT_LEFT,  # uses left
    SENT_SLOT,  # of the station's last transmission
    PENDING,  # packets scheduled
    STATION_COLUMNS,
) = range(8)
# Kinds of events, in the order in which they happen within a slot. A replaced transmission stays in the heap and does nothing.
REEVALUATE, SEND, REPLACED = range(3)


class Schedule(NamedTuple):
    """What stations have scheduled.

    Attributes:
        station: Table of stations.
        station_key: Random key of each station.
        entry: Table of scheduled transmissions.
        entry_key: Random key of each packet.
        free_row: From which row on a free one is looked for.
    """

    station: Int64[np.ndarray, "stations 7"]
    station_key: UInt64[np.ndarray, " stations"]
    entry: Int64[np.ndarray, "entries 9"]
    entry_key: UInt64[np.ndarray, " entries"]
    free_row: Int64[np.ndarray, " 1"]


class Senses(NamedTuple):
    """What stations remember of the slots before. A slot has the row `slot % MEMORY`; each station has a column of its own.

    Attributes:
        column: Column of each station.
        rssi_mw: Power in each subchannel.
        rsrp_mw: Power per resource element of the reservation decoded there.
        reserved: Period in slots that it announced; 0 where none was decoded.
        sent_slot: Slot in which the station last sent, by column and row.
        next_row_slot: First slot whose row has not been emptied.
        longest_period: Longest period announced so far, in slots.
        decoded_number: One more than the number of the last packet, by column of sender and receiver, of which a copy was
            decoded; empty without repetitions.
    """

    column: Int64[np.ndarray, " stations"]
    rssi_mw: Float32[np.ndarray, "memory columns subchannels"]
    rsrp_mw: Float32[np.ndarray, "memory columns subchannels"]
    reserved: Int16[np.ndarray, "memory columns subchannels"]
    sent_slot: Int64[np.ndarray, "columns memory"]
    next_row_slot: Int64[np.ndarray, " 1"]
    longest_period: Int64[np.ndarray, " 1"]
    decoded_number: Int64[np.ndarray, "columns_or_none columns_or_none"]


class Arrivals(NamedTuple):
    """Packets that become ready, by slot.

    Attributes:
        number: The caller's.
        sender: Row of the station.
        target: Row of the station addressed; -1 for everybody.
        slot: In which each is ready.
        width: Subchannels that it takes.
        period: Of its stream in slots; 0 for a single packet.
        last_slot: Last slot of the selection window, from the one in which it is ready (T2).
        key: Random key of each.
        admitted: How many of them have been scheduled or dropped.
    """

    number: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    slot: Int64[np.ndarray, " packets"]
    width: Int64[np.ndarray, " packets"]
    period: Int64[np.ndarray, " packets"]
    last_slot: Int64[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]
    admitted: Int64[np.ndarray, " 1"]


class Rules(NamedTuple):
    """How resources are chosen and kept; `sidelink.SidelinkParams` says more about each.

    Attributes:
        subchannels: In the channel.
        slot_us: Length of a slot.
        first_slot: First slot of the selection window (T1).
        candidate_share: Share of the resources that must remain.
        threshold_mw: Per resource element: weaker reservations do not exclude.
        ranked: 1 if the remaining resources are ranked by mean power, else 0.
        window_slots: Sensing window.
        keep_probability: Of keeping the resource when its uses run out.
        least_uses: Fewest packets of a resource.
        most_uses: Most packets of a resource.
        repetitions: Blind retransmissions.
        recheck_slots: How long before its first use a resource is re-evaluated; 0 for never.
        capacity: Packets that a station can have scheduled.
    """

    subchannels: int
    slot_us: int
    first_slot: int
    candidate_share: float
    threshold_mw: float
    ranked: int
    window_slots: int
    keep_probability: float
    least_uses: int
    most_uses: int
    repetitions: int
    recheck_slots: int
    capacity: int


class Thresholds(NamedTuple):
    """From which powers on a receiver notices, decodes and counts, and how much of other packets' power disturbs it.

    Attributes:
        noise_mw: Over the channel.
        sensitivity_mw: Weakest packet that a receiver notices.
        busy_mw: Power in a subchannel above which it counts as busy.
        control_ratio: SINR from which control information is decoded.
        overlap: Share of another packet's power in a subchannel that falls on a packet's own resource blocks.
        leak: Power into other subchannels against a subchannel's own, by how far away they are; 0 at distance 1 for none.
        resource_elements: Of a subchannel and symbol: 12 per resource block.
    """

    noise_mw: float
    sensitivity_mw: float
    busy_mw: float
    control_ratio: float
    overlap: float
    leak: Float[np.ndarray, " distances"]
    resource_elements: float


class Air(NamedTuple):
    """What is on the air in the slot at hand, and scratch.

    Attributes:
        present_mw: Power in each subchannel at each station.
        sending: Whether each station sends.
        sender: Stations that send, in order.
        entry: Row of what each of them sends.
        first_near: Where those begin in `near` that can notice each transmission.
        near: Rows of stations.
        near_mw: Received power there.
    """

    present_mw: Float[np.ndarray, "stations subchannels"]
    sending: Bool[np.ndarray, " stations"]
    sender: Int64[np.ndarray, " stations"]
    entry: Int64[np.ndarray, " stations"]
    first_near: Int64[np.ndarray, " stations_plus_1"]
    near: Int32[np.ndarray, " near"]
    near_mw: Float[np.ndarray, " near"]
