"""How many other stations may disturb a request or its answer, as an ego knows them from announcements.

All stations capture at the same ticks, so requests are sent in bursts, and answers too. A station is a rival at a receiver if its
packets arrive there nearly as strong as the wanted ones, or stronger: then neither survives if both are on the air at once.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numba import njit

from v2xsim.comms.phases import PHASE
from v2xsim.engine.cooperation.relay_candidates import KnownPairs
from v2xsim.engine.stations.vicinity import Known, place_among

# A packet survives another one that is this much weaker, about: the SINR that QPSK at rate one half needs. The step is as wide as
# fading makes it.
CAPTURE_DB, WIDTH_DB = 6.0, 3.0


class Rivals(NamedTuple):
    """Number of stations that may disturb each pair's packets; each counts from 0 to 1 by its power.

    Attributes:
        of_request: Other stations that ask for data, as the helper hears them.
        of_answer: Other stations that may answer or ask, as the ego hears them.
    """

    of_request: Float[np.ndarray, " pairs"]
    of_answer: Float[np.ndarray, " pairs"]


def rivals_of(known: Known, pairs: KnownPairs) -> Rivals:
    """Return the rivals of the direct requests of owners and of the answers to them."""
    return Rivals(*_rivals(known, pairs.owner, pairs.helper, pairs.there_db, pairs.back_db))


@njit(**PHASE)
def _strength(rival_db, wanted_db):  # type: ignore[no-untyped-def]
    """Return how surely a rival of one power destroys a packet of another power, 0 to 1."""
    if wanted_db == -np.inf:
        return 1.0
    return 1.0 / (1.0 + np.exp(-(rival_db - wanted_db + CAPTURE_DB) / WIDTH_DB))


@njit(cache=True, nogil=True)
def _rivals(known, owner, helper, there_db, back_db):  # type: ignore[no-untyped-def]
    of_request, of_answer = np.zeros(len(owner)), np.zeros(len(owner))
    for p in range(len(owner)):
        o, h = owner[p], helper[p]
        low, high, row = known.offset[o], known.offset[o + 1], known.row[h]
        for m in range(known.listed[row], known.listed[row + 1]):
            k = place_among(known.agent, low, high, known.heard_agent[m])
            if k >= 0 and known.wants_data[k]:
                of_request[p] += _strength(known.heard_snr_db[m], there_db[p])
        for k in range(low, high):
            if k != h and (known.has_matrix[k] or known.wants_data[k]) and known.share[k] > 0.0:
                of_answer[p] += _strength(known.snr_db[k], back_db[p])
    return of_request, of_answer
