"""From the scenario's radio section to an access layer."""

import pytest

from tests.engine.small_world import scenario
from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.engine.channel import access as access_module
from v2xsim.engine.channel.access import access_layer


def test_an_access_layer_is_made_of_the_radio_section_and_begins_at_the_first_tick(monkeypatch):
    calls = []

    def noted(*arguments):
        calls.append(arguments)
        return layer_of(*arguments)

    monkeypatch.setattr(access_module, "layer_of", noted)
    radio = scenario(radio={
        "bandwidth_mhz": 20, "noise_figure_db": 6.0, "sensitivity_dbm": -88.0, "busy_threshold_dbm": -80.0,
        "queue_packets": 9, "slot_ms": 0.5, "selection_window_ms": 75.0,
    }).radio  # fmt: skip
    access_layer(radio, 7_000)
    ((scheme, settings, time_us),) = calls
    assert scheme is radio.access
    # Thermal noise of -174 dBm/Hz over 20 MHz is -101 dBm.
    assert settings.noise_dbm == pytest.approx(-101.0 + 6.0, abs=0.05)
    assert settings == RadioSettings(
        bandwidth_mhz=20, noise_dbm=settings.noise_dbm, sensitivity_dbm=-88.0, busy_threshold_dbm=-80.0, queue_packets=9,
        slot_us=500, window_us=75_000,
    )  # fmt: skip
    assert time_us == 7_000
