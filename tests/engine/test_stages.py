"""The time of the stages of a run."""

import pytest

from v2xsim.engine.stages import REST, STAGES, Stages


class Hands:
    """A clock whose time a test sets."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def hands():
    return Hands()


def test_a_stage_within_another_interrupts_it(hands):
    stages = Stages(hands)
    with stages.counted():
        hands.now_s = 1.0
        with stages.radio:
            hands.now_s = 3.0
            with stages.messages:
                hands.now_s = 7.0
            hands.now_s = 15.0
        hands.now_s = 31.0
    spent_s = {name: seconds for name, seconds in stages.seconds.items() if seconds}
    assert spent_s == {REST: 17.0, "radio": 10.0, "messages": 4.0}


def test_time_between_two_counted_blocks_counts_nowhere(hands):
    stages = Stages(hands)
    for begin_s in (10.0, 100.0):
        hands.now_s = begin_s
        with stages.counted(), stages.links:
            hands.now_s += 2.0
    assert sum(stages.seconds.values()) == stages.seconds["links"] == 4.0


def test_a_stage_that_fails_ends(hands):
    stages = Stages(hands)

    def fail():
        with stages.counted(), stages.fusion:
            hands.now_s = 2.0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    hands.now_s = 5.0
    with stages.counted():
        hands.now_s = 6.0
    assert (stages.seconds["fusion"], stages.seconds[REST]) == (2.0, 1.0)


def test_the_timing_of_a_run_has_every_stage_once():
    assert set(Stages().timing()) == {f"stage_{name}_s" for name in STAGES} | {"main_cpu_s", "threads_cpu_s"}
