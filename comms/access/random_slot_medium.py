"""The radio medium that all stations share: which station receives each packet, and the cause of each loss.

One compiled call advances the medium to an instant. For every transmission that has ended by then, it decides the
outcome at every receiver, with the interference of all transmissions that overlapped it. While the received powers stay
the same, one long call gives the same result as several short ones.

Each pair of packet and receiver has one outcome, the first in this list that applies:

1. Half duplex: the receiver transmits during any part of the packet.
2. Sensing: the packet is weaker than the sensitivity.
3. Receiver busy: when the packet began, the receiver was locked on another packet. A receiver that neither transmits nor
   is locked locks on the strongest packet that begins, if this is above the sensitivity. A locked receiver stays so
   until the packet ends or the receiver itself transmits, and does not change to a stronger packet that begins later.
4. Propagation: the packet is lost with the probability that the error curve gives for its SNR.
5. Collision: the packet is lost with the probability that the error curve gives for its SINR, with the mean
   interference over the packet's duration.
6. Delivered.

The order is that of Sepulcre et al., IEEE TVT 2022 (802.11p), with half duplex first as in Gonzalez-Martin et al., IEEE
TVT 2019 (C-V2X). Steps 4 and 5 use the same uniform random number for one packet and receiver. The number is a hash of
the keys of packet and receiver, so that an additional station does not change the numbers of the others.

The received power of a packet is taken from the call during which the packet began, and stays constant until its end.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.acknowledged import ACK, parts_of
from v2xsim.comms.access.packets import Field, Receptions
from v2xsim.comms.access.random_slot_air import (
    END_US,
    KEY,
    PACKET,
    SENDER,
    START_US,
    TARGET,
    Arrivals,
    Levels,
    MediumState,
    advanced,
)
from v2xsim.comms.phy.error_rate import ebn0_over_sinr_db, error_curve
from v2xsim.comms.phy.noise import Receiver


@dataclass(frozen=True)
class Transmissions:
    """Packets on the air or waiting for their start.

    Attributes:
        packet: Number that the caller gave each packet; its receptions carry it.
        sender: Row of the sending station; -1 for one that has left.
        target: Row of the station that the packet is addressed to; -1 for a broadcast. The addressed station gets an
            outcome even if the packet is too weak to be detected.
        start_us: Time at which the packet begins.
        end_us: Time at which the packet has ended; at least start_us + 1.
        mcs: Index of the modulation and coding scheme, 0 to 7.
        key: Random key of each packet; all keys differ. Packets with equal start times are sorted by their keys.
    """

    packet: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]
    start_us: Int64[np.ndarray, " packets"]
    end_us: Int64[np.ndarray, " packets"]
    mcs: Int64[np.ndarray, " packets"]
    key: UInt64[np.ndarray, " packets"]

    def __len__(self) -> int:
        return len(self.packet)

    def __getitem__(self, rows: np.ndarray | slice) -> "Transmissions":
        return Transmissions(
            self.packet[rows], self.sender[rows], self.target[rows], self.start_us[rows], self.end_us[rows],
            self.mcs[rows], self.key[rows],
        )  # fmt: skip

    def table(self) -> Int64[np.ndarray, "7 packets"]:
        """Return the transmissions as the columns of one table (`v2xsim.comms.access.random_slot_air`)."""
        return np.array([
            self.packet, self.sender, self.target, self.start_us, self.end_us, self.mcs, self.key.view(np.int64),
        ], np.int64)  # fmt: skip


def silent(stations: int, time_us: int = 0) -> MediumState:
    """Return a medium without any transmission."""
    nothing = Arrivals(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.bool_))
    none, never = np.zeros((7, 0), np.int64), np.zeros(stations, np.int64)
    return MediumState(time_us, none, nothing, none, never, never.copy())


def levels_of(receiver: Receiver, bandwidth_mhz: int) -> Levels:
    """Return the levels of every receiver on a channel.

    Args:
        receiver: Noise, sensitivity and thresholds.
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.
    """
    return Levels(
        float(receiver.noise_mw), float(10.0 * np.log10(receiver.noise_mw)), float(receiver.sensitivity_mw),
        float(receiver.busy_mw), float(receiver.report_mw), ebn0_over_sinr_db(bandwidth_mhz), *error_curve(),
    )  # fmt: skip


def with_waiting(state: MediumState, new: Transmissions) -> MediumState:
    """Return the medium with more transmissions that wait.

    Args:
        state: State of the medium.
        new: Transmissions that begin at state.time_us or later, in any order.
    """
    if len(new) == 0:
        return state
    if new.start_us.min() < state.time_us or (new.end_us <= new.start_us).any():
        raise ValueError(
            f"transmissions must begin at {state.time_us} us or later and last at least 1 us; "
            f"got starts from {new.start_us.min()} us, shortest {(new.end_us - new.start_us).min()} us"
        )
    both = np.concatenate([state.waiting, new.table()], axis=1)
    order = np.lexsort((both[KEY].view(np.uint64), both[START_US]))
    return state._replace(waiting=np.ascontiguousarray(both[:, order]))


def advance(
    state: MediumState, until_us: int, field: Field, station_key: UInt64[np.ndarray, " stations"], levels: Levels,
    is_coded: bool = False,
) -> tuple[MediumState, Receptions, Int64[np.ndarray, " stations"]]:  # fmt: skip
    """Return the medium at a later instant, the outcomes of all packets that have ended by then, and busy times.

    Args:
        state: State of the medium that the previous call returned.
        until_us: Instant up to which to advance; packets that end exactly then are included.
        field: The links of every sender and their received powers, which apply to the packets that begin during this call.
        station_key: Random key of each station.
        levels: Noise, sensitivity and thresholds of every receiver.
        is_coded: Whether the numbers of transmissions are codes (`v2xsim.comms.access.acknowledged`), of which the receptions
            have the parts.

    Returns:
        The medium, the receptions, and each station's busy time since state.time_us: the time during which it
        transmitted or its total received power was above the busy threshold.
    """
    waiting = state.waiting
    if state.started.shape[1] == 0 and (waiting.shape[1] == 0 or waiting[START_US, 0] >= until_us):
        return state._replace(time_us=until_us), Receptions.none(), np.zeros(len(state.locked_until_us), np.int64)
    after, outcomes, busy_us = advanced(state, until_us, field.rows, station_key, levels)
    ended, number = outcomes.ended, outcomes.ended[PACKET]
    repeat, is_ack = np.zeros(len(number), np.int64), np.zeros(len(number), np.bool_)
    if is_coded:
        number, repeat, kind = parts_of(number)
        is_ack = kind == ACK
    receptions = Receptions(
        number, ended[SENDER], ended[START_US], ended[END_US], outcomes.noise_dbm, outcomes.offset,
        outcomes.station, outcomes.cause, outcomes.power_dbm, outcomes.sinr_db, repeat, is_ack,
    )  # fmt: skip
    return after, receptions, busy_us


def reindexed(state: MediumState, row: Int64[np.ndarray, " new"]) -> MediumState:
    """Return the medium for another list of stations.

    A packet that a station was sending when it left stays on the air until its end, with sender -1; its waiting packets
    are dropped. A newcomer does not receive packets that began before it came.

    Args:
        state: State of the medium for the old list of stations.
        row: Old row of each new station; -1 for newcomers (`pairs.kept_rows`).
    """
    old = len(state.locked_until_us)
    new_row = np.full(old + 1, -1, np.int64)
    known = np.flatnonzero(row >= 0)
    new_row[row[known]] = known

    def moved(table: Int64[np.ndarray, "7 packets"]) -> Int64[np.ndarray, "7 packets"]:
        of_stations = table.copy()
        of_stations[SENDER], of_stations[TARGET] = new_row[table[SENDER]], new_row[table[TARGET]]
        return of_stations

    waiting = moved(state.waiting)
    return MediumState(
        state.time_us, moved(state.started), _moved(state.arrivals, new_row),
        np.ascontiguousarray(waiting[:, waiting[SENDER] >= 0]),
        np.where(row >= 0, state.locked_until_us[row] if old else 0, 0).astype(np.int64),
        np.where(row >= 0, state.sending_until_us[row] if old else 0, 0).astype(np.int64),
    )  # fmt: skip


def _moved(arrivals: Arrivals, new_row: Int64[np.ndarray, " old_plus_1"]) -> Arrivals:
    """Return the arrivals at another list of stations; those at stations that left are dropped."""
    packet, station = (
        np.repeat(np.arange(len(arrivals.offset) - 1), np.diff(arrivals.offset)),
        new_row[arrivals.station],
    )
    # Stations may have changed their order, too.
    order = np.lexsort((station, packet))
    order = order[station[order] >= 0]
    count = np.bincount(packet[order], minlength=len(arrivals.offset) - 1)
    offset = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return Arrivals(offset, station[order].astype(np.int32), arrivals.power_mw[order], arrivals.caught[order])
