"""An ego frame after fusion, as the evaluation takes it."""

from tests.engine.small_world import EGO, HELPER, capture, frame, fused_frame, snapshot

WORLD = snapshot([EGO, HELPER], [(3, 4), (20, 0)], time_us=100_000, velocity_mps=[(5, 0), (0, 6)])
# The ego believes to be 1 m farther north than it is.
TRUTH = capture(WORLD, EGO, believed=(3, 5, 0, 0), points=[0, 7])
FRAME = fused_frame(frame(EGO, 100_000, pose=(3, 5, 0, 0), velocity_mps=(5, 1)), world=WORLD, truth=TRUTH)


def test_bodies_appear_where_the_ego_would_place_them():
    assert FRAME.apparent.center_m[:, :2].tolist() == [[3, 5], [20, 1]]


def test_the_evaluation_is_given_the_truth_and_what_the_ego_believed():
    scene = FRAME.scene
    assert (scene.ego, scene.time_us) == (EGO, 100_000)
    assert (scene.ego_m.tolist(), scene.believed_ego_m.tolist()) == ([3, 4], [3, 5])
    assert scene.ego_velocity_mps.tolist() == [5, 1]


def test_the_evaluation_is_given_all_road_users_as_they_were_and_as_they_appeared():
    scene = FRAME.scene
    assert scene.agent.tolist() == [EGO, HELPER]
    assert scene.boxes.center_m[:, :2].tolist() == [[3, 4], [20, 0]]
    assert scene.apparent is FRAME.apparent
    assert scene.velocity_mps.tolist() == [[5, 0], [0, 6]]
    assert scene.own_points.tolist() == [0, 7]
