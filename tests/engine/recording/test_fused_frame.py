"""An ego frame after fusion, as the evaluation takes it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.small_world import EGO, HELPER, capture, frame, fused_frame, snapshot
from v2xsim.engine.recording.fused_frame import ego_frames_of

WORLD = snapshot([EGO, HELPER], [(3, 4), (20, 0)], time_us=100_000, velocity_mps=[(5, 0), (0, 6)])
# The ego believes to be 1 m farther north than it is.
TRUTH = capture(WORLD, EGO, believed=(3, 5, 0, 0), points=[0, 7])
FRAME = fused_frame(frame(EGO, 100_000, pose=(3, 5, 0, 0), velocity_mps=(5, 1)), world=WORLD, truth=TRUTH)


def test_bodies_appear_where_the_ego_would_place_them():
    assert FRAME.apparent.center_m[:, :2].tolist() == [[3, 5], [20, 1]]


def test_the_evaluation_is_given_the_truth_and_what_the_ego_believed():
    frames = ego_frames_of([FRAME], np.array([EGO]))
    assert (frames.egos.agent.tolist(), frames.time_us) == ([EGO], 100_000)
    assert (frames.egos.position_m.tolist(), frames.egos.believed_m.tolist()) == ([[3, 4]], [[3, 5]])
    assert frames.egos.velocity_mps.tolist() == [[5, 1]]


def test_the_evaluation_is_given_all_road_users_as_they_were_and_as_they_appeared():
    frames = ego_frames_of([FRAME], np.array([EGO]))
    assert frames.users.agent.tolist() == [EGO, HELPER]
    assert frames.users.center_m[:, :2].tolist() == [[3, 4], [20, 0]]
    assert frames.users.velocity_mps.tolist() == [[5, 0], [0, 6]]
    assert frames.egos.center_m[0].tolist() == FRAME.apparent.center_m.tolist()
    assert frames.own_points.tolist() == [[0, 7]]


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_each_ego_sees_bodies_where_it_sees_them_alone(seed):
    rng = np.random.default_rng(seed)
    agents = list(range(1, 2 + rng.integers(4)))
    world = snapshot(agents, rng.normal(0, 50, (len(agents), 2)), velocity_mps=rng.normal(0, 9, (len(agents), 2)))
    frames = []
    for agent in agents:
        believed = rng.normal(0, 3, 4)
        truth = capture(world, agent, believed=believed, points=rng.integers(0, 9, len(agents)))
        frames.append(fused_frame(frame(agent, 0, pose=believed), world=world, truth=truth))
    egos = ego_frames_of(frames, np.array([EGO])).egos
    assert [row.tobytes() for row in egos.center_m] == [one.apparent.center_m.tobytes() for one in frames]
    assert [row.tobytes() for row in egos.yaw_rad] == [one.apparent.yaw_rad.tobytes() for one in frames]
