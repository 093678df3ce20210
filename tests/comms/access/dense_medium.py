"""The medium of random slots computed over every packet and every station, as a reference for the one over arrivals."""

from itertools import pairwise

import numpy as np

from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, RECEIVER_BUSY, SENSING
from v2xsim.comms.access.random_slot_air import level_mw
from v2xsim.comms.access.random_slot_outcomes import uniform_of
from v2xsim.comms.phy.error_rate import ebn0_over_sinr_db, error_curve, error_rate_at


def power_matrix(sent, fields, cuts_us):
    """Return the received power of each packet at each station, by the field of the call in which the packet begins."""
    power_mw = np.zeros((len(sent), fields[0].stations))
    for k, (sender, start_us) in enumerate(zip(sent.sender, sent.start_us, strict=True)):
        field = fields[int(np.searchsorted(cuts_us, start_us, side="right"))]
        links = slice(field.offset[sender], field.offset[sender + 1])
        power_mw[k, field.other[links]] = [level_mw(link_mw) for link_mw in field.power_mw[links]]
    return power_mw


def resolved(sent, power_mw, keys, receiver, until_us):
    """Return the receptions of packets that are sorted by start and key, and the busy time of each station.

    A reception has the packet's number, the receiver, the outcome, the power in dBm and the SINR in dB; they are sorted by
    the packet's end. All packets end by `until_us`.
    """
    count, stations = power_mw.shape
    caught, deaf, interference_mw = (
        _locks(sent, power_mw, receiver),
        np.zeros(power_mw.shape, bool),
        np.zeros(power_mw.shape),
    )
    for i in range(count):
        for k in range(count):
            overlap_us = min(sent.end_us[i], sent.end_us[k]) - max(sent.start_us[i], sent.start_us[k])
            if k != i and overlap_us > 0:
                interference_mw[i] += overlap_us / (sent.end_us[i] - sent.start_us[i]) * power_mw[k]
                deaf[i, sent.sender[k]] = True
    receptions = []
    for i in np.argsort(sent.end_us, kind="stable"):
        for r in range(stations):
            is_target = r == sent.target[i]
            if r == sent.sender[i] or (power_mw[i, r] < receiver.report_mw and not is_target):
                continue
            with np.errstate(divide="ignore"):
                level_db = 10.0 * np.log10(power_mw[i, r])
                snr_db = 10.0 * np.log10(power_mw[i, r] / receiver.noise_mw)
                sinr_db = 10.0 * np.log10(power_mw[i, r] / (receiver.noise_mw + interference_mw[i, r]))
            over_db, luck = ebn0_over_sinr_db(10)[sent.mcs[i]], uniform_of(sent.key[i], keys[r])
            if deaf[i, r]:
                cause = HALF_DUPLEX
            elif power_mw[i, r] < receiver.sensitivity_mw:
                cause = SENSING
            elif not caught[i, r]:
                cause = RECEIVER_BUSY
            elif luck < error_rate_at(snr_db + over_db, *error_curve()):
                cause = PROPAGATION
            else:
                cause = COLLISION if luck < error_rate_at(sinr_db + over_db, *error_curve()) else DELIVERED
            receptions.append((int(sent.packet[i]), r, cause, np.float32(level_db), np.float32(sinr_db)))
    return receptions, _busy_us(sent, power_mw, receiver.busy_mw, until_us)


def _locks(sent, power_mw, receiver):
    """Return whether each station locked on each packet."""
    caught, locked_us, sending_us = np.zeros(power_mw.shape, bool), *np.zeros((2, power_mw.shape[1]), np.int64)
    for begin_us in np.unique(sent.start_us):
        begun = np.flatnonzero(sent.start_us == begin_us)
        senders = sent.sender[begun]
        locked_us[senders] = np.minimum(locked_us[senders], begin_us)
        sending_us[senders] = np.maximum(sending_us[senders], sent.end_us[begun])
        for r in range(power_mw.shape[1]):
            best = begun[np.argmax(power_mw[begun, r])]
            if max(sending_us[r], locked_us[r]) <= begin_us and power_mw[best, r] >= receiver.sensitivity_mw:
                caught[best, r], locked_us[r] = True, sent.end_us[best]
    return caught


def _busy_us(sent, power_mw, busy_mw, until_us):
    """Return for how long each station sent, or received more than the busy threshold."""
    busy_us = np.zeros(power_mw.shape[1], np.int64)
    edges_us = np.unique(np.concatenate([[0], sent.start_us, sent.end_us, [until_us]]))
    for from_us, to_us in pairwise(edges_us):
        present_mw = np.zeros(len(busy_us))
        for k in np.flatnonzero((sent.start_us <= from_us) & (from_us < sent.end_us)):
            present_mw += power_mw[k]
            present_mw[sent.sender[k]] = np.inf
        busy_us[present_mw > busy_mw] += to_us - from_us
    return busy_us
