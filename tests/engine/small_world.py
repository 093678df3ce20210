"""Small worlds for the tests of the engine: records in which everything has a default, so that a test names what it is about.

A matrix is 4 x 4 cells of 2 m from the origin by default. Cars head east.
"""

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from v2xsim.comms.access.packets import Field
from v2xsim.comms.channel.detours import CornerMap
from v2xsim.comms.channel.neighbours import neighbours
from v2xsim.comms.channel.received_power import Carried
from v2xsim.engine.channel.links import LinkBudget
from v2xsim.engine.channel.messages import AnswerMessage, AwarenessMessage, Packet, ReportMessage, RequestMessage
from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.collecting import Arrived
from v2xsim.engine.cooperation.cooperation import Contribution
from v2xsim.engine.cooperation.cycle_forecast import Asked, CycleForecast
from v2xsim.engine.cooperation.foresight import Foresight
from v2xsim.engine.cooperation.fusing import Fused
from v2xsim.engine.cooperation.matching import Candidates
from v2xsim.engine.cooperation.transfers import Transfers
from v2xsim.engine.instant import Instant
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.stations.capture import Capture, Captures, DetectorDraws
from v2xsim.engine.stations.contents import EVERYBODY, NOBODY, Answer, Awareness, HeardList, Report, Request
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.knowledge import Knowledge
from v2xsim.engine.stations.neighbours import AnnouncedMatrices
from v2xsim.engine.stations.own_state import OwnStates
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.engine.stations.stations import Stations
from v2xsim.gpu.lidar.points import transform
from v2xsim.gpu.lidar.returns import Returns
from v2xsim.perception.matching.matrix import cells_of
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, Detections, PerceptionMatrix, Prisms
from v2xsim.results.tables import Columns
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.streams import Streams
from v2xsim.world.snapshot import Snapshot

EGO, HELPER, OTHER, RELAY = 1, 2, 3, 4
CELL_M = 2.0
CAR_M = (4.0, 2.0, 1.5)
STEP_US, DETECT_US, FORGET_US, MAX_AGE_US = 100_000, 20_000, 500_000, 500_000


def scenario(**sections):
    """Return a scenario of one standing car with the given sections."""
    traffic = {"script": [{"id": "car", "waypoints": [[0, 0, 0]]}]}
    return Scenario.model_validate({"traffic": traffic, **sections})


def cooperation(**keys):
    """Return the cooperation section of a scenario."""
    return scenario(cooperation=keys).cooperation


# What is there


def boxes(positions_m, yaw_rad=0.0, size_m=CAR_M):
    """Return bodies with these centres of their bottom faces (x, y or x, y, z), on the ground where z is missing."""
    positions_m = np.array(positions_m, float)
    count = len(positions_m)
    center_m = np.zeros((count, 3))
    if count:
        center_m[:, : positions_m.shape[1]] = positions_m
    return Boxes(center_m, np.tile(np.array(size_m, float), (count, 1)), _each(yaw_rad, count))


def detections(positions_m, *, velocity_mps=(0.0, 0.0), truth=None, score=0.9, yaw_rad=0.0):
    """Return detections of cars; one velocity for all, or one for each."""
    count = len(positions_m)
    return Detections(
        boxes(positions_m, yaw_rad), _each(velocity_mps, (count, 2)), _each(score, count),
        np.arange(count) if truth is None else np.array(truth, np.int64),
    )  # fmt: skip


def matrix(code=None, lower=(0, 0)):
    """Return a perception matrix; 4 x 4 unobserved cells by default."""
    code = np.zeros((4, 4), np.uint8) if code is None else np.array(code, np.uint8)
    return PerceptionMatrix(np.array(lower, np.int64), CELL_M, code)


@dataclass(frozen=True, eq=False)
class GivenReturns(Returns):
    """Lidar returns at given places, where those of a run come from rays."""

    given_m: np.ndarray

    def __len__(self):
        return len(self.given_m)

    @property
    def points_m(self):
        return self.given_m

    def in_cells(self, world_from_vehicle, lower, cell_m, cells, above_m):
        places_m = transform(self.points_m, world_from_vehicle)
        i, j, inside = cells_of(places_m[:, :2], lower, cell_m, cells.shape)
        rows = np.flatnonzero(inside & cells[i, j] & (self.points_m[:, 2] > above_m))
        return rows, self.points_m[rows]


def frame(
    agent=HELPER, time_us=0, *, stamp_us=None, pose=(0, 0, 0, 0), velocity_mps=(0, 0), points_m=(),
    code=None, lower=(0, 0), seen=None,
):  # fmt: skip
    """Return one capture of a station; its clock is right by default."""
    points_m = np.array(points_m, float).reshape(-1, 3)
    return Frame(
        agent, time_us, time_us if stamp_us is None else stamp_us, np.array(pose, float), np.array(velocity_mps, float),
        GivenReturns((), points_m), matrix(code, lower), Detections.none() if seen is None else seen,
    )  # fmt: skip


def snapshot(
    agents, positions_m, *, time_us=0, velocity_mps=(0.0, 0.0), yaw_rad=0.0, size_m=CAR_M, kind=0, antenna_m=1.6
):
    """Return cars as they truly are; one velocity for all, or one for each."""
    count = len(agents)
    return Snapshot(
        time_us, np.array(agents, np.int64), np.full(count, kind, np.int8), boxes(positions_m, yaw_rad, size_m),
        _each(velocity_mps, (count, 2)), _each(antenna_m, count),
    )  # fmt: skip


def _each(values, shape):
    """Return a value, or one for each, as an array of its own."""
    return np.broadcast_to(np.array(values, float), shape).copy()


def capture(world, agent=EGO, *, believed=None, object_id=(), points=None):
    """Return the truth behind a frame of a car of a snapshot; the car knows its own pose by default."""
    row = world.agent.tolist().index(agent) if agent in world.agent else -1
    position_m = world.boxes.center_m[row] if row >= 0 else np.zeros(3)
    pose = np.append(position_m, world.boxes.yaw_rad[row] if row >= 0 else 0.0)
    hits = np.zeros(len(world), np.int64) if points is None else np.array(points, np.int64)
    chance = DetectorDraws(Streams(1), agent, world.time_us, world.agent)
    return Capture(
        pose,
        pose if believed is None else np.array(believed, float),
        world,
        np.array(object_id, np.int32),
        hits,
        chance,
    )


def captures(*pairs):
    """Return the truth behind several frames."""
    behind = Captures()
    for one, truth in pairs:
        behind.put(one, truth)
    return behind


def rectangle_of_buildings(*corners_m):
    """Return one upright building for each pair of opposite corners (x0, y0, x1, y1)."""
    feet = [np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float) for x0, y0, x1, y1 in corners_m]
    count = len(feet)
    vertices = np.concatenate([np.zeros((0, 2)), *feet])
    return Prisms(vertices, np.arange(count + 1, dtype=np.int64) * 4, np.zeros(count), np.full(count, 10.0))


def obstacles(*corners_m):
    """Return buildings with their index."""
    return indexed(rectangle_of_buildings(*corners_m))


# Who is there


def own_states(
    agents, positions_m=None, *, time_us=0, stamp_us=None, odometry=None, velocity_mps=None, antenna_m=1.6, egos=(EGO,),
    without_lidar=(), roadside=(),
):  # fmt: skip
    """Return what cars know of themselves; each has one lidar, and car 1 fuses by default."""
    agent, count = np.array(agents, np.int64), len(agents)
    positions_m = np.zeros((count, 2)) if positions_m is None else np.array(positions_m, float)
    pose = np.column_stack([positions_m, np.zeros(count), np.zeros(count)])
    is_vehicle = ~np.isin(agent, roadside)
    size_m = np.where(is_vehicle[:, None], np.array(CAR_M), 0.0)
    lidars = np.where(np.isin(agent, without_lidar), 0, 1).astype(np.int64)
    return OwnStates(
        agent, time_us, np.full(count, time_us if stamp_us is None else stamp_us, np.int64), pose,
        pose[:, [0, 1, 3]] if odometry is None else np.array(odometry, float),
        np.zeros((count, 2)) if velocity_mps is None else np.array(velocity_mps, float), np.zeros(count), np.zeros(count),
        np.broadcast_to(np.array(antenna_m, float), count).copy(), size_m, is_vehicle, lidars, np.isin(agent, egos),
    )  # fmt: skip


def fleet_of(
    agents, positions_m, *, rows=None, yaw_rad=0.0, velocity_mps=(0.0, 0.0), antenna_m=1.6, roof_m=1.5, lidars=1, egos=(EGO,)
):  # fmt: skip
    """Return stations as they truly are; each is the car of its row by default, -1 for a roadside unit.

    Args:
        agents: The stations, rising.
        positions_m: x and y of each.
        rows: Row of the snapshot of each.
        yaw_rad: Heading, for all or for each.
        velocity_mps: For all or for each.
        antenna_m: Height of the antenna above ground, for all or for each.
        roof_m: Height that lidar mounts count from, for all or for each.
        lidars: Lidars carried, by all or by each.
        egos: Stations that fuse.
    """
    agent, count = np.array(agents, np.int64), len(agents)
    positions_m = np.array(positions_m, float).reshape(-1, 2)
    pose = np.column_stack([positions_m, np.zeros(count), _each(yaw_rad, count)])
    return Fleet(
        agent, np.arange(count) if rows is None else np.array(rows, np.int64), pose, _each(velocity_mps, (count, 2)),
        np.column_stack([positions_m, _each(antenna_m, count)]), _each(roof_m, count),
        _each(lidars, count).astype(np.int64), np.zeros(count, np.int64), np.isin(agent, egos), pose.copy(),
        np.zeros(count, bool),
    )  # fmt: skip


def fleet_in(world, rows=None, *, lidars=0, egos=()):
    """Return those road users of a snapshot that are stations: all of them by default."""
    rows = np.arange(len(world)) if rows is None else np.array(rows, np.int64)
    bodies = world.boxes
    return fleet_of(
        world.agent[rows], bodies.center_m[rows, :2], rows=rows, yaw_rad=bodies.yaw_rad[rows],
        velocity_mps=world.velocity_mps[rows], antenna_m=world.antenna_height_m[rows], roof_m=bodies.size_m[rows, 2],
        lidars=lidars, egos=egos,
    )  # fmt: skip


def links_of(fleet, range_m=1_500.0):
    """Return clear links between all stations within range; pair n has a path loss of 60 + n dB."""
    near = neighbours(fleet.antenna_m[:, :2], range_m)
    pairs, count = len(near.first), len(fleet)
    nothing, loss_db = np.zeros(pairs), 60.0 + np.arange(pairs)
    distance_m = np.linalg.norm(fleet.antenna_m[near.first] - fleet.antenna_m[near.second], axis=1)
    return LinkBudget(
        fleet.agent, fleet.antenna_m, near, distance_m, np.zeros(pairs, np.int8), np.zeros(pairs, np.int8), loss_db, nothing,
        Field(near.offset, near.other, np.zeros(2 * pairs), np.zeros(0)), np.full(pairs, -1, np.int32),
        np.zeros(0, np.int64), np.zeros(0), Carried(nothing, nothing), np.zeros(count), 23.0,
    )  # fmt: skip


def instant(world, fleet, links=None, *, clock_offset_us=None):
    """Return the true state of a tick; without links by default."""
    count = len(fleet)
    offset = np.zeros(count, np.int64) if clock_offset_us is None else np.array(clock_offset_us, np.int64)
    errors = StationErrors(fleet.agent, world.time_us, np.zeros((count, 3)), offset)
    return Instant(world, fleet, errors, LinkBudget.none() if links is None else links)


def stations_of(own=None, *frames, frames_kept=3, all_listen=False):
    """Return stations that know their own frames and nothing else; only egos keep announcements, or all stations do."""
    stations = Stations(frames_kept, DETECT_US, FORGET_US, MAX_AGE_US, STEP_US, all_listen)
    if own is not None:
        stations.enter(own)
    for one in frames:
        stations.keep_frame(one)
    return stations


def knowledge(agent=EGO, *frames):
    """Return what a station knows that has heard nothing."""
    return Knowledge(agent, deque(frames, maxlen=5))


# What an ego has after fusion


def contribution(
    helper=HELPER,
    *,
    relay=NOBODY,
    capture_us=0,
    is_for_this_frame=True,
    received_bytes=100,
    point_row=(),
    path_us=None,
    overheard=False,
):
    """Return what one helper contributes to an ego's frame; with a relay that brought it, unless the ego overheard it."""
    captured, rows = frame(helper, capture_us), np.array(point_row, np.int64)
    arrived = Arrived(captured, captured.matrix.code, np.zeros((len(rows), 3)), rows, Detections.none())
    path_us = capture_us + DETECT_US if path_us is None else path_us
    came_by = NOBODY if overheard else relay
    return Contribution(helper, relay, capture_us, is_for_this_frame, received_bytes, arrived, path_us, came_by)


def held_matrices(matrices):
    """Return what an ego holds that heard these matrices from as many stations."""
    count = len(matrices)
    numbers = np.arange(count)
    return AnnouncedMatrices(
        np.array([0, count]), 100 + numbers, np.zeros((count, 2)), numbers, np.zeros(count, np.int64), list(matrices)
    )


# One for all frames: those of one tick are collected together.
NOTHING_HELD = held_matrices(())


def fused_frame(
    ego=None, *, world=None, truth=None, fuse_us=None, code=None, seen=None, points=None, added_m=(),
    added_object=(), added_source=(), contributions=(), transfers=(), known=0, announced=None, own_tracks=None, zone=None,
    announced_matrices=(),
):  # fmt: skip
    """Return an ego's frame after fusion, with all that its record needs: nobody but the ego is there unless stated."""
    ego = frame(EGO) if ego is None else ego
    world = snapshot([EGO], [(0, 0)], time_us=ego.time_us) if world is None else world
    added = np.array(added_m, float).reshape(-1, 3)
    shape = ego.matrix.code.shape
    result = Fused(
        ego.matrix.code if code is None else np.array(code, np.uint8),
        np.zeros(len(world), np.int64) if points is None else np.array(points, np.int64),
        Detections.none() if seen is None else seen, added, np.array(added_object, np.int64),
        np.array(added_source, np.int64),
    )  # fmt: skip
    return FusedFrame(
        ego, capture(world, ego.agent) if truth is None else truth,
        ego.time_us + 50_000 if fuse_us is None else fuse_us, result, list(contributions), list(transfers), known,
        Detections.none() if announced is None else announced, ([Tracks.none(ego.time_us) if own_tracks is None else own_tracks], 0),
        BlindZone(np.ones(shape, bool), np.zeros(shape)) if zone is None else zone, (held_matrices(announced_matrices) if announced_matrices else NOTHING_HELD, 0),
    )  # fmt: skip


# What they send


def forecast_of(access="random_slot", retries=0, mtu_bytes=1400):
    """Return the forecast of cycles of a run that begins."""
    return CycleForecast(access, retries, mtu_bytes)


def sure_of(helper, success=1.0):
    """Return a cycle that an ego begins and of whose success it is sure."""
    return Asked(helper, success, np.inf, 0.0)


def nothing_sent(table=None, *, max_age_us=MAX_AGE_US):
    """Return the transfers of a run in which nobody has asked yet."""
    return Transfers(Columns("transfers") if table is None else table, max_age_us, Columns("cycles"))


def heard_list(shares=(), snr_db=20.0):
    """Return what a station heard: a share of announcements by agent id, all with one SNR."""
    agents = sorted(dict(shares))
    share = np.array([dict(shares)[agent] for agent in agents], float)
    return HeardList(np.array(agents, np.int64), np.full(len(agents), float(snr_db)), share)


def foresight_of(settings, *corners_m):
    """Return what foresees the deaths of links among some buildings, for a whole scenario."""
    return Foresight(settings.radio, settings.cooperation, obstacles(*corners_m), CornerMap.none(), Columns("foretold"))


def awareness(
    origin=HELPER, capture_us=0, *, sequence=0, wants_data=False, stamp_us=None, pose=(0, 0, 0, 0), velocity_mps=(0, 0),
    antenna_m=1.5, size_m=CAR_M, grid=None, heard=(), busy_share=0.0, withheld=False,
):  # fmt: skip
    """Return what a station announces; without a matrix by default. `heard` is as in `heard_list`."""
    return Awareness(
        origin, sequence, wants_data, capture_us, capture_us if stamp_us is None else stamp_us, np.array(pose, float),
        np.array(velocity_mps, float), 0.0, 0.0, antenna_m, np.array(size_m, float), grid, heard_list(heard), busy_share, withheld,
    )  # fmt: skip


def request(
    cells=None, *, number=7, ego=EGO, helper=HELPER, frame_us=0, lower=(0, 0), near_m=(0, 0), allowance_bytes=10_000
):
    """Return what an ego asks a helper for: all of 4 x 4 cells by default."""
    cells = np.ones((4, 4), bool) if cells is None else np.array(cells, bool)
    return Request(
        number,
        ego,
        helper,
        frame_us,
        np.array(lower, np.int64),
        CELL_M,
        cells,
        np.array(near_m, float),
        allowance_bytes,
    )


def answer(
    asked=None, captured=None, *, code=None, code_part=None, points_m=(), point_part=None, seen=None, box_part=None,
    size_bytes=100,
):  # fmt: skip
    """Return what a helper sends back; nothing in it, in one fragment by default."""
    asked = request() if asked is None else asked
    points = np.array(points_m, float).reshape(-1, 3)
    seen_now = Detections.none() if seen is None else seen
    shape = asked.cells.shape

    def parts(values, count):
        return np.zeros(count, np.int64) if values is None else np.array(values, np.int64)

    return Answer(
        asked, frame(asked.helper) if captured is None else captured,
        np.zeros(shape, np.uint8) if code is None else np.array(code, np.uint8), parts(code_part, shape), points,
        np.arange(len(points)), parts(point_part, len(points)), seen_now, parts(box_part, len(seen_now)), size_bytes,
    )  # fmt: skip


def report(captured=None, seen=None, number=None, *, size_bytes=80):
    """Return a collective perception message; one car, the sender's number 0, by default."""
    captured = frame() if captured is None else captured
    seen = detections([(0, 0)]) if seen is None else seen
    number = np.arange(len(seen)) if number is None else np.array(number, np.int64)
    return Report(captured.agent, captured, number, seen, size_bytes)


def awareness_packet(body, *, number=50, hop=1, fragment=0, fragments=1, sender=None, target=EVERYBODY):
    """Return one packet of an announcement."""
    message = AwarenessMessage(number, body.origin, EVERYBODY, NOBODY, 100, 0, body)
    return Packet(message, hop, fragment, fragments, body.origin if sender is None else sender, target, 240)


def report_packet(body, *, number=60, hop=1, fragment=0, fragments=1, sender=None):
    """Return one packet of a collective perception message."""
    message = ReportMessage(number, body.origin, EVERYBODY, NOBODY, body.size_bytes, 0, body)
    return Packet(message, hop, fragment, fragments, body.origin if sender is None else sender, EVERYBODY, 240)


def request_message(body=None, *, relay=NOBODY, size_bytes=24, queued_us=0):
    """Return the message of a request."""
    body = request() if body is None else body
    return RequestMessage(body.number, body.ego, body.helper, relay, size_bytes, queued_us, body)


def answer_message(body=None, *, number=8, relay=NOBODY, queued_us=0):
    """Return the message of an answer."""
    body = answer() if body is None else body
    return AnswerMessage(number, body.request.helper, body.request.ego, relay, body.size_bytes, queued_us, body)


def packet_of(message, *, hop=1, fragment=0, fragments=1, sender=None, target=None):
    """Return one packet of a request or an answer, on its first hop by default."""
    return Packet(
        message, hop, fragment, fragments, message.origin if sender is None else sender,
        message.first_target if target is None else target, 240,
    )  # fmt: skip


@dataclass
class Candidate:
    """A possible helper of an ego, as in `Candidates`."""

    agent: int
    matrix: PerceptionMatrix
    position_m: np.ndarray
    there: float
    back: float
    evidence: float
    relay: int


def candidates_from(*of_egos):
    """Return the possible helpers of egos, given as one list for each ego."""
    known = [item for of_ego in of_egos for item in of_ego]
    return Candidates(
        np.cumsum([0, *map(len, of_egos)]), np.array([item.agent for item in known], np.int64),
        np.array([item.position_m for item in known], float).reshape(-1, 2), np.array([item.there for item in known], float),
        np.array([item.back for item in known], float), np.array([item.evidence for item in known], float),
        np.array([item.relay for item in known], np.int64), np.zeros((len(known), 0), np.int64), np.ones(len(known), np.int64), np.arange(len(known)), [item.matrix for item in known],
    )  # fmt: skip


def each_candidate(known):
    """Return the possible helpers of egos as one list for each ego."""
    rows = zip(
        known.agent.tolist(),
        known.matrix.tolist(),
        known.position_m,
        known.there.tolist(),
        known.back.tolist(),
        known.evidence.tolist(),
        known.relay.tolist(),
        strict=True,
    )
    each = [Candidate(agent, known.matrices[matrix], *others) for agent, matrix, *others in rows]
    return [each[first:last] for first, last in pairwise(known.offset.tolist())]
