"""Tables of the compiled slot loop of sensing-based sidelink: scheduled transmissions, stations' memories, and rules.

Each call of `run_slots` passes the tables to numba as named tuples, which takes about 1 us per tuple. Nested tuples and
bools are avoided because numba has no fast path for them: they would take three to five times as long.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int16, Int32, Int64, UInt64

# Number of slots that a station remembers. It must be at least the sensing window, which is 1,000 ms in TS 36.213,
# 14.1.1.6, and at most 1,100 ms in TS 38.214, 8.1.4.
MEMORY = 1100
NONE = -1

# Columns of a scheduled transmission.
(
    NUMBER,  # code of the transmission (`acknowledged.code_of`)
    TARGET,  # row of the station that the packet is addressed to
    SLOT,  # slot in which it is sent
    SUBCHANNEL,  # first subchannel
    WIDTH,  # number of subchannels
    PERIOD,  # period that it announces, in slots; 0 for none
    LEFT,  # number of transmissions of the packet that follow
    SETTLED,  # 1 if its resource was announced before or changed already, so that it is not re-evaluated
    USED,  # 1 if the row holds a transmission
    SENDER,  # row of the station that sends it
    RETRIES,  # how often the packet may be sent again if it is not acknowledged
    ARRIVED,  # 1 if the target received the packet when it was last sent
    LAST_SLOT,  # last slot of the selection window for sending it again, counted from the feedback
    ENTRY_COLUMNS,
) = range(14)
# Columns of a station. A grant is the resource that its stream of packets keeps.
(
    GRANT_SLOT,  # slot of its last use
    GRANT_SUBCHANNEL,  # first subchannel
    GRANT_WIDTH,  # number of subchannels
    GRANT_PERIOD,  # period of the stream in slots
    GRANT_LEFT,  # number of remaining uses
    SENT_SLOT,  # slot of the station's last transmission
    PENDING,  # number of packets scheduled
    STATION_COLUMNS,
) = range(8)
# Kinds of events, in the order in which they happen within a slot. A replaced transmission stays in the heap but has no
# effect.
FEEDBACK, REEVALUATE, SEND, REPLACED = range(4)


class Schedule(NamedTuple):
    """Scheduled transmissions of all stations.

    Attributes:
        station: State of each station, one row per station; the columns begin with GRANT_SLOT.
        station_key: Random key of each station.
        entry: Scheduled transmissions, one per row; the columns begin with NUMBER.
        entry_key: Random key of the packet of each scheduled transmission.
        free_row: Row from which the search for a free row starts.
    """

    station: Int64[np.ndarray, "stations 7"]
    station_key: UInt64[np.ndarray, " stations"]
    entry: Int64[np.ndarray, "entries 13"]
    entry_key: UInt64[np.ndarray, " entries"]
    free_row: Int64[np.ndarray, " 1"]


class Senses(NamedTuple):
    """What all stations remember of past slots: received power, reservations, and their own transmissions.

    A slot has the row `slot % MEMORY`, and each station has a column of its own.

    Attributes:
        column: Column of each station in the arrays below.
        rssi_mw: Received power in each subchannel, by slot row and column.
        rsrp_mw: Received power per resource element of the reservation decoded in each subchannel.
        reserved: Period in slots that the reservation announced; 0 where none was decoded.
        sent_slot: Slot in which the station last sent, by column and slot row.
        next_row_slot: First slot whose row has not been cleared yet.
        longest_period: Longest period announced so far by any station, in slots.
        decoded_number: Code of the last packet decoded, plus 1, by column of the sender and of the receiver; empty
            without repetitions.
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
    """Packets that become ready, sorted by the slot in which they do.

    Attributes:
        number: Code of each packet (`acknowledged.code_of`).
        sender: Row of the sending station.
        target: Row of the station that the packet is addressed to; -1 for a broadcast.
        slot: Slot in which each packet is ready.
        width: Number of subchannels that the packet takes.
        period: Period of the packet's stream in slots; 0 for a single packet.
        last_slot: Last slot of the selection window, counted from the slot in which the packet is ready (T2).
        key: Random key of each packet.
        retries: How often each packet may be sent again if it is not acknowledged.
        admitted: Number of packets scheduled or dropped so far, from the start of the list.
    """

    number: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    slot: Int64[np.ndarray, " packets"]
    width: Int64[np.ndarray, " packets"]
    period: Int64[np.ndarray, " packets"]
    last_slot: Int64[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]
    retries: Int64[np.ndarray, " packets"]
    admitted: Int64[np.ndarray, " 1"]


class Rules(NamedTuple):
    """Rules for choosing and keeping resources, each described in `sidelink.SidelinkParams`.

    Attributes:
        subchannels: Number of subchannels in the channel.
        slot_us: Length of a slot.
        first_slot: First slot of the selection window, counted from the slot in which the packet is ready (T1).
        candidate_share: Least share of the resources that must remain after exclusion, 0 to 1.
        threshold_mw: First exclusion threshold, per resource element; a weaker reservation does not exclude a resource.
        ranked: 1 if the remaining resources are ranked by mean power, else 0.
        window_slots: Length of the sensing window in slots.
        keep_probability: Probability that a stream keeps its resource when its uses run out, 0 to 1.
        least_uses: Smallest number of packets for which a resource is kept.
        most_uses: Largest number of packets for which a resource is kept.
        repetitions: Largest number of blind retransmissions of each packet; fewer are sent if too few slots are free.
        recheck_slots: How many slots before its first use a resource is checked again; 0 for never.
        capacity: Largest number of packets that a station can have scheduled.
        feedback_period: Number of slots from one with a feedback channel to the next; 0 without feedback.
        feedback_gap: Smallest number of slots from a packet to its feedback.
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
    feedback_period: int
    feedback_gap: int


class Thresholds(NamedTuple):
    """Powers above which a receiver detects, decodes and counts as busy, and shares of other packets' power that disturb it.

    Attributes:
        noise_mw: Noise power over the whole channel.
        sensitivity_mw: Power of the weakest packet that a receiver detects.
        busy_mw: Power in a subchannel above which the subchannel counts as busy.
        control_ratio: Least SINR at which control information is decoded, as a ratio.
        overlap: Share of another packet's power in a subchannel that falls on a packet's own resource blocks, 0 to 1.
        leak: Power that leaks into a subchannel at each distance, relative to the packet's own subchannel; 0 at
            distance 1 means no leakage.
        resource_elements: Number of resource elements per subchannel and symbol: 12 per resource block.
        feedback_mw: Least power at which feedback is decoded.
        feedback_noise_dbm: Noise power in dBm over the resource block of one feedback.
    """

    noise_mw: float
    sensitivity_mw: float
    busy_mw: float
    control_ratio: float
    overlap: float
    leak: Float[np.ndarray, " distances"]
    resource_elements: float
    feedback_mw: float
    feedback_noise_dbm: float


class Air(NamedTuple):
    """Transmissions and received powers in the current slot, with working space.

    Attributes:
        present_mw: Total received power, by station and subchannel.
        sending: Whether each station sends in the slot.
        sender: Rows of the stations that send, in the order of their events.
        entry: Row in the schedule of each sender's transmission.
        first_near: Index in `near` of the first station that may detect each transmission.
        near: Rows of the stations that may detect a transmission.
        near_mw: Received power of the transmission at each station of `near`.
    """

    present_mw: Float[np.ndarray, "stations subchannels"]
    sending: Bool[np.ndarray, " stations"]
    sender: Int64[np.ndarray, " stations"]
    entry: Int64[np.ndarray, " stations"]
    first_near: Int64[np.ndarray, " stations_plus_1"]
    near: Int32[np.ndarray, " near"]
    near_mw: Float[np.ndarray, " near"]
