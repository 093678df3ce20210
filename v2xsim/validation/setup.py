"""A radio set-up described in YAML: vehicles on a line, one access scheme, and every parameter that papers differ in.

`v2xsim validate radio --config FILE` runs one, so that anybody can compare with curves of their own.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from v2xsim.comms.phy.sidelink import bits_per_subchannel
from v2xsim.scenario.fields import Section, choice, quantity
from v2xsim.scenario.schema_radio import Ieee80211p, Sidelink

PerRow = Annotated[tuple[float, Annotated[float, Field(ge=0, le=1)]], Field(description="SINR [dB], error rate")]


class Road(Section):
    """Where the vehicles are."""

    density_per_km: float = quantity(..., "1/km", "Vehicles per kilometre, all lanes together", gt=0, le=2000)
    placement: Literal["equal", "poisson"] = choice("equal", "Equally spaced, or at random")
    length_m: float = quantity(3000.0, "m", "Length of the road", ge=100, le=100_000)
    shape: Literal["open", "ring"] = choice("open", "Statistics of an open road come from its middle third")
    speed_kmh: float = quantity(70.0, "km/h", "Of all vehicles; it moves the shadowing on", ge=0, le=300)


class Messages(Section):
    """What every vehicle broadcasts."""

    rate_hz: float = quantity(10.0, "Hz", "Messages per second", gt=0, le=100)
    size_bytes: int = quantity(300, "B", "On the air, without what the physical layer adds", gt=0, le=4000)


class Channel(Section):
    """Propagation."""

    path_loss: Literal[
        "winner_b1", "tr37885_highway", "tr37885_urban", "free_space", "two_ray", "log_distance", "abbas_urban"
    ] = choice("winner_b1", "Path-loss model")
    permittivity: float = quantity(1.003, "1", "Relative, of the ground in two_ray", ge=1, le=100)
    carrier_ghz: float = quantity(5.9, "GHz", "Centre of the channel", ge=0.5, le=100)
    antenna_height_m: float = quantity(1.5, "m", "Of every antenna", gt=0, le=50)
    environment_height_m: float = quantity(
        0.0, "m", "Effective height of the ground in winner_b1: 0, 0.5 or 1.0 in three reference simulators", ge=0, le=2
    )
    exponent: float = quantity(2.75, "1", "Of log_distance, from free space at 1 m", ge=1, le=6)
    shadowing_sigma_db: float = quantity(
        3.0, "dB", "Standard deviation of the shadowing; 0 switches it off", ge=0, le=20
    )
    decorrelation_m: float = quantity(25.0, "m", "Of the shadowing; 0 draws anew every 100 ms", ge=0, le=1000)
    nakagami: list[tuple[float, float]] = quantity(
        [], "m, 1", "Rows of distance from which a fading shape m holds; empty for no fading"
    )
    antenna_gain_dbi: float = quantity(0.0, "dBi", "Gain of every antenna", ge=-20, le=30)
    range_m: float = quantity(2000.0, "m", "Farther stations neither hear nor disturb", gt=0, le=50_000)

    @model_validator(mode="after")
    def _above_ground(self) -> "Channel":
        if self.environment_height_m >= self.antenna_height_m:
            raise ValueError(
                f"environment_height_m ({self.environment_height_m}) must be below antenna_height_m ({self.antenna_height_m})"
            )
        return self


class Receiver(Section):
    """The physical layer."""

    tx_power_dbm: float = quantity(23.0, "dBm", "Power into the antenna", ge=-40, le=40)
    bandwidth_mhz: Literal[10, 20, 40] = quantity(10, "MHz", "Channel bandwidth")
    noise_figure_db: float = quantity(9.0, "dB", "Receiver noise figure", ge=0, le=30)
    noise_dbm: float | None = quantity(
        None, "dBm", "Noise over the channel; from the noise figure if left out", ge=-130, le=-50
    )
    sensitivity_dbm: float = quantity(-90.0, "dBm", "Weakest packet that is noticed", ge=-130, le=-30)
    busy_threshold_dbm: float = quantity(-94.0, "dBm", "Power above which the channel counts as busy", ge=-130, le=-30)
    mcs: int = quantity(2, "1", "Modulation and coding", ge=0, le=28)
    per_table: list[PerRow] = quantity(
        [], "dB, 1", "SINR and packet error rate, SINR rising; the built-in curve if empty"
    )
    sinr_threshold_db: float | None = quantity(
        None, "dB", "Packets above arrive, below are lost, in place of a table", ge=-20, le=60
    )

    @model_validator(mode="after")
    def _one_curve(self) -> "Receiver":
        if self.per_table and self.sinr_threshold_db is not None:
            raise ValueError("takes per_table or sinr_threshold_db, not both")
        rows = [row[0] for row in self.per_table]
        if rows != sorted(set(rows)):
            raise ValueError("the SINR of per_table must rise strictly")
        return self


class SetUp(Section):
    """One radio set-up."""

    name: str = choice("set-up", "What to call it", max_length=80)
    access: Literal["ieee80211p", "lte_mode4", "nr_mode2", "random_slot"] = choice(..., "Access scheme")
    road: Road = choice(..., "Where the vehicles are")
    messages: Messages = choice(Messages(), "What every vehicle broadcasts")
    channel: Channel = choice(Channel(), "Propagation")
    receiver: Receiver = choice(Receiver(), "The physical layer")
    ieee80211p: Ieee80211p = choice(Ieee80211p(), "Carrier sensing")
    sidelink: Sidelink = choice(Sidelink(), "Semi-persistent scheduling")
    warm_up_s: float = quantity(2.0, "s", "Not counted", ge=0, le=1000)
    measured_s: float = quantity(10.0, "s", "Counted", gt=0, le=10_000)
    seed: int = quantity(1, "1", "Of all chance", ge=0, lt=2**63)
    bin_m: float = quantity(25.0, "m", "Width of a distance bin", gt=0, le=1000)
    reach_m: float = quantity(500.0, "m", "Farthest distance reported", gt=0, le=50_000)

    @model_validator(mode="after")
    def _possible(self) -> "SetUp":
        if self.access in ("ieee80211p", "random_slot"):
            if self.receiver.mcs > 7:
                raise ValueError(f"receiver.mcs: 802.11p has 0 to 7, got {self.receiver.mcs}")
            return self
        side = self.sidelink
        if self.access == "lte_mode4" and side.nr_mcs is not None:
            raise ValueError("sidelink.nr_mcs is for nr_mode2; lte_mode4 takes bits_per_symbol and code_rate")
        if side.packet_subchannels is None:
            bits = bits_per_subchannel(self.access, side.rb_per_subchannel, *side.coding)
            needed = -(-8 * self.messages.size_bytes // bits)
            if needed > side.subchannels:
                raise ValueError(
                    f"messages.size_bytes: a packet must fit into a slot: {self.messages.size_bytes} B need {needed} subchannels "
                    f"of {bits} bits, the channel has {side.subchannels}"
                )
        return self
