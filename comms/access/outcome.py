"""What a compiled access loop reports: packets that ended and their receptions, in arrays that grow as they fill."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int8, Int32, Int64
from numba import njit

from v2xsim.comms.access.events import longer_rows
from v2xsim.comms.access.packets import Receptions
from v2xsim.comms.phases import INLINED_PHASE, PHASE

# Entries of `Outcome.size`.
PACKETS, RECEPTIONS, DROPS = range(3)


class Outcome(NamedTuple):
    """Packets in the order of their end, receptions in the order of their packets; arrays longer than what they hold.

    Attributes:
        size: How many packets, receptions and dropped packets there are so far.
        number: The caller's number of each packet.
        sender: Row of the sending station of each packet.
        began_us: When each packet began.
        ended_us: When it ended.
        noise_dbm: Noise over what it occupied of the channel.
        offset: Where the receptions of each packet begin; one more than packets.
        receiver: Row of the receiving station of each reception.
        cause: DELIVERED or the cause of loss.
        power_mw: Received power, fading included.
        interference_ratio: Interference that counted, over noise.
        dropped: Numbers of packets that gave way to others before they were sent.
    """

    size: Int64[np.ndarray, " 3"]
    number: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    began_us: Int64[np.ndarray, " packets"]
    ended_us: Int64[np.ndarray, " packets"]
    noise_dbm: Float[np.ndarray, " packets"]
    offset: Int64[np.ndarray, " packets_plus_1"]
    receiver: Int32[np.ndarray, " receptions"]
    cause: Int8[np.ndarray, " receptions"]
    power_mw: Float32[np.ndarray, " receptions"]
    interference_ratio: Float32[np.ndarray, " receptions"]
    dropped: Int64[np.ndarray, " drops"]


@njit(cache=True, nogil=True)
def no_outcome(packets, receptions, drops):  # type: ignore[no-untyped-def]
    """Return an outcome without packets, with room for so many packets, receptions and dropped packets."""
    return Outcome(
        np.zeros(3, np.int64), np.empty(packets, np.int64), np.empty(packets, np.int64), np.empty(packets, np.int64),
        np.empty(packets, np.int64), np.empty(packets), np.empty(packets, np.int64), np.empty(receptions, np.int32),
        np.empty(receptions, np.int8), np.empty(receptions, np.float32), np.empty(receptions, np.float32),
        np.empty(drops, np.int64),
    )  # fmt: skip


@njit(**PHASE)
def has_room(outcome, packets, receptions):  # type: ignore[no-untyped-def]
    """Return whether an outcome has room for so many more packets and receptions."""
    # Where the receptions of one more packet would begin must have room too.
    return (
        outcome.size[PACKETS] + packets < len(outcome.offset)
        and outcome.size[RECEPTIONS] + receptions <= len(outcome.receiver)
    )  # fmt: skip


@njit(cache=True, nogil=True)
def longer_outcome(outcome, packets, receptions):  # type: ignore[no-untyped-def]
    """Return the outcome with room for more packets and receptions; arrays that are too short at least double."""
    ended, heard = outcome.size[PACKETS], outcome.size[RECEPTIONS]
    return Outcome(
        outcome.size, longer_rows(outcome.number, ended, packets + 1), longer_rows(outcome.sender, ended, packets + 1),
        longer_rows(outcome.began_us, ended, packets + 1), longer_rows(outcome.ended_us, ended, packets + 1),
        longer_rows(outcome.noise_dbm, ended, packets + 1), longer_rows(outcome.offset, ended, packets + 1),
        longer_rows(outcome.receiver, heard, receptions), longer_rows(outcome.cause, heard, receptions),
        longer_rows(outcome.power_mw, heard, receptions), longer_rows(outcome.interference_ratio, heard, receptions),
        outcome.dropped,
    )  # fmt: skip


@njit(**PHASE)
def report_packet(outcome, number, sender, began_us, ended_us, noise_dbm):  # type: ignore[no-untyped-def]
    """Report a packet; the receptions reported next are its own."""
    n = outcome.size[PACKETS]
    outcome.number[n], outcome.sender[n] = number, sender
    outcome.began_us[n], outcome.ended_us[n], outcome.noise_dbm[n] = began_us, ended_us, noise_dbm
    outcome.offset[n] = outcome.size[RECEPTIONS]
    outcome.size[PACKETS] = n + 1


@njit(**INLINED_PHASE)
def report_reception(outcome, receiver, cause, power_mw, interference_ratio):  # type: ignore[no-untyped-def]
    """Report a reception of the packet reported last."""
    n = outcome.size[RECEPTIONS]
    outcome.receiver[n], outcome.cause[n] = receiver, cause
    outcome.power_mw[n], outcome.interference_ratio[n] = power_mw, interference_ratio
    outcome.size[RECEPTIONS] = n + 1


@njit(**PHASE)
def report_drop(outcome, number):  # type: ignore[no-untyped-def]
    """Report a packet that is never sent."""
    outcome.dropped[outcome.size[DROPS]] = number
    outcome.size[DROPS] += 1


@njit(**PHASE)
def close_outcome(outcome):  # type: ignore[no-untyped-def]
    """Say where the receptions of the last packet end."""
    outcome.offset[outcome.size[PACKETS]] = outcome.size[RECEPTIONS]


def receptions_of(outcome: Outcome) -> Receptions:
    """Return the packets and receptions that a compiled loop reports."""
    packets, count = int(outcome.size[PACKETS]), int(outcome.size[RECEPTIONS])
    offset, noise_dbm = outcome.offset[: packets + 1], outcome.noise_dbm[:packets]
    power_dbm = np.float32(10.0) * np.log10(outcome.power_mw[:count])
    sinr_db = power_dbm - np.repeat(noise_dbm.astype(np.float32), np.diff(offset))
    sinr_db = sinr_db - np.float32(10.0) * np.log10(np.float32(1.0) + outcome.interference_ratio[:count])
    return Receptions(
        outcome.number[:packets], outcome.sender[:packets], outcome.began_us[:packets], outcome.ended_us[:packets],
        noise_dbm, offset, outcome.receiver[:count], outcome.cause[:count], power_dbm, sinr_db,
    )  # fmt: skip
