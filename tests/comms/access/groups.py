"""Many small groups of stations, each of which hears nobody outside it: in one call chance shows all that it can do."""

import numpy as np

from v2xsim.comms.access.packets import Field, Packets, Receptions, field_of
from v2xsim.comms.access.scheme import RadioSettings, layer_of

LOUD_DBM = -60.0
UNHEARD_DBM = -200.0


def keys(count, seed=5):
    """Return the key of each station's chance."""
    return (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(seed)


def square(stations, **links):
    """Return the received powers within a group: loud, but for links such as p01=-90, the same in both directions."""
    power_dbm = np.full((stations, stations), LOUD_DBM)
    for name, value in links.items():
        one, other = int(name[1]), int(name[2])
        power_dbm[one, other] = power_dbm[other, one] = value
    return power_dbm


def repeated(groups, within_dbm) -> Field:
    """Return the links of many groups with the same powers within."""
    stations = len(within_dbm)
    power_dbm = np.full((groups * stations, groups * stations), UNHEARD_DBM)
    for group in range(groups):
        rows = slice(group * stations, (group + 1) * stations)
        power_dbm[rows, rows] = within_dbm
    return field_of(power_dbm, -150.0)


def packets(rows, *, groups=1, stations=1, size_bytes=150, mcs=2) -> Packets:
    """Return packets, the same in every group.

    Args:
        rows: Sender within the group, instant at which it is ready, period of its stream (0 for a single packet).
        groups: Number of groups; the packets of one group have neighbouring numbers.
        stations: Stations of each group.
        size_bytes: Of every packet.
        mcs: Of every packet.
    """
    sender, ready_us, period_us = (np.tile(np.array(column, np.int64), groups) for column in zip(*rows, strict=True))
    count = len(sender)
    number = np.arange(count)
    sender = sender + stations * (number // len(rows))
    key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    return Packets(
        number, sender, np.full(count, -1), ready_us, np.full(count, size_bytes), np.full(count, mcs), period_us, key
    )


def stream(sender, first_us, period_us, count):
    """Return the rows of the packets of a periodic stream."""
    return [(sender, first_us + period_us * k, period_us) for k in range(count)]


def played(scheme, sent, field, until_us, **settings):
    """Return receptions and the busy time of each station of a run from 0 to an instant."""
    layer = layer_of(scheme, RadioSettings(**settings), 0, keys(field.stations))
    layer.submit(sent)
    return layer.advance(until_us, field)


def begun_ms(found: Receptions, groups):
    """Return the slot of each packet: a row for each group, a column for each of its packets."""
    order = np.argsort(found.number)
    return (found.began_us[order] // 1000).reshape(groups, -1)
