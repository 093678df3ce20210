"""Noise over a channel and the levels of a receiver."""

import pytest

from v2xsim.comms.phy.noise import noise_dbm, receiver


def test_thermal_noise_over_10_mhz_with_a_9_db_receiver_is_95_dbm_below_zero():
    assert noise_dbm(10, 9.0) == pytest.approx(-95.0, abs=0.05)


def test_a_wider_channel_needs_as_much_more_power_to_be_noticed_as_it_has_noise():
    narrow, wide = receiver(10, 9, -90, -94), receiver(40, 9, -90, -94)
    assert wide.sensitivity_mw / narrow.sensitivity_mw == pytest.approx(wide.noise_mw / narrow.noise_mw)
