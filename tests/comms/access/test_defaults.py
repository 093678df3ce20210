"""What an access layer takes where nobody says otherwise: the numbers of ITS-G5, LTE-V2X mode 4 and the radio."""

import pytest

from v2xsim.comms.access.csma import CsmaParams
from v2xsim.comms.access.scheme import RadioSettings
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2
from v2xsim.comms.access.sidelink import SidelinkParams


def test_aifs_is_sifs_and_six_slots_of_13_us():
    params = CsmaParams()
    assert (params.slot_us, params.aifs_us, params.cw) == (13, 32 + 6 * 13, 15)


def test_a_channel_of_its_g5_is_busy_from_minus_85_dbm_of_a_packet_and_minus_65_dbm_of_anything():
    params = CsmaParams()
    assert (params.bandwidth_mhz, params.header_bytes, params.queue_packets) == (10, 38, 1000)
    assert (params.sensitivity_dbm, params.busy_threshold_dbm) == (-85.0, -85.0)
    assert (params.cca_preamble_dbm, params.cca_energy_dbm) == (-85.0, -65.0)
    assert params.noise_dbm == pytest.approx(-94.975, abs=1e-3)


def test_a_packet_captures_nobody_and_its_worst_moment_decides_by_energy_per_bit():
    params = CsmaParams()
    assert (params.capture_db, params.worst_interference, params.curve_is_sinr) == (None, True, False)


def test_the_scheme_of_80211p_has_the_same_numbers():
    scheme, params = Ieee80211p(), CsmaParams()
    names = ("aifs_us", "cw", "cca_preamble_dbm", "cca_energy_dbm", "capture_db")
    assert [getattr(scheme, name) for name in names] == [getattr(params, name) for name in names]
    assert scheme.interference == "worst"


def test_mode_4_senses_a_second_of_slots_of_a_millisecond_and_keeps_a_resource_for_5_to_15_packets():
    params = SidelinkParams()
    assert (params.slot_us, params.window_slots, params.uses) == (1000, 1000, (5, 15))


def test_mode_4_chooses_among_slots_1_to_100_and_keeps_a_fifth_of_them_ranked():
    params = SidelinkParams()
    assert (params.t1_slots, params.t2_slots, params.single_t2_slots, params.candidate_share) == (1, 100, 100, 0.2)
    assert (params.ranked, params.recheck_slots, params.keep_probability, params.repetitions) == (True, 0, 0.0, 0)


def test_mode_4_has_four_subchannels_of_12_blocks_and_packets_of_one():
    params = SidelinkParams()
    assert (params.subchannels, params.rb_per_subchannel, params.packet_subchannels) == (4, 12, 1)
    assert (params.bits_per_subchannel, params.overlap, params.leak_db, params.queue_packets) == (1520, 1.0, (), 1000)


def test_mode_4_hears_from_minus_90_5_dbm_and_decodes_control_from_0_db():
    params = SidelinkParams()
    assert (params.rsrp_threshold_dbm, params.sensitivity_dbm, params.busy_threshold_dbm) == (-128.0, -90.5, -94.0)
    assert params.sci_sinr_db == 0.0
    assert params.noise_dbm == pytest.approx(-94.975, abs=1e-3)


@pytest.mark.parametrize("scheme", [LteMode4(), NrMode2()])
def test_a_sidelink_scheme_leaves_free_what_is_heard_above_minus_110_dbm_and_works_out_its_subchannels(scheme):
    assert (scheme.subchannels, scheme.rb_per_subchannel, scheme.packet_subchannels) == (4, 12, None)
    assert (scheme.bits_per_symbol, scheme.code_rate, scheme.candidate_share) == (2, 0.7, 0.2)
    assert (scheme.t1_slots, scheme.t2_slots, scheme.rsrp_threshold_dbm) == (1, 100, -110.0)
    assert (scheme.keep_probability, scheme.repetitions) == (0.0, 0)
    assert (scheme.interference_share, scheme.in_band_emission) == (1.0, False)


def test_a_radio_without_settings_has_10_mhz_and_the_noise_of_a_9_db_receiver():
    radio = RadioSettings()
    assert (radio.bandwidth_mhz, radio.noise_dbm, radio.sensitivity_dbm, radio.busy_threshold_dbm) == (
        10, -95.0, -90.0, -94.0
    )  # fmt: skip
    assert (radio.queue_packets, radio.slot_us, radio.window_us, radio.header_bytes, radio.curve) == (
        1000, 500, 20_000, None, ()
    )  # fmt: skip


@pytest.mark.parametrize(("bandwidth_mhz", "wider_db"), [(10, 0.0), (20, 3.0103), (40, 6.0206)])
def test_a_wider_channel_asks_for_as_much_more_power_as_it_has_more_noise(bandwidth_mhz, wider_db):
    assert RadioSettings(bandwidth_mhz=bandwidth_mhz).wider_db == pytest.approx(wider_db, abs=1e-4)
