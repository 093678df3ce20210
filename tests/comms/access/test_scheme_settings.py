"""What 802.11p and random slots make of the settings of the scheme and of the radio."""

import numpy as np
import pytest

from v2xsim.comms.access import csma, random_slot
from v2xsim.comms.access.csma import CsmaParams
from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess
from v2xsim.comms.phy.airtime import MAC_HEADER_BYTES
from v2xsim.comms.phy.noise import milliwatts


def built(scheme, module, name, monkeypatch, **settings):
    """Return the parameters from which the access layer of a scheme is built, at 3 ms and without stations."""
    taken, layer_class = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: taken.append(arguments) or layer_class(*arguments))
    layer_of(scheme, RadioSettings(**settings), 3_000)
    ((stations, params, begin_us, station_key),) = taken
    assert (stations, begin_us, len(station_key)) == (0, 3_000, 0)
    return params


def test_80211p_has_the_settings_of_its_scheme_and_radio(monkeypatch):
    scheme = Ieee80211p(
        aifs_us=58, cw=7, cca_preamble_dbm=-84.0, cca_energy_dbm=-64.0, interference="mean", capture_db=8.0
    )
    params = built(
        scheme, csma, "Csma", monkeypatch, noise_dbm=-96.0, sensitivity_dbm=-91.0, busy_threshold_dbm=-93.0, queue_packets=7,
        header_bytes=20, curve=((1.0, 0.9), (2.0, 0.1)),
    )  # fmt: skip
    assert params == CsmaParams(
        bandwidth_mhz=10, noise_dbm=-96.0, sensitivity_dbm=-91.0, cca_preamble_dbm=-84.0, cca_energy_dbm=-64.0,
        busy_threshold_dbm=-93.0, aifs_us=58, slot_us=13, cw=7, header_bytes=20, capture_db=8.0, worst_interference=False,
        curve_db=(1.0, 2.0), curve_rate=(0.9, 0.1), curve_is_sinr=True, queue_packets=7,
    )  # fmt: skip


def test_80211p_has_the_header_and_curve_of_the_standard_unless_the_radio_has_others(monkeypatch):
    params = built(Ieee80211p(), csma, "Csma", monkeypatch)
    assert (params.header_bytes, params.curve_db, params.curve_is_sinr) == (MAC_HEADER_BYTES, (), False)
    assert (params.worst_interference, params.capture_db) == (True, None)
    assert built(Ieee80211p(), csma, "Csma", monkeypatch, header_bytes=0).header_bytes == 0


def test_thresholds_of_80211p_are_given_for_10_mhz_and_its_noise_for_the_whole_channel(monkeypatch):
    params = built(Ieee80211p(), csma, "Csma", monkeypatch, bandwidth_mhz=40)
    thresholds = (params.sensitivity_dbm, params.cca_preamble_dbm, params.cca_energy_dbm, params.busy_threshold_dbm)
    np.testing.assert_allclose(thresholds, np.array([-90.0, -85.0, -65.0, -94.0]) + 6.0206, atol=1e-4)
    assert (params.bandwidth_mhz, params.noise_dbm) == (40, -95.0)


def test_random_slots_have_the_settings_of_the_radio(monkeypatch):
    params = built(
        RandomSlotAccess(), random_slot, "RandomSlot", monkeypatch, bandwidth_mhz=20, noise_dbm=-96.0,
        sensitivity_dbm=-91.0, busy_threshold_dbm=-93.0, slot_us=400, window_us=8_000,
    )  # fmt: skip
    assert (params.bandwidth_mhz, params.slot_us, params.window_us) == (20, 400, 8_000)
    heard = params.receiver
    levels_mw = [heard.noise_mw, heard.sensitivity_mw, heard.busy_mw]
    assert levels_mw == pytest.approx([milliwatts(-96.0), 2 * milliwatts(-91.0), 2 * milliwatts(-93.0)])
