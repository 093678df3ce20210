"""Delivery of single packets: the error curve at the mean SNR, in the noise of the part of the channel that a packet occupies."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from v2xsim.comms.access.lone_packets import lone_packets
from v2xsim.comms.access.scheme import AccessScheme, RadioSettings, ReceptionLevels
from v2xsim.comms.access.schemes.ideal import Ideal
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2
from v2xsim.comms.phy.error_rate import ebn0_over_sinr_db, error_curve
from v2xsim.parts import PartError

# Sensitive enough that the error curve alone decides.
OPEN = RadioSettings(sensitivity_dbm=-150.0)
MCS = 2


def delivery(scheme, power_dbm, settings=OPEN, size_bytes=300):
    return lone_packets(scheme, settings, MCS, size_bytes, np.array([power_dbm])).delivery[0]


@pytest.mark.parametrize("row", range(7))
def test_80211p_delivers_what_its_table_says(row):
    ebn0_db, error_rate = error_curve()
    power_dbm = OPEN.noise_dbm + ebn0_db[row] - ebn0_over_sinr_db(10)[MCS]
    assert delivery(Ieee80211p(), power_dbm) == pytest.approx(1.0 - error_rate[row])


def test_a_packet_below_the_sensitivity_is_never_delivered():
    settings = replace(OPEN, sensitivity_dbm=-80.0)
    assert [delivery(Ieee80211p(), power_dbm, settings) for power_dbm in (-80.01, -80.0)] == [
        0.0,
        pytest.approx(0.98988, abs=1e-5),
    ]


def test_the_sensitivity_rises_with_the_bandwidth_but_in_sidelink():
    wide = replace(OPEN, bandwidth_mhz=20, sensitivity_dbm=-80.0)
    for scheme, expected in ((Ieee80211p(), [False, True]), (NrMode2(), [True, True])):
        assert [bool(delivery(scheme, power_dbm, wide) > 0) for power_dbm in (-77.1, -76.9)] == expected


def test_a_sidelink_packet_has_the_noise_of_its_subchannels_only():
    scheme = NrMode2(subchannels=4)
    quarter, whole = scheme.most_bytes() // 4, scheme.most_bytes()
    snr_db = [lone_packets(scheme, OPEN, MCS, size, np.array([-90.0])).snr_db[0] for size in (quarter, whole)]
    assert snr_db == pytest.approx([5.0 + 6.0206, 5.0], abs=1e-3)
    fixed = replace(scheme, packet_subchannels=2)
    assert lone_packets(fixed, OPEN, MCS, quarter, np.array([-90.0])).snr_db[0] == pytest.approx(8.0103, abs=1e-3)


def test_an_ideal_channel_delivers_whatever_arrives():
    assert delivery(Ideal(), -200.0, RadioSettings()) == 1.0


def test_more_power_never_delivers_less():
    for scheme in (Ieee80211p(), NrMode2()):
        found = lone_packets(scheme, RadioSettings(), MCS, 300, np.linspace(-120.0, -50.0, 400)).delivery
        assert (np.diff(found) >= 0).all()
        assert (found[0], bool(found[-1] > 0.99)) == (0.0, True)


def test_the_levels_of_a_users_scheme_are_checked():
    @dataclass(frozen=True)
    class Odd(AccessScheme):
        name = "odd"

        def reception_levels(self, settings, size_bytes):
            return ReceptionLevels(float("nan"), -90.0)

    Odd.file = "odd.py"
    with pytest.raises(PartError, match=r"reception_levels.*must return ReceptionLevels: two finite powers"):
        lone_packets(Odd(), OPEN, MCS, 300, np.zeros(1))
