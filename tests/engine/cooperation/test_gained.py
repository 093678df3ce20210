"""What an ego remembers of its helpers: how much of its blind zone their answers filled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.cooperation.test_cooperation import FRAME_US, Scene, answered
from tests.engine.small_world import EGO, HELPER, OTHER, frame, own_states
from v2xsim.engine.cooperation.gained import Gained
from v2xsim.records import FREE

SECOND_US = 1_000_000


def shares(gained, *agents, at_us=0):
    """Return what an ego remembers of some helpers."""
    return gained.shares(np.array(agents, np.int64), at_us).tolist()


def learned(*frames):
    """Return the memory of an ego after frames: capture time, helpers asked, and what the data of each filled."""
    gained = Gained()
    for frame_us, asked, filled in frames:
        gained.learn(frame_us, asked, filled)
    return gained


def test_a_helper_never_asked_is_unknown():
    assert np.isnan(shares(Gained(), HELPER)).all()


def test_the_first_answer_is_all_that_is_known():
    assert shares(learned((0, [HELPER], {HELPER: 0.3})), HELPER) == [0.3]


def test_a_helper_that_was_asked_and_sent_nothing_filled_nothing():
    assert shares(learned((0, [HELPER, OTHER], {OTHER: 0.3})), HELPER, OTHER) == [0.0, 0.3]


def test_data_that_comes_late_counts_although_nobody_was_asked_for_this_frame():
    assert shares(learned((0, [], {HELPER: 0.3})), HELPER) == [0.3]


def test_an_answer_counts_half_as_much_as_one_three_seconds_newer():
    gained = learned((0, [HELPER], {HELPER: 0.0}), (3 * SECOND_US, [HELPER], {HELPER: 0.3}))
    assert shares(gained, HELPER, at_us=3 * SECOND_US) == [pytest.approx(0.2)]


def test_a_helper_is_forgotten_ten_seconds_after_its_only_answer():
    gained = learned((0, [HELPER], {HELPER: 0.3}))
    assert shares(gained, HELPER, at_us=round(9.9 * SECOND_US)) == [0.3]
    assert np.isnan(shares(gained, HELPER, at_us=10 * SECOND_US)).all()


def test_a_helper_that_answers_in_every_frame_is_remembered_longer():
    gained = learned(*((n * 100_000, [HELPER], {HELPER: 0.3}) for n in range(300)))
    end_us = 299 * 100_000
    assert shares(gained, HELPER, at_us=end_us + 26 * SECOND_US) == [pytest.approx(0.3)]
    assert np.isnan(shares(gained, HELPER, at_us=end_us + 27 * SECOND_US)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_what_is_remembered_lies_between_the_worst_and_the_best_answer(filled):
    gained = learned(*((n * 500_000, [HELPER], {HELPER: share}) for n, share in enumerate(filled)))
    (share,) = shares(gained, HELPER, at_us=len(filled) * 500_000)
    assert min(filled) - 1e-12 <= share <= max(filled) + 1e-12


def test_the_memory_of_an_ego_that_meets_new_helpers_all_the_time_stays_small():
    gained = learned(*((n * SECOND_US, [n], {n: 0.1}) for n in range(1000)))
    assert len(gained._of) <= 65


# In the steps of a run


def remembered(scene, *agents):
    """Return what an ego remembers after it collected what came for its frame."""
    scene.steps.collected(frame(EGO, FRAME_US))
    return shares(scene.steps._forecast.of(EGO).gained, *agents, at_us=FRAME_US)


def test_an_ego_learns_which_share_of_its_blind_weight_an_answer_fills():
    code = np.zeros((4, 4), np.uint8)
    code[0] = FREE
    scene = Scene(own_states([EGO, HELPER]))
    answered(scene, code=code)
    ego = frame(EGO, FRAME_US)
    weight = scene.steps._blind_zones.of(ego).weight
    scene.steps.collected(ego)
    (share,) = shares(scene.steps._forecast.of(EGO).gained, HELPER, at_us=FRAME_US)
    assert 0.0 < share < 1.0
    assert share == pytest.approx(weight[0].sum() / weight.sum())


def test_an_ego_learns_that_a_helper_whom_it_asked_sent_nothing():
    own = own_states([EGO])
    scene = Scene(own, frame(EGO, FRAME_US))
    scene.steps.match(own, FRAME_US)
    assert remembered(scene, HELPER) == [0.0]


def test_an_ego_does_not_learn_about_a_helper_whom_it_did_not_ask():
    assert np.isnan(remembered(Scene(own_states([EGO])), OTHER)).all()
