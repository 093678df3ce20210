"""The load of the channel: the busy share that is recorded, and congestion control that follows it."""

import numpy as np
import pytest

from v2xsim.comms.phy.airtime import airtime_us


def test_the_busy_share_of_each_window_is_recorded(setup):
    this = setup()
    this.layer.busy_share = 0.25
    this.run(200_000)
    rows = this.channel.finished().to_pydict()
    assert rows["time_us"] == [100_000] * 4 + [200_000] * 4
    np.testing.assert_allclose(rows["busy_share"], 0.25, rtol=1e-4)


def test_the_load_after_the_end_of_the_run_is_not_recorded(setup):
    this = setup()
    this.run(1_200_000)
    assert max(this.channel.finished().to_pydict()["time_us"]) == 1_000_000


def test_congestion_control_spaces_messages_out_when_the_channel_is_busy(setup):
    this = setup(dcc="reactive", access="ieee80211p")
    calm_us = this.air.wait_us(350)
    this.layer.busy_share = 0.9
    this.run(3_000_000)
    assert (this.air.wait_us(350) > calm_us).all()


@pytest.mark.parametrize("access", ["ieee80211p", "lte_mode4"])
def test_the_wait_between_messages_grows_with_their_airtime_unless_the_scheme_has_slots(setup, access):
    this = setup(dcc="adaptive", access=access)
    this.layer.busy_share = 0.9
    this.run(3_000_000)
    short_us, long_us = this.air.wait_us(200), this.air.wait_us(2000)
    assert (long_us > short_us).all() == (access == "ieee80211p")
    assert (short_us > 0).all()


def test_congestion_control_follows_the_stations(setup):
    this = setup(dcc="reactive", access="ieee80211p")
    this.layer.busy_share = 0.9
    this.run(3_000_000)
    before_us = this.air.wait_us(350)
    this.tick([1, 7])
    # Station 7 keeps its wait, and the newcomer has never measured a busy channel.
    newcomer_us, kept_us = this.air.wait_us(350)
    assert kept_us == before_us[2] > newcomer_us


class NotedControl:
    """Congestion control that takes notes of the airtime that it is asked about."""

    def wait_us(self, slot_us):
        self.slot_us = slot_us
        return np.zeros(4)


@pytest.mark.parametrize("access", ["ieee80211p", "lte_mode4"])
def test_congestion_control_is_asked_about_the_airtime_of_an_announcement(setup, access):
    this = setup(access=access, mcs=6, awareness_mcs=1, bandwidth_mhz=20)
    this.air._dcc = NotedControl()
    this.air.wait_us(350)
    # A sidelink packet lasts a subframe of 1 ms.
    assert this.air._dcc.slot_us == (1000.0 if access == "lte_mode4" else float(airtime_us(350, 1, 20)))
