"""Makes the access layer from the scenario's `radio` section."""

from v2xsim.comms.access.scheme import AccessLayer, RadioSettings, layer_of
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.scenario.schema_radio import Radio


def radio_settings(radio: Radio) -> RadioSettings:
    """Return the settings of a scenario's section `radio` that access schemes use."""
    return RadioSettings(
        bandwidth_mhz=radio.bandwidth_mhz, noise_dbm=noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db),
        sensitivity_dbm=radio.sensitivity_dbm, busy_threshold_dbm=radio.busy_threshold_dbm,
        queue_packets=radio.queue_packets, slot_us=round(radio.slot_ms * 1e3),
        window_us=round(radio.selection_window_ms * 1e3), ack_timeout_us=round(radio.ack_timeout_ms * 1e3),
    )  # fmt: skip


def access_layer(radio: Radio, time_us: int) -> AccessLayer:
    """Return the access layer of a scenario, without stations.

    Args:
        radio: Section `radio` of the scenario.
        time_us: Simulated time at which the layer starts.
    """
    return layer_of(radio.access, radio_settings(radio), time_us)
