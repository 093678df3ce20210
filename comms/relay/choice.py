"""Which station relays between two that cannot reach each other: mobility, height, or both.

Our reading of the abstract of *NLOS Dies Twice* (arXiv 2307.06615), whose body was not available to us: the terms and
their weights are ours. For a pair (i, j), candidate k, and both hops:

    height    H_k = min over hops of -h / r, held to [-1, 1]: h the height of the worst vehicle above the line between
              the antennas (negative below it), r the radius of the first Fresnel zone there; -1 behind a building
    mobility  M_k = min over hops of the link expiration time, over the time wanted, held to [0, 1]
    hybrid    w M_k + (1 - w) H_k

A candidate qualifies only if both hops are usable. Baselines: the station nearest to the midpoint, and the one with the
best weaker hop.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.channel.geometry import links_and_obstruction
from v2xsim.comms.channel.tr37885 import reach_m
from v2xsim.comms.pairs import mirrored, pair_rows
from v2xsim.comms.phy.error_rate import snr_needed_db
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.records import Boxes, Obstacles

RULES = ("none", "hybrid", "height", "mobility", "midpoint", "best_snr")
WANTED_S = 5.0
"""A link that lasts this long gets the full mobility term; ours, the horizon of conflict prediction."""


@dataclass(frozen=True)
class RelayScores:
    """The relay of each pair, -1 for none, and what spoke for it (NaN for none)."""

    relay: Int64[np.ndarray, " pairs"]
    height: Float[np.ndarray, " pairs"]
    mobility: Float[np.ndarray, " pairs"]
    score: Float[np.ndarray, " pairs"]


def link_expiration_s(
    offset_m: Float[np.ndarray, "*links 2"], velocity_mps: Float[np.ndarray, "*links 2"], range_m: float
) -> Float[np.ndarray, "*links"]:
    """Return how long two stations stay within range if neither changes velocity; infinite without relative motion.

    Args:
        offset_m: From one to the other.
        velocity_mps: Of the other relative to the one.
        range_m: Range of a usable link; 0 s is returned outside it.

    References:
        Su, Lee, Gerla, "Mobility prediction and routing in ad hoc wireless networks", 2001: the larger root of
        |offset + velocity t| = range.
    """
    speed2 = np.sum(velocity_mps**2, axis=-1)
    along = np.sum(offset_m * velocity_mps, axis=-1)
    across = offset_m[..., 0] * velocity_mps[..., 1] - offset_m[..., 1] * velocity_mps[..., 0]
    inside = np.sum(offset_m**2, axis=-1) <= range_m**2
    root = np.sqrt(np.maximum(speed2 * range_m**2 - across**2, 0.0))
    still = speed2 == 0.0
    time_s = np.where(still, np.inf, (root - along) / np.where(still, 1.0, speed2))
    return np.where(inside, time_s, 0.0)


def clearance_margin(
    antenna_m: Float[np.ndarray, "stations 3"],
    body: Int64[np.ndarray, " stations"],
    boxes: Boxes,
    obstacles: Obstacles,
    carrier_ghz: float,
) -> Float[np.ndarray, "stations stations"]:
    """Return the clearance of each link in radii of the first Fresnel zone, held to [-1, 1]."""
    first, second = pair_rows(len(antenna_m))
    _, obstruction = links_and_obstruction(
        antenna_m[first], antenna_m[second], body[first], body[second], boxes, obstacles, carrier_ghz
    )
    return mirrored(np.clip(-obstruction, -1.0, 1.0), len(antenna_m), 1.0)


def relay_scores(
    rule: str,
    weight: float,
    ego: Int64[np.ndarray, " pairs"],
    helper: Int64[np.ndarray, " pairs"],
    previous: Int64[np.ndarray, " pairs"],
    margin: float,
    antenna_m: Float[np.ndarray, "stations 3"],
    velocity_mps: Float[np.ndarray, "stations 2"],
    delivery: Float[np.ndarray, "stations stations"],
    min_delivery: float,
    boxes: Boxes,
    body: Int64[np.ndarray, " stations"],
    obstacles: Obstacles,
    carrier_ghz: float,
    eirp_dbm: float,
    environment: str,
    mcs: int,
    bandwidth_mhz: int,
    noise_figure_db: float,
) -> RelayScores:
    """Return the best relay of each pair under a rule.

    Args:
        rule: One of RULES.
        weight: w of the hybrid rule.
        ego: Row of the one end of each pair.
        helper: Row of the other end.
        previous: Relay in office, -1 for none.
        margin: By how much another must score better to take over.
        antenna_m: Of every station.
        velocity_mps: Of every station.
        delivery: Predicted delivery of every link.
        min_delivery: Delivery that both hops must reach.
        boxes: Known bodies that may stand in the way.
        body: Row of `boxes` of each station, -1 for none.
        obstacles: Buildings.
        carrier_ghz: Of the channel.
        eirp_dbm: Power and both antenna gains.
        environment: "urban" or "highway", for the range of a usable link.
        mcs: Of the data.
        bandwidth_mhz: Of the channel.
        noise_figure_db: Of the receivers.
    """
    pairs, stations = len(ego), len(antenna_m)
    none = np.full(pairs, np.nan)
    if rule == "none" or pairs == 0:
        return RelayScores(np.full(pairs, -1, np.int64), none, none, none)
    clearance = clearance_margin(antenna_m, body, boxes, obstacles, carrier_ghz)
    weakest_dbm = noise_dbm(bandwidth_mhz, noise_figure_db) + snr_needed_db(min(min_delivery, 0.99), mcs, bandwidth_mhz)
    range_m = reach_m(eirp_dbm - weakest_dbm, carrier_ghz, environment)  # type: ignore[arg-type]
    offset = antenna_m[None, :, :2] - antenna_m[:, None, :2]
    lasting_s = link_expiration_s(offset, velocity_mps[None] - velocity_mps[:, None], range_m)
    height = np.minimum(clearance[ego], clearance[helper])
    mobility = np.clip(np.minimum(lasting_s[ego], lasting_s[helper]) / WANTED_S, 0.0, 1.0)
    weaker = np.minimum(delivery[ego], delivery[helper])
    if rule == "hybrid":
        score = weight * mobility + (1.0 - weight) * height
    elif rule == "height":
        score = height
    elif rule == "mobility":
        score = mobility
    elif rule == "midpoint":
        middle = 0.5 * (antenna_m[ego, :2] + antenna_m[helper, :2])
        apart = np.maximum(np.linalg.norm(antenna_m[ego, :2] - antenna_m[helper, :2], axis=1), 1e-9)
        score = -np.linalg.norm(antenna_m[None, :, :2] - middle[:, None], axis=2) / apart[:, None]
    elif rule == "best_snr":
        score = weaker.copy()
    else:
        raise ValueError(f"relay rule must be one of {', '.join(RULES)}, got {rule!r}")
    rows = np.arange(pairs)
    usable = weaker >= min_delivery
    usable[rows, ego] = usable[rows, helper] = False
    ranked = np.where(usable, score, -np.inf)
    best = np.argmax(ranked, axis=1)
    stays = (previous >= 0) & usable[rows, np.maximum(previous, 0)]
    # In this order: where nobody qualifies, the difference of the two would be infinity less infinity.
    stays &= ranked[rows, np.maximum(previous, 0)] >= ranked[rows, best] - margin
    best = np.where(stays, previous, best)
    found = usable[rows, best] if stations else np.zeros(pairs, bool)
    return RelayScores(
        np.where(found, best, -1).astype(np.int64),
        np.where(found, height[rows, best], np.nan),
        np.where(found, mobility[rows, best], np.nan),
        np.where(found, score[rows, best], np.nan),
    )
