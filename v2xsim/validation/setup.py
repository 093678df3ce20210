"""The schema of a radio set-up in YAML: vehicles on a line, one access scheme, and every parameter in which papers differ.

Where it can, it has the keys of a scenario.

`v2xsim validate radio --config FILE` runs a set-up, so that users can compare its results with their own curves.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from v2xsim.comms.access.scheme import AccessScheme
from v2xsim.comms.access.sidelink_scheme import SidelinkScheme
from v2xsim.comms.channel.fading.model import Fading
from v2xsim.comms.channel.path_loss.model import PathLoss
from v2xsim.scenario.choices import PartChoice, chosen, chosen_required
from v2xsim.scenario.fields import File, Section, choice, quantity
from v2xsim.scenario.former_keys import CSMA, SIDELINK, moved, renamed
from v2xsim.scenario.load import load_section
from v2xsim.scenario.mistaken import Kind

PerRow = Annotated[tuple[float, Annotated[float, Field(ge=0, le=1)]], Field(description="SINR [dB], error rate")]


class Run(Section):
    """Time span and seed, as in a scenario."""

    begin_s: float = quantity(2.0, "s", "Simulated time before the measurement, not evaluated", ge=0, le=1000)
    duration_s: float = quantity(10.0, "s", "Duration of the measurement", gt=0, le=10_000)
    seed: int = quantity(1, "1", "Seed of all random draws", ge=0, lt=2**63)


class Road(Section):
    """Positions and motion of the vehicles."""

    density_per_km: float = quantity(..., "1/km", "Vehicles per kilometre, all lanes together", gt=0, le=2000)
    placement: Literal["equal", "poisson"] = choice("equal", "Spacing of the vehicles: equal, or random (Poisson)")
    length_m: float = quantity(3000.0, "m", "Length of the road", ge=100, le=100_000)
    shape: Literal["open", "ring"] = choice(
        "open", "Shape of the road: ring, or open; on an open road only the middle third is evaluated"
    )
    speed_kmh: float = quantity(70.0, "km/h", "Speed of all vehicles; it only changes the shadowing", ge=0, le=300)
    antenna_height_m: float = quantity(1.5, "m", "Height of every antenna", gt=0, le=50)


class Messages(Section):
    """The messages that every vehicle broadcasts."""

    rate_hz: float = quantity(10.0, "Hz", "Messages that each vehicle sends per second", gt=0, le=100)
    size_bytes: int = quantity(
        300, "B", "Size of a message on the air, without the overhead of the physical layer", gt=0, le=4000
    )


class Propagation(Section):
    """Shadowing and fading, as in a scenario."""

    shadowing_sigma_db: float = quantity(
        3.0, "dB", "Standard deviation of the shadowing; 0 switches it off", ge=0, le=20
    )
    decorrelation_m: float = quantity(
        25.0, "m", "Decorrelation distance of the shadowing; 0 draws it independently every 100 ms", ge=0, le=1000
    )
    fading: Annotated[Fading, PartChoice(Fading, "none")] = chosen(
        Fading, "none", "Small-scale fading, drawn for each packet and receiver"
    )


class Radio(Section):
    """The radio: channel, physical layer and channel access, with the keys of a scenario."""

    access: Annotated[AccessScheme, PartChoice(AccessScheme, "random_slot")] = chosen_required("Access scheme")
    channel: Annotated[PathLoss, PartChoice(PathLoss, "winner_b1")] = chosen(PathLoss, "winner_b1", "Path-loss model")
    propagation: Propagation = choice(Propagation(), "Shadowing and fading")
    carrier_ghz: float = quantity(5.9, "GHz", "Centre frequency of the channel", ge=0.5, le=100)
    bandwidth_mhz: Literal[10, 20, 40] = quantity(10, "MHz", "Channel bandwidth")
    range_m: float = quantity(
        2000.0,
        "m",
        "Largest link distance: stations farther apart do not receive from each other and do not interfere",
        gt=0,
        le=50_000,
    )
    tx_power_dbm: float = quantity(23.0, "dBm", "Transmit power at the antenna input", ge=-40, le=40)
    antenna_gain_dbi: float = quantity(0.0, "dBi", "Gain of every antenna", ge=-20, le=30)
    noise_figure_db: float = quantity(9.0, "dB", "Receiver noise figure", ge=0, le=30)
    sensitivity_dbm: float = quantity(-90.0, "dBm", "Weakest packet that a receiver detects", ge=-130, le=-30)
    busy_threshold_dbm: float = quantity(-94.0, "dBm", "Power above which the channel counts as busy", ge=-130, le=-30)
    mcs: int = quantity(
        2, "1", "MCS in ieee80211p and random_slot, 0 (slowest, most robust) to 7 (fastest)", ge=0, le=7
    )


class Receiver(Section):
    """Noise and error curve that replace those of the simulator, for set-ups of papers that give their own."""

    noise_dbm: float | None = quantity(
        None, "dBm", "Noise power in the channel; without a value, computed from the noise figure", ge=-130, le=-50
    )
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
    """A complete radio set-up: road, messages, radio with its access scheme, and receiver."""

    name: str = choice("set-up", "Name of the set-up", max_length=80)
    plugins: list[Path] = choice(
        [],
        "Python files with parts of your own; paths are relative to this file's folder. Their code is run: list only files you trust",
    )
    run: Run = choice(Run(), "Time span and seed")
    road: Road = choice(..., "The road and its vehicles")
    messages: Messages = choice(Messages(), "The messages that every vehicle broadcasts")
    radio: Radio = choice(..., "Channel, physical layer and access")
    receiver: Receiver = choice(Receiver(), "The receiver's noise and error curve, where they are given")
    bin_m: float = quantity(25.0, "m", "Width of a distance bin", gt=0, le=1000)
    reach_m: float = quantity(500.0, "m", "Largest distance in the report", gt=0, le=50_000)

    @model_validator(mode="after")
    def _possible(self) -> "SetUp":
        access = self.radio.access
        if access.ideal:
            raise ValueError("radio.access: ideal has no access layer to validate; name another scheme")
        ground_m = getattr(self.radio.channel, "environment_height_m", 0.0)
        if ground_m >= self.road.antenna_height_m:
            raise ValueError(
                f"environment_height_m ({ground_m}) of radio.channel must be below road.antenna_height_m ({self.road.antenna_height_m})"
            )
        if not isinstance(access, SidelinkScheme):
            return self
        if access.packet_subchannels is None:
            bits = access.subchannel_bits
            needed = -(-8 * self.messages.size_bytes // bits)
            if needed > access.subchannels:
                raise ValueError(
                    f"messages.size_bytes: a packet must fit into a slot: {self.messages.size_bytes} B need {needed} subchannels "
                    f"of {bits} bits, the channel has {access.subchannels}"
                )
        return self


def _fading(rows: Any) -> Any:
    return {"model": "nakagami", "shapes": rows} if rows else "none"


RENAMED = (
    renamed("access", "radio.access"),
    renamed("ieee80211p", "radio.ieee80211p"),
    renamed("sidelink", "radio.sidelink"),
    renamed("channel.path_loss", "radio.channel"),
    renamed("channel.permittivity", "radio.permittivity"),
    renamed("channel.environment_height_m", "radio.environment_height_m"),
    renamed("channel.exponent", "radio.exponent"),
    renamed("channel.carrier_ghz", "radio.carrier_ghz"),
    renamed("channel.antenna_height_m", "road.antenna_height_m"),
    renamed("channel.shadowing_sigma_db", "radio.propagation.shadowing_sigma_db"),
    renamed("channel.decorrelation_m", "radio.propagation.decorrelation_m"),
    renamed("channel.nakagami", "radio.propagation.fading", _fading),
    renamed("channel.antenna_gain_dbi", "radio.antenna_gain_dbi"),
    renamed("channel.range_m", "radio.range_m"),
    *(
        renamed(f"receiver.{key}", f"radio.{key}")
        for key in ("tx_power_dbm", "bandwidth_mhz", "noise_figure_db", "sensitivity_dbm", "busy_threshold_dbm", "mcs")
    ),
    renamed("warm_up_s", "run.begin_s"),
    renamed("measured_s", "run.duration_s"),
    renamed("seed", "run.seed"),
)
"""Keys of earlier versions with the keys of a scenario that replace them."""

FORMER = (
    moved("radio.ieee80211p", "radio.access:", owners=CSMA),
    moved("radio.sidelink", "radio.access:", owners=SIDELINK),
    moved("radio.permittivity", "radio.channel:permittivity"),
    moved("radio.environment_height_m", "radio.channel:environment_height_m"),
    moved("radio.exponent", "radio.channel:exponent"),
)
"""Keys of earlier versions, which are now parameters of parts."""


def load_setup(path: str | Path) -> SetUp:
    """Read and check a set-up from a YAML file; a ScenarioError names file, line, key and what must hold."""
    return load_section(path, SetUp, Kind.SET_UP, FORMER, RENAMED)
