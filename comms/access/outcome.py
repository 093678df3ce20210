"""The result of a compiled access loop: packets that ended and their receptions, in arrays that grow as they fill."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int8, Int32, Int64
from numba import njit

from v2xsim.comms.access.acknowledged import ACK, FINISHED, kind_in, number_in, repeat_in
from v2xsim.comms.access.events import longer_rows
from v2xsim.comms.access.packets import Receptions
from v2xsim.comms.phases import INLINED_PHASE, PHASE

# Entries of `Outcome.size`.
PACKETS, RECEPTIONS, DROPS = range(3)


class Outcome(NamedTuple):
    """Packets sorted by their end, with the receptions of each; the arrays are longer than their contents.

    Attributes:
        size: Number of packets, of receptions and of dropped packets so far.
        number: Code of each transmission (`acknowledged.code_of`); also of packets that are not sent again.
        sender: Row of the sending station of each packet.
        began_us: Start time of each packet.
        ended_us: End time of each packet.
        noise_dbm: Noise power over the part of the channel that each packet occupied.
        offset: Index of the first reception of each packet; one entry more than packets.
        receiver: Row of the receiving station of each reception.
        cause: DELIVERED or the cause of loss.
        power_mw: Received power of each reception, fading included.
        interference_ratio: Interference power that decided the reception, divided by the noise power.
        dropped: Numbers of the packets that a station dropped before sending them.
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
    """Return an outcome without packets, with room for the given numbers of packets, receptions and dropped packets."""
    return Outcome(
        np.zeros(3, np.int64), np.empty(packets, np.int64), np.empty(packets, np.int64), np.empty(packets, np.int64),
        np.empty(packets, np.int64), np.empty(packets), np.empty(packets, np.int64), np.empty(receptions, np.int32),
        np.empty(receptions, np.int8), np.empty(receptions, np.float32), np.empty(receptions, np.float32),
        np.empty(drops, np.int64),
    )  # fmt: skip


@njit(**PHASE)
def has_room(outcome, packets, receptions):  # type: ignore[no-untyped-def]
    """Return whether an outcome has room for the given numbers of further packets and receptions."""
    # `offset` needs one entry more than there are packets.
    return (
        outcome.size[PACKETS] + packets < len(outcome.offset)
        and outcome.size[RECEPTIONS] + receptions <= len(outcome.receiver)
    )  # fmt: skip


@njit(cache=True, nogil=True)
def longer_outcome(outcome, packets, receptions):  # type: ignore[no-untyped-def]
    """Return the outcome with room for more packets and receptions; arrays that are too short become at least twice as long."""
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
    """Append a packet to the outcome; receptions appended after it belong to it."""
    n = outcome.size[PACKETS]
    outcome.number[n], outcome.sender[n] = number, sender
    outcome.began_us[n], outcome.ended_us[n], outcome.noise_dbm[n] = began_us, ended_us, noise_dbm
    outcome.offset[n] = outcome.size[RECEPTIONS]
    outcome.size[PACKETS] = n + 1


@njit(**INLINED_PHASE)
def report_reception(outcome, receiver, cause, power_mw, interference_ratio):  # type: ignore[no-untyped-def]
    """Append a reception of the packet appended last."""
    n = outcome.size[RECEPTIONS]
    outcome.receiver[n], outcome.cause[n] = receiver, cause
    outcome.power_mw[n], outcome.interference_ratio[n] = power_mw, interference_ratio
    outcome.size[RECEPTIONS] = n + 1


@njit(**PHASE)
def report_drop(outcome, number):  # type: ignore[no-untyped-def]
    """Append the number of a packet that was dropped and is never sent."""
    outcome.dropped[outcome.size[DROPS]] = number
    outcome.size[DROPS] += 1


@njit(**PHASE)
def close_outcome(outcome):  # type: ignore[no-untyped-def]
    """Write the last entry of `offset`: the end of the last packet's receptions."""
    outcome.offset[outcome.size[PACKETS]] = outcome.size[RECEPTIONS]


def receptions_of(outcome: Outcome) -> Receptions:
    """Convert the outcome of a compiled loop into `Receptions`; the arrays of the outcome are used up."""
    count = int(outcome.size[RECEPTIONS])
    if outcome.size[PACKETS] == 0:
        return _NOTHING
    # Logarithms are those of numpy, because compiled ones may differ in the last bit.
    power_dbm = np.float32(10.0) * np.log10(outcome.power_mw[:count])
    over_noise_db = np.float32(10.0) * np.log10(np.float32(1.0) + outcome.interference_ratio[:count])
    number, repeat, is_ack, finished, heard, sinr_db = _parted(outcome, power_dbm, over_noise_db)
    packets = len(number)
    return Receptions(
        number, outcome.sender[:packets], outcome.began_us[:packets], outcome.ended_us[:packets],
        outcome.noise_dbm[:packets], outcome.offset[: packets + 1], outcome.receiver[:heard], outcome.cause[:heard],
        power_dbm[:heard], sinr_db, repeat, is_ack, finished,
    )  # fmt: skip


_NOTHING = Receptions.none()


@njit(cache=True, nogil=True)
def _parted(outcome, power_dbm, over_noise_db):  # type: ignore[no-untyped-def]
    """Move the packets that were sent to the front of the outcome, in place, and take those that are only reported as finished out.

    Args:
        outcome: The outcome.
        power_dbm: Received power of each reception; changed likewise.
        over_noise_db: Noise and interference of each reception, over the noise.

    Returns:
        Number, repetition and whether it is an acknowledgement of each packet that was sent, the numbers of the finished packets, the number
        of receptions, and the ratio of signal to noise and interference of each.
    """
    packets = outcome.size[PACKETS]
    number, repeat, is_ack = np.empty(packets, np.int64), np.empty(packets, np.int64), np.empty(packets, np.bool_)
    finished, sinr_db = np.empty(packets, np.int64), np.empty(outcome.size[RECEPTIONS], np.float32)
    sent, over, heard = 0, 0, 0
    for n in range(packets):
        code, first, last = outcome.number[n], outcome.offset[n], outcome.offset[n + 1]
        if kind_in(code) == FINISHED:
            finished[over] = number_in(code)
            over += 1
            continue
        number[sent], repeat[sent], is_ack[sent] = number_in(code), repeat_in(code), kind_in(code) == ACK
        outcome.sender[sent], outcome.noise_dbm[sent] = outcome.sender[n], outcome.noise_dbm[n]
        outcome.began_us[sent], outcome.ended_us[sent] = outcome.began_us[n], outcome.ended_us[n]
        outcome.offset[sent], noise_dbm = heard, np.float32(outcome.noise_dbm[n])
        for m in range(first, last):
            outcome.receiver[heard], outcome.cause[heard] = outcome.receiver[m], outcome.cause[m]
            sinr_db[heard] = (power_dbm[m] - noise_dbm) - over_noise_db[m]
            power_dbm[heard] = power_dbm[m]
            heard += 1
        sent += 1
    outcome.offset[sent] = heard
    return number[:sent], repeat[:sent], is_ack[:sent], finished[:over], heard, sinr_db[:heard]
