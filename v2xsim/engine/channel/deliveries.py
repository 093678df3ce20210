"""The stations that received each packet, and the signal-to-noise ratio that each of them measured."""

import numpy as np
from jaxtyping import Float, Int64
from numba import njit

from v2xsim.comms.access.packets import DELIVERED, Receptions


def deliveries_of(
    receptions: Receptions, agent: Int64[np.ndarray, " stations"]
) -> tuple[list[int], Int64[np.ndarray, " delivered"], Float[np.ndarray, " delivered"]]:
    """Return the delivered receptions of packets that ended.

    Args:
        receptions: Outcomes from the access layer.
        agent: Agent id of each station.

    Returns:
        The index of the first delivered reception of each packet, with one entry more than packets; and for each delivered
        reception the agent id of the receiver and its signal-to-noise ratio in dB.
    """
    begin, receiver, snr_db = _deliveries(
        receptions.offset, receptions.receiver, receptions.outcome, receptions.power_dbm, receptions.noise_dbm, agent
    )
    return begin.tolist(), receiver, snr_db


@njit(cache=True, nogil=True)
def _deliveries(offset, station, outcome, power_dbm, noise_dbm, agent):  # type: ignore[no-untyped-def]
    begin = np.zeros(len(offset), np.int64)
    receiver, snr_db, count = np.empty(len(station), np.int64), np.empty(len(station)), 0
    for k in range(len(noise_dbm)):
        for n in range(offset[k], offset[k + 1]):
            if outcome[n] == DELIVERED:
                receiver[count], snr_db[count] = agent[station[n]], power_dbm[n] - noise_dbm[k]
                count += 1
        begin[k + 1] = count
    return begin, receiver[:count], snr_db[:count]
