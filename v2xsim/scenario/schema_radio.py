"""The radio keys of a scenario: channel, physical layer and channel access."""

from typing import Annotated, Literal

from pydantic import model_validator

from v2xsim.comms.access.scheme import AccessScheme
from v2xsim.comms.channel.blockage.model import VehicleBlockage
from v2xsim.comms.channel.building_loss.model import BuildingLoss
from v2xsim.comms.channel.fading.model import Fading
from v2xsim.comms.channel.path_loss.model import PathLoss
from v2xsim.scenario.choices import PartChoice, chosen
from v2xsim.scenario.fields import Section, automatic, choice, quantity
from v2xsim.scenario.schema_world import Kind


class Propagation(Section):
    """Link states, blockage by vehicles and buildings, shadowing, fading, and antenna gains by kind of vehicle."""

    states: Literal["geometry", "tr37885", "boban_low", "boban_medium", "boban_high"] = choice(
        "geometry",
        "Link states: computed from the geometry of vehicles and buildings, or drawn from curves of probability over distance",
    )
    vehicle_blockage: Annotated[VehicleBlockage, PartChoice(VehicleBlockage, "tr37885")] = chosen(
        VehicleBlockage,
        "tr37885",
        "Loss behind vehicles: drawn for each blockage, or computed as diffraction at the bodies of the vehicles",
    )
    building_loss: Annotated[BuildingLoss, PartChoice(BuildingLoss, "tr37885")] = chosen(
        BuildingLoss,
        "tr37885",
        "Loss behind buildings: for the direct distance, or for the way along the streets round one or two corners of the map (VirtualSource11p, "
        "WINNER+ B1). The corners are those of the roads",
    )
    shadowing_sigma_db: float | None = quantity(
        None,
        "dB",
        "Standard deviation of the shadowing; without a value, the path-loss model sets one for each link state",
        ge=0,
        le=20,
    )
    decorrelation_m: float | None = quantity(
        None,
        "m",
        "Decorrelation distance of the shadowing; without a value, the path-loss model sets one for each link state",
        gt=0,
        le=1000,
    )
    common_share: float = quantity(
        0.5,
        "1",
        "Share of the variance of the shadowing that belongs to the two stations of a link, half to each: links with a common end correlate by half of it. Of a "
        "drawn blockage loss, the same share belongs to the vehicle in the way. 0 makes all links independent",
        ge=0,
        le=1,
    )
    fading: Annotated[Fading, PartChoice(Fading, "none")] = chosen(
        Fading, "none", "Small-scale fading, drawn for each packet and receiver"
    )
    gain_by_kind_dbi: dict[Kind, float] = quantity(
        {}, "dBi", "Antenna gain by kind of vehicle; replaces radio.antenna_gain_dbi for each kind that is listed"
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
    """The radio: channel, physical layer and channel access."""

    access: Annotated[AccessScheme, PartChoice(AccessScheme, "random_slot")] = chosen(
        AccessScheme, "random_slot", "Access scheme; ideal delivers every message at once to every station in range"
    )
    channel: Annotated[PathLoss, PartChoice(PathLoss, "tr37885_urban")] = chosen(
        PathLoss, "tr37885_urban", "Path-loss model of links that no building blocks"
    )
    propagation: Propagation = choice(
        Propagation(), "Link states, blockage by vehicles and buildings, shadowing and fading"
    )
    carrier_ghz: float = quantity(5.9, "GHz", "Centre frequency of the channel", ge=0.5, le=100)
    bandwidth_mhz: Literal[10, 20, 40] = quantity(10, "MHz", "Channel bandwidth")
    range_m: float = quantity(
        1500.0,
        "m",
        "Largest link distance: stations farther apart do not receive from each other and do not interfere",
        gt=0,
        le=50_000,
    )
    tx_power_dbm: float = quantity(23.0, "dBm", "Transmit power at the antenna input", ge=-40, le=40)
    antenna_gain_dbi: float = quantity(0.0, "dBi", "Gain of every antenna", ge=-20, le=30)
    noise_figure_db: float = quantity(9.0, "dB", "Receiver noise figure", ge=0, le=30)
    sensitivity_dbm: float = quantity(
        -90.0,
        "dBm",
        "Receiver sensitivity: weaker packets are not detected. In ieee80211p and random_slot, the value is that of 10 MHz and rises with the bandwidth",
        ge=-120,
        le=-30,
    )
    busy_threshold_dbm: float = quantity(
        -94.0,
        "dBm",
        "Received power above which the channel (in sidelink schemes: a subchannel) counts as busy. In ieee80211p and random_slot, the value is that of 10 MHz and rises with the bandwidth",
        ge=-120,
        le=-30,
    )
    mcs: int = quantity(
        2,
        "1",
        "MCS of all messages except awareness messages in ieee80211p and random_slot, 0 (slowest, most robust) to 7 (fastest)",
        ge=0,
        le=7,
    )
    awareness_mcs: int = quantity(
        2,
        "1",
        "MCS of awareness messages in ieee80211p and random_slot; 2 is 6 Mb/s at 10 MHz, the default of ITS-G5",
        ge=0,
        le=7,
    )
    shadowing: bool = choice(True, "Whether links have log-normal shadowing, correlated over distance")
    mtu_bytes: int = automatic(
        1400,
        "1400, or less if a slot of a sidelink scheme carries less",
        "B",
        "Largest payload of one packet; larger messages are split into fragments",
        ge=100,
        le=65000,
    )
    retries: int = quantity(
        0,
        "1",
        "Largest number of times that a packet to one station (request or data) is sent again if its sender receives no acknowledgement; with 0, and for broadcasts, no acknowledgement is sent. lte_mode4 has none",
        ge=0,
        le=15,
    )
    ack_timeout_ms: float = quantity(
        1.0,
        "ms",
        "Time that a sender waits for an acknowledgement before it sends the packet again, in random_slot; other schemes have the times of their standards",
        ge=0.1,
        le=100,
    )
    dcc: Literal["none", "reactive", "adaptive"] = choice(
        "none",
        "Congestion control (ETSI TS 102 687): limits the rate of awareness and collective perception messages according to the channel busy ratio",
    )
    queue_packets: int = quantity(
        1000,
        "1",
        "Largest number of packets in a station's queue; if it is full, ieee80211p drops the oldest packet and a sidelink scheme the newest; random_slot has no limit",
        ge=1,
        le=100_000,
    )
    slot_ms: float = automatic(
        0.5,
        "0.5, or selection_window_ms if that is shorter",
        "ms",
        "Length of a slot of access scheme random_slot",
        ge=0.05,
        le=10,
    )
    selection_window_ms: float = quantity(
        20.0,
        "ms",
        "Window in which packets without a period, such as requests and data, choose their slot: longer means fewer collisions and more delay",
        gt=0,
        le=1000,
    )
    processing_spread_ms: float = quantity(
        2.0,
        "ms",
        "Largest delay before a request, data or a collective perception message reaches the radio; each delay is drawn uniformly from 0 to this value",
        ge=0,
        le=100,
    )
