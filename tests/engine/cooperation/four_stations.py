"""Four stations of which each knows the others from their announcements, as if all of these had just arrived.

EGO at (0, 0) asks for data; HELPER at (40, 0) announces a matrix; OTHER at (20, 10) and RELAY at (20, -10) may relay. All links
carry a share of 0.9 both ways, but that between EGO and HELPER, which carries 0.1.
"""

import numpy as np

from tests.engine.small_world import EGO, HELPER, OTHER, RELAY, awareness, matrix, own_states
from v2xsim.engine.stations.heard_pairs import Measured
from v2xsim.engine.stations.neighbours import Neighbours
from v2xsim.engine.stations.vicinity import Vicinities
from v2xsim.records import Detections

THERE = (EGO, HELPER, OTHER, RELAY)
APART_M = ((0, 0), (40, 0), (20, 10), (20, -10))
NAMED = {"ego": EGO, "helper": HELPER, "other": OTHER, "relay": RELAY}


def links(agents=THERE, **shares):
    """Return the share of packets that cross each link, by sender and receiver.

    Args:
        agents: The stations.
        shares: Shares that differ from 0.9: both ways as `ego_relay=0.8`, or one way as `ego_to_relay=0.8`.
    """
    found = {(one, other): 0.9 for one in agents for other in agents if one != other}
    for name, share in {"ego_helper": 0.1, **shares}.items():
        one, *_, other = (NAMED[part] for part in name.split("_") if part != "to")
        found[one, other] = share
        if "_to_" not in name:
            found[other, one] = share
    return found


def vicinities(
    shares=None, *, owners=(EGO,), agents=THERE, places_m=APART_M, egos=(EGO,), with_matrix=(HELPER,), unknown=(), told=None,
    own=None, velocity_mps=None, antenna_m=1.6, roadside=(), busy_share=0.0,
):  # fmt: skip
    """Return what each owner knows.

    Args:
        shares: Share of packets that cross each link, as from `links`; a link of 0 is in no list.
        owners: Stations whose knowledge is returned, rising.
        agents: Stations that are there, rising.
        places_m: Where each is.
        egos: Stations that ask for data.
        with_matrix: Stations that announce a matrix.
        unknown: Pairs of an owner and a station whose announcement did not reach it.
        told: Shares that a pair of an owner and a station heard in other words than the truth, as dictionaries by sender.
        own: What the stations know of themselves; cars that stand still by default.
        velocity_mps: Announced velocity of each.
        antenna_m: Height of all antennas, or of each.
        roadside: Stations that are roadside units.
        busy_share: Busy ratio that all stations measured and announced, or each of them.
    """
    shares = links() if shares is None else shares
    speeds = np.zeros((len(agents), 2)) if velocity_mps is None else np.array(velocity_mps, float)
    antenna = np.broadcast_to(np.array(antenna_m, float), len(agents))
    busy = np.broadcast_to(np.array(busy_share, float), len(agents))
    own = own or own_states(
        agents, np.array(places_m, float)[: len(agents)], velocity_mps=speeds, antenna_m=antenna, egos=egos, roadside=roadside,
    )  # fmt: skip
    known = Neighbours(10**9)
    for owner in owners:
        known.begin(owner)
    for row, agent in enumerate(agents):
        heard = {sender: share for (sender, receiver), share in shares.items() if receiver == agent and share > 0.0}
        for owner in owners:
            if (owner, agent) in unknown or owner == agent:
                continue
            said = awareness(
                agent, own.time_us, wants_data=agent in egos, pose=(*own.pose[row, :2], 0, 0), velocity_mps=speeds[row],
                antenna_m=antenna[row], grid=matrix() if agent in with_matrix else None, busy_share=float(busy[row]),
                heard=(told or {}).get((owner, agent), heard), **({"size_m": (0, 0, 0)} if agent in roadside else {}),
            )  # fmt: skip
            known.hear(said, own.time_us, np.array([owner]), own.time_us)
    heard = [[(sender, shares[sender, owner]) for sender in agents if sender != owner and shares[sender, owner] > 0.0] for owner in owners]  # fmt: skip
    flat = [item for each in heard for item in each]
    measured = Measured(
        np.cumsum([0, *map(len, heard)]), np.array([sender for sender, _ in flat], np.int64), np.full(len(flat), 25.0),
        np.array([share for _, share in flat], float),
    )  # fmt: skip
    agent = np.array(owners, np.int64)
    rows = np.searchsorted(own.agent, agent)
    return Vicinities(own.some(rows), known.announced(agent, own.time_us), measured, busy[rows])


def nothing_seen(found):
    """Return that no owner has detected anything."""
    return [(int(stamp_us), Detections.none()) for stamp_us in found.own.stamp_us]
