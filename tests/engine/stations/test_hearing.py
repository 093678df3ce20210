"""What stations measure of each other's packets."""

import numpy as np
import pytest

from v2xsim.comms.phy.error_rate import per
from v2xsim.engine.stations.hearing import SILENT_PERIODS, Hearing
from v2xsim.scenario.schema_radio import Radio

RADIO = Radio()
FORGET_US = 500_000


def hearing(*notes, agents=(2, 4, 7)):
    """Hearing after packets: (receivers, sender, SNR of each, time)."""
    state = Hearing.nobody().over(np.array(agents))
    for receivers, sender, snr_db, time_us in notes:
        state.note(np.array(receivers), sender, np.array(snr_db, float), time_us, FORGET_US)
    return state


def test_who_receives_a_packet_has_heard_its_sender():
    heard = hearing(([2, 7], 4, [10, 20], 1000)).heard_lately(1000, FORGET_US)
    expected = np.zeros((3, 3), bool)
    expected[0, 1] = expected[2, 1] = True
    np.testing.assert_array_equal(heard, expected)


@pytest.mark.parametrize(("later_us", "heard"), [(FORGET_US, True), (FORGET_US + 1, False)])
def test_a_sender_is_forgotten_after_the_time_given(later_us, heard):
    assert hearing(([2], 4, [10], 1000)).heard_lately(1000 + later_us, FORGET_US)[0, 1] == heard


def test_five_silent_periods_mean_that_a_station_is_gone():
    assert SILENT_PERIODS == 5


def test_the_newest_packet_counts_four_tenths_of_the_mean():
    state = hearing(([2], 4, [10], 0), ([2], 4, [20], 1000))
    assert state.snr_db[0, 1] == pytest.approx(0.6 * 10 + 0.4 * 20)


def test_after_silence_the_mean_begins_again():
    state = hearing(([2], 4, [10], 0), ([2], 4, [20], FORGET_US + 1))
    assert state.snr_db[0, 1] == 20.0


def test_at_the_end_of_the_time_given_the_mean_still_goes_on():
    assert hearing(([2], 4, [10], 0), ([2], 4, [20], FORGET_US)).snr_db[0, 1] == pytest.approx(14.0)


def test_a_sender_that_has_left_is_not_noted():
    assert not hearing(([2, 4], 99, [10, 10], 1000)).heard_lately(1000, FORGET_US).any()


def test_a_receiver_that_has_left_is_passed_over():
    heard = hearing(([2, 5, 7], 4, [10, 15, 20], 1000))
    assert heard.snr_db[0, 1] == 10.0
    assert heard.snr_db[2, 1] == 20.0


def test_newcomers_have_heard_nobody_and_others_keep_what_they_heard():
    state = hearing(([2], 4, [12], 1000)).over(np.array([1, 2, 4]))
    heard = state.heard_lately(1000, FORGET_US)
    assert heard[1, 2]
    assert heard.sum() == 1
    assert state.snr_db[1, 2] == state.snr_db.sum() == 12.0


def test_the_better_of_both_ends_tells_the_quality_of_a_link():
    both = hearing(([2], 4, [4], 0), ([4], 2, [9], 0)).delivery(0, FORGET_US, RADIO)
    expected = 1.0 - per(9.0, RADIO.mcs, RADIO.bandwidth_mhz)
    assert both[0, 1] == pytest.approx(expected)
    assert both[1, 0] == pytest.approx(expected)


def test_what_one_end_heard_holds_for_the_other():
    one = hearing(([2], 4, [6], 0)).delivery(0, FORGET_US, RADIO)
    assert one[0, 1] == one[1, 0] == pytest.approx(1.0 - per(6.0, RADIO.mcs, RADIO.bandwidth_mhz))


def test_a_sidelink_is_predicted_from_its_own_coding_whatever_the_mcs_of_80211p():
    # QPSK at code rate 0.7 needs more than 6 dB, 64-QAM at the same rate about 10 dB more.
    robust, fast = ({"scheme": "nr_mode2", "bits_per_symbol": bits} for bits in (2, 6))
    state = hearing(([2], 4, [11], 0))

    def delivery(access, mcs):
        return float(state.delivery(0, FORGET_US, Radio(access=access, mcs=mcs))[0, 1])

    assert delivery(robust, 0) == delivery(robust, 7) > 0.95
    assert delivery(fast, 0) == delivery(fast, 7) < 0.01


def test_a_link_on_which_nobody_was_heard_lately_delivers_nothing():
    delivery = hearing(([2], 4, [30], 0)).delivery(FORGET_US + 1, FORGET_US, RADIO)
    assert not delivery.any()


def test_a_newer_bad_measurement_of_one_end_does_not_hide_an_old_one_that_is_forgotten():
    state = hearing(([2], 4, [30], 0), ([4], 2, [2], FORGET_US))
    delivery = state.delivery(FORGET_US + 1, FORGET_US, RADIO)
    assert delivery[0, 1] == pytest.approx(1.0 - per(2.0, RADIO.mcs, RADIO.bandwidth_mhz))


def test_the_same_stations_keep_what_they_heard_as_it_is():
    state = hearing(([2], 4, [12], 1000))
    assert state.over(np.array([2, 4, 7])) is state


def test_nobody_was_ever_heard_however_long_the_memory():
    assert not hearing().heard_lately(0, 2**62 - 1).any()
