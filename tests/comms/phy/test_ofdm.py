"""Rates, airtime, noise and packet error rate of 802.11p."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.comms.phy.ofdm import (
    MAC_HEADER_BYTES,
    airtime_us,
    error_curve,
    error_rate_at,
    noise_dbm,
    per,
    rate_mbps,
    receiver,
    snr_needed_db,
)

MCS = st.integers(0, 7)
BANDWIDTH = st.sampled_from([10, 20, 40])


def test_rates_over_10_mhz_are_those_of_the_standard():
    assert rate_mbps(np.arange(8), 10).tolist() == [3, 4.5, 6, 9, 12, 18, 24, 27]


def test_a_20_mhz_channel_carries_twice_the_rate():
    assert rate_mbps(2, 20) == 12.0


def test_a_packet_of_190_bytes_at_6_mbps_takes_304_us():
    # 8 * 190 + 22 = 1542 bits are 33 symbols of 48 bits, of 8 us each, and the preamble of 40 us.
    assert airtime_us(190 - MAC_HEADER_BYTES, 2, 10) == 304


@given(st.integers(0, 60_000), st.integers(0, 2000), MCS, BANDWIDTH)
def test_more_bytes_never_take_less_airtime(size, more, mcs, bandwidth_mhz):
    assert airtime_us(size + more, mcs, bandwidth_mhz) >= airtime_us(size, mcs, bandwidth_mhz)


@given(st.integers(0, 60_000), st.integers(0, 6), BANDWIDTH)
def test_a_faster_mcs_never_takes_more_airtime(size, mcs, bandwidth_mhz):
    assert airtime_us(size, mcs + 1, bandwidth_mhz) <= airtime_us(size, mcs, bandwidth_mhz)


@given(st.integers(0, 60_000), MCS, BANDWIDTH)
def test_airtime_scales_exactly_with_the_bandwidth(size, mcs, bandwidth_mhz):
    assert airtime_us(size, mcs, bandwidth_mhz) * bandwidth_mhz == airtime_us(size, mcs, 10) * 10


def test_thermal_noise_over_10_mhz_with_a_9_db_receiver_is_95_dbm_below_zero():
    assert noise_dbm(10, 9.0) == pytest.approx(-95.0, abs=0.05)


def test_a_wider_channel_needs_as_much_more_power_to_be_noticed_as_it_has_noise():
    narrow, wide = receiver(10, 9, -90, -94), receiver(40, 9, -90, -94)
    assert wide.sensitivity_mw / narrow.sensitivity_mw == pytest.approx(wide.noise_mw / narrow.noise_mw)


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
    assert 1 - per(snr_needed_db(delivery, mcs, 10), mcs, 10) == pytest.approx(delivery, abs=1e-9)


def test_no_snr_delivers_every_packet():
    assert snr_needed_db(0.9999, 0, 10) == np.inf
