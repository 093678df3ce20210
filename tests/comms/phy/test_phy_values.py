"""The physical layer by hand: noise, airtime, error rates, sidelink curves and leakage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v2xsim.comms.phy.airtime import airtime_us
from v2xsim.comms.phy.error_points import snr_needed_db
from v2xsim.comms.phy.error_rate import (
    UNIFORM_BINS,
    ebn0_over_sinr_db,
    error_rate_at,
    ieee80211p_points,
    lost_below,
    per,
)
from v2xsim.comms.phy.noise import milliwatts, noise_dbm, receiver, receiver_of
from v2xsim.comms.phy.sidelink import (
    QPSK_ERROR_RATE,
    QPSK_SINR_DB,
    bits_per_subchannel,
    in_band_emission_db,
    sidelink_error_curve,
)

# 10 log10(1.380649e-23 J/K * 290 K * 1000 mW/W).
THERMAL_DBM_PER_HZ = -173.975


@pytest.mark.parametrize(("bandwidth_mhz", "wider_db"), [(10, 70.0), (20, 73.0103), (40, 76.0206), (1, 60.0)])
def test_noise_grows_with_the_bandwidth_from_minus_174_dbm_per_hertz(bandwidth_mhz, wider_db):
    assert noise_dbm(bandwidth_mhz, 0.0) == pytest.approx(THERMAL_DBM_PER_HZ + wider_db, abs=1e-3)


def test_the_noise_figure_adds_to_the_noise():
    assert noise_dbm(10, 13.0) - noise_dbm(10, 9.0) == pytest.approx(4.0)


def test_a_milliwatt_is_zero_dbm_and_a_thousandth_of_it_30_below():
    assert (milliwatts(0.0), milliwatts(-30.0), milliwatts(20.0)) == pytest.approx((1.0, 1e-3, 100.0))


def test_a_receiver_holds_its_levels_in_milliwatts():
    found = receiver_of(-95.0, -90.0, -94.0)
    assert (found.noise_mw, found.sensitivity_mw, found.busy_mw) == pytest.approx((10**-9.5, 1e-9, 10**-9.4))


@pytest.mark.parametrize(
    ("below_db", "sensitivity_dbm", "reported_dbm"),
    [(20.0, -90.0, -115.0), (5.0, -90.0, -100.0), (5.0, -110.0, -110.0)],
)
def test_losses_are_reported_down_to_below_the_noise_and_to_the_sensitivity(below_db, sensitivity_dbm, reported_dbm):
    assert receiver_of(-95.0, sensitivity_dbm, -94.0, below_db).report_mw == pytest.approx(10 ** (0.1 * reported_dbm))


@pytest.mark.parametrize(("bandwidth_mhz", "wider_db"), [(10, 0.0), (20, 3.0103), (40, 6.0206)])
def test_a_receivers_thresholds_over_10_mhz_rise_with_its_channel(bandwidth_mhz, wider_db):
    found = receiver(bandwidth_mhz, 9.0, -90.0, -94.0)
    levels = [10 * np.log10(level) for level in (found.sensitivity_mw, found.busy_mw, found.noise_mw)]
    np.testing.assert_allclose(levels, np.array([-90.0, -94.0, THERMAL_DBM_PER_HZ + 79.0]) + wider_db, atol=1e-3)


@pytest.mark.parametrize(("mcs", "symbols"), [(0, 94), (1, 63), (2, 47), (3, 32), (4, 24), (5, 16), (6, 12), (7, 11)])
def test_a_packet_of_240_bytes_takes_whole_symbols_at_every_rate(mcs, symbols):
    # 8 * (240 + 38) + 22 = 2246 bits over 24, 36, 48, 72, 96, 144, 192 and 216 a symbol.
    assert airtime_us(240, mcs, 10) == 40 + 8 * symbols


@pytest.mark.parametrize(("size_bytes", "symbols"), [(3, 8), (4, 8), (7, 8), (8, 9)])
def test_a_symbol_that_is_begun_counts(size_bytes, symbols):
    # At 48 bits a symbol: 350, 358, 382 and 390 bits.
    assert airtime_us(size_bytes, 2, 10) == 40 + 8 * symbols


@pytest.mark.parametrize(("bandwidth_mhz", "airtime"), [(20, 208), (40, 104)])
def test_a_wider_channel_runs_on_a_faster_clock(bandwidth_mhz, airtime):
    assert airtime_us(240, 2, bandwidth_mhz) == airtime


@pytest.mark.parametrize(
    ("ebn0_db", "rate"), [(6.25, 0.85), (7.5, 0.7), (12.5, 0.2075), (17.5, 0.0095), (-20.0, 1.0), (50.0, 0.001)]
)
def test_between_the_rows_of_its_table_the_error_rate_is_straight(ebn0_db, rate):
    assert per(np.array([ebn0_db - 10 * np.log10(10 / 3)]), 0, 10)[0] == pytest.approx(rate)


def test_energy_per_bit_is_sinr_times_bandwidth_over_rate():
    rates_mbps = np.array([3, 4.5, 6, 9, 12, 18, 24, 27])
    np.testing.assert_allclose(ebn0_over_sinr_db(10), 10 * np.log10(10 / rates_mbps))
    np.testing.assert_allclose(ebn0_over_sinr_db(20), ebn0_over_sinr_db(10))


@pytest.mark.parametrize(("delivery", "ebn0_db"), [(0.6, 10.0), (0.3, 7.5), (0.985, 15.0), (0.999, 35.0)])
def test_the_snr_needed_for_a_delivery_is_read_off_the_table_backwards(delivery, ebn0_db):
    assert snr_needed_db(delivery, ieee80211p_points(2, 10)) == pytest.approx(ebn0_db - 10 * np.log10(10 / 6))


CURVE = np.array([0.0, 4.0, 6.0]), np.array([1.0, 0.5, 0.1])


@pytest.mark.parametrize(
    ("sinr_db", "rate"), [(-1.0, 1.0), (0.0, 1.0), (1.0, 0.875), (4.0, 0.5), (5.0, 0.3), (6.0, 0.1), (9.0, 0.1)]
)
def test_any_curve_is_straight_between_its_rows_and_level_outside(sinr_db, rate):
    assert error_rate_at(sinr_db, *CURVE) == pytest.approx(rate)


CURVES = st.sampled_from(
    [CURVE, (np.array(QPSK_SINR_DB), np.array(QPSK_ERROR_RATE)), (np.array([3.0, 3.5]), np.array([1.0, 0.0]))]
)


@given(CURVES, st.floats(0.001, 0.999), st.floats(-10.0, 30.0))
def test_below_its_bound_a_packet_is_lost_and_above_it_is_not(curve, luck, sinr_db):
    lost_at, safe_at = lost_below(*curve)[int(luck * UNIFORM_BINS)]
    ratio, lost = 10.0 ** (0.1 * sinr_db), luck < error_rate_at(sinr_db, *curve)
    assert lost or ratio >= lost_at
    assert not lost or ratio < safe_at


def test_bounds_leave_little_between_them_where_a_curve_is_steep():
    # A two-hundred-and-fifty-sixth of a curve that falls by 1 in half a decibel.
    bound = lost_below(np.array([3.0, 3.5]), np.array([1.0, 0.0]))
    between_db = 10 * np.log10(bound[1:-1, 1] / bound[1:-1, 0])
    np.testing.assert_allclose(between_db, 0.5 / UNIFORM_BINS + 2e-6, rtol=1e-3)


def test_a_curve_that_rises_somewhere_gives_no_bound():
    bound = lost_below(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.2, 0.3]))
    assert (bound[:, 0] == 0.0).all()
    assert np.isinf(bound[:, 1]).all()


@pytest.mark.parametrize(("access", "elements"), [("lte_mode4", 9 * 12), ("nr_mode2", 10 * 12)])
def test_a_resource_block_has_12_subcarriers_of_9_symbols_in_lte_and_10_in_nr(access, elements):
    assert bits_per_subchannel(access, 7, 4, 0.5) == 7 * elements * 2


def test_the_qpsk_curve_at_a_code_rate_of_0_7_is_the_tabulated_one():
    curve_db, rate = sidelink_error_curve(2, 0.7)
    np.testing.assert_allclose(curve_db, QPSK_SINR_DB, atol=1e-12)
    assert rate == QPSK_ERROR_RATE


@pytest.mark.parametrize(("bits", "code_rate", "shift_db"), [(4, 0.5, 3.517), (2, 0.35, -5.112), (6, 0.7, 14.975)])
def test_another_coding_shifts_the_curve_by_the_sinr_of_its_capacity(bits, code_rate, shift_db):
    # 2^(bits * rate / 0.6) - 1 against 2^(1.4 / 0.6) - 1 = 4.0397: 9.0794, 1.2449 and 127.
    np.testing.assert_allclose(np.array(sidelink_error_curve(bits, code_rate)[0]) - QPSK_SINR_DB, shift_db, atol=1e-3)


def test_power_leaks_less_the_farther_away_a_subchannel_is():
    # 20 log10(0.175) - 3 - 5 (gap - 1) / 12 at gaps of 6.5, 18.5 and 30.5 blocks.
    np.testing.assert_allclose(in_band_emission_db(4, 12), [-20.431, -25.431, -30.431], atol=1e-3)


def test_leaking_power_has_a_floor_that_depends_on_the_share_of_the_channel():
    # -25 - 10 log10(10) for one of ten subchannels.
    leak = in_band_emission_db(10, 12)
    assert len(leak) == 9
    np.testing.assert_allclose(leak[3:], -35.0)
    assert leak[2] > -35.0
