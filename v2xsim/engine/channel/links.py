"""The links between stations within radio range at each tick: geometry, path loss, blockage, shadowing and received power."""

from dataclasses import dataclass
from dataclasses import field as attribute
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64

from v2xsim.comms.access.packets import Field
from v2xsim.comms.channel.blockage.model import BlockageView, blockage_of, moments_of
from v2xsim.comms.channel.building_loss.model import BuildingLossView, building_loss_of
from v2xsim.comms.channel.corners import detours_between
from v2xsim.comms.channel.detours import CornerMap, Detours
from v2xsim.comms.channel.fading.model import FadingView, shape_of
from v2xsim.comms.channel.neighbours import Neighbours, neighbours
from v2xsim.comms.channel.path_loss.model import PathLossView, loss_of, pieces_of, piecewise_loss_db
from v2xsim.comms.channel.propagation import propagation
from v2xsim.comms.channel.received_power import Before, Carried, Common, PairStates, Propagation, powers, same_pairs
from v2xsim.comms.channel.sight import pair_states
from v2xsim.comms.channel.states import drawn_states
from v2xsim.comms.pairs import kept_rows
from v2xsim.engine.channel.own_bodies import transparent_bodies
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.records import NLOSB, Obstacles
from v2xsim.scenario.schema_radio import Radio
from v2xsim.streams import Streams
from v2xsim.world.road_users import KINDS
from v2xsim.world.snapshot import Snapshot


@dataclass(frozen=True)
class LinkBudget:
    """All links at one tick: one entry per unordered pair of stations within `radio.range_m`.

    Attributes:
        agent: Identity of each station.
        antenna_m: Position of each station's antenna.
        near: The pairs of stations within range, and the pairs of each station.
        distance_m: Distance between the antennas of each pair, in three dimensions.
        state: Link state: LOS (clear), NLOSV (vehicle in the way) or NLOSB (building in the way).
        case: Blockage case of TR 37.885 (`v2xsim.comms.channel.geometry`).
        loss_db: Path loss with blockage, without shadowing.
        shadowing_db: Shadowing of each pair, to be added to the loss.
        field: The links in the form that an access layer takes.
        blocker: Row of a box that blocks the pair and determines its case; -1 where none does.
        body_agent: Agent id of every box: one box for a road user of one part, two for one of two parts, the front one first.
        body_top_m: Height of the top of each box above ground.
        carried: Random draws of shadowing and blockage, with which those of the next tick are correlated.
        gain_dbi: Antenna gain of each station.
        tx_power_dbm: Power fed into the antenna; the same for all stations.
        corners: Number of corners round which each link behind a building goes, 1 or 2; 0 if no way round was found, -1 for
            all other pairs. Empty if the building loss does not follow streets.
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
    gain_dbi: Float[np.ndarray, " stations"]
    tx_power_dbm: float
    corners: Int8[np.ndarray, " counted_pairs"] = attribute(default_factory=lambda: np.zeros(0, np.int8))

    @staticmethod
    def none() -> "LinkBudget":
        """Return a link budget without stations and links."""
        none, ids, rows = np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int32)
        near = neighbours(np.zeros((0, 2)), 1.0)
        return LinkBudget(
            ids, np.zeros((0, 3)), near, none, rows.astype(np.int8), rows.astype(np.int8), none, none,
            Field(near.offset, near.other, none, none), rows, ids, none, Carried(none, none), none, 0.0,
        )  # fmt: skip

    @cached_property
    def power_dbm(self) -> Float[np.ndarray, " pairs"]:
        """Received power over each pair, without fading."""
        gain_db = self.gain_dbi[self.near.first] + self.gain_dbi[self.near.second]
        return self.tx_power_dbm + gain_db - self.loss_db - self.shadowing_db

    @property
    def blocker_height_m(self) -> Float[np.ndarray, " pairs"]:
        """Height of the roof of the vehicle that blocks each pair; NaN where no vehicle blocks."""
        if len(self.body_top_m) == 0:
            return np.full(len(self.blocker), np.nan)
        return np.where(self.blocker >= 0, self.body_top_m[self.blocker], np.nan)

    def of(self, row: int) -> tuple[Int32[np.ndarray, " links"], Int32[np.ndarray, " links"]]:
        """Return the rows of the stations linked with a station, in rising order, and the index of the pair of each link."""
        return self.near.of(row)

    def pair(self, row: int, others: Int64[np.ndarray, " others"]) -> Int64[np.ndarray, " others"]:
        """Return the index of the pair that a station forms with each of some others; -1 for a station out of range."""
        return self.near.pairs(row, others)


def next_budget(
    before: LinkBudget,
    fleet: Fleet,
    snapshot: Snapshot,
    obstacles: Obstacles,
    radio: Radio,
    streams: Streams,
    corners: CornerMap | None = None,
) -> LinkBudget:
    """Return the links at the instant of a snapshot; the formulas are in `v2xsim.comms.channel.received_power`.

    Args:
        before: Links of the tick before. The shadowing and blockage draws of pairs that are still in range are
            correlated with their earlier ones.
        fleet: Stations.
        snapshot: All road users: any vehicle can block a link.
        obstacles: Buildings.
        radio: Section `radio` of the scenario.
        streams: Random streams of the run.
        corners: Corner points of the map; None for a map without.
    """
    near = neighbours(fleet.antenna_m[:, :2], radio.range_m)
    pairs, stations = len(near.first), len(fleet)
    continued, moved_m, row = Before.nothing(pairs), np.zeros(stations), np.full(stations, -1)
    suspect = continued.row
    if len(before.agent):
        row = kept_rows(before.agent, fleet.agent)
        continued = Before(same_pairs(before.near, near, row), before.state, before.carried)
        # The vehicle that blocked a pair at the last tick probably still blocks it, so it is tested first. The last row
        # stands for no vehicle (-1).
        still = np.append(kept_rows(_keys(snapshot.body_agent), _keys(before.body_agent)), -1)
        last = np.append(before.blocker, np.int32(-1))
        suspect = np.where(continued.row >= 0, still[last[continued.row]], -1).astype(np.int32)
        moved_m = np.where(row >= 0, np.linalg.norm(fleet.antenna_m - before.antenna_m[row], axis=1), 0.0)
    own = transparent_bodies(fleet, snapshot.bodies)
    distance_m, state, case, blocker = _states(near, fleet, own, snapshot, obstacles, radio, streams, suspect)
    wave = radio.propagation
    model = propagation(
        radio.channel, radio.carrier_ghz, radio.tx_power_dbm, wave.vehicle_blockage, radio.shadowing, wave.shadowing_sigma_db,
        wave.decorrelation_m,
    )  # fmt: skip
    clear_db, corner_counts = _path_loss_db(
        near, fleet, distance_m, state, model, radio, obstacles, corners or CornerMap.none()
    )
    more_db = np.zeros(0)
    if moments_of(wave.vehicle_blockage) is None:
        view = BlockageView(
            fleet.antenna_m,
            own[0],
            near.first,
            near.second,
            distance_m,
            state,
            case,
            snapshot.bodies.boxes,
            radio.carrier_ghz,
            own[1],
            snapshot.bodies.owner,
        )
        more_db = blockage_of(wave.vehicle_blockage, view)
    shape = shape_of(wave.fading, FadingView(distance_m, state)) if wave.fading.fades else np.zeros(0)
    gain_dbi = _gain_dbi(fleet, snapshot, radio)
    # A 64-bit key for each station, random in its upper 53 bits; the key of a pair is made from those of its stations.
    keys = (streams.uniforms("link", streams.agent_keys(fleet.agent))[:, 0] * 2.0**53).astype(np.uint64) << np.uint64(
        11
    )
    carried, loss_db, shadowing_db, power_mw = powers(
        PairStates(near, distance_m, state, case), moved_m, keys, streams.key("link.tick", snapshot.time_us), continued, model,
        clear_db, more_db, gain_dbi, _common(radio, row, blocker, snapshot, streams),
    )  # fmt: skip
    boxes = snapshot.bodies.boxes
    return LinkBudget(
        agent=fleet.agent, antenna_m=fleet.antenna_m, near=near, distance_m=distance_m, state=state, case=case, loss_db=loss_db,
        shadowing_db=shadowing_db, field=Field(near.offset, near.other, power_mw, _by_link(shape, near)), blocker=blocker,
        body_agent=snapshot.body_agent, body_top_m=boxes.center_m[:, 2] + boxes.size_m[:, 2], carried=carried, gain_dbi=gain_dbi, tx_power_dbm=radio.tx_power_dbm,
        corners=corner_counts,
    )  # fmt: skip


def _keys(body_agent: Int64[np.ndarray, " bodies"]) -> Int64[np.ndarray, " bodies"]:
    """Return a number for each box that stays the same while rows change: the front and the rear part of a vehicle have two."""
    return 2 * body_agent + (np.diff(body_agent, prepend=-1) == 0)


def _states(
    near: Neighbours, fleet: Fleet, own: tuple[np.ndarray, np.ndarray], snapshot: Snapshot, obstacles: Obstacles,
    radio: Radio, streams: Streams, suspect: Int32[np.ndarray, " pairs"],
) -> tuple[
    Float[np.ndarray, " pairs"], Int8[np.ndarray, " pairs"], Int8[np.ndarray, " pairs"], Int32[np.ndarray, " pairs"]
]:  # fmt: skip
    """Return distance, link state, blockage case and a blocking vehicle of each pair.

    The state comes from the geometry of buildings and vehicles, or is drawn from the probability curves of a model.
    """
    model = radio.propagation.states
    if model == "geometry":
        return pair_states(
            fleet.antenna_m, own[0], near.first, near.second, snapshot.bodies.boxes, obstacles, suspect, own[1]
        )
    one, other = fleet.antenna_m[near.first], fleet.antenna_m[near.second]
    distance_m = np.linalg.norm(one - other, axis=1)
    key = streams.agent_keys(fleet.agent)
    first, second = key[near.first], key[near.second]
    # The order of two stations depends on their agent ids, their keys do not.
    draws = streams.uniforms("link.state", np.minimum(first, second), np.maximum(first, second), count=2)
    state, case = drawn_states(
        model, radio.channel.urban, distance_m, np.minimum(one[:, 2], other[:, 2]),
        np.maximum(one[:, 2], other[:, 2]), draws,
    )  # fmt: skip
    return distance_m, state, case, np.full(len(state), -1, np.int32)


def _common(
    radio: Radio, row: Int64[np.ndarray, " stations"], blocker: Int32[np.ndarray, " pairs"], snapshot: Snapshot,
    streams: Streams,
) -> Common | None:  # fmt: skip
    """Return what the draws of links have in common; None if the scenario lets them share nothing."""
    share = radio.propagation.common_share
    if share == 0.0:
        return None
    # Only a drawn blockage loss reads the keys of vehicles.
    if moments_of(radio.propagation.vehicle_blockage) is None:
        return Common(share, row, np.full(len(blocker), -1, np.int32), np.zeros(0, np.uint64))
    keys = (streams.uniforms("link.blocker", streams.agent_keys(snapshot.body_agent))[:, 0] * 2.0**53).astype(
        np.uint64
    ) << np.uint64(11)
    return Common(share, row, blocker, keys)


def _path_loss_db(
    near: Neighbours, fleet: Fleet, distance_m: Float[np.ndarray, " pairs"], state: Int8[np.ndarray, " pairs"],
    model: Propagation, radio: Radio, obstacles: Obstacles, corners: CornerMap,
) -> tuple[Float[np.ndarray, " pairs_or_none"], Int8[np.ndarray, " counted_pairs"]]:  # fmt: skip
    """Return the path loss of each pair, and `LinkBudget.corners`.

    The losses are empty if the compiled code of the link budget evaluates the model: one of straight pieces, unless the
    building loss follows streets.
    """
    pieces, building_loss = pieces_of(radio.channel, radio.carrier_ghz), radio.propagation.building_loss
    no_corners = np.zeros(0, np.int8)
    if pieces is not None and not building_loss.follows_streets:
        return np.zeros(0), no_corners
    if pieces is not None:
        loss_db = piecewise_loss_db(model.loss_rows, distance_m, state)
    else:
        height = fleet.antenna_m[:, 2]
        view = PathLossView(distance_m, state, height[near.first], height[near.second], radio.carrier_ghz)
        loss_db = loss_of(radio.channel, view)
    if not building_loss.follows_streets:
        return loss_db, no_corners
    hidden = np.flatnonzero(state == NLOSB)
    one, other = near.first[hidden], near.second[hidden]
    # States that are drawn from curves belong to no building, so there is no corner to look for.
    is_on_map = radio.propagation.states == "geometry"
    ways = detours_between(fleet.antenna_m, one, other, corners, obstacles) if is_on_map else Detours.none(len(hidden))
    loss_db = loss_db.copy()
    loss_db[hidden] = building_loss_of(
        building_loss,
        BuildingLossView(fleet.antenna_m[one], fleet.antenna_m[other], loss_db[hidden], radio.carrier_ghz, ways),
    )
    counts = np.full(len(state), -1, np.int8)
    counts[hidden] = ways.corners
    return loss_db, counts


def _gain_dbi(fleet: Fleet, snapshot: Snapshot, radio: Radio) -> Float[np.ndarray, " stations"]:
    """Return the gain of each station's antenna."""
    by_kind = {str(kind): gain_dbi for kind, gain_dbi in radio.propagation.gain_by_kind_dbi.items()}
    gain = np.full(len(fleet), radio.antenna_gain_dbi)
    if by_kind and len(snapshot.kind):
        table = np.array([by_kind.get(name, radio.antenna_gain_dbi) for name in KINDS])
        gain = np.where(fleet.row >= 0, table[snapshot.kind[fleet.row]], gain)
    return gain


def _by_link(values: Float[np.ndarray, " pairs_or_none"], near: Neighbours) -> Float[np.ndarray, " links_or_none"]:
    return values[near.pair] if len(values) else values
