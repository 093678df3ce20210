"""The table of the pairs of stations of which one has heard the other, with the compiled loops over it.

Each station has a row of its own with the senders that it has heard; the row keeps its place while other stations come and go.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64
from numba import njit

from v2xsim.engine.stations.agent_set import grown

_NOBODY = -1


class HeardPairs(NamedTuple):
    """What each station measured on the packets of each sender that it has heard.

    Attributes:
        slot: Row of each station in the arrays below, in rising order of agent ids.
        slot_by_agent: The same by agent id; -1 for an agent that is no station now.
        filled: Number of senders in each row.
        sender: Agent ids of the senders, in rising order; the entries from `filled` on are unused.
        snr_db: Weighted mean of the SNR of the last packets.
        last_us: Time at which the last packet ended.
    """

    slot: Int64[np.ndarray, " stations"]
    slot_by_agent: Int32[np.ndarray, " agents"]
    filled: Int64[np.ndarray, " slots"]
    sender: Int64[np.ndarray, "slots room"]
    snr_db: Float[np.ndarray, "slots room"]
    last_us: Int64[np.ndarray, "slots room"]

    def slot_of(self, agent: int) -> int:
        """Return the row of a station; -1 if there is no station with this agent id."""
        return int(self.slot_by_agent[agent]) if 0 <= agent < len(self.slot_by_agent) else _NOBODY


def no_pairs() -> HeardPairs:
    """Return a table without stations."""
    none = np.zeros((0, 16), np.int64)
    return HeardPairs(none[:, 0], np.zeros(0, np.int32), none[:, 0], none, np.zeros((0, 16)), none)


def with_room(pairs: HeardPairs) -> HeardPairs:
    """Return the table with room for twice as many senders of each station."""
    wider = ((0, 0), (0, pairs.sender.shape[1]))
    return pairs._replace(
        sender=np.pad(pairs.sender, wider), snr_db=np.pad(pairs.snr_db, wider), last_us=np.pad(pairs.last_us, wider)
    )


def without_gone(
    pairs: HeardPairs, agent: Int64[np.ndarray, " stations"], slot: Int64[np.ndarray, " stations"],
    newcomers: Int64[np.ndarray, " newcomers"], before: Int64[np.ndarray, " before"],
) -> HeardPairs:  # fmt: skip
    """Return the table for another set of stations: newcomers have heard nobody, and those that left are forgotten.

    Args:
        pairs: The table for the old set of stations; its arrays may be changed.
        agent: Agent ids of the stations, in rising order.
        slot: Row of each station; the old one if the station was there before.
        newcomers: Rows of the stations that are new.
        before: Agent ids of the old set of stations.
    """
    more = int(slot.max(initial=-1)) + 1 - len(pairs.filled)
    count, sender, snr_db, last_us = pairs[2:]
    if more > 0:
        # Grow by the missing rows and a quarter more, so that most newcomers cost no copy.
        more += len(count) // 4
        count, sender, snr_db, last_us = (
            np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)]) for array in pairs[2:]
        )
    count[newcomers] = 0
    # Changed in place: it has an entry for each agent id so far, and stations come and go at nearly every tick.
    slot_by_agent = grown(pairs.slot_by_agent, int(agent.max(initial=-1)) + 1, _NOBODY)
    slot_by_agent[before], slot_by_agent[agent] = _NOBODY, slot
    _drop_gone(slot, slot_by_agent, count, sender, snr_db, last_us)
    return HeardPairs(slot, slot_by_agent, count, sender, snr_db, last_us)


def noted(
    pairs: HeardPairs, receiver: Int64[np.ndarray, " receptions"], sender: Int64[np.ndarray, " receptions"],
    snr_db: Float[np.ndarray, " receptions"], time_us: Int64[np.ndarray, " receptions"], done: int, forget_us: int,
    newest: float,
) -> int:  # fmt: skip
    """Enter measurements into the table, in place, and return the number of those that are entered now.

    It is smaller than the number of measurements if the row of a station has no room (`with_room`).

    Args:
        pairs: The table.
        receiver: Agent id of each receiver.
        sender: Agent id of the sender that it heard.
        snr_db: SNR that the receiver measured.
        time_us: Time at which the packet ended.
        done: Number of measurements that were entered before.
        forget_us: If the receiver had not heard the sender for longer than this, its mean starts again.
        newest: Weight of the newest packet in the mean.
    """
    entered = _noted(
        pairs.slot_by_agent, pairs.filled, pairs.sender, pairs.snr_db, pairs.last_us, receiver, sender, snr_db, time_us,
        done, int(forget_us), float(newest),
    )  # fmt: skip
    return int(entered)


def links_of(
    pairs: HeardPairs, ends: Bool[np.ndarray, " stations"], now_us: int, forget_us: int
) -> tuple[Int64[np.ndarray, " stations_plus_1"], Int32[np.ndarray, " links"], Float[np.ndarray, " links"]]:  # fmt: skip
    """Return the links of some stations with those that they heard lately or that heard them.

    Args:
        pairs: The table.
        ends: Stations whose links are listed.
        now_us: Present simulated time.
        forget_us: Time for which a sender counts as heard lately.

    Returns:
        Index of the first link of each station, row of the other end of each link in rising order, and the larger of the mean
        SNRs that the two ends measured.
    """
    row_by_slot = np.full(len(pairs.filled), _NOBODY, np.int32)
    row_by_slot[pairs.slot] = np.arange(len(pairs.slot))
    found: tuple[np.ndarray, np.ndarray, np.ndarray] = _links(
        pairs.slot,
        pairs.slot_by_agent,
        row_by_slot,
        pairs.filled,
        pairs.sender,
        pairs.snr_db,
        pairs.last_us,
        ends,
        int(now_us - forget_us),
    )
    return found


def heard_since(
    pairs: HeardPairs, agents: Int64[np.ndarray, " agents"], since_us: int
) -> tuple[Int64[np.ndarray, " agents_plus_1"], Int64[np.ndarray, " heard"]]:
    """Return the senders that each of some stations has heard since a time, in rising order of their agent ids.

    Returns:
        Index of the first sender of each station, one more than stations, and the agent ids of the senders.
    """
    found: tuple[np.ndarray, np.ndarray] = _heard_since(
        pairs.slot_by_agent, pairs.filled, pairs.sender, pairs.last_us, agents, int(since_us)
    )
    return found


@njit(cache=True, nogil=True)
def _heard_since(slot_by_agent, count, sender, last_us, agents, since_us):  # type: ignore[no-untyped-def]
    offset, most = np.zeros(len(agents) + 1, np.int64), 0
    for a in range(len(agents)):
        s = slot_by_agent[agents[a]] if agents[a] < len(slot_by_agent) else _NOBODY
        most += count[s] if s >= 0 else 0
    heard, found = np.empty(most, np.int64), 0
    for a in range(len(agents)):
        s = slot_by_agent[agents[a]] if agents[a] < len(slot_by_agent) else _NOBODY
        for n in range(count[s] if s >= 0 else 0):
            heard[found] = sender[s, n]
            found += last_us[s, n] >= since_us
        offset[a + 1] = found
    return offset, heard[:found]


@njit(cache=True, nogil=True)
def _drop_gone(slots, slot_by_agent, count, sender, snr_db, last_us):  # type: ignore[no-untyped-def]
    """Remove the senders that are no stations any more from all rows."""
    for s in slots:
        kept = 0
        for n in range(count[s]):
            if slot_by_agent[sender[s, n]] < 0:
                continue
            if kept < n:
                sender[s, kept], snr_db[s, kept], last_us[s, kept] = sender[s, n], snr_db[s, n], last_us[s, n]
            kept += 1
        count[s] = kept


@njit(cache=True, nogil=True)
def _drop_silent(s, count, sender, snr_db, last_us, before_us):  # type: ignore[no-untyped-def]
    """Remove the senders that a row heard last before a time."""
    kept = 0
    for n in range(count[s]):
        if last_us[s, n] >= before_us:
            sender[s, kept], snr_db[s, kept], last_us[s, kept] = sender[s, n], snr_db[s, n], last_us[s, n]
            kept += 1
    count[s] = kept


@njit(cache=True, nogil=True)
def _place(sender, s, count, wanted):  # type: ignore[no-untyped-def]
    """Return the position of a sender in a row, or the one where it belongs."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if sender[s, middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def _noted(  # type: ignore[no-untyped-def]
    slot_by_agent, count, sender, snr_db, last_us, new_receiver, new_sender, new_snr_db, new_us, done, forget_us, newest
):  # fmt: skip
    agents, room = len(slot_by_agent), sender.shape[1]
    for k in range(done, len(new_receiver)):
        receiver, wanted, time_us = new_receiver[k], new_sender[k], new_us[k]
        # A packet may end after its sender or a receiver has left.
        if receiver >= agents or wanted >= agents or slot_by_agent[receiver] < 0 or slot_by_agent[wanted] < 0:
            continue
        s = slot_by_agent[receiver]
        n = _place(sender, s, count[s], wanted)
        if n == count[s] or sender[s, n] != wanted:
            if count[s] == room:
                _drop_silent(s, count, sender, snr_db, last_us, time_us - forget_us)
                if count[s] == room:
                    return k
                n = _place(sender, s, count[s], wanted)
            for m in range(count[s], n, -1):
                sender[s, m], snr_db[s, m], last_us[s, m] = sender[s, m - 1], snr_db[s, m - 1], last_us[s, m - 1]
            sender[s, n], snr_db[s, n], last_us[s, n] = wanted, new_snr_db[k], time_us
            count[s] += 1
            continue
        starts_again = time_us - last_us[s, n] > forget_us
        snr_db[s, n] = new_snr_db[k] if starts_again else (1.0 - newest) * snr_db[s, n] + newest * new_snr_db[k]
        last_us[s, n] = time_us
    return len(new_receiver)


@njit(cache=True, nogil=True)
def _links(slot, slot_by_agent, row_by_slot, count, sender, snr_db, last_us, ends, since_us):  # type: ignore[no-untyped-def]
    """Return the links of the stations in `ends`, measured at one of their ends since a time."""
    stations = len(slot)
    # Two lists for each end: the senders that it heard, and the receivers that heard it; both in rising order.
    heard, heard_by = np.zeros(stations, np.int64), np.zeros(stations, np.int64)
    for r in range(stations):
        for n in range(count[slot[r]]):
            if last_us[slot[r], n] >= since_us:
                s = row_by_slot[slot_by_agent[sender[slot[r], n]]]
                heard[r] += ends[r]
                heard_by[s] += ends[s]
    begin = np.zeros(stations + 1, np.int64)
    for r in range(stations):
        begin[r + 1] = begin[r] + heard[r] + heard_by[r]
    other, level_db = np.empty(begin[stations], np.int32), np.empty(begin[stations])
    at, at_by = begin[:stations].copy(), begin[:stations] + heard
    for r in range(stations):
        for n in range(count[slot[r]]):
            if last_us[slot[r], n] < since_us:
                continue
            s = row_by_slot[slot_by_agent[sender[slot[r], n]]]
            if ends[r]:
                other[at[r]], level_db[at[r]] = s, snr_db[slot[r], n]
                at[r] += 1
            if ends[s]:
                other[at_by[s]], level_db[at_by[s]] = r, snr_db[slot[r], n]
                at_by[s] += 1
    return _merged(begin, heard, other, level_db)


@njit(cache=True, nogil=True)
def _merged(begin, heard, other, level_db):  # type: ignore[no-untyped-def]
    """Return the union of both lists of each station; of two levels of one link, the larger."""
    stations = len(heard)
    offset, merged, merged_db = np.zeros(stations + 1, np.int64), np.empty(len(other), np.int32), np.empty(len(other))
    m = 0
    for r in range(stations):
        i, j, i_end, j_end = begin[r], begin[r] + heard[r], begin[r] + heard[r], begin[r + 1]
        while i < i_end or j < j_end:
            if j == j_end or (i < i_end and other[i] < other[j]):
                merged[m], merged_db[m] = other[i], level_db[i]
                i += 1
            elif i == i_end or other[j] < other[i]:
                merged[m], merged_db[m] = other[j], level_db[j]
                j += 1
            else:
                merged[m], merged_db[m] = other[i], max(level_db[i], level_db[j])
                i += 1
                j += 1
            m += 1
        offset[r + 1] = m
    return offset, merged[:m].copy(), merged_db[:m].copy()
