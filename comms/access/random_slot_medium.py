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

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64, UInt64

from v2xsim.comms.access.packets import Field, Receptions
from v2xsim.comms.access.random_slot_air import Arrivals, Levels, OnAir, arrivals_from, of_packets, settled, with_more
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

    @staticmethod
    def none() -> "Transmissions":
        """Return an empty set of transmissions."""
        empty = np.zeros(0, np.int64)
        return Transmissions(empty, empty, empty, empty, empty, empty, np.zeros(0, np.uint64))


_NO_ARRIVALS = Arrivals(np.zeros(1, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.bool_))


@dataclass(frozen=True)
class MediumState:
    """State of the medium between two calls of `advance`.

    Attributes:
        time_us: Instant up to which the medium has been advanced.
        started: Transmissions that began before time_us and either have not ended or overlap one that has not ended;
            sorted by start, then key.
        arrivals: The stations that each started transmission reaches, and whether each of them locked on it when it began.
        waiting: Transmissions that begin at time_us or later; sorted by start, then key.
        locked_until_us: Time until which each station is locked on a packet.
        sending_until_us: Time until which each station transmits, counting only transmissions that have begun.
    """

    time_us: int
    started: Transmissions
    arrivals: Arrivals
    waiting: Transmissions
    locked_until_us: Int64[np.ndarray, " stations"]
    sending_until_us: Int64[np.ndarray, " stations"]


def silent(stations: int, time_us: int = 0) -> MediumState:
    """Return a medium without any transmission."""
    none = Transmissions.none()
    never = np.zeros(stations, np.int64)
    return MediumState(time_us, none, _NO_ARRIVALS, none, never, never.copy())


def advance(
    state: MediumState,
    new: Transmissions,
    until_us: int,
    field: Field,
    station_key: UInt64[np.ndarray, " stations"],
    receiver: Receiver,
    bandwidth_mhz: int,
) -> tuple[MediumState, Receptions, Int64[np.ndarray, " stations"]]:
    """Return the medium at a later instant, the outcomes of all packets that have ended by then, and busy times.

    Args:
        state: State of the medium that the previous call returned.
        new: Transmissions that begin at state.time_us or later, in any order.
        until_us: Instant up to which to advance; packets that end exactly then are included.
        field: The links of every sender and their received powers, which apply to the packets that begin during this call.
        station_key: Random key of each station.
        receiver: Noise, sensitivity and thresholds of every receiver.
        bandwidth_mhz: Bandwidth of the channel: 10, 20 or 40.

    Returns:
        The medium, the receptions, and each station's busy time since state.time_us: the time during which it
        transmitted or its total received power was above the busy threshold.
    """
    if len(new):
        if new.start_us.min() < state.time_us or (new.end_us <= new.start_us).any():
            raise ValueError(
                f"transmissions must begin at {state.time_us} us or later and last at least 1 us; "
                f"got starts from {new.start_us.min()} us, shortest {(new.end_us - new.start_us).min()} us"
            )
        waiting = _merged(state.waiting, new)
    else:
        waiting = state.waiting
    begun = int(np.searchsorted(waiting.start_us, until_us, side="left"))
    if begun == 0 and len(state.started) == 0:
        idle = replace(state, time_us=until_us, waiting=waiting)
        return idle, Receptions.none(), np.zeros(len(state.locked_until_us), np.int64)
    started, arrivals = state.started, state.arrivals
    if begun:
        started = _joined(started, waiting[:begun])
        arrivals = _with_more(arrivals, waiting[:begun], field)
    ended = np.flatnonzero((started.end_us > state.time_us) & (started.end_us <= until_us))
    ended = ended[np.argsort(started.end_us[ended], kind="stable")]
    air = OnAir(
        started.sender, started.target, started.start_us, started.end_us, ebn0_over_sinr_db(bandwidth_mhz)[started.mcs],
        started.key,
    )  # fmt: skip
    locked_us, sending_us = state.locked_until_us.copy(), state.sending_until_us.copy()
    levels = Levels(
        float(receiver.noise_mw), float(receiver.sensitivity_mw), float(receiver.busy_mw), float(receiver.report_mw)
    )
    outcomes, busy_us = settled(
        air, arrivals, len(state.started), locked_us, sending_us, ended, int(state.time_us), int(until_us), station_key, levels,
        *error_curve(),
    )  # fmt: skip
    # Keep the transmissions still on the air, and those that overlap them.
    lasting = started.end_us > until_us
    kept = started.end_us > (started.start_us[lasting].min() if lasting.any() else until_us)
    later = waiting[begun:] if begun else waiting
    after = MediumState(until_us, started[kept], of_packets(arrivals, kept), later, locked_us, sending_us)
    receptions = Receptions(
        started.packet[ended], started.sender[ended], started.start_us[ended], started.end_us[ended],
        np.full(len(ended), 10.0 * np.log10(receiver.noise_mw)),
        np.concatenate([[0], np.cumsum(outcomes.receptions)]).astype(np.int64), outcomes.station, outcomes.cause,
        outcomes.power_dbm.astype(np.float32), outcomes.sinr_db.astype(np.float32),
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

    def moved(air: Transmissions) -> Transmissions:
        return Transmissions(
            air.packet, new_row[air.sender], new_row[air.target], air.start_us, air.end_us, air.mcs, air.key
        )

    waiting = moved(state.waiting)
    return MediumState(
        state.time_us, moved(state.started), _moved(state.arrivals, new_row), waiting[waiting.sender >= 0],
        np.where(row >= 0, state.locked_until_us[row] if old else 0, 0).astype(np.int64),
        np.where(row >= 0, state.sending_until_us[row] if old else 0, 0).astype(np.int64),
    )  # fmt: skip


def _with_more(arrivals: Arrivals, begun: Transmissions, field: Field) -> Arrivals:
    """Return arrivals, followed by those of transmissions that begin."""
    count, station, link_mw = arrivals_from(begun.sender, begun.target, field.offset, field.other, field.power_mw)
    with np.errstate(divide="ignore"):
        # Powers are rounded as levels in dB: recorded results depend on it.
        power_dbm = 10.0 * np.log10(link_mw)
    longer: Arrivals = with_more(arrivals, count, station, power_dbm)
    return longer


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


def _joined(first: Transmissions, second: Transmissions) -> Transmissions:
    if len(first) == 0:
        return second
    return Transmissions(
        np.concatenate([first.packet, second.packet]), np.concatenate([first.sender, second.sender]),
        np.concatenate([first.target, second.target]), np.concatenate([first.start_us, second.start_us]),
        np.concatenate([first.end_us, second.end_us]), np.concatenate([first.mcs, second.mcs]),
        np.concatenate([first.key, second.key]),
    )  # fmt: skip


def _merged(waiting: Transmissions, new: Transmissions) -> Transmissions:
    both = _joined(waiting, new)
    return both[np.lexsort((both.key, both.start_us))]
