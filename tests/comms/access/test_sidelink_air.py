"""What a sidelink packet meets on the air: who hears it, what disturbs it, whom it finds busy."""

import numpy as np
import pytest
import recorded_layers
from groups import packets, played, repeated, square

from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, SENSING
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2
from v2xsim.comms.phy.sidelink import in_band_emission_db

GROUPS = 100
SAFE = ((-30.0, 0.0), (40.0, 0.0))
NOISE_DBM = -95.0


def one_slot_or_the_next(subchannels=1, **more):
    """Return a scheme whose packets take one of two slots."""
    return NrMode2(subchannels=subchannels, packet_subchannels=1, t1_slots=1, t2_slots=2, **more)


def both_send(within_dbm, scheme, **settings):
    """Return what came of packets that stations 0 and 1 have ready at once, in many groups, and who met whom."""
    stations = len(within_dbm)
    sent = packets([(0, 0, 0), (1, 0, 0)], groups=GROUPS, stations=stations)
    found, _ = played(scheme, sent, repeated(GROUPS, within_dbm), 100_000, **settings)
    begun = np.zeros(2 * GROUPS, np.int64)
    begun[found.number] = found.began_us
    group = found.packet // 2
    together = begun[0::2][group] == begun[1::2][group]
    return found, together


def test_two_that_send_in_one_slot_do_not_hear_each_other_and_in_two_slots_do():
    found, together = both_send(square(2), one_slot_or_the_next(), curve=SAFE)
    assert 0.2 < together.mean() < 0.8
    assert (found.outcome == np.where(together, HALF_DUPLEX, DELIVERED)).all()


def test_half_duplex_holds_across_subchannels():
    found, together = both_send(square(2), one_slot_or_the_next(subchannels=4), curve=SAFE)
    assert (found.outcome == np.where(together, HALF_DUPLEX, DELIVERED)).all()


def at_station_2(found):
    return found.receiver % 3 == 2


def test_the_sinr_of_a_packet_counts_noise_and_the_other_in_its_slot_once():
    within = square(3, p01=-200.0, p02=-80.0, p12=-90.0)
    found, together = both_send(within, one_slot_or_the_next(), curve=SAFE, sensitivity_dbm=-92.0)
    rows = at_station_2(found) & together & (found.packet % 2 == 0)
    # Signal 10 nW-12, interference 1, noise 0.316 in units of 1e-9 mW.
    expected = 10 * np.log10(10.0 / (1.0 + 10**-0.5))
    assert rows.any()
    np.testing.assert_allclose(found.sinr_db[rows], expected, atol=1e-4)


def test_the_sinr_of_a_packet_that_nothing_disturbs_is_its_snr():
    found, together = both_send(square(3, p02=-80.0), one_slot_or_the_next(), curve=SAFE)
    rows = at_station_2(found) & ~together & (found.packet % 2 == 0)
    np.testing.assert_allclose(found.sinr_db[rows], -80.0 - NOISE_DBM, atol=1e-4)
    np.testing.assert_allclose(found.snr_db[rows], -80.0 - NOISE_DBM, atol=1e-4)


@pytest.mark.parametrize(("curve_db", "outcome"), [(8.9, COLLISION), (8.7, DELIVERED)])
def test_a_packet_is_lost_to_collision_where_its_sinr_is_below_the_curve(curve_db, outcome):
    # An SINR of 8.81 dB, an SNR of 15 dB; the curve falls from 1 to 0 at one value.
    within = square(3, p01=-200.0, p02=-80.0, p12=-90.0)
    curve = ((curve_db, 1.0), (curve_db + 0.001, 0.0))
    found, together = both_send(within, one_slot_or_the_next(), curve=curve, sensitivity_dbm=-92.0)
    rows = at_station_2(found) & together & (found.packet % 2 == 0)
    assert set(found.outcome[rows].tolist()) == {outcome}


def test_a_packet_is_lost_to_propagation_where_its_snr_is_below_the_curve():
    found, _ = both_send(
        square(3, p01=-200.0, p02=-80.0, p12=-90.0), one_slot_or_the_next(), curve=((15.1, 1.0), (15.2, 0.0))
    )
    rows = at_station_2(found) & (found.packet % 2 == 0)
    assert set(found.outcome[rows].tolist()) == {PROPAGATION}


def test_only_the_share_on_a_packets_own_blocks_disturbs():
    within = square(3, p01=-200.0, p02=-80.0, p12=-90.0)
    scheme = one_slot_or_the_next(interference_share=0.25)
    found, together = both_send(within, scheme, curve=SAFE, sensitivity_dbm=-92.0)
    rows = at_station_2(found) & together & (found.packet % 2 == 0)
    np.testing.assert_allclose(found.sinr_db[rows], 10 * np.log10(10.0 / (0.25 + 10**-0.5)), atol=1e-4)


def test_another_subchannel_disturbs_by_what_leaks_out_of_it():
    within = square(3, p01=-200.0, p02=-80.0, p12=-70.0)
    for emission in (False, True):
        scheme = one_slot_or_the_next(subchannels=2, in_band_emission=emission)
        found, together = both_send(within, scheme, curve=SAFE)
        rows = at_station_2(found) & together & (found.packet % 2 == 0)
        # Half of the noise lies in the packet's subchannel. The other is ten times as strong as the packet.
        noise, leak = 0.5 * 10**-9.5, 10 ** (0.1 * in_band_emission_db(2, 12)[0]) * 10**-7.0
        apart = 10 * np.log10(10**-8.0 / (noise + (leak if emission else 0.0)))
        same = 10 * np.log10(10**-8.0 / (noise + 10**-7.0))
        assert {round(float(v), 3) for v in found.sinr_db[rows]} == {round(apart, 3), round(same, 3)}


@pytest.mark.parametrize(("power_dbm", "noticed"), [(-90.1, False), (-89.9, True)])
def test_a_packet_is_noticed_from_the_sensitivity_on(power_dbm, noticed):
    found, _ = played(NrMode2(), packets([(0, 0, 0)]), repeated(1, square(2, p01=power_dbm)), 200_000, curve=SAFE)
    assert found.outcome.tolist() == [DELIVERED] * noticed


def test_whom_a_packet_is_addressed_to_has_an_outcome_however_weak_it_is():
    sent = packets([(0, 0, 0)])
    sent.target[0] = 1
    found, _ = played(NrMode2(), sent, repeated(1, square(3, p01=-120.0, p02=-120.0)), 200_000)
    assert list(zip(found.receiver.tolist(), found.outcome.tolist(), strict=True)) == [(1, SENSING)]


@pytest.mark.parametrize(
    ("power_dbm", "size_bytes", "busy_us"),
    [(-93.9, 250, 250), (-94.1, 250, 0), (-90.9, 500, 500), (-91.1, 500, 0), (-87.9, 1000, 1000), (-88.1, 1000, 0)],
)
def test_a_subchannel_is_busy_where_its_share_of_the_power_exceeds_the_threshold(power_dbm, size_bytes, busy_us):
    # A packet over 1, 2 or 4 of 4 subchannels; the threshold is -94 dBm.
    sent = packets([(0, 0, 0)], size_bytes=size_bytes)
    _, busy = played(NrMode2(), sent, repeated(1, square(2, p01=power_dbm)), 200_000)
    assert busy[1] == busy_us


def test_two_packets_in_one_subchannel_and_slot_are_busy_once():
    within = square(3, p01=-200.0)
    sent = packets([(0, 0, 0), (1, 0, 0)], groups=GROUPS, stations=3)
    found, busy = played(one_slot_or_the_next(), sent, repeated(GROUPS, within), 100_000, curve=SAFE)
    begun = np.zeros(2 * GROUPS, np.int64)
    begun[found.number] = found.began_us
    together = begun[0::2] == begun[1::2]
    assert (busy[2::3] == np.where(together, 1000, 2000)).all()


def test_powers_of_a_slot_add_up_before_they_meet_the_busy_threshold():
    # Each is 1 dB below -94 dBm, both are 2 dB above it.
    within = square(3, p01=-200.0, p02=-95.0, p12=-95.0)
    sent = packets([(0, 0, 0), (1, 0, 0)], groups=GROUPS, stations=3)
    found, busy = played(one_slot_or_the_next(), sent, repeated(GROUPS, within), 100_000, sensitivity_dbm=-99.0)
    begun = np.zeros(2 * GROUPS, np.int64)
    begun[found.number] = found.began_us
    assert (busy[2::3] == np.where(begun[0::2] == begun[1::2], 1000, 0)).all()


@pytest.mark.parametrize(("scheme", "elements"), [(LteMode4, 108), (NrMode2, 120)])
def test_a_slot_carries_the_bits_of_its_resource_elements(scheme, elements):
    # 4 subchannels of 12 blocks, 2 bits per symbol, 0.7 of them data.
    assert scheme().most_bytes() == 4 * (elements * 12 * 2 * 7 // 10) // 8


def test_nr_index_10_is_16_qam_at_340_of_1024():
    scheme = NrMode2(nr_mcs=10)
    assert scheme.coding == (4, 340 / 1024)
    assert scheme.most_bytes() == 4 * int(120 * 12 * 4 * 340 / 1024) // 8


def test_a_recorded_run_with_fading_and_repetitions_is_reproduced():
    recorded_layers.check("mode_2")


def test_a_recorded_run_with_power_leaking_into_other_subchannels_is_reproduced():
    recorded_layers.check("mode_4")
