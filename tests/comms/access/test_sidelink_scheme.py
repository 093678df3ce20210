"""What a sidelink scheme refuses, and what it makes of its parameters."""

import pytest

from v2xsim.comms.access import sidelink
from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NR_CODING, NrMode2
from v2xsim.comms.access.sidelink import Sidelink, SidelinkParams
from v2xsim.comms.phy.sidelink import in_band_emission_db, sidelink_error_curve

SCHEMES = pytest.mark.parametrize("scheme", [LteMode4, NrMode2])


@SCHEMES
def test_a_selection_window_has_more_than_its_first_slot(scheme):
    assert scheme(t1_slots=4, t2_slots=5).t2_slots == 5
    with pytest.raises(ValueError, match=r"t2_slots \(4\) must be more than t1_slots \(4\)"):
        scheme(t1_slots=4, t2_slots=4)


@SCHEMES
def test_a_packet_takes_no_more_subchannels_than_there_are(scheme):
    assert scheme(subchannels=3, packet_subchannels=3).packet_subchannels == 3
    with pytest.raises(ValueError, match=r"packet_subchannels \(4\) must not be more than subchannels \(3\)"):
        scheme(subchannels=3, packet_subchannels=4)


@pytest.mark.parametrize(("packet_subchannels", "size_bytes"), [(None, 4 * 1814 // 8), (1, 226), (2, 453)])
def test_the_largest_packet_fills_the_subchannels_that_it_may_take(packet_subchannels, size_bytes):
    # 108 * 12 * 2 * 0.7 = 1814.4 bits each.
    assert LteMode4(packet_subchannels=packet_subchannels).most_bytes() == size_bytes


def test_only_mode_4_ranks_and_only_mode_2_looks_again():
    assert (LteMode4.ranked, NrMode2.ranked) == (True, False)
    assert (LteMode4.recheck_slots, NrMode2.recheck_slots) == (0, 2)


@pytest.mark.parametrize(
    ("index", "bits", "rate"), [(0, 2, 120), (9, 2, 679), (10, 4, 340), (16, 4, 658), (17, 6, 438), (28, 6, 948)]
)
def test_indices_of_modulation_and_coding_are_those_of_table_5_1_3_1_1(index, bits, rate):
    assert NR_CODING[index] == (bits, rate / 1024)
    assert len(NR_CODING) == 29


def test_an_index_of_coding_takes_the_place_of_modulation_and_code_rate():
    assert NrMode2(bits_per_symbol=4, code_rate=0.3).coding == (4, 0.3)
    assert NrMode2(bits_per_symbol=4, code_rate=0.3, nr_mcs=0).coding == (2, 120 / 1024)


def test_a_scheme_names_what_decides_its_largest_packet():
    text = NrMode2(subchannels=3, rb_per_subchannel=15, nr_mcs=28).describe()
    assert text == "nr_mode2: 3 subchannels of 15 resource blocks, 6 bits a symbol, code rate 0.925781"


@SCHEMES
def test_a_sidelink_scheme_leaves_free_what_is_heard_above_minus_110_dbm_and_works_out_its_subchannels(scheme):
    scheme = scheme()
    assert (scheme.subchannels, scheme.rb_per_subchannel, scheme.packet_subchannels) == (4, 12, None)
    assert (scheme.bits_per_symbol, scheme.code_rate, scheme.candidate_share) == (2, 0.7, 0.2)
    assert (scheme.t1_slots, scheme.t2_slots, scheme.rsrp_threshold_dbm) == (1, 100, -110.0)
    assert (scheme.keep_probability, scheme.repetitions) == (0.0, 0)
    assert (scheme.interference_share, scheme.in_band_emission) == (1.0, False)


def built(scheme, monkeypatch, time_us=3_000, **settings):
    """Return what the access layer of a scheme is built from."""
    taken = []
    monkeypatch.setattr(sidelink, "Sidelink", lambda *arguments: taken.append(arguments) or Sidelink(*arguments))
    layer_of(scheme, RadioSettings(**settings), time_us)
    ((stations, params, begin_us, station_key),) = taken
    assert (stations, begin_us, len(station_key)) == (0, time_us, 0)
    return params


def test_the_layer_has_the_settings_of_its_scheme_and_radio(monkeypatch):
    scheme = NrMode2(
        subchannels=5, rb_per_subchannel=11, packet_subchannels=2, t1_slots=3, t2_slots=40, candidate_share=0.3,
        rsrp_threshold_dbm=-100.0, keep_probability=0.4, repetitions=1, interference_share=0.8, in_band_emission=True,
        bits_per_symbol=4, code_rate=0.5,
    )  # fmt: skip
    params = built(
        scheme,
        monkeypatch,
        noise_dbm=-96.0,
        sensitivity_dbm=-91.0,
        busy_threshold_dbm=-93.0,
        queue_packets=7,
        window_us=20_000,
    )
    curve_db, curve_rate = sidelink_error_curve(4, 0.5)
    assert params == SidelinkParams(
        slot_us=1000, subchannels=5, rb_per_subchannel=11, packet_subchannels=2,
        # 120 resource elements in each of 11 blocks, 4 bits each, half of them data.
        bits_per_subchannel=2640, t1_slots=3, t2_slots=40, single_t2_slots=20, candidate_share=0.3,
        rsrp_threshold_dbm=-100.0, ranked=False, keep_probability=0.4, repetitions=1, recheck_slots=2, noise_dbm=-96.0,
        sensitivity_dbm=-91.0, busy_threshold_dbm=-93.0, overlap=0.8, leak_db=in_band_emission_db(5, 11), queue_packets=7,
        curve_db=curve_db, curve_rate=curve_rate,
    )  # fmt: skip


def test_a_curve_of_the_radio_replaces_that_of_the_scheme_and_nothing_leaks_by_default(monkeypatch):
    params = built(LteMode4(), monkeypatch, curve=((1.0, 0.9), (2.0, 0.1)))
    assert (params.curve_db, params.curve_rate, params.leak_db) == ((1.0, 2.0), (0.9, 0.1), ())
    assert (params.ranked, params.recheck_slots, params.packet_subchannels) == (True, 0, None)


@pytest.mark.parametrize(
    ("window_us", "last_slot"), [(20_000, 20), (20_499, 20), (20_501, 21), (39_000, 39), (41_000, 40), (1_000, 4)]
)
def test_a_single_packets_window_is_that_of_the_radio_within_t1_and_t2(monkeypatch, window_us, last_slot):
    params = built(NrMode2(t1_slots=3, t2_slots=40), monkeypatch, window_us=window_us)
    assert params.single_t2_slots == last_slot


@SCHEMES
def test_congestion_control_counts_a_slot_for_each_packet(scheme):
    assert scheme.dcc_airtime_us == 1000.0
