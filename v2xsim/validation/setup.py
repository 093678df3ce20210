"""The schema of a radio set-up in YAML: vehicles on a line, one access scheme, and every parameter in which papers differ.

`v2xsim validate radio --config FILE` runs a set-up, so that users can compare its results with their own curves.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from v2xsim.comms.access.scheme import AccessScheme
from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.comms.channel.path_loss.model import PathLoss
from v2xsim.scenario.choices import PartChoice, chosen, chosen_required
from v2xsim.scenario.fields import File, Section, choice, quantity
from v2xsim.scenario.former_keys import CSMA, SIDELINK, moved
from v2xsim.scenario.load import load_section

PerRow = Annotated[tuple[float, Annotated[float, Field(ge=0, le=1)]], Field(description="SINR [dB], error rate")]


class Road(Section):
    """Positions and motion of the vehicles."""

    density_per_km: float = quantity(..., "1/km", "Vehicles per kilometre, all lanes together", gt=0, le=2000)
    placement: Literal["equal", "poisson"] = choice("equal", "Spacing of the vehicles: equal, or random (Poisson)")
    length_m: float = quantity(3000.0, "m", "Length of the road", ge=100, le=100_000)
    shape: Literal["open", "ring"] = choice(
        "open", "Shape of the road: ring, or open; on an open road only the middle third is evaluated"
    )
    speed_kmh: float = quantity(70.0, "km/h", "Speed of all vehicles; it only changes the shadowing", ge=0, le=300)


class Messages(Section):
    """The messages that every vehicle broadcasts."""

    rate_hz: float = quantity(10.0, "Hz", "Messages that each vehicle sends per second", gt=0, le=100)
    size_bytes: int = quantity(
        300, "B", "Size of a message on the air, without the overhead of the physical layer", gt=0, le=4000
    )


class Channel(Section):
    """Propagation between the vehicles: path loss, shadowing, fading and antennas."""

    path_loss: Annotated[PathLoss, PartChoice(PathLoss, "winner_b1")] = chosen(PathLoss, "winner_b1", "Path-loss model")
    carrier_ghz: float = quantity(5.9, "GHz", "Centre frequency of the channel", ge=0.5, le=100)
    antenna_height_m: float = quantity(1.5, "m", "Height of every antenna", gt=0, le=50)
    shadowing_sigma_db: float = quantity(
        3.0, "dB", "Standard deviation of the shadowing; 0 switches it off", ge=0, le=20
    )
    decorrelation_m: float = quantity(
        25.0, "m", "Decorrelation distance of the shadowing; 0 draws it independently every 100 ms", ge=0, le=1000
    )
    nakagami: list[tuple[float, float]] = quantity(
        [], "m, 1", "Rows of distance and Nakagami shape m; each m applies from its distance on; empty for no fading"
    )
    antenna_gain_dbi: float = quantity(0.0, "dBi", "Gain of every antenna", ge=-20, le=30)
    range_m: float = quantity(
        2000.0,
        "m",
        "Largest link distance: stations farther apart do not receive from each other and do not interfere",
        gt=0,
        le=50_000,
    )

    @model_validator(mode="after")
    def _above_ground(self) -> "Channel":
        ground_m = getattr(self.path_loss, "environment_height_m", 0.0)
        if ground_m >= self.antenna_height_m:
            raise ValueError(
                f"environment_height_m ({ground_m}) of the path loss must be below antenna_height_m ({self.antenna_height_m})"
            )
        return self


class Receiver(Section):
    """The physical layer: transmit power, noise, sensitivity and packet errors."""

    tx_power_dbm: float = quantity(23.0, "dBm", "Transmit power at the antenna input", ge=-40, le=40)
    bandwidth_mhz: Literal[10, 20, 40] = quantity(10, "MHz", "Channel bandwidth")
    noise_figure_db: float = quantity(9.0, "dB", "Receiver noise figure", ge=0, le=30)
    noise_dbm: float | None = quantity(
        None, "dBm", "Noise power in the channel; without a value, computed from the noise figure", ge=-130, le=-50
    )
    sensitivity_dbm: float = quantity(-90.0, "dBm", "Weakest packet that a receiver detects", ge=-130, le=-30)
    busy_threshold_dbm: float = quantity(-94.0, "dBm", "Power above which the channel counts as busy", ge=-130, le=-30)
    mcs: int = quantity(2, "1", "MCS in ieee80211p and random_slot, 0 (slowest) to 7 (fastest)", ge=0, le=28)
    per_table: list[PerRow] = quantity(
        [], "dB, 1", "Error curve: rows of SINR and packet error rate, by rising SINR; empty for the built-in curve"
    )
    sinr_threshold_db: float | None = quantity(
        None,
        "dB",
        "Packets above this SINR are received, packets below it are lost; replaces the error curve",
        ge=-20,
        le=60,
    )

    @model_validator(mode="after")
    def _one_curve(self) -> "Receiver":
        if self.per_table and self.sinr_threshold_db is not None:
            raise ValueError("takes per_table or sinr_threshold_db, not both")
        rows = [row[0] for row in self.per_table]
        if rows != sorted(set(rows)):
            raise ValueError("the SINR of per_table must rise strictly")
        return self


class SetUp(File):
    """A complete radio set-up: road, messages, channel, receiver and access scheme."""

    name: str = choice("set-up", "Name of the set-up", max_length=80)
    plugins: list[Path] = choice(
        [],
        "Python files with parts of your own; paths are relative to this file's folder. Their code is run: list only files you trust",
    )
    access: Annotated[AccessScheme, PartChoice(AccessScheme, "random_slot")] = chosen_required("Access scheme")
    road: Road = choice(..., "The road and its vehicles")
    messages: Messages = choice(Messages(), "The messages that every vehicle broadcasts")
    channel: Channel = choice(Channel(), "Propagation")
    receiver: Receiver = choice(Receiver(), "The physical layer")
    warm_up_s: float = quantity(2.0, "s", "Simulated time before the measurement, not evaluated", ge=0, le=1000)
    measured_s: float = quantity(10.0, "s", "Duration of the measurement", gt=0, le=10_000)
    seed: int = quantity(1, "1", "Seed of all random draws", ge=0, lt=2**63)
    bin_m: float = quantity(25.0, "m", "Width of a distance bin", gt=0, le=1000)
    reach_m: float = quantity(500.0, "m", "Largest distance in the report", gt=0, le=50_000)

    @model_validator(mode="after")
    def _possible(self) -> "SetUp":
        if self.access.ideal:
            raise ValueError("access: ideal has no access layer to validate; name another scheme")
        if not isinstance(self.access, SidelinkScheme):
            if self.receiver.mcs > 7:
                raise ValueError(f"receiver.mcs: 802.11p has 0 to 7, got {self.receiver.mcs}")
            return self
        side = self.access
        if side.packet_subchannels is None:
            bits = side.subchannel_bits
            needed = -(-8 * self.messages.size_bytes // bits)
            if needed > side.subchannels:
                raise ValueError(
                    f"messages.size_bytes: a packet must fit into a slot: {self.messages.size_bytes} B need {needed} subchannels "
                    f"of {bits} bits, the channel has {side.subchannels}"
                )
        return self


FORMER = (
    moved("ieee80211p", "access:", owners=CSMA),
    moved("sidelink", "access:", owners=SIDELINK),
    moved("channel.permittivity", "channel.path_loss:permittivity"),
    moved("channel.environment_height_m", "channel.path_loss:environment_height_m"),
    moved("channel.exponent", "channel.path_loss:exponent"),
)
"""Keys of earlier versions, which are now parameters of access schemes."""


def load_setup(path: str | Path) -> SetUp:
    """Read and check a set-up from a YAML file; a ScenarioError names file, line, key and what must hold."""
    return load_section(path, SetUp, FORMER)
