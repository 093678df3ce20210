"""Transmissions on a medium of a few stations, and what comes of them."""

import numpy as np

from v2xsim.comms.access import random_slot_medium
from v2xsim.comms.access.packets import OUTCOME_NAMES, field_of
from v2xsim.comms.access.random_slot_medium import Transmissions, levels_of, silent, with_waiting
from v2xsim.comms.phy.noise import receiver

EAR = receiver(10, 9.0, -90.0, -94.0, report_below_noise_db=np.inf)
KEYS = np.arange(1, 100, dtype=np.uint64) * np.uint64(1_000_003)


def packets(*rows, target=-1, mcs=2):
    """Return transmissions from rows of sender, start and end; the number of a packet is its place."""
    sender, start, end = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    count = len(rows)
    numbers = np.arange(count)
    return Transmissions(
        numbers,
        sender,
        np.full(count, target),
        start,
        end,
        np.full(count, mcs),
        numbers.astype(np.uint64) + np.uint64(7),
    )


def powers(stations, weak_dbm=-60.0, **entries):
    """Return received powers, equal but for entries like p01=-95 (from station 0 at station 1)."""
    power_dbm = np.full((stations, stations), weak_dbm)
    for name, value in entries.items():
        power_dbm[int(name[1]), int(name[2])] = value
    np.fill_diagonal(power_dbm, -np.inf)
    return power_dbm


def advance(state, new, until_us, power_dbm, keys, ear, bandwidth_mhz):
    """Advance a medium with received powers by sender and receiver; minus infinity for a station that is out of reach."""
    field, levels = field_of(power_dbm.copy(), -1e9), levels_of(ear, bandwidth_mhz)
    return random_slot_medium.advance(with_waiting(state, new), until_us, field, keys, levels)


def no_transmissions():
    """Return an empty set of transmissions."""
    return packets((0, 0, 1))[:0]


def resolved(transmissions, power_dbm, until_us=100_000, ear=EAR, keys=KEYS):
    stations = len(power_dbm)
    return advance(silent(stations), transmissions, until_us, power_dbm, keys[:stations], ear, 10)


def outcomes(receptions):
    """Return the outcome names by packet number and receiver."""
    pairs = zip(receptions.packet, receptions.receiver, receptions.outcome, strict=True)
    return {(int(p), int(r)): OUTCOME_NAMES[o] for p, r, o in pairs}
