"""The columns of the table of packets, made from the outcomes of packets in one compiled call."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8, Int32, Int64
from numba import njit

from v2xsim.comms.access.packets import Receptions
from v2xsim.engine.channel.messages import PACKET_KINDS, Packet
from v2xsim.engine.stations.contents import EVERYBODY
from v2xsim.records import NLOSB

_NUMBER_OF_KIND = {kind: number for number, kind in enumerate(PACKET_KINDS)}


class Sent(NamedTuple):
    """Packets, one entry for each; the columns are those of the table of packets.

    Attributes:
        kind: Index of the kind of message in `PACKET_KINDS`.
        target: Agent id of the station that the packet is addressed to, or EVERYBODY.
    """

    queued_us: Int64[np.ndarray, " packets"]
    message: Int64[np.ndarray, " packets"]
    kind: Int64[np.ndarray, " packets"]
    hop: Int64[np.ndarray, " packets"]
    fragment: Int64[np.ndarray, " packets"]
    fragments: Int64[np.ndarray, " packets"]
    size_bytes: Int64[np.ndarray, " packets"]
    sender: Int64[np.ndarray, " packets"]
    target: Int64[np.ndarray, " packets"]


class PacketRows(NamedTuple):
    """Columns of the table of packets, one row for each reception; the types are those of the table.

    Attributes:
        kind: Index of the kind of message in `PACKET_KINDS`.
        link_state: State of the link; NLOSB for a receiver without a link to the sender.
        distance_m: NaN for a receiver without a link to the sender.
    """

    queued_us: Int64[np.ndarray, " receptions"]
    start_us: Int64[np.ndarray, " receptions"]
    end_us: Int64[np.ndarray, " receptions"]
    message: Int64[np.ndarray, " receptions"]
    kind: Int8[np.ndarray, " receptions"]
    hop: Int32[np.ndarray, " receptions"]
    fragment: Int32[np.ndarray, " receptions"]
    fragments: Int32[np.ndarray, " receptions"]
    size_bytes: Int32[np.ndarray, " receptions"]
    tx: Int64[np.ndarray, " receptions"]
    rx: Int64[np.ndarray, " receptions"]
    addressed: Bool[np.ndarray, " receptions"]
    distance_m: Float32[np.ndarray, " receptions"]
    link_state: Int8[np.ndarray, " receptions"]


def sent_of(packets: Sequence[Packet]) -> Sent:
    """Return the columns of packets."""
    table = np.array([
        (
            p.message.queued_us, p.message.number, _NUMBER_OF_KIND[p.kind], p.hop, p.fragment, p.fragments,
            p.size_bytes, p.sender, p.target,
        )
        for p in packets
    ], np.int64)  # fmt: skip
    return Sent(*np.ascontiguousarray(table.reshape(-1, len(Sent._fields)).T))


def rows_of(
    receptions: Receptions,
    sent: Sent,
    pair: Int32[np.ndarray, " receptions"],
    agent: Int64[np.ndarray, " stations"],
    state: Int8[np.ndarray, " pairs"],
    distance_m: Float[np.ndarray, " pairs"],
) -> PacketRows:
    """Return a row for each reception.

    Args:
        receptions: Outcomes of packets.
        sent: The packets, in the order of the receptions.
        pair: Index of the pair of sender and receiver of each reception, -1 for none.
        agent: Agent id of each station.
        state: Link state of each pair.
        distance_m: Distance between the two stations of each pair.
    """
    rows: PacketRows = _rows(
        receptions.offset, receptions.began_us, receptions.ended_us, receptions.receiver, sent, pair, agent, state, distance_m
    )  # fmt: skip
    return rows


@njit(cache=True, nogil=True)
def _rows(offset, began_us, ended_us, receiver, sent, pair, agent, state, distance_m):  # type: ignore[no-untyped-def]
    n = len(receiver)
    rows = PacketRows(
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int8),
        np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int64),
        np.empty(n, np.int64), np.empty(n, np.bool_), np.full(n, np.nan, np.float32), np.full(n, NLOSB, np.int8),
    )  # fmt: skip
    for k in range(len(offset) - 1):
        of_packet = slice(offset[k], offset[k + 1])
        rows.queued_us[of_packet], rows.message[of_packet] = sent.queued_us[k], sent.message[k]
        rows.start_us[of_packet], rows.end_us[of_packet] = began_us[k], ended_us[k]
        rows.kind[of_packet], rows.hop[of_packet] = sent.kind[k], sent.hop[k]
        rows.fragment[of_packet], rows.fragments[of_packet] = sent.fragment[k], sent.fragments[k]
        rows.size_bytes[of_packet], rows.tx[of_packet] = sent.size_bytes[k], sent.sender[k]
        for m in range(offset[k], offset[k + 1]):
            rows.rx[m] = agent[receiver[m]]
            rows.addressed[m] = sent.target[k] == EVERYBODY or sent.target[k] == rows.rx[m]
            if pair[m] >= 0:
                rows.distance_m[m], rows.link_state[m] = distance_m[pair[m]], state[pair[m]]
    return rows
