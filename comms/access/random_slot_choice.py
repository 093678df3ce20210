"""When a station sends under the access scheme `random_slot`: in a slot drawn at random.

Slots begin at whole multiples of the slot length at all stations, as if they shared a clock. A station draws each
packet's slot from those slots of the window that its own packets leave free. A station does not sense the channel
before it sends.
"""

import numpy as np
from jaxtyping import Float, Int64
from numba import njit


def choose_slots(
    now_us: int,
    window_us: int,
    slot_us: int,
    airtime_us: Int64[np.ndarray, " packets"],
    own_start_us: Int64[np.ndarray, " own"],
    own_end_us: Int64[np.ndarray, " own"],
    uniform: Float[np.ndarray, " packets"],
) -> Int64[np.ndarray, " packets"]:
    """Return the start time of each packet of one station.

    Each start is a slot boundary within [now, now + window). A packet longer than a slot also takes the slots that
    follow, and may end after the window. No two packets of the station overlap. A packet that finds no free slot in the
    window starts at the first boundary after the window where it fits.

    Args:
        now_us: Time at which the packets are ready.
        window_us: Length of the selection window.
        slot_us: Length of a slot.
        airtime_us: Duration of each packet, in the order in which the packets draw.
        own_start_us: Start times of this station's packets that wait or are on the air.
        own_end_us: End times of this station's packets that wait or are on the air.
        uniform: One random number in [0, 1) per packet.
    """
    start_us: Int64[np.ndarray, " packets"] = _chosen(
        int(now_us), int(window_us), int(slot_us), np.ascontiguousarray(airtime_us, np.int64),
        np.concatenate([own_start_us, np.zeros(len(airtime_us), np.int64)]),
        np.concatenate([own_end_us, np.zeros(len(airtime_us), np.int64)]),
        np.ascontiguousarray(uniform, np.float64),
    )  # fmt: skip
    return start_us


@njit(cache=True, nogil=True)
def _blocked_until(start_us, end_us, busy_start_us, busy_end_us, count):  # type: ignore[no-untyped-def]
    """Return the latest end of the station's own packets that overlap an interval; -1 if none does."""
    until = -1
    for k in range(count):
        if busy_start_us[k] < end_us and start_us < busy_end_us[k]:
            until = max(until, busy_end_us[k])
    return until


@njit(cache=True, nogil=True)
def _chosen(now_us, window_us, slot_us, airtime_us, busy_start_us, busy_end_us, uniform):  # type: ignore[no-untyped-def]
    packets = len(airtime_us)
    busy = len(busy_start_us) - packets
    first = -(-now_us // slot_us) * slot_us
    end = now_us + window_us
    start_us = np.empty(packets, np.int64)
    # Start of the last packet that found no room in the window: no packet of that length fits before it.
    behind_us = max(first, -(-end // slot_us) * slot_us)
    behind_airtime_us = 0
    for p in range(packets):
        free = 0
        for s in range(first, end, slot_us):
            if _blocked_until(s, s + airtime_us[p], busy_start_us, busy_end_us, busy) < 0:
                free += 1
        if free > 0:
            wanted = min(int(uniform[p] * free), free - 1)
            for s in range(first, end, slot_us):
                if _blocked_until(s, s + airtime_us[p], busy_start_us, busy_end_us, busy) < 0:
                    if wanted == 0:
                        start_us[p] = s
                        break
                    wanted -= 1
        else:
            s = behind_us
            if airtime_us[p] < behind_airtime_us:
                s = max(first, -(-end // slot_us) * slot_us)
            until = _blocked_until(s, s + airtime_us[p], busy_start_us, busy_end_us, busy)
            while until >= 0:
                s = -(-until // slot_us) * slot_us
                until = _blocked_until(s, s + airtime_us[p], busy_start_us, busy_end_us, busy)
            start_us[p] = s
            behind_us = s
            behind_airtime_us = airtime_us[p]
        busy_start_us[busy] = start_us[p]
        busy_end_us[busy] = start_us[p] + airtime_us[p]
        busy += 1
    return start_us
