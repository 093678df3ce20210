"""What runs in lockstep compute once is kept for the newest ticks only."""

import pytest

from v2xsim.engine.lockstep import Lockstep, Newest


def test_a_tick_is_computed_once_and_forgotten_after_two_more():
    computed = []
    ticks = Newest(2)
    for time_us in (0, 100, 0, 100, 200, 100, 200):
        assert ticks.at(time_us, lambda time_us=time_us: computed.append(time_us) or time_us) == time_us
    assert computed == [0, 100, 200]
    with pytest.raises(RuntimeError, match="lockstep"):
        ticks.at(0, lambda: 0)


def test_after_a_failed_tick_no_other_is_computed():
    ticks = Newest(2)

    def fail():
        raise ValueError("traffic")

    for time_us in (0, 100):
        with pytest.raises(ValueError, match="traffic"):
            ticks.at(time_us, fail if time_us == 0 else lambda: 1)


def test_a_part_is_made_once_for_each_key():
    lockstep = Lockstep(1)
    parts = [lockstep.once(("part", number), lambda: object()) for number in (1, 2, 1)]
    assert parts[0] is parts[2]
    assert parts[0] is not parts[1]
