"""What each of some stations knows of the stations around it and of the links between them: from its inbox, and from no other.

Of a link that ends at the station itself, it has its own measurement. Of every other link, it has what the receiving end
announced: the share of announcements that arrive there, and their SNR. A link of which it knows nothing counts as dead.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.comms.phases import PHASE
from v2xsim.engine.stations.heard_pairs import Measured
from v2xsim.engine.stations.neighbours import AnnouncedStates
from v2xsim.engine.stations.own_state import OwnStates, rows_of


class Known(NamedTuple):
    """What each owner knows, for compiled loops; the known stations of one owner are in rising order of their agent ids.

    Attributes:
        owner: Agent id of each owner.
        offset: Index of the first known station of each owner; one entry more than owners.
        agent: Agent ids of the known stations.
        row: Row of each one's newest announcement in the lists.
        share: Share of each one's announcements that arrive at the owner, 0 to 1; 0 if the owner has not heard it lately.
        snr_db: Mean SNR of its packets at the owner; minus infinity if the owner has not heard it lately.
        x_m: Coordinate x where each one is by now, as the owner extrapolates it.
        y_m: Coordinate y where each one is by now.
        has_matrix: Whether each one has a perception matrix, by its newest announcement.
        wants_data: Whether each one asks others for data.
        listed: Index of the first entry of each announcement's list; one entry more than rows.
        heard_agent: Agent ids of the stations that the senders of the announcements heard, in rising order.
        heard_snr_db: Mean SNR of the packets of each.
        heard_share: Share of the announcements of each that arrived, 0 to 1.
    """

    owner: Int64[np.ndarray, " owners"]
    offset: Int64[np.ndarray, " owners_plus_1"]
    agent: Int64[np.ndarray, " known"]
    row: Int64[np.ndarray, " known"]
    share: Float[np.ndarray, " known"]
    snr_db: Float[np.ndarray, " known"]
    x_m: Float[np.ndarray, " known"]
    y_m: Float[np.ndarray, " known"]
    has_matrix: Bool[np.ndarray, " known"]
    wants_data: Bool[np.ndarray, " known"]
    listed: Int64[np.ndarray, " rows_plus_1"]
    heard_agent: Int64[np.ndarray, " listed"]
    heard_snr_db: Float[np.ndarray, " listed"]
    heard_share: Float[np.ndarray, " listed"]


@dataclass(frozen=True)
class Vicinities:
    """What each of some stations, the owners, knows of the stations around it.

    Attributes:
        own: State of each owner as the owner itself knows it; one row per owner.
        announced: What each owner knows from announcements.
        measured: What each owner measured on the packets of others.
        busy_share: Busy ratio of the channel that each owner measured last, 0 to 1.
    """

    own: OwnStates
    announced: AnnouncedStates
    measured: Measured
    busy_share: Float[np.ndarray, " owners"]

    @cached_property
    def owner_of(self) -> Int64[np.ndarray, " known"]:
        """Row of the owner that knows each known station."""
        return np.repeat(np.arange(len(self.own)), np.diff(self.announced.offset))

    @cached_property
    def position_m(self) -> Float[np.ndarray, "known 2"]:
        """Where each known station is by now, extrapolated by its announced velocity to the owner's present clock."""
        said, row = self.announced, self.announced.row
        age_s = (self.own.stamp_us[self.owner_of] - said.stamp_us[row]) * 1e-6
        place_m: np.ndarray = said.pose[row, :2] + said.velocity_mps[row] * age_s[:, None]
        return place_m

    @cached_property
    def known(self) -> Known:
        """The same for compiled loops."""
        said, measured = self.announced, self.measured
        share, snr_db = _measured_of(said.offset, said.agent, *measured)
        place_m = self.position_m
        return Known(
            self.own.agent, said.offset, said.agent, said.row, share, snr_db, place_m[:, 0].copy(), place_m[:, 1].copy(),
            said.has_matrix[said.row], said.wants_data[said.row], said.listed, said.heard_agent, said.heard_snr_db, said.heard_share,
        )  # fmt: skip

    def rows_among(self, agents: Int64[np.ndarray, " wanted"]) -> Int64[np.ndarray, " wanted"]:
        """Return the row of each of some owners."""
        return rows_of(self.own.agent, agents)


@njit(cache=True, nogil=True)
def _measured_of(offset, agent, heard_offset, sender, snr_db, share):  # type: ignore[no-untyped-def]
    """Return what each owner measured of each station that it knows: both lists are in rising order of agent ids."""
    known_share, known_db = np.zeros(len(agent)), np.full(len(agent), -np.inf)
    for o in range(len(offset) - 1):
        m = heard_offset[o]
        for n in range(offset[o], offset[o + 1]):
            while m < heard_offset[o + 1] and sender[m] < agent[n]:
                m += 1
            if m < heard_offset[o + 1] and sender[m] == agent[n]:
                known_share[n], known_db[n] = share[m], snr_db[m]
    return known_share, known_db


@njit(**PHASE)
def place_among(agents, low, high, wanted):  # type: ignore[no-untyped-def]
    """Return the index of an agent id among rising ones from `low` to `high`; -1 if it is not among them."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if agents[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < end and agents[low] == wanted else -1


@njit(**PHASE)
def listed_in(known, row, sender):  # type: ignore[no-untyped-def]
    """Return the index of a sender in the list of one announcement; -1 if the announcing station has not heard it."""
    return place_among(known.heard_agent, known.listed[row], known.listed[row + 1], sender)


@njit(**PHASE)
def share_listed(known, row, sender):  # type: ignore[no-untyped-def]
    """Return the share of a sender's announcements that arrive at the station that made an announcement; 0 if it is not listed."""
    n = listed_in(known, row, sender)
    return known.heard_share[n] if n >= 0 else 0.0


@njit(**PHASE)
def snr_listed(known, row, sender):  # type: ignore[no-untyped-def]
    """Return the mean SNR of a sender's packets at the station that made an announcement; minus infinity if it is not listed."""
    n = listed_in(known, row, sender)
    return known.heard_snr_db[n] if n >= 0 else -np.inf
