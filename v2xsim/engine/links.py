"""The links between all stations, tick by tick: geometry, path loss, blockage episodes, shadowing, received power."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.comms.blockage import blockage_loss_db
from v2xsim.comms.geometry import link_states
from v2xsim.comms.pairs import mirrored, pair_rows, rekeyed
from v2xsim.comms.pathloss import tr37885_loss_db
from v2xsim.comms.shadowing import shadow_db, step
from v2xsim.engine.fleet import Fleet
from v2xsim.records import LOS, NLOSV, Links, Obstacles, Snapshot
from v2xsim.scenario.schema import Radio
from v2xsim.streams import Streams


@dataclass(frozen=True)
class LinkBudget:
    """All links at one tick, as square arrays over the stations of a fleet.

    Attributes:
        agent: Stations, the rows and columns.
        antenna_m: Where their antennas are.
        links: Geometry of every unordered pair, in the order of `pairs.pair_rows`.
        state: LOS, NLOSV or NLOSB.
        distance_m: Between antennas.
        loss_db: Path loss with blockage.
        shadowing_db: Added to the loss.
        power_dbm: Received; minus infinity from a station to itself.
        unit_shadow: The unit-variance shadowing process.
        blockage_draw: Standard normal of the blockage episode going on.
    """

    agent: Int64[np.ndarray, " stations"]
    antenna_m: Float[np.ndarray, "stations 3"]
    links: Links
    state: Int8[np.ndarray, "stations stations"]
    distance_m: Float[np.ndarray, "stations stations"]
    loss_db: Float[np.ndarray, "stations stations"]
    shadowing_db: Float[np.ndarray, "stations stations"]
    power_dbm: Float[np.ndarray, "stations stations"]
    unit_shadow: Float[np.ndarray, "stations stations"]
    blockage_draw: Float[np.ndarray, "stations stations"]


def next_budget(
    before: LinkBudget | None, fleet: Fleet, snapshot: Snapshot, obstacles: Obstacles, radio: Radio, streams: Streams
) -> LinkBudget:
    """Return the links at the tick of a snapshot.

    A blockage episode begins when a link becomes NLOSv; its loss is drawn once and held until the link is clear or
    behind a building (TR 37.885 gives no redraw interval).
    """
    count, time_us = len(fleet), snapshot.time_us
    first, second = pair_rows(count)
    links = link_states(
        fleet.antenna_m[first], fleet.antenna_m[second], fleet.row[first], fleet.row[second], snapshot.boxes, obstacles
    )
    a, b = fleet.agent[first], fleet.agent[second]
    state = mirrored(links.state, count, LOS)
    distance = mirrored(links.distance_m, count)
    unit, draw = np.zeros((count, count)), np.zeros((count, count))
    if len(a):
        innovation = mirrored(streams.normals("shadowing", a, b, time_us)[:, 0], count)
        fresh_draw = mirrored(streams.normals("blockage", a, b, time_us)[:, 0], count)
        if before is None:
            unit, draw = innovation, fresh_draw
        else:
            old_state = rekeyed(before.agent, fleet.agent, before.state, LOS)
            held = (old_state == NLOSV) & (state == NLOSV)
            draw = np.where(held, rekeyed(before.agent, fleet.agent, before.blockage_draw, 0.0), fresh_draw)
            known = rekeyed(before.agent, fleet.agent, np.ones_like(before.unit_shadow, bool), False)
            moved = _moved_m(before, fleet)
            walked = step(rekeyed(before.agent, fleet.agent, before.unit_shadow, 0.0), moved, state, innovation)
            unit = np.where(known, walked, innovation)
    environment: Literal["urban", "highway"] = "urban" if radio.channel == "tr37885_urban" else "highway"
    loss = tr37885_loss_db(links.state, links.distance_m, radio.carrier_ghz, environment)
    loss = loss + blockage_loss_db(links.case, links.distance_m, draw[first, second])
    loss_db = mirrored(np.asarray(loss, float), count)
    shadowing_db = shadow_db(unit, state) if radio.shadowing else np.zeros((count, count))
    power = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi - loss_db - shadowing_db
    np.fill_diagonal(power, -np.inf)
    return LinkBudget(fleet.agent, fleet.antenna_m, links, state, distance, loss_db, shadowing_db, power, unit, draw)


def _moved_m(before: LinkBudget, fleet: Fleet) -> Float[np.ndarray, " stations"]:
    """Return how far each station's antenna travelled since the tick before; 0 for newcomers."""
    place = np.minimum(np.searchsorted(before.agent, fleet.agent), max(0, len(before.agent) - 1))
    if len(before.agent) == 0:
        return np.zeros(len(fleet))
    known = before.agent[place] == fleet.agent
    return np.where(known, np.linalg.norm(fleet.antenna_m - before.antenna_m[place], axis=1), 0.0)
