"""Rates and time on the air of 802.11p."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.phy.airtime import MAC_HEADER_BYTES, airtime_us, rate_mbps

MCS = st.integers(0, 7)
BANDWIDTH = st.sampled_from([10, 20, 40])


def test_rates_over_10_mhz_are_those_of_the_standard():
    assert rate_mbps(np.arange(8), 10).tolist() == [3, 4.5, 6, 9, 12, 18, 24, 27]


def test_a_20_mhz_channel_carries_twice_the_rate():
    assert rate_mbps(np.array([2]), 20) == 12.0


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
