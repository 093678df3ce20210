"""What an ego has after fusion of its own frame with the parts of answers that arrived."""

import numpy as np
import pytest

from tests.contract.kinds import assert_same
from tests.engine.small_world import (
    EGO,
    HELPER,
    OTHER,
    answer,
    capture,
    cooperation,
    detections,
    frame,
    obstacles,
    request,
    scenario,
    snapshot,
)
from v2xsim.engine.cooperation.collecting import Arrived, arrived_of
from v2xsim.engine.cooperation.fusing import Detecting, Due, fused_each, own_points_world
from v2xsim.engine.stations.knowledge import ReceivedAnswer
from v2xsim.engine.stations.sensing import Sensing
from v2xsim.engine.workers import Workers
from v2xsim.gpu.bev.fusion.early import EarlyFusion
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme
from v2xsim.records import FREE, GROUND, OCCUPIED, UNOBSERVED, Detections
from v2xsim.streams import Streams

WORLD = snapshot([EGO, HELPER, OTHER], [(0, 0), (20, 0), (40, 5)])


class Listener(FusionScheme):
    """A fusion scheme that keeps what it was shown, and knows nothing."""

    def __init__(self):
        self.view = None

    def fuse(self, view):
        self.view = view
        return FusedObjects(Detections.none(), np.zeros(len(view.agent), np.int64))


class Detector(Detecting):
    """Takes what the engine hands to an ego's detector, and detects nothing."""

    detects_many = False

    def detector_of(self, ego, truth, code, received):
        self.ego, self.truth, self.code, self.received = ego, truth, code, received
        return lambda objects, points, added_m=None: Detections.none()


def arrived(sent, *parts):
    """Return what is there of an answer whose fragments arrived, True or False; one that arrived unless stated."""
    return arrived_of(ReceivedAnswer(1, sent, np.array(parts or (True,))), frame(EGO))


def fused_with(*items, ego=None, scheme=None, own=None, truths=(), detector=None):
    """Return an ego's frame after fusion; the truth behind helpers' frames is that of the ego's unless stated."""
    ego = frame(EGO) if ego is None else ego
    known = dict(truths)
    ground = capture(WORLD, HELPER, object_id=[GROUND, GROUND])
    own = capture(WORLD) if own is None else own
    due = Due(ego, own, list(items), [known.get(item.frame, ground) for item in items])
    (result,) = fused_each([due], Listener() if scheme is None else scheme, detector or Detector())
    return result


def shown(*items, **about):
    """Return what a fusion scheme is shown."""
    listener = Listener()
    fused_with(*items, scheme=listener, **about)
    return listener.view


def codes(**cells):
    """Return codes of 4 x 4 cells, such as free=[(0, 0)]."""
    values = np.zeros((4, 4), np.uint8)
    for name, at in cells.items():
        for cell in at:
            values[cell] = {"free": FREE, "occupied": OCCUPIED}[name]
    return values


# Cells


def test_a_cell_that_the_ego_does_not_see_takes_the_code_of_the_helper():
    result = fused_with(arrived(answer(code=codes(free=[(0, 0)], occupied=[(1, 1)]))))
    assert result.code[0, 0] == FREE
    assert result.code[1, 1] == OCCUPIED


def test_a_cell_that_the_ego_sees_keeps_its_own_code():
    ego = frame(EGO, code=codes(free=[(1, 1)]))
    assert fused_with(arrived(answer(code=codes(occupied=[(1, 1)]))), ego=ego).code[1, 1] == FREE


def test_a_cell_that_nobody_answered_stays_unobserved():
    result = fused_with(arrived(answer(code=codes(free=[(0, 0)]))))
    assert (result.code == UNOBSERVED).sum() == 15


def test_of_two_helpers_the_first_says_what_a_cell_is():
    first, second = answer(code=codes(free=[(0, 0)])), answer(request(helper=OTHER), code=codes(occupied=[(0, 0)]))
    assert fused_with(arrived(first), arrived(second)).code[0, 0] == FREE


def test_the_own_matrix_of_the_ego_stays_as_it_was():
    ego = frame(EGO)
    fused_with(arrived(answer(code=codes(free=[(0, 0)]))), ego=ego)
    assert ego.matrix.code[0, 0] == UNOBSERVED


IN_TWO_PARTS = answer(
    code=codes(free=[(0, 0), (1, 1)]), code_part=np.eye(4, dtype=np.int64) * (np.arange(4) == 1),
    points_m=[(1, 1, 1), (3, 3, 1)], point_part=[0, 1], seen=detections([(1, 1), (3, 3)], truth=[5, 6]), box_part=[0, 1],
)  # fmt: skip


def test_only_cells_whose_fragment_arrived_are_answered():
    assert np.argwhere(fused_with(arrived(IN_TWO_PARTS, True, False)).code == FREE).tolist() == [[0, 0]]


def test_without_the_first_fragment_no_cell_is_answered():
    assert (fused_with(arrived(IN_TWO_PARTS, False, True)).code == UNOBSERVED).all()


def test_an_answer_without_its_first_fragment_keeps_no_other_answer_out():
    other = answer(request(helper=OTHER), code=codes(free=[(2, 2)]))
    result = fused_with(arrived(IN_TWO_PARTS, False, True), arrived(other))
    assert np.argwhere(result.code == FREE).tolist() == [[2, 2]]


# Points and boxes


@pytest.mark.parametrize(("parts", "points_m"), [((True, False), [[1, 1, 1]]), ((False, True), [[3, 3, 1]])])
def test_only_points_whose_fragment_arrived_are_fused(parts, points_m):
    (received,) = shown(arrived(IN_TWO_PARTS, *parts)).received
    assert received.points_m.tolist() == points_m


@pytest.mark.parametrize(("parts", "behind"), [((True, False), [5]), ((False, True), [6]), ((True, True), [5, 6])])
def test_only_boxes_whose_fragment_arrived_are_fused(parts, behind):
    (received,) = shown(arrived(IN_TWO_PARTS, *parts)).received
    assert received.detections.truth.tolist() == behind


def test_what_a_received_point_hit_is_looked_up_in_the_cloud_of_the_helper():
    sent = answer(points_m=[(1, 1, 1), (3, 3, 1)])
    sent.point_row[:] = [2, 0]
    (received,) = shown(arrived(sent), truths=[(sent.frame, capture(WORLD, HELPER, object_id=[70, 71, 72]))]).received
    assert received.object_id.tolist() == [72, 70]


def test_the_age_of_data_is_the_time_from_its_capture_to_that_of_the_frame():
    sent = answer(captured=frame(HELPER, 400_000))
    (received,) = shown(arrived(sent), ego=frame(EGO, 500_000)).received
    assert received.age_s == pytest.approx(0.1)


def test_the_age_of_data_is_counted_by_the_clocks_of_both_stations():
    sent = answer(captured=frame(HELPER, 400_000, stamp_us=410_000))
    (received,) = shown(arrived(sent), ego=frame(EGO, 500_000, stamp_us=490_000)).received
    assert received.age_s == pytest.approx(0.08)


def test_boxes_move_on_by_their_velocity_for_their_age():
    sent = answer(captured=frame(HELPER, 400_000), seen=detections([(10, 10)], velocity_mps=(10, -5)))
    result = fused_with(arrived(sent), ego=frame(EGO, 500_000), scheme=cooperation(fusion="late").fusion)
    assert result.detections.boxes.center_m[0].tolist() == pytest.approx([11, 9.5, 0])


def test_helpers_are_shown_in_the_order_in_which_they_came():
    items = [arrived(answer(request(helper=helper), frame(helper))) for helper in (HELPER, OTHER)]
    assert [received.station for received in shown(*items).received] == [HELPER, OTHER]


# Where a helper had each road user


def located(theirs, sent=None):
    """Return where a helper had each road user of the ego's snapshot, and which of them it knew."""
    sent = answer() if sent is None else sent
    (received,) = shown(arrived(sent), truths=[(sent.frame, theirs)]).received
    positions_m, knew = received.located
    return positions_m.tolist(), knew.tolist()


def test_a_helper_had_road_users_where_they_were_at_its_capture():
    before = snapshot([EGO, HELPER, OTHER], [(-2, 0), (18, 0), (38, 5)])
    assert located(capture(before, HELPER)) == ([[-2, 0, 0], [18, 0, 0], [38, 5, 0]], [True] * 3)


def test_a_helper_placed_road_users_by_its_own_belief():
    # It believed to be 1 m north of where it was.
    theirs = capture(WORLD, HELPER, believed=(20, 1, 0, 0))
    assert located(theirs)[0] == [[0, 1, 0], [20, 1, 0], [40, 6, 0]]


def test_a_helper_did_not_know_a_road_user_that_came_later():
    positions_m, knew = located(capture(snapshot([HELPER, OTHER], [(18, 0), (38, 5)]), HELPER))
    assert knew == [False, True, True]
    assert positions_m[1:] == [[18, 0, 0], [38, 5, 0]]


def test_a_helper_did_not_know_a_road_user_with_the_highest_number():
    positions_m, knew = located(capture(snapshot([EGO, HELPER], [(-2, 0), (18, 0)]), HELPER))
    assert knew == [True, True, False]
    assert positions_m[:2] == [[-2, 0, 0], [18, 0, 0]]


def test_a_helper_that_captured_when_nobody_was_there_knew_no_road_user():
    assert located(capture(snapshot([], []), HELPER))[1] == [False] * 3


# What else a fusion scheme is shown


def test_a_fusion_scheme_is_shown_the_frame_of_the_ego():
    ego = frame(EGO, pose=(1, 2, 3, 0), lower=(7, 8), seen=detections([(1, 1)]))
    view = shown(ego=ego, own=capture(WORLD, points=[0, 3, 4]))
    assert (view.ego, view.pose.tolist(), view.lower.tolist(), view.cell_m) == (EGO, [1, 2, 3, 0], [7, 8], 2.0)
    assert view.own_detections is ego.detections
    assert (view.agent.tolist(), view.own_points.tolist()) == ([EGO, HELPER, OTHER], [0, 3, 4])


def test_a_fusion_scheme_is_shown_bodies_where_the_ego_would_place_them():
    view = shown(own=capture(WORLD, believed=(0, 1, 0, 0)))
    assert view.objects.center_m[:, 1].tolist() == [1, 1, 6]


def test_a_fusion_scheme_is_shown_the_matrix_after_fusion():
    assert shown(arrived(answer(code=codes(free=[(0, 0)])))).code[0, 0] == FREE


@pytest.mark.parametrize(
    ("agent", "size_m"), [(EGO, [4, 2, 1.5]), (OTHER, [4, 2, 1.5]), (0, [0, 0, 0]), (99, [0, 0, 0])]
)
def test_an_ego_knows_its_own_size_and_a_roadside_unit_has_none(agent, size_m):
    assert shown(ego=frame(agent), own=capture(WORLD, agent)).size_m.tolist() == size_m


def test_an_ego_has_its_own_cloud_in_the_world_as_it_believes_it():
    # It stands at (5, 1) and looks north: 2 m ahead is (5, 3).
    ego = frame(EGO, points_m=[(2, 0, 1)], pose=(5, 1, 0, np.pi / 2))
    assert own_points_world(ego)[0].tolist() == pytest.approx([5, 3, 1])
    assert shown(ego=ego).own_cloud_m[0].tolist() == pytest.approx([5, 3, 1])


def test_the_detector_runs_once_more_on_the_frame_with_all_points_that_arrived():
    sent, ego, own, detector = answer(points_m=[(1, 1, 1)]), frame(EGO), capture(WORLD), Detector()
    more = answer(request(helper=OTHER), frame(OTHER), points_m=[(3, 3, 1)], code=codes(free=[(0, 0)]))
    truths = [(item.frame, capture(WORLD, HELPER, object_id=[OTHER])) for item in (sent, more)]
    fused_with(arrived(sent), arrived(more), ego=ego, own=own, detector=detector, truths=truths)
    assert detector.ego is ego
    assert detector.truth is own
    assert detector.code[0, 0] == FREE
    assert detector.received().tolist() == [[1, 1, 1], [3, 3, 1]]


def test_an_ego_that_nobody_answered_receives_no_points():
    detector = Detector()
    fused_with(detector=detector)
    assert detector.received().shape == (0, 3)


# What comes out


def test_received_points_count_on_the_road_users_that_they_hit():
    sent = answer(points_m=[(40, 5, 1), (40.1, 5, 1)])
    truth = (sent.frame, capture(WORLD, HELPER, object_id=[OTHER, OTHER]))
    result = fused_with(
        arrived(sent), scheme=cooperation().fusion, own=capture(WORLD, points=[0, 3, 1]), truths=[truth]
    )
    assert result.points.tolist() == [0, 3, 3]
    assert result.added_m.tolist() == [[40, 5, 1], [40.1, 5, 1]]
    assert (result.added_object.tolist(), result.added_source.tolist()) == ([OTHER] * 2, [HELPER] * 2)


def counted(points_m, *, own=(0, 3, 1), hit=OTHER, theirs=None, fusion="early", **ego):
    """Return how many points EGO, HELPER and OTHER have after one answer, and the received points that are left."""
    sent, truths = answer(points_m=points_m), theirs or {}
    truth = (sent.frame, capture(WORLD, HELPER, object_id=[hit] * len(points_m), **truths))
    result = fused_with(
        arrived(sent), scheme=cooperation(fusion=fusion).fusion, own=capture(WORLD, points=list(own)), truths=[truth], ego=frame(EGO, **ego)
    )  # fmt: skip
    return result.points.tolist(), result.added_m[:, 0].tolist()


# OTHER stands at (40, 5); it is 4 m long and 2 m wide.
@pytest.mark.parametrize("fusion", ["early", "raw"])
def test_a_received_point_counts_for_the_body_in_whose_box_it_lies_whatever_it_hit(fusion):
    places_m = [(42.4, 5, 1), (42.6, 5, 1), (40, 6.6, 1), (40, 5, 2.1), (20, 0, 1)]
    assert counted(places_m, fusion=fusion)[0] == [0, 4, 2]
    assert counted(places_m, hit=GROUND, fusion=fusion)[0] == [0, 4, 2]


def test_a_body_that_the_ego_does_not_see_is_where_the_helper_places_it():
    moved = {"believed": (20, 4, 0, 0)}
    assert counted([(40, 9, 1), (40, 5, 1)], own=(0, 3, 0), theirs=moved)[0] == [0, 3, 1]
    # It is where the ego places it, if the ego sees it.
    assert counted([(40, 9, 1), (40, 5, 1)], own=(0, 3, 1), theirs=moved)[0] == [0, 3, 2]


@pytest.mark.parametrize("fusion", ["early", "raw", "late"])
def test_an_ego_without_answers_has_its_own_frame(fusion):
    own = detections([(40, 5)])
    result = fused_with(
        ego=frame(EGO, code=codes(free=[(0, 0)]), seen=own), scheme=cooperation(fusion=fusion).fusion,
        own=capture(WORLD, points=[0, 3, 1]),
    )  # fmt: skip
    assert (result.points.tolist(), len(result.added_m)) == ([0, 3, 1], 0)
    assert result.code.tolist() == codes(free=[(0, 0)]).tolist()
    assert result.detections.truth.tolist() == own.truth.tolist()


# Several egos


class OneByOne(Detecting):
    """The detector of a run, for one frame at a time."""

    detects_many = False

    def __init__(self, sensing):
        self.detector_of = sensing.detector_of


def due_of(rng, world, before, agent, helpers):
    """Return the frame of an ego with points from helpers, on the ground and on road users, some of them from an earlier tick."""

    def believed(station):
        return rng.normal([10.0 * station, 0.0, 0.0, 0.0], 0.3)

    items, behind = [], []
    for helper in helpers:
        count, code = int(rng.integers(4, 9)), rng.choice(np.array([UNOBSERVED, FREE], np.uint8), (4, 4))
        items.append(
            Arrived(frame(helper), code, rng.normal(size=(count, 3)), rng.permutation(12)[:count], Detections.none())
        )
        hit = rng.choice([GROUND, *world.agent], 12)
        behind.append(capture(rng.choice([world, before]), helper, believed=believed(helper), object_id=hit))
    own = frame(agent, pose=believed(agent), lower=rng.integers(-5, 5, 2), seen=detections([(agent, 1)]))
    points = rng.integers(0, 40, len(world))
    return Due(own, capture(world, agent, believed=own.pose, points=points), items, behind)


@pytest.mark.parametrize("seed", range(3))
def test_frames_of_several_egos_are_fused_as_each_of_them_alone(seed):
    rng, sensing = np.random.default_rng(seed), Sensing(scenario(), obstacles(), Streams(1), Workers(1))
    cars = [EGO, HELPER, OTHER, 9]
    world = snapshot(cars, [(10.0 * car, 0.0) for car in cars], yaw_rad=rng.normal(size=4))
    before = snapshot(cars[1:], [(10.0 * car - 1.0, 0.2) for car in cars[1:]], time_us=-100_000)
    whose = [(EGO, [HELPER, OTHER]), (HELPER, []), (OTHER, [EGO]), (9, [EGO, HELPER, OTHER])]
    dues = [due_of(rng, world, before, ego, helpers) for ego, helpers in whose]
    together = fused_each(dues, EarlyFusion(), sensing)
    assert [len(one.added_m) > 0 for one in together] == [True, False, True, True]
    assert sum(len(one.detections) for one in together) > 4
    for one, alone in zip(together, fused_each(dues, EarlyFusion(), OneByOne(sensing)), strict=True):
        assert_same(one, alone)
