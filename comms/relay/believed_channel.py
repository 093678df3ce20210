"""The loss of links as a station works it out itself: the models of the scenario, where it believes antennas and vehicles to be.

Several stations do so at once, each with the vehicles that it knows itself. Their worlds are laid side by side, far enough apart that
no vehicle of one lies between two antennas of another, so that one call of a blockage model serves them all.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.comms.channel.blockage.model import BlockageView, VehicleBlockage, blockage_of, moments_of
from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView, building_loss_of
from v2xsim.comms.channel.detours import CornerMap
from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView, loss_of
from v2xsim.records import NLOSB, NLOSV, Boxes, Obstacles, Prisms

# Between the worlds of two stations.
_GAP_M = 100.0

# Positions are moved in steps of about a micrometre, by whole metres, so that all differences of positions of one world stay the same to the
# last bit wherever it is laid. What a station decides must not depend on how many others decide at the same time.
_STEPS_PER_M = 2.0**20


@dataclass(frozen=True)
class ChannelModel:
    """The models of the channel and the map, both of which every station has.

    Attributes:
        path_loss: Model of the path loss.
        blockage: Model of the loss behind vehicles; of a loss that is drawn at random, stations expect the mean.
        building_loss: Model of the loss behind buildings.
        carrier_ghz: Centre frequency of the channel.
        obstacles: Buildings of the map.
        corners: Corner points of the map.
    """

    path_loss: PathLoss
    blockage: VehicleBlockage
    building_loss: BuildingLoss
    carrier_ghz: float
    obstacles: Obstacles
    corners: CornerMap


@dataclass(frozen=True)
class BelievedLinks:
    """Links at one instant, each as one station believes it.

    Attributes:
        first_m: Position of one antenna of each link; the third column is the height above ground.
        second_m: Position of the other antenna.
        group: Row of the station that believes it.
        first_body: Row in `boxes` of the vehicle that carries the one antenna; -1 for none.
        second_body: Row in `boxes` of the vehicle that carries the other one.
        boxes: Vehicles that the stations know.
        box_group: Row of the station that knows each vehicle.
    """

    first_m: Float[np.ndarray, "links 3"]
    second_m: Float[np.ndarray, "links 3"]
    group: Int64[np.ndarray, " links"]
    first_body: Int64[np.ndarray, " links"]
    second_body: Int64[np.ndarray, " links"]
    boxes: Boxes
    box_group: Int64[np.ndarray, " boxes"]

    def __len__(self) -> int:
        return len(self.first_m)


def believed_loss_db(
    links: BelievedLinks, model: ChannelModel
) -> tuple[Float[np.ndarray, " links"], Int8[np.ndarray, " links"]]:
    """Return the loss of each link in dB, without shadowing, and its state: LOS, NLOSV (vehicle in the way) or NLOSB (building)."""
    # Imported here, so that a scenario can be checked without loading compiled kernels.
    from v2xsim.comms.channel.sight import pair_states
    from v2xsim.spatial.grid import indexed

    count = len(links)
    first, second = np.arange(count), np.arange(count, 2 * count)
    antenna_m, nobody = np.concatenate([links.first_m, links.second_m]), np.full(2 * count, -1)
    distance_m, state, case, _ = pair_states(antenna_m, nobody, first, second, Boxes.none(), model.obstacles)
    apart_m, boxes = _side_by_side(antenna_m, links)
    body = np.concatenate([links.first_body, links.second_body])
    if len(boxes):
        _, beside, case, _ = pair_states(apart_m, body, first, second, boxes, indexed(Prisms.none()))
        state = np.where(state == NLOSB, state, beside)
        case = np.where(state == NLOSV, case, 0)
    height_m = antenna_m[:, 2]
    loss_db = loss_of(
        model.path_loss, PathLossView(distance_m, state, height_m[:count], height_m[count:], model.carrier_ghz)
    ).copy()
    hidden = np.flatnonzero(state == NLOSB)
    if len(hidden) and model.building_loss.follows_streets:
        loss_db[hidden] = _along_streets_db(links, hidden, loss_db[hidden], model)
    # Also links in sight: a roof just below the line costs up to 6 dB. Whether another station has a blocked link must not matter.
    if not model.path_loss.includes_vehicles and len(boxes):
        moments = moments_of(model.blockage)
        if moments is None:
            loss_db += blockage_of(
                model.blockage, BlockageView(apart_m, body, first, second, distance_m, state, case, boxes, model.carrier_ghz)
            )  # fmt: skip
        else:
            farther_db = np.maximum(0.0, 15.0 * np.log10(np.maximum(distance_m, 1.0)) - 41.0)
            loss_db += np.where((state == NLOSV) & (moments[0][case] > 0.0), moments[0][case] + farther_db, 0.0)
    return loss_db, state


def _along_streets_db(
    links: BelievedLinks, hidden: Int64[np.ndarray, " hidden"], direct_db: Float[np.ndarray, " hidden"], model: ChannelModel
) -> Float[np.ndarray, " hidden"]:  # fmt: skip
    """Return the loss of links behind buildings for the way along the streets."""
    from v2xsim.comms.channel.corners import detours_between

    one_m, other_m = links.first_m[hidden], links.second_m[hidden]
    # Many links of one station at one instant share an antenna, whose corners in sight are searched for once.
    place_m, row = np.unique(np.concatenate([one_m, other_m]), axis=0, return_inverse=True)
    first, second = row.ravel()[: len(hidden)], row.ravel()[len(hidden) :]
    ways = detours_between(place_m, first, second, model.corners, model.obstacles)
    return building_loss_of(
        model.building_loss, BuildingLossView(one_m, other_m, direct_db, model.carrier_ghz, ways)
    )  # fmt: skip


def _side_by_side(
    antenna_m: Float[np.ndarray, "antennas 3"], links: BelievedLinks
) -> tuple[Float[np.ndarray, "antennas 3"], Boxes]:
    """Return antennas and vehicles with the world of each station moved to a place of its own, to the east of those before."""
    boxes = links.boxes
    if len(boxes) == 0:
        return antenna_m, boxes
    x_m = np.concatenate([antenna_m[:, 0], boxes.center_m[:, 0]])
    step_m = np.ceil(np.ptp(x_m) + _GAP_M)
    moved_m, center_m = antenna_m.copy(), boxes.center_m.copy()
    moved_m[:, 0] = np.rint(moved_m[:, 0] * _STEPS_PER_M) / _STEPS_PER_M + np.tile(links.group, 2) * step_m
    center_m[:, 0] = np.rint(center_m[:, 0] * _STEPS_PER_M) / _STEPS_PER_M + links.box_group * step_m
    return moved_m, Boxes(center_m, boxes.size_m, boxes.yaw_rad)
