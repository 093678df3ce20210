"""The radio keys of a scenario: channel, physical layer and access."""

from typing import Annotated, Literal

from pydantic import model_validator

from v2xsim.comms.access.scheme import AccessScheme
from v2xsim.comms.channel.blockage.model import VehicleBlockage
from v2xsim.comms.channel.building_loss.model import BuildingLoss
from v2xsim.comms.channel.fading.model import Fading
from v2xsim.comms.channel.path_loss.model import PathLoss
from v2xsim.scenario.choices import PartChoice, chosen
from v2xsim.scenario.fields import Section, choice, quantity
from v2xsim.scenario.schema_world import Kind


class Propagation(Section):
    """Path loss, blockage by vehicles, and fading."""

    states: Literal["geometry", "tr37885", "boban_low", "boban_medium", "boban_high"] = choice(
        "geometry", "Link states: computed from bodies and buildings, or drawn from curves over distance"
    )
    vehicle_blockage: Annotated[VehicleBlockage, PartChoice(VehicleBlockage, "tr37885")] = chosen(
        VehicleBlockage, "tr37885", "Loss behind vehicles: drawn for each episode, or diffraction at the real boxes"
    )
    building_loss: Annotated[BuildingLoss, PartChoice(BuildingLoss, "tr37885")] = chosen(
        BuildingLoss,
        "tr37885",
        "Loss behind buildings: over the direct distance, or along both streets round the corner (VirtualSource11p, WINNER+ B1) "
        "where the lines along the headings of both stations meet",
    )
    shadowing_sigma_db: float | None = quantity(
        None,
        "dB",
        "Standard deviation of the shadowing; if left out, the path-loss model's own value for each link state",
        ge=0,
        le=20,
    )
    decorrelation_m: float | None = quantity(
        None,
        "m",
        "Distance over which the shadowing decorrelates; if left out, the path-loss model's own value for each link state",
        gt=0,
        le=1000,
    )
    fading: Annotated[Fading, PartChoice(Fading, "none")] = chosen(Fading, "none", "Fading from packet to packet")
    gain_by_kind_dbi: dict[Kind, float] = quantity(
        {}, "dBi", "Antenna gain by kind of vehicle; replaces radio.antenna_gain_dbi for these kinds"
    )

    @model_validator(mode="after")
    def _fits(self) -> "Propagation":
        if self.vehicle_blockage.needs_bodies and self.states != "geometry":
            raise ValueError(
                f"vehicle_blockage {self.vehicle_blockage.name} needs bodies to diffract at: states geometry, not {self.states}"
            )
        for vehicle_kind, gain in self.gain_by_kind_dbi.items():
            if not -20.0 <= gain <= 30.0:
                raise ValueError(f"gain_by_kind_dbi: {vehicle_kind} must be from -20 to 30 dBi, got {gain:g}")
        return self


class Radio(Section):
    """Channel, physical layer and access."""

    access: Annotated[AccessScheme, PartChoice(AccessScheme, "random_slot")] = chosen(
        AccessScheme, "random_slot", "Access scheme; ideal delivers everything at once to every station in range"
    )
    channel: Annotated[PathLoss, PartChoice(PathLoss, "tr37885_urban")] = chosen(
        PathLoss, "tr37885_urban", "Path-loss model where no building blocks"
    )
    propagation: Propagation = choice(
        Propagation(), "Link states, blockage by vehicles and buildings, shadowing and fading"
    )
    carrier_ghz: float = quantity(5.9, "GHz", "Centre frequency of the channel", ge=0.5, le=100)
    bandwidth_mhz: Literal[10, 20, 40] = quantity(10, "MHz", "Channel bandwidth")
    range_m: float = quantity(
        1500.0,
        "m",
        "Stations farther apart than this neither receive from nor interfere with each other",
        gt=0,
        le=50_000,
    )
    tx_power_dbm: float = quantity(23.0, "dBm", "Power into the antenna", ge=-40, le=40)
    antenna_gain_dbi: float = quantity(0.0, "dBi", "Gain of every antenna", ge=-20, le=30)
    noise_figure_db: float = quantity(9.0, "dB", "Receiver noise figure", ge=0, le=30)
    sensitivity_dbm: float = quantity(-90.0, "dBm", "Weakest packet a receiver notices, over 10 MHz", ge=-120, le=-30)
    busy_threshold_dbm: float = quantity(
        -94.0, "dBm", "Power above which the channel counts as busy, over 10 MHz", ge=-120, le=-30
    )
    mcs: int = quantity(2, "1", "Modulation and coding of data, 0 (slowest) to 7 (fastest)", ge=0, le=7)
    awareness_mcs: int = quantity(
        2, "1", "Modulation and coding of awareness messages; 2 is 6 Mb/s over 10 MHz, ITS-G5's default", ge=0, le=7
    )
    shadowing: bool = choice(True, "Correlated log-normal shadowing")
    mtu_bytes: int = quantity(1400, "B", "Largest payload of one packet; larger ones are fragmented", ge=100, le=65000)
    retries: int = quantity(
        0,
        "1",
        "How many times a packet to one station (request, data) is sent again while its acknowledgement is missing",
        ge=0,
        le=15,
    )
    ack_timeout_ms: float = quantity(
        1.0, "ms", "How long the sender waits for the acknowledgement before it sends again", ge=0.1, le=100
    )
    dcc: Literal["none", "reactive", "adaptive"] = choice(
        "none", "Congestion control (ETSI TS 102 687) over awareness messages, from the channel busy ratio"
    )
    queue_packets: int = quantity(
        1000,
        "1",
        "Most packets that a station can queue; when full, ieee80211p drops the oldest and a sidelink scheme the newest",
        ge=1,
        le=100_000,
    )
    slot_ms: float = quantity(0.5, "ms", "Length of an access slot", ge=0.05, le=10)
    selection_window_ms: float = quantity(
        20.0, "ms", "Window in which aperiodic packets draw their slot", gt=0, le=1000
    )
    processing_spread_ms: float = quantity(
        2.0,
        "ms",
        "Largest delay between an application's decision and the radio; the delay is uniform from 0 to this",
        ge=0,
        le=100,
    )
