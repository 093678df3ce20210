"""Try every part from a user's own file on small made-up inputs before a run.

So a fault shows at once and not in the tick that first needs the part. There are two inputs for each kind: an ordinary
one, and an empty one, as for a station that is alone. The contract tests try all built-in parts on the same inputs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from v2xsim.comms.access.packets import Packets, field_of
from v2xsim.comms.access.scheme import AccessScheme, RadioSettings, layer_of
from v2xsim.comms.channel.blockage.model import BlockageView, VehicleBlockage, blockage_of, moments_of
from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView, building_loss_of
from v2xsim.comms.channel.fading.model import Fading, FadingView, shape_of
from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView, loss_of, pieces_of, range_of
from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.comms.messages.redundancy.rule import Copies, RedundancyRule, RedundancyView, omitted_by
from v2xsim.comms.relay.choice import scores_of, usable_stations
from v2xsim.comms.relay.rule import RelayRule, RelayView
from v2xsim.gpu.bev.fusion.scheme import FusionScheme, FusionView, Received, fused_of
from v2xsim.parts import Part, base_of
from v2xsim.perception.detection.detector import Detector, DetectorView, detections_of
from v2xsim.perception.matching.choice import order_of
from v2xsim.perception.matching.rule import MatchingRule, MatchingView
from v2xsim.records import LOS, NLOSB, NLOSV, Boxes, Detections, Prisms
from v2xsim.scenario.choices import parts_in
from v2xsim.scenario.fields import Section
from v2xsim.spatial.grid import indexed

Trial = Callable[[Any, int], object]
"""Tries a part on an input with n objects, 0 for an empty input; returns the part's answer."""


def try_own_parts(section: Section) -> None:
    """Try the parts that come from users' files.

    Raises:
        PartError: If a part raises an exception or returns something else than its kind demands.
    """
    for part in parts_in(section):
        if part.file is not None:
            try_part(part)


def try_part(part: Part) -> None:
    """Try one part.

    Raises:
        PartError: If the part is a user's, and raises an exception or returns something else than its kind demands.
    """
    trial, sizes = TRIALS[base_of(type(part))]
    for size in sizes:
        trial(part, size)


def boxes(count: int) -> Boxes:
    """Return cars in a row, each turned a little more than the one before."""
    row = np.arange(count, dtype=float)
    center_m = np.column_stack([9.0 * row, 3.0 * (row % 2), np.zeros(count)])
    return Boxes(center_m, np.tile([4.5, 1.8, 1.5], (count, 1)), 0.1 * row)


def identities(count: int) -> np.ndarray:
    """Return rising identities of road users or stations.

    None is equal to a row number, so that mixing them up shows.
    """
    return 20 + 3 * np.arange(count)


def cloud(count: int) -> np.ndarray:
    """Return points on the cars' sides at several heights, and some on the ground."""
    side_m = boxes(count).center_m + np.array([0.0, 0.9, 0.0])
    return np.concatenate([side_m + np.array([0.2 * k, 0.0, 0.3 * k]) for k in range(5)])


def detections(count: int) -> Detections:
    """Return detections of the cars, as a detector could report them."""
    velocity_mps = np.column_stack([np.full(count, 8.0), np.zeros(count)])
    return Detections(boxes(count), velocity_mps, np.linspace(0.2, 0.9, count), identities(count))


def _numbers(*shape: int) -> np.ndarray:
    """Return the same numbers in (0, 1) at every call."""
    return np.random.default_rng(1).uniform(0.05, 0.95, shape)


def _states(count: int) -> np.ndarray:
    return np.array([LOS, NLOSV, NLOSB], np.int8)[np.arange(count) % 3]


def relay_view(size: int) -> RelayView:
    """Return pairs of stations along a street with a corner building; every other station may relay."""
    stations = size + 2 if size else 0
    row = np.arange(stations, dtype=float)
    antenna_m = np.column_stack([40.0 * row, 15.0 * (row % 3), 1.5 + 0.5 * row])
    velocity_mps = np.column_stack([10.0 - 3.0 * row, np.zeros(stations)])
    pairs = min(size, 3)
    requester, helper = np.zeros(pairs, np.int64), np.arange(pairs) + 2
    delivery = np.full((stations, stations), 0.9)
    corner = Prisms(
        np.array([[5.0, 5.0], [25.0, 5.0], [25.0, 25.0], [5.0, 25.0]]), np.array([0, 4]), np.zeros(1), np.full(1, 9.0)
    )
    usable = usable_stations(requester, helper, delivery, 0.7)
    return RelayView(
        requester, helper, usable, identities(stations), antenna_m, velocity_mps, delivery, 0.7, np.full(stations, -1),
        Boxes.none(), indexed(corner), 5.9, 300.0, lambda: _numbers(pairs, stations),
    )  # fmt: skip


def matching_view(size: int) -> MatchingView:
    """Return helpers that each see a part of a blind zone."""
    observed = _numbers(size, 6, 6) > 0.5
    return MatchingView(
        np.where(_numbers(6, 6) > 0.3, _numbers(6, 6), 0.0), observed, observed & (_numbers(size, 6, 6) > 0.8), identities(size),
        20.0 + 10.0 * np.arange(size), np.linspace(0.6, 1.0, size), np.arange(size) % 2 == 1, 300.0 + 50.0 * np.arange(size),
        1000.0, 3, lambda: _numbers(size),
    )  # fmt: skip


def path_loss_view(size: int) -> PathLossView:
    """Return links of all states from 1 m to 400 m."""
    count = 3 * size
    return PathLossView(np.geomspace(1.0, 400.0, count), _states(count), np.full(count, 1.5), np.full(count, 3.0), 5.9)


def blockage_view(size: int) -> BlockageView:
    """Return links between stations with cars in between."""
    stations = size + 1 if size else 0
    row = np.arange(stations, dtype=float)
    antenna_m = np.column_stack([9.0 * row, np.zeros(stations), np.full(stations, 1.6)])
    first, second = np.arange(size), np.arange(size) + 1
    case = np.where(_states(size) == NLOSV, 2, 0).astype(np.int8)
    return BlockageView(
        antenna_m, np.full(stations, -1), first, second, np.full(size, 9.0), _states(size), case, boxes(size), 5.9
    )


def building_loss_view(size: int) -> BuildingLossView:
    """Return links round a corner, and one link without a corner."""
    row = np.arange(size, dtype=float)
    first_m = np.column_stack([-30.0 - row, np.zeros(size), np.full(size, 1.5)])
    second_m = np.column_stack([np.zeros(size), 40.0 + row, np.full(size, 1.5)])
    return BuildingLossView(
        first_m, second_m, np.zeros(size), np.where(row == 0, 0.0, 0.5 * np.pi), np.full(size, 110.0), 5.9
    )


def fading_view(size: int) -> FadingView:
    """Return links of all states."""
    return FadingView(np.geomspace(1.0, 400.0, 3 * size), _states(3 * size))


def awareness_view(size: int, now_us: int) -> AwarenessView:
    """Return stations that drive at different speeds."""
    speed = 5.0 * np.arange(size)
    place_m = np.column_stack([speed * now_us * 1e-6, np.zeros(size)])
    return AwarenessView(identities(size), place_m, np.zeros(size), speed, now_us, np.zeros(size))


def redundancy_view(size: int) -> RedundancyView:
    """Return objects, some of which other stations have reported."""
    place_m = np.column_stack([12.0 * np.arange(size), np.zeros(size)])
    copies = Copies(place_m + 0.5, np.full(size, 9.0), np.full(size, 900_000), np.zeros((size, 2)))
    return RedundancyView(place_m, np.full(size, 9.0), np.zeros(2), copies, place_m[: size // 2], 1_000_000)


def detector_view(size: int) -> DetectorView:
    """Return cars with few and many points on them."""
    points = (4.0 ** np.arange(size)).astype(np.int64)
    return DetectorView(
        boxes(size), identities(size), points, lambda: cloud(size), lambda: boxes(size).center_m[:, :2],
        lambda count: _numbers(size, count), lambda rows, count: _numbers(rows, count),
    )  # fmt: skip


def fusion_view(size: int) -> FusionView:
    """Return an ego's frame with both points and boxes of two helpers; a real scheme gets only one of the two."""
    agent, objects = identities(size), boxes(size)

    def received(station: int, age_s: float) -> Received:
        points_m = np.repeat(objects.center_m, 4, axis=0)
        return Received(
            station,
            age_s,
            points_m,
            np.repeat(agent, 4),
            detections(size),
            lambda: (objects.center_m, np.ones(size, bool)),
        )

    return FusionView(
        900, np.array([-20.0, 0.0, 0.0, 0.0]), np.array([4.5, 1.8, 1.5]), objects, agent, np.full(size, 6), detections(size),
        np.zeros((4, 4), np.uint8), np.zeros(2, np.int64), 2.0, (received(901, 0.0), received(902, 0.2)) if size else (),
        lambda bodies, points, added_m=None: detections(size), lambda: cloud(size),
    )  # fmt: skip


def _try_access(scheme: AccessScheme, size: int) -> object:
    """Send a few packets over an access layer."""
    if scheme.ideal:
        return None
    keys = np.arange(size, dtype=np.uint64) + np.uint64(7)
    layer = layer_of(scheme, RadioSettings(), 0, keys)
    number, full = np.arange(size), np.full
    packets = Packets(
        number, number, full(size, -1), full(size, 1000), full(size, 200), full(size, 2), full(size, 100_000), keys
    )
    layer.submit(packets)
    field = field_of(full((size, size), -60.0), -110.0)
    return [layer.advance(until_us, field) for until_us in (50_000, 100_000)]


def _try_awareness(rule: AwarenessRule, size: int) -> object:
    """Ask the rule twice which stations send, so that its memory is used."""
    announcer = Announcer(rule)
    return [announcer.due(awareness_view(size, now_us)) for now_us in (100_000, 200_000)]


def _try_path_loss(model: PathLoss, size: int) -> object:
    """Call for losses, for the straight pieces if the model has them, and for the range."""
    return pieces_of(model, 5.9), range_of(model, 110.0, 5.9), loss_of(model, path_loss_view(size))


def _try_blockage(model: VehicleBlockage, size: int) -> object:
    """Call for losses, or for the moments of losses that are drawn."""
    moments = moments_of(model)
    return blockage_of(model, blockage_view(size)) if moments is None else moments


TRIALS: Mapping[type[Part], tuple[Trial, tuple[int, ...]]] = {
    AccessScheme: (_try_access, (5, 0)),
    AwarenessRule: (_try_awareness, (5, 0)),
    BuildingLoss: (lambda part, size: building_loss_of(part, building_loss_view(size)), (5, 0)),
    Detector: (lambda part, size: detections_of(part, detector_view(size)), (5, 0)),
    Fading: (lambda part, size: shape_of(part, fading_view(size)), (5, 0)),
    FusionScheme: (lambda part, size: fused_of(part, fusion_view(size)), (5, 0)),
    # These rules are called only if there is something to choose from, so an empty input would not be real.
    MatchingRule: (lambda part, size: order_of(part, matching_view(size)), (5,)),
    PathLoss: (_try_path_loss, (5, 0)),
    RedundancyRule: (lambda part, size: omitted_by(part, redundancy_view(size)), (5,)),
    RelayRule: (lambda part, size: scores_of(part, relay_view(size)), (5,)),
    VehicleBlockage: (_try_blockage, (5, 0)),
}
"""By base class of a kind: the function that tries a part, and the number of objects in its inputs."""
