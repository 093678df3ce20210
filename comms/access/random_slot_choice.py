"""When a station sends under the access scheme `random_slot`: in a slot drawn at random.

Slots begin at whole multiples of the slot length at all stations, as if they shared a clock. A station draws each
packet's slot from those slots of the window that its own packets leave free. A station does not sense the channel
before it sends.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.comms.pairs import carried


@dataclass(frozen=True)
class Intervals:
    """Start and end of each station's packets that wait or are on the air.

    Attributes:
        count: Number of intervals of each station.
        start_us: Start of each interval, by station; the entries from `count` on are unused.
        end_us: End of each interval.
    """

    count: Int64[np.ndarray, " stations"]
    start_us: Int64[np.ndarray, "stations room"]
    end_us: Int64[np.ndarray, "stations room"]

    def of(self, row: Int64[np.ndarray, " new"]) -> "Intervals":
        """Return the intervals of another list of stations; `row` has each station's old row, or -1 for a newcomer."""
        return Intervals(carried(self.count, row, 0), carried(self.start_us, row, 0), carried(self.end_us, row, 0))

    def with_room(self, more: int) -> "Intervals":
        """Return the same intervals with room for `more` further ones of each station."""
        wanted, room = int(self.count.max(initial=0)) + more, self.start_us.shape[1]
        if wanted <= room:
            return self
        pad = ((0, 0), (0, 2 * wanted - room))
        return Intervals(self.count, np.pad(self.start_us, pad), np.pad(self.end_us, pad))

    def with_one(self, station: int, start_us: int, end_us: int) -> "Intervals":
        """Return the intervals with a further one of a station; the arrays change in place if they have room."""
        own = self.with_room(1)
        place = int(own.count[station])
        own.start_us[station, place], own.end_us[station, place] = start_us, end_us
        own.count[station] = place + 1
        return own


def no_intervals(stations: int) -> Intervals:
    """Return no interval for each station."""
    none = np.zeros((stations, 0), np.int64)
    return Intervals(np.zeros(stations, np.int64), none, none)


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


def choose_in_turn(
    own: Intervals,
    sender: Int64[np.ndarray, " packets"],
    ready_us: Int64[np.ndarray, " packets"],
    window_us: Int64[np.ndarray, " packets"],
    airtime_us: Int64[np.ndarray, " packets"],
    uniform: Float[np.ndarray, " packets"],
    slot_us: int,
    past_us: int | None = None,
) -> tuple[Intervals, Int64[np.ndarray, " packets"]]:
    """Return the start of each packet of many stations, which draw one after the other, each as in `choose_slots`.

    Args:
        own: Packets of each station that wait or are on the air; changed in place if it has room.
        sender: Row of the sending station.
        ready_us: Time at which each packet is ready.
        window_us: Length of each packet's selection window.
        airtime_us: Duration of each packet.
        uniform: One random number in [0, 1) per packet.
        slot_us: Length of a slot.
        past_us: Instant before which no further packet can begin; None if that is the time at which each is ready.

    Returns:
        The packets that wait or are on the air with the new ones among them, and the start of each new one.
    """
    own = own.with_room(int(np.bincount(sender).max(initial=0)))
    start_us: Int64[np.ndarray, " packets"] = _in_turn(
        own.count, own.start_us, own.end_us, np.ascontiguousarray(sender, np.int64),
        np.ascontiguousarray(ready_us, np.int64), np.ascontiguousarray(window_us, np.int64), airtime_us, uniform,
        int(slot_us), np.ascontiguousarray(ready_us if past_us is None else np.full(len(sender), past_us), np.int64),
    )  # fmt: skip
    return own, start_us


@njit(cache=True, nogil=True)
def _in_turn(own_count, own_start_us, own_end_us, sender, ready_us, window_us, airtime_us, uniform, slot_us, past_us):  # type: ignore[no-untyped-def]
    start_us = np.empty(len(sender), np.int64)
    for k in range(len(sender)):
        s, count = sender[k], 0
        for n in range(own_count[s]):
            # What has ended when the packet is ready cannot overlap it.
            if own_end_us[s, n] > past_us[k]:
                own_start_us[s, count], own_end_us[s, count] = own_start_us[s, n], own_end_us[s, n]
                count += 1
        busy_start_us, busy_end_us = own_start_us[s, : count + 1], own_end_us[s, : count + 1]
        # The choice appends the packet to the intervals of its station.
        start_us[k] = _chosen(
            ready_us[k], window_us[k], slot_us, airtime_us[k : k + 1], busy_start_us, busy_end_us, uniform[k : k + 1]
        )[0]
        own_count[s] = count + 1
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
