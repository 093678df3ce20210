"""The table of the pairs of stations of which one has heard the other, with the compiled loops over it.

Each station has a row of its own with the senders that it has heard; the row keeps its place while other stations come and go.
A station does not know that a sender has left: the sender stays in the row until it has been silent for long.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int16, Int32, Int64, UInt8
from numba import njit

from v2xsim.engine.stations.agent_set import grown
from v2xsim.engine.stations.contents import SEQUENCE_NUMBERS

_NOBODY = -1
_NO_SEQUENCE = -1
# The share of announcements that arrive is a mean over about the last ten. Of the first k announcements, the newest counts
# 1 / (k + 2), and the mean begins at one half: Laplace's rule of succession.
_LEAST_WEIGHT, _FIRST_SHARE, _MOST_TRIALS = 0.1, 0.5, 8


class HeardPairs(NamedTuple):
    """What each station measured on the packets of each sender that it has heard.

    Attributes:
        slot: Row of each station in the arrays below, in rising order of agent ids.
        slot_by_agent: The same by agent id; -1 for an agent that is no station now.
        filled: Number of senders in each row.
        sender: Agent ids of the senders, in rising order; the entries from `filled` on are unused.
        snr_db: Weighted mean of the SNR of the last packets.
        last_us: Time at which the last packet ended.
        share: Weighted mean share of the sender's last announcements that arrived, 0 to 1.
        trials: Number of announcements in that mean, up to 8.
        sequence: Sequence number of the last announcement that arrived; -1 for none.
    """

    slot: Int64[np.ndarray, " stations"]
    slot_by_agent: Int32[np.ndarray, " agents"]
    filled: Int64[np.ndarray, " slots"]
    sender: Int64[np.ndarray, "slots room"]
    snr_db: Float[np.ndarray, "slots room"]
    last_us: Int64[np.ndarray, "slots room"]
    share: Float32[np.ndarray, "slots room"]
    trials: UInt8[np.ndarray, "slots room"]
    sequence: Int16[np.ndarray, "slots room"]

    def slot_of(self, agent: int) -> int:
        """Return the row of a station; -1 if there is no station with this agent id."""
        return int(self.slot_by_agent[agent]) if 0 <= agent < len(self.slot_by_agent) else _NOBODY


class Measured(NamedTuple):
    """What some stations measured on the packets of those that they heard lately.

    Attributes:
        offset: Index of the first sender of each station, one more than stations.
        sender: Agent ids of the senders of each station, in rising order.
        snr_db: Mean SNR of the last packets of each sender.
        share: Share of its last announcements that arrived, 0 to 1; those that are missing now count as lost.
    """

    offset: Int64[np.ndarray, " stations_plus_1"]
    sender: Int64[np.ndarray, " heard"]
    snr_db: Float[np.ndarray, " heard"]
    share: Float[np.ndarray, " heard"]

    @staticmethod
    def nothing() -> "Measured":
        """Return the measurements of no station."""
        none = np.zeros(0)
        return Measured(np.zeros(1, np.int64), none.astype(np.int64), none, none)


class Packets(NamedTuple):
    """Packets that stations received, one row for each receiver.

    Attributes:
        receiver: Agent id of the receiver.
        sender: Agent id of the sender that it heard.
        snr_db: SNR that the receiver measured.
        time_us: Time at which the packet ended.
        sequence: Sequence number of the sender's announcement that the packet brought; -1 for another packet.
    """

    receiver: Int64[np.ndarray, " receptions"]
    sender: Int64[np.ndarray, " receptions"]
    snr_db: Float[np.ndarray, " receptions"]
    time_us: Int64[np.ndarray, " receptions"]
    sequence: Int64[np.ndarray, " receptions"]


def no_pairs() -> HeardPairs:
    """Return a table without stations."""
    none, room = np.zeros(0, np.int64), (0, 16)
    return HeardPairs(
        none, np.zeros(0, np.int32), none, np.zeros(room, np.int64), np.zeros(room), np.zeros(room, np.int64),
        np.zeros(room, np.float32), np.zeros(room, np.uint8), np.zeros(room, np.int16),
    )  # fmt: skip


def with_room(pairs: HeardPairs) -> HeardPairs:
    """Return the table with room for twice as many senders of each station."""
    wider = ((0, 0), (0, pairs.sender.shape[1]))
    return HeardPairs(*pairs[:3], *(np.pad(array, wider) for array in pairs[3:]))


def with_stations(
    pairs: HeardPairs, agent: Int64[np.ndarray, " stations"], slot: Int64[np.ndarray, " stations"],
    newcomers: Int64[np.ndarray, " newcomers"], before: Int64[np.ndarray, " before"],
) -> HeardPairs:  # fmt: skip
    """Return the table for another set of stations; newcomers have heard nobody.

    Args:
        pairs: The table for the old set of stations; its arrays may be changed.
        agent: Agent ids of the stations, in rising order.
        slot: Row of each station; the old one if the station was there before.
        newcomers: Rows of the stations that are new.
        before: Agent ids of the old set of stations.
    """
    more = int(slot.max(initial=-1)) + 1 - len(pairs.filled)
    arrays: tuple[np.ndarray, ...] = pairs[2:]
    if more > 0:
        # Grow by the missing rows and a quarter more, so that most newcomers cost no copy.
        more += len(pairs.filled) // 4
        arrays = tuple(np.concatenate([array, np.zeros((more, *array.shape[1:]), array.dtype)]) for array in arrays)
    arrays[0][newcomers] = 0
    # Changed in place: it has an entry for each agent id so far, and stations come and go at nearly every tick.
    slot_by_agent = grown(pairs.slot_by_agent, int(agent.max(initial=-1)) + 1, _NOBODY)
    slot_by_agent[before], slot_by_agent[agent] = _NOBODY, slot
    return HeardPairs(slot, slot_by_agent, *arrays)


def noted(pairs: HeardPairs, packets: Packets, done: int, forget_us: int, newest: float) -> int:
    """Enter measurements into the table, in place, and return the number of those that are entered now.

    It is smaller than the number of measurements if the row of a station has no room (`with_room`).

    Args:
        pairs: The table.
        packets: The packets, in the order of their ends.
        done: Number of packets that were entered before.
        forget_us: If the receiver had not heard the sender for longer than this, its means start again.
        newest: Weight of the newest packet in the mean SNR.
    """
    return int(_noted(*pairs[1:], *packets, done, int(forget_us), float(newest)))


def measured_by(
    pairs: HeardPairs, agents: Int64[np.ndarray, " agents"], now_us: int, forget_us: int, period_us: int
) -> Measured:
    """Return what some stations measured on the packets of those that they heard lately.

    Args:
        pairs: The table.
        agents: Agent ids of the stations.
        now_us: Present simulated time.
        forget_us: A sender that has been silent for longer than this is left out.
        period_us: Longest time between two announcements of a station: a sender that is silent for longer has lost some.
    """
    return Measured(*_measured(*pairs[1:8], agents, int(now_us), int(forget_us), int(period_us)))


@njit(cache=True, nogil=True)
def _weight(trials):  # type: ignore[no-untyped-def]
    """Return the weight of one more announcement after some number of them."""
    return max(_LEAST_WEIGHT, 1.0 / (trials + 3.0))


@njit(cache=True, nogil=True)
def _measured(  # type: ignore[no-untyped-def]
    slot_by_agent, filled, sender, snr_db, last_us, share, trials, agents, now_us, forget_us, period_us
):
    offset, most = np.zeros(len(agents) + 1, np.int64), 0
    for a in range(len(agents)):
        s = slot_by_agent[agents[a]] if 0 <= agents[a] < len(slot_by_agent) else _NOBODY
        most += filled[s] if s >= 0 else 0
    heard, mean_db, arrived, found = np.empty(most, np.int64), np.empty(most), np.empty(most), 0
    for a in range(len(agents)):
        s = slot_by_agent[agents[a]] if 0 <= agents[a] < len(slot_by_agent) else _NOBODY
        for n in range(filled[s] if s >= 0 else 0):
            silent_us = now_us - last_us[s, n]
            if silent_us > forget_us:
                continue
            heard[found], mean_db[found] = sender[s, n], snr_db[s, n]
            value, count = np.float64(share[s, n]), int(trials[s, n])
            # One announcement may be under way; each further period without one means that one was lost.
            for _ in range(silent_us // period_us - 1):
                value *= 1.0 - _weight(count)
                count += 1
            arrived[found] = value
            found += 1
        offset[a + 1] = found
    return offset, heard[:found].copy(), mean_db[:found].copy(), arrived[:found].copy()


@njit(cache=True, nogil=True)
def _copy(s, n, m, sender, snr_db, last_us, share, trials, sequence):  # type: ignore[no-untyped-def]
    """Copy the sender at one position of a row to another position."""
    sender[s, m], snr_db[s, m], last_us[s, m] = sender[s, n], snr_db[s, n], last_us[s, n]
    share[s, m], trials[s, m], sequence[s, m] = share[s, n], trials[s, n], sequence[s, n]


@njit(cache=True, nogil=True)
def _drop_silent(s, filled, sender, snr_db, last_us, share, trials, sequence, before_us):  # type: ignore[no-untyped-def]
    """Remove the senders that a row heard last before a time."""
    kept = 0
    for n in range(filled[s]):
        if last_us[s, n] >= before_us:
            if kept < n:
                _copy(s, n, kept, sender, snr_db, last_us, share, trials, sequence)
            kept += 1
    filled[s] = kept


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
def _arrived(s, n, number, share, trials, sequence):  # type: ignore[no-untyped-def]
    """Enter the arrival of an announcement, and the loss of those between it and the last one that arrived."""
    if number < 0:
        return
    value, count = np.float64(share[s, n]), int(trials[s, n])
    lost = 0 if sequence[s, n] < 0 else (number - sequence[s, n] - 1) % SEQUENCE_NUMBERS
    if lost > SEQUENCE_NUMBERS // 2:
        # An older announcement arrives after a newer one: it was counted as lost then.
        return
    for _ in range(min(int(lost), 60)):
        value *= 1.0 - _weight(count)
        count = min(_MOST_TRIALS, count + 1)
    value += _weight(count) * (1.0 - value)
    share[s, n], trials[s, n], sequence[s, n] = value, min(_MOST_TRIALS, count + 1), number


@njit(cache=True, nogil=True)
def _noted(  # type: ignore[no-untyped-def]
    slot_by_agent, filled, sender, snr_db, last_us, share, trials, sequence,
    new_receiver, new_sender, new_snr_db, new_us, new_sequence, done, forget_us, newest,
):  # fmt: skip
    agents, room = len(slot_by_agent), sender.shape[1]
    for k in range(done, len(new_receiver)):
        receiver, wanted, time_us = new_receiver[k], new_sender[k], new_us[k]
        # A packet may end after a receiver has left.
        if receiver >= agents or slot_by_agent[receiver] < 0:
            continue
        s = slot_by_agent[receiver]
        n = _place(sender, s, filled[s], wanted)
        is_new = n == filled[s] or sender[s, n] != wanted
        if is_new:
            if filled[s] == room:
                _drop_silent(s, filled, sender, snr_db, last_us, share, trials, sequence, time_us - forget_us)
                if filled[s] == room:
                    return k
                n = _place(sender, s, filled[s], wanted)
            for m in range(filled[s], n, -1):
                _copy(s, m - 1, m, sender, snr_db, last_us, share, trials, sequence)
            sender[s, n] = wanted
            filled[s] += 1
        if is_new or time_us - last_us[s, n] > forget_us:
            snr_db[s, n], share[s, n], trials[s, n], sequence[s, n] = new_snr_db[k], _FIRST_SHARE, 0, _NO_SEQUENCE
        else:
            snr_db[s, n] = (1.0 - newest) * snr_db[s, n] + newest * new_snr_db[k]
        last_us[s, n] = time_us
        _arrived(s, n, new_sequence[k], share, trials, sequence)
    return len(new_receiver)
