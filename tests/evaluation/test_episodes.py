"""Hidden conflicts over the frames of a run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_scenes import EGO, RANGE_M, scene

from v2xsim.evaluation.episodes import Episode, HiddenConflicts, gap_at
from v2xsim.evaluation.scene import MODES

CHILD = 7
SECOND_US = 1_000_000


def flags(*values):
    return np.array(values, bool)


def crossing(time_us, *, distance_m=20.0, own_points=0, ego=EGO):
    """Return an ego with a road user straight ahead."""
    return scene(
        [EGO, CHILD], [(0, 0), (distance_m, 0)], own_points=[0, own_points], time_us=time_us, ego=ego,
        velocity_mps=[(10, 0), (0, 0)],
    )  # fmt: skip


def follow(conflicts, around, known, range_m=RANGE_M):
    """Process the frame of one ego."""
    conflict = around.near(range_m) & around.conflict
    conflicts.follow(
        around.time_us, np.array([around.ego]), around.agent, conflict[None], around.hidden[None],
        {mode: flags[None] for mode, flags in known.items()},
    )  # fmt: skip


def followed(*frames):
    """Return the episodes of frames, each a scene and whether the ego knows alone and after fusion."""
    conflicts = HiddenConflicts()
    for around, alone, fused in frames:
        follow(conflicts, around, {"ego": flags(False, alone), "fused": flags(False, fused)})
    return conflicts.episodes()


def test_each_mode_has_the_first_frame_in_which_it_knew():
    found = followed(
        (crossing(0), False, False), (crossing(100_000), False, True), (crossing(200_000, own_points=9), True, True)
    )
    assert found == [Episode(EGO, CHILD, 0, {"ego": 200_000, "fused": 100_000}, 200_000)]


def test_who_is_never_known_of_is_said_so():
    assert followed((crossing(0), False, False)) == [Episode(EGO, CHILD, 0, {"ego": -1, "fused": -1}, 0)]


def test_a_road_user_that_the_ego_sees_starts_no_episode():
    assert followed((crossing(0, own_points=1), False, False)) == []


def test_conflicts_out_of_range_start_no_episode():
    conflicts = HiddenConflicts()
    for time_us, distance_m in ((0, 31.0), (100_000, 30.0)):
        around = crossing(time_us, distance_m=distance_m)
        follow(conflicts, around, {"ego": flags(False, False), "fused": flags(False, False)}, 30.5)
    assert [episode.start_us for episode in conflicts.episodes()] == [100_000]


def test_an_ego_that_no_lidar_of_its_own_hits_is_not_in_conflict_with_itself():
    assert [episode.agent for episode in followed((crossing(0), False, False))] == [CHILD]


def test_a_conflict_that_pauses_longer_than_a_second_is_two_episodes():
    behind = crossing(SECOND_US + 100_000, distance_m=-20.0)
    found = followed((crossing(0), False, False), (behind, False, False), (crossing(2 * SECOND_US), True, True))
    assert [(e.start_us, e.end_us, e.aware_us["ego"]) for e in found] == [(0, 0, -1), (2_000_000, 2_000_000, 2_000_000)]


@pytest.mark.parametrize("step_us", [10_000, 100_000, 500_000, 700_000, 1_000_000])
def test_one_frame_without_the_conflict_ends_no_episode_at_any_step(step_us):
    conflicts, nobody = (
        HiddenConflicts(gap_us=gap_at(step_us)),
        {mode: flags(False, False) for mode in ("ego", "fused")},
    )
    for tick, distance_m in enumerate((20.0, -20.0, 20.0)):
        follow(conflicts, crossing(tick * step_us, distance_m=distance_m), nobody)
    assert [(e.start_us, e.end_us) for e in conflicts.episodes()] == [(0, 2 * step_us)]


def test_up_to_half_a_second_the_longest_pause_is_a_second():
    assert [gap_at(step_us) for step_us in (10_000, 100_000, 500_000, 1_000_000)] == [SECOND_US] * 3 + [2 * SECOND_US]


def test_episodes_are_in_order_of_ego_road_user_and_start():
    conflicts = HiddenConflicts()
    nobody = {"ego": flags(False, False), "fused": flags(False, False)}
    for ego in (99, 5):
        follow(conflicts, crossing(0, ego=ego), nobody)
    assert [(e.ego, e.agent) for e in conflicts.episodes()] == [(5, EGO), (5, CHILD), (99, EGO), (99, CHILD)]


def test_asking_for_the_episodes_changes_nothing():
    conflicts = HiddenConflicts()
    follow(conflicts, crossing(0), {"ego": flags(False, False), "fused": flags(False, True)})
    before = conflicts.episodes()
    follow(conflicts, crossing(100_000), {"ego": flags(False, True), "fused": flags(False, True)})
    assert before == [Episode(EGO, CHILD, 0, {"ego": -1, "fused": 0}, 0)]
    assert conflicts.episodes() == [Episode(EGO, CHILD, 0, {"ego": 100_000, "fused": 0}, 100_000)]


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_egos_have_the_same_episodes_together_as_alone(seed):
    rng = np.random.default_rng(seed)
    egos, ticks = [5, 1, 8], []
    for number in range(10):
        # An ego may have no frame at a tick, for longer than a conflict may pause.
        there = [ego for ego in egos if rng.random() < 0.6]
        scenes = [
            scene([1, 5, 7, 8], rng.integers(-4, 5, (4, 2)) * 8.0, own_points=rng.integers(0, 2, 4), ego=ego, time_us=number * 600_000)
            for ego in there
        ]  # fmt: skip
        ticks.append((scenes, {mode: rng.random((len(there), 4)) < 0.5 for mode in MODES}))

    def episodes(chosen):
        conflicts = HiddenConflicts()
        for scenes, known in ticks:
            rows = [row for row, around in enumerate(scenes) if around.ego in chosen]
            if rows:
                conflict = np.array([scenes[row].near(RANGE_M) & scenes[row].conflict for row in rows])
                conflicts.follow(
                    scenes[0].time_us, np.array([scenes[row].ego for row in rows]), scenes[0].agent, conflict,
                    np.array([scenes[row].hidden for row in rows]), {mode: flags[rows] for mode, flags in known.items()},
                )  # fmt: skip
        return conflicts.episodes()

    assert episodes(egos) == [episode for ego in sorted(egos) for episode in episodes([ego])]
