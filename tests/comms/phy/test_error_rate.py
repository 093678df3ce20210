"""Packet error rate of 802.11p over the SINR."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.phy.error_points import snr_needed_db
from v2xsim.comms.phy.error_rate import error_curve, error_rate_at, ieee80211p_points, per

MCS = st.integers(0, 7)
BANDWIDTH = st.sampled_from([10, 20, 40])


@pytest.mark.parametrize(
    ("ebn0_db", "rate"), [(0, 1), (5, 1), (10, 0.4), (15, 0.015), (20, 0.004), (25, 0.003), (30, 0.002), (35, 0.001)]
)
def test_error_rate_at_3_mbps_meets_the_rows_of_its_source(ebn0_db, rate):
    # At 3 Mb/s over 10 MHz the energy per bit against noise is 10 log10(10 / 3) above the SINR.
    assert per(ebn0_db - 10 * np.log10(10 / 3), 0, 10) == pytest.approx(rate, rel=1e-9)


@given(st.floats(-50, 80), st.floats(0, 20), MCS, BANDWIDTH)
def test_a_stronger_signal_is_never_lost_more_often(sinr_db, more_db, mcs, bandwidth_mhz):
    assert per(sinr_db + more_db, mcs, bandwidth_mhz) <= per(sinr_db, mcs, bandwidth_mhz)


@given(st.floats(-50, 80), st.integers(0, 6), BANDWIDTH)
def test_a_faster_mcs_is_never_lost_less_often(sinr_db, mcs, bandwidth_mhz):
    assert per(sinr_db, mcs + 1, bandwidth_mhz) >= per(sinr_db, mcs, bandwidth_mhz)


@settings(deadline=None)  # the first example compiles the kernel
@given(st.floats(-10, 50))
def test_the_kernels_error_rate_is_that_of_numpy(ebn0_db):
    assert error_rate_at(ebn0_db, *error_curve()) == pytest.approx(np.interp(ebn0_db, *error_curve()), abs=1e-14)


@given(st.floats(0.0, 0.999), MCS)
def test_the_snr_needed_for_a_delivery_delivers_it(delivery, mcs):
    assert 1 - per(snr_needed_db(delivery, ieee80211p_points(mcs, 10)), mcs, 10) == pytest.approx(delivery, abs=1e-9)


def test_no_snr_delivers_every_packet():
    assert snr_needed_db(0.9999, ieee80211p_points(0, 10)) == np.inf
