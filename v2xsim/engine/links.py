"""The links between stations near enough to matter, tick by tick: geometry, path loss, blockage, shadowing, power."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64

from v2xsim.comms.budget import Carried, powers, same_pairs
from v2xsim.comms.neighbours import Neighbours, neighbours
from v2xsim.comms.packets import Field
from v2xsim.comms.pairs import kept_rows
from v2xsim.comms.propagation import tr37885
from v2xsim.comms.sight import pair_states
from v2xsim.engine.fleet import Fleet
from v2xsim.records import Obstacles, Snapshot
from v2xsim.scenario.schema import Radio
from v2xsim.streams import Streams


@dataclass(frozen=True)
class LinkBudget:
    """All links at one tick: one entry per unordered pair of stations within `radio.range_m`.

    Attributes:
        agent: Stations.
        antenna_m: Where their antennas are.
        near: The pairs, and the same by station.
        distance_m: Between the antennas of each pair.
        state: LOS, NLOSV or NLOSB.
        case: Blockage case of TR 37.885 (`v2xsim.comms.geometry`).
        loss_db: Path loss with blockage.
        shadowing_db: Added to the loss.
        field: The same links as an access layer takes them.
        blocker: Row of a vehicle in the way that makes the case what it is; -1 without.
        body_agent: All vehicles.
        body_top_m: Their tops above ground.
        carried: What the next tick takes over.
        transmitted_dbm: Power of every transmitter, antenna gains included.
    """

    agent: Int64[np.ndarray, " stations"]
    antenna_m: Float[np.ndarray, "stations 3"]
    near: Neighbours
    distance_m: Float[np.ndarray, " pairs"]
    state: Int8[np.ndarray, " pairs"]
    case: Int8[np.ndarray, " pairs"]
    loss_db: Float[np.ndarray, " pairs"]
    shadowing_db: Float[np.ndarray, " pairs"]
    field: Field
    blocker: Int32[np.ndarray, " pairs"]
    body_agent: Int64[np.ndarray, " bodies"]
    body_top_m: Float[np.ndarray, " bodies"]
    carried: Carried
    transmitted_dbm: float

    @cached_property
    def power_dbm(self) -> Float[np.ndarray, " pairs"]:
        """Received over each pair."""
        return self.transmitted_dbm - self.loss_db - self.shadowing_db

    @property
    def blocker_height_m(self) -> Float[np.ndarray, " pairs"]:
        """Top of a vehicle in the way that makes the case what it is; NaN where no vehicle blocks."""
        if len(self.body_top_m) == 0:
            return np.full(len(self.blocker), np.nan)
        return np.where(self.blocker >= 0, self.body_top_m[self.blocker], np.nan)

    def of(self, row: int) -> tuple[Int32[np.ndarray, " links"], Int32[np.ndarray, " links"]]:
        """Return the stations linked with one, rising, and the pair of each link."""
        return self.near.of(row)

    def pair(self, row: int, others: Int64[np.ndarray, " others"]) -> Int64[np.ndarray, " others"]:
        """Return the pairs of a station with others; -1 for those out of range."""
        return self.near.pairs(row, others)


def next_budget(
    before: LinkBudget | None, fleet: Fleet, snapshot: Snapshot, obstacles: Obstacles, radio: Radio, streams: Streams
) -> LinkBudget:
    """Return the links at the tick of a snapshot (`v2xsim.comms.budget`)."""
    near = neighbours(fleet.antenna_m[:, :2], radio.range_m)
    pairs, stations = len(near.first), len(fleet)
    old_pair, old = np.full(pairs, -1, np.int32), Carried(np.zeros(0), np.zeros(0))
    old_state, suspect, moved_m = np.zeros(0, np.int8), old_pair, np.zeros(stations)
    if before is not None and len(before.near.first):
        row = kept_rows(before.agent, fleet.agent)
        old_pair = same_pairs(before.near, near, row)
        old, old_state = before.carried, before.state
        still = np.append(kept_rows(snapshot.agent, before.body_agent), -1)
        suspect = np.where(old_pair >= 0, still[before.blocker[old_pair]], -1).astype(np.int32)
        moved_m = np.where(row >= 0, np.linalg.norm(fleet.antenna_m - before.antenna_m[row], axis=1), 0.0)
    distance_m, state, case, blocker = pair_states(
        fleet.antenna_m, fleet.row, near.first, near.second, snapshot.boxes, obstacles, suspect
    )
    transmitted_dbm = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi
    model = tr37885(
        "urban" if radio.channel == "tr37885_urban" else "highway", radio.carrier_ghz, transmitted_dbm, radio.shadowing
    )
    keys = (streams.uniforms("link", fleet.agent)[:, 0] * 2.0**53).astype(np.uint64) << np.uint64(11)
    carried, loss_db, shadowing_db, power_mw = powers(
        near, distance_m, state, case, moved_m, keys, streams.key("link.tick", snapshot.time_us), old_pair, old_state, old,
        model,
    )  # fmt: skip
    top_m = snapshot.boxes.center_m[:, 2] + snapshot.boxes.size_m[:, 2]
    return LinkBudget(
        fleet.agent, fleet.antenna_m, near, distance_m, state, case, loss_db, shadowing_db,
        Field(near.offset, near.other, power_mw, np.zeros(0)), blocker, snapshot.agent, top_m, carried, transmitted_dbm,
    )  # fmt: skip
