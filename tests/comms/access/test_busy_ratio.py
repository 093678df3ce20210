"""The channel busy ratio counts 100 ms, follows a station to its new row, and starts anew."""

import numpy as np

from v2xsim.comms.access.busy_ratio import BusyRatio


def test_the_busy_time_of_a_window_becomes_its_share() -> None:
    busy = BusyRatio(now_us=50_000)
    busy.reindexed(np.array([-1, -1]))
    busy.add(np.array([10_000, 0]))
    busy.add(np.array([15_000, 100_000]))
    assert busy.window_end_us == 150_000
    assert busy.window_closed().tolist() == [0.25, 1.0]
    assert busy.window_end_us == 250_000
    assert busy.window_closed().tolist() == [0.0, 0.0]


def test_a_station_takes_its_busy_time_along_and_a_new_one_begins_idle() -> None:
    busy = BusyRatio(now_us=0)
    busy.reindexed(np.array([-1, -1]))
    busy.add(np.array([10_000, 40_000]))
    busy.reindexed(np.array([1, -1]))
    assert busy.window_closed().tolist() == [0.4, 0.0]


def test_the_latest_ratio_is_that_of_the_window_before_and_follows_its_station() -> None:
    busy = BusyRatio(now_us=0)
    busy.reindexed(np.array([-1, -1]))
    assert busy.latest.tolist() == [0.0, 0.0]
    busy.add(np.array([10_000, 40_000]))
    assert busy.latest.tolist() == [0.0, 0.0]
    busy.window_closed()
    assert busy.latest.tolist() == [0.1, 0.4]
    busy.reindexed(np.array([1, -1, 0]))
    assert busy.latest.tolist() == [0.4, 0.0, 0.1]
