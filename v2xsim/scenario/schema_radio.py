"""What a scenario may say of the radio: channel, physical layer and access."""

from typing import Literal

from pydantic import model_validator

from v2xsim.scenario.fields import Section, choice, quantity
from v2xsim.scenario.schema_world import Kind


class Ieee80211p(Section):
    """Carrier sensing (IEEE 802.11-2016, broadcast without acknowledgement)."""

    aifs_us: int = quantity(
        110, "us", "Idle time before sending: SIFS 32 us and 6 slots for messages like CAM", ge=1, le=2000
    )
    cw: int = quantity(15, "1", "Contention window: the back-off is drawn from 0 to this", ge=0, le=1023)
    cca_preamble_dbm: float = quantity(
        -85.0, "dBm", "A preamble stronger than this makes the channel busy", ge=-130, le=-30
    )
    cca_energy_dbm: float = quantity(-65.0, "dBm", "Any power stronger than this does", ge=-130, le=-30)
    interference: Literal["worst", "mean"] = choice(
        "worst", "What of the interference during a packet decides: its worst moment or its mean"
    )
    capture_db: float | None = quantity(
        None,
        "dB",
        "A packet stronger by this takes over a receiver that is busy with another; never if left out",
        ge=0,
        le=60,
    )


# 3GPP TS 38.214, table 5.1.3.1-1: bits per symbol and code rate of each index; recalled, not re-read.
NR_CODING = tuple(
    (bits, rate / 1024.0)
    for bits, rates in (
        (2, (120, 157, 193, 251, 308, 379, 449, 526, 602, 679)),
        (4, (340, 378, 434, 490, 553, 616, 658)),
        (6, (438, 466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948)),
    )
    for rate in rates
)


class Sidelink(Section):
    """Sensing-based semi-persistent scheduling (LTE-V2X mode 4, NR-V2X mode 2)."""

    subchannels: int = quantity(4, "1", "In the channel", ge=1, le=50)
    rb_per_subchannel: int = quantity(12, "1", "Resource blocks of each", ge=1, le=275)
    bits_per_symbol: Literal[2, 4, 6] = quantity(2, "1", "Of the modulation: QPSK, 16-QAM, 64-QAM")
    code_rate: float = quantity(0.7, "1", "Of the error correction", gt=0, lt=1)
    nr_mcs: int | None = quantity(
        None,
        "1",
        "Modulation and code rate of NR by index (TS 38.214, table 5.1.3.1-1), in place of bits_per_symbol and code_rate",
        ge=0,
        le=28,
    )
    packet_subchannels: int | None = quantity(
        None, "1", "Subchannels that every packet takes; worked out from its size if left out", ge=1, le=50
    )
    t1_slots: int = quantity(1, "1", "First slot of the selection window", ge=0, le=100)
    t2_slots: int = quantity(100, "1", "Last slot of it", ge=1, le=1000)
    candidate_share: float = quantity(0.2, "1", "Share of resources that must stay candidates", gt=0, le=1)
    rsrp_threshold_dbm: float = quantity(
        -110.0, "dBm", "Reservations heard stronger than this are left free", ge=-150, le=0
    )
    keep_probability: float = quantity(0.0, "1", "Of keeping the resource when the counter runs out", ge=0, le=1)
    repetitions: int = quantity(0, "1", "Blind retransmissions of each packet", ge=0, le=31)
    interference_share: float = quantity(
        1.0, "1", "Of another packet's power in a subchannel that falls on a packet's own resource blocks", gt=0, le=1
    )
    in_band_emission: bool = choice(False, "Whether other subchannels of a slot disturb")

    @property
    def coding(self) -> tuple[int, float]:
        """Bits per symbol and code rate."""
        return (self.bits_per_symbol, self.code_rate) if self.nr_mcs is None else NR_CODING[self.nr_mcs]

    @model_validator(mode="after")
    def _fits(self) -> "Sidelink":
        if self.packet_subchannels is not None and self.packet_subchannels > self.subchannels:
            raise ValueError(
                f"packet_subchannels ({self.packet_subchannels}) must not be more than subchannels ({self.subchannels}): "
                "a packet must fit into a slot"
            )
        if self.t2_slots <= self.t1_slots:
            raise ValueError(f"t2_slots ({self.t2_slots}) must be more than t1_slots ({self.t1_slots})")
        return self


class Propagation(Section):
    """Path loss, blockage by vehicles, and fading."""

    states: Literal["geometry", "tr37885", "boban_low", "boban_medium", "boban_high"] = choice(
        "geometry", "Where line of sight ends: worked out from bodies and buildings, or drawn from curves over distance"
    )
    vehicle_blockage: Literal["tr37885", "knife_edges", "none"] = choice(
        "tr37885", "Loss behind vehicles: drawn for each episode, or diffraction at the real boxes"
    )
    building_loss: Literal["tr37885", "corner", "manhattan"] = choice(
        "tr37885",
        "Loss behind buildings: over the direct distance, or along both streets round the corner (VirtualSource11p, WINNER+ B1) "
        "where the lines along which the stations head meet",
    )
    street_width_m: float = quantity(20.0, "m", "Width of streets, for building_loss corner", gt=0, le=200)
    environment_height_m: float = quantity(
        0.0, "m", "Effective height of the ground in winner_b1 and manhattan", ge=0, le=1
    )
    exponent: float = quantity(2.75, "1", "Of log_distance, from free space at 1 m", ge=1, le=6)
    permittivity: float = quantity(1.003, "1", "Relative, of the ground in two_ray", ge=1, le=100)
    shadowing_sigma_db: float | None = quantity(
        None, "dB", "Standard deviation of the shadowing; the model's own by state if left out", ge=0, le=20
    )
    decorrelation_m: float | None = quantity(
        None, "m", "Of the shadowing; the model's own by state if left out", gt=0, le=1000
    )
    fading: Literal["none", "nakagami", "rician"] = choice("none", "Fading from packet to packet")
    nakagami: list[tuple[float, float]] = quantity(
        [(0.0, 3.0), (50.0, 1.5), (150.0, 1.0)], "m, 1", "Rows of distance from which a Nakagami shape m holds"
    )
    rician_k_db: tuple[float, float, float] = quantity(
        (3.48, 0.0, -20.0), "dB", "Rician K of clear links, behind vehicles, behind buildings"
    )
    gain_by_kind_dbi: dict[Kind, float] = quantity(
        {}, "dBi", "Antenna gain of a kind of vehicle, in place of radio.antenna_gain_dbi"
    )

    @model_validator(mode="after")
    def _rows_rise(self) -> "Propagation":
        begins = [row[0] for row in self.nakagami]
        if begins != sorted(set(begins)) or any(row[1] < 0.5 for row in self.nakagami):
            raise ValueError("nakagami: distances must rise strictly and every m be at least 0.5")
        if self.vehicle_blockage == "knife_edges" and self.states != "geometry":
            raise ValueError(
                f"vehicle_blockage knife_edges needs bodies to diffract at: states geometry, not {self.states}"
            )
        for kind, gain in self.gain_by_kind_dbi.items():
            if not -20.0 <= gain <= 30.0:
                raise ValueError(f"gain_by_kind_dbi: {kind} must be from -20 to 30 dBi, got {gain:g}")
        return self


class Radio(Section):
    """Channel, physical layer and access."""

    access: Literal["random_slot", "ieee80211p", "lte_mode4", "nr_mode2", "ideal"] = choice(
        "random_slot", "Access scheme; ideal delivers everything in no time to everybody in range"
    )
    channel: Literal[
        "tr37885_urban", "tr37885_highway", "winner_b1", "free_space", "two_ray", "log_distance", "abbas_urban"
    ] = choice("tr37885_urban", "Path-loss model where no building blocks")
    propagation: Propagation = choice(Propagation(), "What else the path loss, blockage and fading follow")
    carrier_ghz: float = quantity(5.9, "GHz", "Centre of the channel", ge=0.5, le=100)
    bandwidth_mhz: Literal[10, 20, 40] = quantity(10, "MHz", "Channel bandwidth")
    range_m: float = quantity(
        1500.0, "m", "Stations farther apart neither hear nor disturb each other", gt=0, le=50_000
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
        "How often a packet to one station (requests, data) is sent again while its acknowledgement is missing",
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
        "Packets that a station can hold; in ieee80211p the oldest gives way, in a sidelink the newest",
        ge=1,
        le=100_000,
    )
    slot_ms: float = quantity(0.5, "ms", "Length of an access slot", ge=0.05, le=10)
    selection_window_ms: float = quantity(
        20.0, "ms", "Window in which aperiodic packets draw their slot", gt=0, le=1000
    )
    processing_spread_ms: float = quantity(
        2.0, "ms", "The time from an application's decision to the radio is spread evenly over this", ge=0, le=100
    )
    ieee80211p: Ieee80211p = choice(Ieee80211p(), "Carrier sensing, for access ieee80211p")
    sidelink: Sidelink = choice(Sidelink(), "Semi-persistent scheduling, for access lte_mode4 and nr_mode2")
