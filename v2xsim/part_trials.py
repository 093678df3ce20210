"""Trial calls of every part from a user's own file with small invented inputs, before a run.

So an error shows at once, not in the tick that first needs the part. Most kinds have two inputs: an ordinary one, and an
empty one, as for a station that is alone. The contract tests call all built-in parts with the same inputs.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from v2xsim.comms.access.packets import Packets, field_of
from v2xsim.comms.access.scheme import AccessScheme, RadioSettings, error_points_of, layer_of
from v2xsim.comms.channel.blockage.model import BlockageView, VehicleBlockage, blockage_of, moments_of
from v2xsim.comms.channel.blockage.tr37885 import Tr37885Blockage
from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView, building_loss_of
from v2xsim.comms.channel.building_loss.tr37885 import DirectDistance
from v2xsim.comms.channel.detours import CornerMap, Detours
from v2xsim.comms.channel.fading.model import Fading, FadingView, shape_of
from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView, loss_of, pieces_of, range_of
from v2xsim.comms.channel.path_loss.tr37885_urban import Tr37885Urban
from v2xsim.comms.messages.awareness.rule import Announcer, AwarenessRule, AwarenessView
from v2xsim.comms.messages.redundancy.rule import Copies, Nearby, RedundancyRule, RedundancyView, omitted_by
from v2xsim.comms.messages.retelling.rule import RetellingRule, RetellingView, told_on_by
from v2xsim.comms.relay.believed_channel import ChannelModel
from v2xsim.comms.relay.bound import RelayBound, TrueChannel, usable_links
from v2xsim.comms.relay.choice import scores_of
from v2xsim.comms.relay.courses import Courses
from v2xsim.comms.relay.foresight.history import LinkHistories
from v2xsim.comms.relay.foresight.model import ForesightView, KnownVehicles, LinkForecast, deaths_of
from v2xsim.comms.relay.hops import KnownBodies
from v2xsim.comms.relay.rule import Ends, HopQuality, RelayRule, RelayView
from v2xsim.gpu.bev.fusion.scheme import FusionScheme, FusionView, Received, fused_of
from v2xsim.parts import Part, base_of
from v2xsim.perception.detection.detector import Detector, DetectorView, detections_of
from v2xsim.perception.matching.choice import order_of
from v2xsim.perception.matching.rule import MatchingRule, MatchingView, MatchingViews
from v2xsim.records import FREE, LOS, NLOSB, NLOSV, OCCUPIED, UNOBSERVED, Boxes, Detections, Prisms
from v2xsim.scenario.choices import parts_in
from v2xsim.scenario.fields import Section
from v2xsim.spatial.grid import indexed

Trial = Callable[[Any, int], object]
"""Function that calls a part with an input of n objects (0 for an empty input) and returns the part's result."""


def try_own_parts(section: Section) -> None:
    """Call each part of a scenario that comes from a user's file with the trial inputs.

    Raises:
        PartError: If a part raises an exception or returns a result that its kind does not allow.
    """
    for part in parts_in(section):
        if part.file is not None:
            try_part(part)


def try_part(part: Part) -> None:
    """Call one part with the trial inputs of its kind.

    Raises:
        PartError: If a part from a user's file raises an exception or returns a result that its kind does not allow.
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
    """Return rising agent ids of road users or stations.

    No id is equal to a row number, so that a part which confuses the two is found.
    """
    return 20 + 3 * np.arange(count)


def cloud(count: int) -> np.ndarray:
    """Return points on the cars' sides at several heights, and some on the ground."""
    side_m = boxes(count).center_m + np.array([0.0, 0.9, 0.0])
    return np.concatenate([side_m + np.array([0.2 * k, 0.0, 0.3 * k]) for k in range(5)])


def detections(count: int) -> Detections:
    """Return detections of the cars of `boxes`, as a detector could report them."""
    velocity_mps = np.column_stack([np.full(count, 8.0), np.zeros(count)])
    return Detections(boxes(count), velocity_mps, np.linspace(0.2, 0.9, count), identities(count))


def _numbers(*shape: int) -> np.ndarray:
    """Return an array of random numbers between 0.05 and 0.95, the same at every call."""
    return np.random.default_rng(1).uniform(0.05, 0.95, shape)


def _states(count: int) -> np.ndarray:
    return np.array([LOS, NLOSV, NLOSB], np.int8)[np.arange(count) % 3]


def relay_view(size: int) -> RelayView:
    """Return a trial input for relay rules: candidates for pairs along a street with a corner building and cars."""
    stations = size + 2 if size else 0
    row = np.arange(stations, dtype=float)
    antenna_m = np.column_stack([40.0 * row, 15.0 * (row % 3), 1.5 + 0.5 * row])
    velocity_mps = np.column_stack([10.0 - 3.0 * row, np.zeros(stations)])

    def ends(rows: np.ndarray) -> Ends:
        return Ends(identities(stations)[rows], antenna_m[rows], velocity_mps[rows], rows % 2 == 1, 0.05 * rows)

    pairs = min(size, 3)
    # The last pair has no candidate, and each other pair has another number of them; no end of a pair is among them.
    least = size - 1 - np.arange(pairs) if pairs else np.zeros(0, np.int64)
    least[-1:] = 0
    rows = np.arange(stations)
    pair, relay = np.nonzero((rows > 0) & (rows < least[:, None]))
    quality = HopQuality(np.linspace(0.7, 1.0, len(pair)), np.linspace(4.0, 30.0, len(pair)))
    corner = Prisms(
        np.array([[5.0, 5.0], [25.0, 5.0], [25.0, 25.0], [5.0, 25.0]]), np.array([0, 4]), np.zeros(1), np.full(1, 9.0)
    )
    known = KnownBodies(np.array([0, size]), boxes(size), np.zeros((size, 2)), np.arange(size) % 2 == 0)
    return RelayView(
        ends(np.zeros(pairs, np.int64)), ends(np.arange(pairs) + stations - pairs), ends(relay), pair, quality, quality, 0.7,
        np.zeros(pairs, np.int64), known, indexed(corner), 5.9, 300.0, 6.0,
        lambda times_s, _: -np.multiply.outer(np.array(times_s), np.column_stack([1.0 + np.arange(len(pair)), np.full(len(pair), 3.0)])),
        lambda: _numbers(len(pair)),
    )  # fmt: skip


def true_channel(size: int) -> TrueChannel:
    """Return a trial input for bounds of relaying: links at two instants, the same both ways."""
    row = np.arange(size)
    now = np.where(row[:, None] == row, 0.0, 1.0 / (1.0 + np.abs(row[:, None] - row)))
    return TrueChannel(np.stack([now, 0.5 * now]))


def _try_bound(part: Any, size: int) -> object:
    """Return the links with which a bound chooses relays."""
    return usable_links(part, true_channel(size))


def foresight_view(size: int, learns: bool = False) -> ForesightView:
    """Return a trial input for link forecasts: links of one station that drives past a building, among cars.

    Args:
        size: Number of links.
        learns: Whether the station has learned of its links: without this, the view has no history, as in a run.
    """
    row, snr_db = np.arange(size, dtype=float), np.linspace(8.0, 30.0, size)
    none, still = np.full(size, -1, np.int64), np.zeros(size)
    here_m = np.tile([0.0, 0.0, 1.5], (size, 1))
    there_m = np.column_stack([30.0 + 5.0 * row, 20.0 - 4.0 * row, np.full(size, 1.5)])
    velocity_mps = np.tile([12.0, 0.0], (size, 1))
    corner = Prisms(
        np.array([[5.0, 5.0], [25.0, 5.0], [25.0, 25.0], [5.0, 25.0]]), np.array([0, 4]), np.zeros(1), np.full(1, 9.0)
    )
    cars = boxes(size)
    channel = ChannelModel(Tr37885Urban(), Tr37885Blockage(), DirectDistance(), 5.9, indexed(corner), CornerMap.none())
    return ForesightView(
        Courses(here_m, velocity_mps, still, still), Courses(there_m, -velocity_mps, still - 1.0, still + 0.1),
        np.zeros(size, np.int64), none, none, snr_db,
        KnownVehicles(Courses.straight(cars.center_m, velocity_mps), cars.size_m, cars.yaw_rad, np.zeros(size, np.int64)),
        channel, 115.0, 6.0, np.array([3.0, 3.0, 4.0]), np.array([10.0, 13.0, 13.0]),
        histories(snr_db) if learns else LinkHistories.none(), 0.1 * row[: size if learns else 0],
    )  # fmt: skip


def histories(snr_db: np.ndarray) -> LinkHistories:
    """Return what a station has learned of clear links and links behind buildings, by turns."""
    row = np.arange(len(snr_db))
    return LinkHistories(
        row, np.full(len(row), 900_000), snr_db, np.linspace(-1.5, 1.5, len(row)), np.full(len(row), 0.4), (snr_db - 6.0) / 4.0,
        np.where(row % 2 == 0, LOS, NLOSB).astype(np.int8), 3 * row,
    )  # fmt: skip


def matching_view(size: int) -> MatchingView:
    """Return a trial input for matching rules: helpers that each see a part of an ego's blind zone."""
    observed, body = _numbers(size, 6, 6) > 0.5, _numbers(size, 6, 6) > 0.8
    code = np.where(observed, np.where(body, OCCUPIED, FREE), UNOBSERVED).astype(np.uint8)
    return MatchingView(
        np.where(_numbers(6, 6) > 0.3, _numbers(6, 6), 0.0), code, identities(size),
        20.0 + 10.0 * np.arange(size), np.linspace(0.6, 1.0, size), np.arange(size) % 2 == 1, 300.0 + 50.0 * np.arange(size),
        1000.0, 3, lambda: _numbers(size), lambda: _experience(size),
    )  # fmt: skip


def matching_views(size: int) -> MatchingViews:
    """Return a trial input for matching rules with three requesters, of which one knows no helper and two know the same ones."""
    view, requesters, helpers = matching_view(size), 3, np.arange(2 * size) % size
    lower = np.array([[0, 0], [9, 9], [1, -2]])
    return MatchingViews(
        np.repeat(view.blind_weight[None], requesters, axis=0), lower, np.array([0, size, size, 2 * size]), view.agent[helpers],
        view.distance_m[helpers[::-1]], view.delivery[helpers], view.relayed[helpers], view.cost_bytes[helpers], helpers, view.code,
        np.zeros((size, 2), np.int64), view.budget_bytes, view.max_helpers, lambda row: _numbers(size + row)[row:],
        lambda row: _experience(size + row)[row:],
    )  # fmt: skip


def _experience(size: int) -> np.ndarray:
    """Return shares of a blind zone that helpers filled; every third one was never asked."""
    return np.where(np.arange(size) % 3 == 0, np.nan, _numbers(size))


def path_loss_view(size: int) -> PathLossView:
    """Return a trial input for path-loss models: links of all link states, from 1 m to 400 m long."""
    count = 3 * size
    return PathLossView(np.geomspace(1.0, 400.0, count), _states(count), np.full(count, 1.5), np.full(count, 3.0), 5.9)


def blockage_view(size: int) -> BlockageView:
    """Return a trial input for blockage models: links between stations with cars in between."""
    stations = size + 1 if size else 0
    row = np.arange(stations, dtype=float)
    antenna_m = np.column_stack([9.0 * row, np.zeros(stations), np.full(stations, 1.6)])
    first, second = np.arange(size), np.arange(size) + 1
    case = np.where(_states(size) == NLOSV, 2, 0).astype(np.int8)
    return BlockageView(
        antenna_m, np.full(stations, -1), first, second, np.full(size, 9.0), _states(size), case, boxes(size), 5.9
    )


def building_loss_view(size: int) -> BuildingLossView:
    """Return a trial input for building losses: links round one corner and round two, and a first link without a way round."""
    row = np.arange(size, dtype=float)
    first_m = np.column_stack([-30.0 - row, np.zeros(size), np.full(size, 1.5)])
    second_m = np.column_stack([np.zeros(size), 40.0 + row, np.full(size, 1.5)])
    one, two = row % 2 == 1, (row % 2 == 0) & (row > 0)
    detours = Detours(
        np.where(one, 30.0 + row, np.inf), np.where(one, 40.0 + row, np.inf),
        *(np.where(two, leg_m, np.inf) for leg_m in (20.0 + row, 30.0 + row, 25.0)),
    )  # fmt: skip
    return BuildingLossView(first_m, second_m, np.full(size, 110.0), 5.9, detours)


def fading_view(size: int) -> FadingView:
    """Return a trial input for fading models: links of all link states, from 1 m to 400 m long."""
    return FadingView(np.geomspace(1.0, 400.0, 3 * size), _states(3 * size))


def awareness_view(size: int, now_us: int) -> AwarenessView:
    """Return a trial input for message rules: stations that drive at different speeds."""
    speed = 5.0 * np.arange(size)
    place_m = np.column_stack([speed * now_us * 1e-6, np.zeros(size)])
    return AwarenessView(identities(size), place_m, np.zeros(size), speed, now_us, np.zeros(size))


def redundancy_view(size: int) -> RedundancyView:
    """Return a trial input for redundancy rules: objects, some of which other stations have reported."""
    place_m = np.column_stack([12.0 * np.arange(size), np.zeros(size)])
    copies = Copies(
        place_m + 0.5,
        np.full(size, 9.0),
        np.full(size, 900_000),
        np.zeros((size, 2)),
        identities(size),
        np.arange(size) > 0,
    )
    # Three other stations: one that sees every second object, one that sees nothing, and one without a matrix.
    sees = (np.arange(size)[:, None] % 2 == 0) & (np.arange(3) == 0)
    nearby = Nearby(
        identities(3), 10.0 * np.ones((3, 2)), np.arange(3) < 2, np.full(3, 80_000), sees, np.zeros((size, 3), bool), np.zeros((size, 3)),
        np.full((size, 3), 0.5),
    )  # fmt: skip
    return RedundancyView(
        place_m, np.full(size, 9.0), np.zeros(2), copies, place_m[: size // 2], 1_000_000, 100_000 * np.arange(size), nearby
    )  # fmt: skip


def retelling_view(size: int) -> RetellingView:
    """Return a trial input for retelling rules: objects that others reported, and three stations, of which the last one misses all of them."""
    place_m, pairs = np.column_stack([12.0 * np.arange(size), np.zeros(size)]), (size, 3)
    last = np.arange(3) == 2
    return RetellingView(
        place_m, np.full(size, 9.0), 50_000 * np.arange(size), np.arange(size) % 2, identities(size), np.zeros(size, bool), np.zeros(size, np.int64), np.full(size, 0.1), identities(3), 10.0 * np.ones((3, 2)),
        np.array([0.0, 0.4, 0.9]), np.where(last, 0.0, np.full(pairs, 0.9)), np.zeros(pairs, bool), np.zeros(pairs, bool), np.zeros(pairs),
        np.full(pairs, 0.5), np.zeros(pairs, np.int64),
    )  # fmt: skip


def detector_view(size: int) -> DetectorView:
    """Return a trial input for detectors: cars with few and with many lidar points on them."""
    points = (4.0 ** np.arange(size)).astype(np.int64)
    return DetectorView(
        boxes(size), identities(size), points, lambda: cloud(size), lambda: boxes(size).center_m[:, :2],
        lambda count: _numbers(size, count), lambda rows, count: _numbers(rows, count),
        lambda rows, count: _numbers(size, count)[rows],
    )  # fmt: skip


def fusion_view(size: int) -> FusionView:
    """Return a trial input for fusion schemes: an ego's frame with points and boxes of two helpers.

    In a run, a fusion scheme gets either points or boxes.
    """
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
    """Send a few packets over the access layer that an access scheme makes, and ask for its error curve."""
    if scheme.ideal:
        return None
    curve = error_points_of(scheme, 2, 10)
    keys = np.arange(size, dtype=np.uint64) + np.uint64(7)
    layer = layer_of(scheme, RadioSettings(), 0, keys)
    number, full = np.arange(size), np.full
    packets = Packets(
        number, number, full(size, -1), full(size, 1000), full(size, 200), full(size, 2), full(size, 100_000), keys
    )
    layer.submit(packets)
    field = field_of(full((size, size), -60.0), -110.0)
    return curve, [layer.advance(until_us, field) for until_us in (50_000, 100_000)]


def _try_awareness(rule: AwarenessRule, size: int) -> object:
    """Ask a message rule twice which stations send, so that the memory of its generator is used."""
    announcer = Announcer(rule)
    return [announcer.due(awareness_view(size, now_us)) for now_us in (100_000, 200_000)]


def _try_path_loss(model: PathLoss, size: int) -> object:
    """Ask a path-loss model for losses, for its straight pieces if it has them, and for its range."""
    return pieces_of(model, 5.9), range_of(model, 110.0, 5.9), loss_of(model, path_loss_view(size))


def _try_blockage(model: VehicleBlockage, size: int) -> object:
    """Ask a blockage model for losses, or for mean and standard deviation of losses that are drawn at random."""
    moments = moments_of(model)
    return blockage_of(model, blockage_view(size)) if moments is None else moments


TRIALS: Mapping[type[Part], tuple[Trial, tuple[int, ...]]] = {
    AccessScheme: (_try_access, (5, 0)),
    AwarenessRule: (_try_awareness, (5, 0)),
    BuildingLoss: (lambda part, size: building_loss_of(part, building_loss_view(size)), (5, 0)),
    Detector: (lambda part, size: detections_of(part, detector_view(size)), (5, 0)),
    Fading: (lambda part, size: shape_of(part, fading_view(size)), (5, 0)),
    FusionScheme: (lambda part, size: fused_of(part, fusion_view(size)), (5, 0)),
    LinkForecast: (lambda part, size: deaths_of(part, foresight_view(size, part.learns)), (5,)),
    # A run calls these rules only if there is something to choose from, so they get no empty input.
    MatchingRule: (lambda part, size: order_of(part, matching_view(size)), (5,)),
    PathLoss: (_try_path_loss, (5, 0)),
    RedundancyRule: (lambda part, size: omitted_by(part, redundancy_view(size)), (5,)),
    RetellingRule: (lambda part, size: told_on_by(part, retelling_view(size)), (5,)),
    RelayBound: (_try_bound, (5, 0)),
    RelayRule: (lambda part, size: scores_of(part, relay_view(size)), (5,)),
    VehicleBlockage: (_try_blockage, (5, 0)),
}
"""For the base class of each kind: the function that calls a part, and the numbers of objects in its inputs."""
