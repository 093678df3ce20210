"""Congestion control: the reactive states of TS 102 687, and the adaptive algorithm worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.access.dcc import Dcc


def controlled(control, stations=1):
    dcc = Dcc(control)
    dcc.reindexed(np.full(stations, -1))
    return dcc


def wait_after(dcc, busy_share, windows, airtime_us=500.0):
    """Return the wait in milliseconds after so many windows of 100 ms at a busy ratio."""
    for _ in range(windows):
        dcc.measured(np.array([busy_share]))
    return float(dcc.wait_us(airtime_us)[0]) / 1000.0


@given(st.floats(0, 1), st.integers(0, 100))
def test_without_control_nobody_waits(busy_share, windows):
    assert wait_after(controlled("none"), busy_share, windows) == 0.0


def test_a_relaxed_station_waits_100_ms():
    assert wait_after(controlled("reactive"), 0.29, 100) == 100.0


@pytest.mark.parametrize(
    ("busy_share", "wait_ms"),
    [(0.29, 100), (0.30, 200), (0.39, 200), (0.40, 400), (0.50, 500), (0.65, 1000), (1.0, 1000)],
)
def test_a_busy_ratio_that_lasts_leads_to_the_wait_of_its_state(busy_share, wait_ms):
    # One state a second: four seconds for four states.
    assert wait_after(controlled("reactive"), busy_share, 40) == wait_ms


def test_a_worse_state_is_entered_after_a_second():
    dcc = controlled("reactive")
    assert wait_after(dcc, 0.9, 9) == 100.0
    assert wait_after(dcc, 0.9, 1) == 200.0


def test_the_next_worse_state_takes_another_second():
    dcc = controlled("reactive")
    assert wait_after(dcc, 0.9, 19) == 200.0
    assert wait_after(dcc, 0.9, 1) == 400.0


def test_one_calm_window_begins_the_second_again():
    dcc = controlled("reactive")
    wait_after(dcc, 0.9, 9)
    wait_after(dcc, 0.1, 1)
    assert wait_after(dcc, 0.9, 9) == 100.0
    assert wait_after(dcc, 0.9, 1) == 200.0


def test_a_better_state_is_entered_after_five_seconds():
    dcc = controlled("reactive")
    assert wait_after(dcc, 0.35, 10) == 200.0
    assert wait_after(dcc, 0.1, 49) == 200.0
    assert wait_after(dcc, 0.1, 1) == 100.0


def test_one_busy_window_begins_the_five_seconds_again():
    dcc = controlled("reactive")
    wait_after(dcc, 0.35, 10)
    wait_after(dcc, 0.1, 49)
    wait_after(dcc, 0.35, 1)
    assert wait_after(dcc, 0.1, 49) == 200.0
    assert wait_after(dcc, 0.1, 1) == 100.0


# The adaptive algorithm: each 200 ms the smoothed ratio moves half-way to the mean of the last two windows; the share of the
# station is multiplied by 1 - 0.016 and moves by 0.0012 times what is missing to 0.68, held to [-0.00025, 0.0005].


def test_a_newcomer_may_use_three_hundredths_of_the_air():
    assert controlled("adaptive").wait_us(3000.0)[0] == pytest.approx(3000.0 / 0.03)


def test_one_window_alone_changes_no_share():
    dcc = controlled("adaptive")
    dcc.measured(np.array([0.9]))
    assert dcc.wait_us(3000.0)[0] == pytest.approx(3000.0 / 0.03)


def test_the_first_update_takes_half_of_the_mean_ratio_of_two_windows():
    dcc = controlled("adaptive")
    dcc.measured(np.array([0.6]))
    dcc.measured(np.array([0.8]))
    # Smoothed: 0.35. The offset 0.0012 * 0.33 = 0.000396 is within its limits.
    assert dcc.wait_us(3000.0)[0] == pytest.approx(3000.0 / (0.984 * 0.03 + 0.000396))


def test_the_second_update_smooths_over_the_first():
    dcc = controlled("adaptive")
    for busy_share in (0.6, 0.8, 1.0, 0.9):
        dcc.measured(np.array([busy_share]))
    # Smoothed: 0.35, then 0.175 + 0.475 = 0.65.
    first = 0.984 * 0.03 + 0.000396
    assert dcc.wait_us(3000.0)[0] == pytest.approx(3000.0 / (0.984 * first + 0.0012 * 0.03))


def test_an_update_takes_the_latest_two_windows_and_no_older_one():
    one, other = controlled("adaptive"), controlled("adaptive")
    for a, b in ((0.6, 0.6), (0.8, 0.8), (0.2, 0.7), (0.7, 0.2)):
        one.measured(np.array([a]))
        other.measured(np.array([b]))
    assert one.wait_us(3000.0)[0] == pytest.approx(other.wait_us(3000.0)[0])


def test_a_share_rises_by_at_most_five_ten_thousandths_an_update():
    dcc = controlled("adaptive")
    for busy_share in [1.0] * 4000 + [0.0] * 4:
        dcc.measured(np.array([busy_share]))
    # From the least share, at smoothed ratios of 0.5 and 0.25; 0.0012 * 0.43 would be 0.000516.
    first = 0.984 * 0.0006 + 0.0012 * 0.18
    assert dcc.wait_us(300.0)[0] == pytest.approx(300.0 / (0.984 * first + 0.0005))


def test_a_share_falls_by_at_most_a_quarter_of_a_thousandth_besides_its_decay():
    dcc, share = controlled("adaptive"), 0.03
    smooth = 0.0
    for _ in range(6):
        for _ in range(2):
            dcc.measured(np.array([1.0]))
        smooth = 0.5 * smooth + 0.5
        share = 0.984 * share + max(-0.00025, 0.0012 * (0.68 - smooth))
    assert 0.0012 * (0.68 - smooth) < -0.00025
    assert dcc.wait_us(3000.0)[0] == pytest.approx(3000.0 / share)


def test_on_a_channel_at_its_target_the_share_decays_to_nothing_but_its_least():
    dcc = controlled("adaptive")
    for _ in range(4000):
        dcc.measured(np.array([1.0]))
    # Six ten-thousandths: 300 us of air every 500 ms.
    assert dcc.wait_us(300.0)[0] == pytest.approx(500_000.0)


def test_on_a_silent_channel_the_share_stays_at_its_most():
    dcc = controlled("adaptive")
    for _ in range(4000):
        dcc.measured(np.array([0.0]))
    # 0.0005 / 0.016 = 0.03125 would be the fixed point.
    assert dcc.wait_us(3000.0)[0] == pytest.approx(100_000.0)


@pytest.mark.parametrize(("airtime_us", "wait_us"), [(1.0, 25_000.0), (1e6, 1_000_000.0)])
def test_a_wait_is_never_below_25_ms_nor_above_a_second(airtime_us, wait_us):
    assert controlled("adaptive").wait_us(airtime_us)[0] == wait_us


@pytest.mark.parametrize("control", ["reactive", "adaptive"])
def test_a_station_keeps_its_state_in_another_row_and_a_newcomer_begins_relaxed(control):
    dcc, fresh = controlled(control, 2), controlled(control, 1)
    for _ in range(31):
        dcc.measured(np.array([0.1, 0.9]))
    before = dcc.wait_us(3000.0)
    dcc.reindexed(np.array([1, -1]))
    assert dcc.wait_us(3000.0).tolist() == [before[1], fresh.wait_us(3000.0)[0]]


@pytest.mark.parametrize("control", ["reactive", "adaptive"])
def test_changing_rows_between_windows_changes_nothing(control):
    stays, moves = controlled(control, 2), controlled(control, 2)
    rng = np.random.default_rng(3)
    for _ in range(60):
        busy = np.repeat(rng.uniform(0.2, 0.9), 2) * np.array([1.0, 0.9])
        stays.measured(busy)
        moves.measured(busy)
        moves.reindexed(np.array([0, 1]))
        assert moves.wait_us(3000.0).tolist() == stays.wait_us(3000.0).tolist()


def test_the_next_better_state_takes_another_five_seconds():
    dcc = controlled("reactive")
    assert wait_after(dcc, 0.9, 20) == 400.0
    assert wait_after(dcc, 0.1, 99) == 200.0
    assert wait_after(dcc, 0.1, 1) == 100.0


def test_a_newcomer_enters_a_worse_state_after_a_second_like_everybody():
    dcc = controlled("reactive")
    wait_after(dcc, 0.9, 5)
    dcc.reindexed(np.array([-1]))
    assert wait_after(dcc, 0.9, 9) == 100.0
    assert wait_after(dcc, 0.9, 1) == 200.0


def test_a_newcomer_has_measured_no_busy_time():
    dcc = controlled("adaptive")
    for busy_share in (1.0, 1.0, 1.0, 1.0):
        dcc.measured(np.array([busy_share]))
    dcc.reindexed(np.array([-1]))
    for busy_share in (0.6, 0.8):
        dcc.measured(np.array([busy_share]))
    assert dcc.wait_us(3000.0)[0] == pytest.approx(3000.0 / (0.984 * 0.03 + 0.000396))


def test_a_newcomer_between_the_two_windows_of_an_update_counts_as_idle_in_the_first():
    dcc = controlled("adaptive")
    dcc.measured(np.array([1.0]))
    dcc.reindexed(np.array([-1]))
    dcc.measured(np.array([1.0]))
    # Smoothed: 0.25. The share would rise above its most.
    assert dcc.wait_us(3000.0)[0] == pytest.approx(3000.0 / 0.03)


@pytest.mark.parametrize("control", ["none", "reactive", "adaptive"])
def test_without_stations_there_is_no_wait(control):
    dcc = Dcc(control)
    dcc.measured(np.zeros(0))
    assert dcc.wait_us(500.0).tolist() == []
