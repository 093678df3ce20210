"""Choice of resources in slots in which a station does not send yet."""

import numpy as np
from numba import njit

from v2xsim.comms.access.events import DETAIL, KIND, STATION
from v2xsim.comms.access.sidelink_selection import select
from v2xsim.comms.access.sidelink_tables import NONE, SEND, SLOT
from v2xsim.comms.phases import ALLOCATING_PHASE


@njit(**ALLOCATING_PHASE)
def choose(request, s, packets, taken, schedule, agenda, senses, rules, wanted, choice):  # type: ignore[no-untyped-def]
    """Choose resources in slots in which a station does not send yet; return their number.

    Args:
        request: Input of the choice: station, packet and selection window.
        s: Row of the station.
        packets: Number of packets that the station has scheduled; with 0, the search of the agenda is skipped.
        taken: A slot that the station will use although it is not on the agenda yet (NONE if there is no such slot).
        schedule: Scheduled transmissions of all stations.
        agenda: Future events.
        senses: Memories of all stations.
        rules: Rules for choosing resources.
        wanted: Number of resources to choose.
        choice: Output: one row per resource, with its slot and first subchannel.
    """
    slots = own_slots(schedule, agenda, s) if packets > 0 else np.empty(0, np.int64)
    return select(request, slots if taken == NONE else np.append(slots, taken), senses, rules, wanted, choice)


@njit(cache=True, nogil=True)
def own_slots(schedule, agenda, s):  # type: ignore[no-untyped-def]
    """Return the slots in which a station has a transmission scheduled."""
    events, size = agenda.rows, agenda.size[0]
    slots = np.empty(size, np.int64)
    count = 0
    for n in range(size):
        if events[n, STATION] == s and events[n, KIND] == SEND:
            slots[count] = schedule.entry[events[n, DETAIL], SLOT]
            count += 1
    return slots[:count]
