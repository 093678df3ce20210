"""What a subchannel carries, and what of it is lost or leaks."""

import pytest

from v2xsim.comms.phy.sidelink import bits_per_subchannel, in_band_emission_db, sidelink_error_curve


def test_capacity_and_error_curves_follow_modulation_and_code_rate():
    assert bits_per_subchannel("lte_mode4", 10, 2, 0.7) == 1512
    # 120 elements a resource block; in floating point the product is 2015.9999999999998.
    assert bits_per_subchannel("nr_mode2", 12, 2, 0.7) == 2016
    base, faster = sidelink_error_curve(2, 0.7)[0], sidelink_error_curve(4, 0.5)[0]
    assert base[0] == pytest.approx(0.0)
    assert faster[0] > base[0]


def test_emission_falls_with_the_gap_to_its_floor():
    leak = in_band_emission_db(4, 12)
    assert list(leak) == sorted(leak, reverse=True)
    assert -35.0 < leak[-1] < leak[0] < -10.0
