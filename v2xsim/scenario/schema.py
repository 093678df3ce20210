"""What a scenario may say: every key, its unit, its default and its limits."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from v2xsim.scenario.fields import Section, choice, quantity

Kind = Literal["passenger", "van", "truck", "bus", "motorcycle", "bicycle", "pedestrian"]
Share = Annotated[float, Field(ge=0, le=1)]
Region = Annotated[tuple[float, float, float, float], Field(description="x_min, y_min, x_max, y_max [m]")]


class Run(Section):
    """Time and chance."""

    seed: int = quantity(1, "1", "Seed of every random stream of the run", ge=0, lt=2**63)
    begin_s: float = quantity(0.0, "s", "Traffic time at which measuring begins; earlier time is warm-up", ge=0)
    duration_s: float = quantity(10.0, "s", "Measured time", gt=0, le=86400)
    step_s: float = quantity(0.1, "s", "Traffic and sensor step", ge=0.01, le=1.0)
    device: Literal["cpu", "cuda"] = choice("cpu", "Where torch casts lidar rays; the CPU uses compiled kernels")

    @model_validator(mode="after")
    def _whole_steps(self) -> "Run":
        for name in ("step_s", "duration_s", "begin_s"):
            micros = getattr(self, name) * 1e6
            if abs(micros - round(micros)) > 1e-3:
                raise ValueError(f"run.{name} must be a whole number of microseconds")
        if self.duration_s < self.step_s:
            raise ValueError(f"run.duration_s ({self.duration_s}) must be at least run.step_s ({self.step_s})")
        return self


class Building(Section):
    """A building given in the scenario itself."""

    footprint_m: list[tuple[float, float]] = quantity(..., "m", "Corners of the footprint, in order", min_length=3)
    height_m: float = quantity(..., "m", "Height of the flat roof above ground", gt=0, le=1000)


class World(Section):
    """Static surroundings."""

    buildings: Path | list[Building] = choice(
        [], "A polygon file of SUMO's polyconvert (.poly.xml), or a list of buildings"
    )
    region: Region | None = quantity(
        None, "m", "Only buildings touching this rectangle are loaded: x_min, y_min, x_max, y_max"
    )


class Agent(Section):
    """A scripted road user."""

    id: str = choice(..., "Name, unique in the scenario", min_length=1)
    kind: Kind = choice("passenger", "Class of the vehicle catalogue: sets body and antenna height")
    waypoints: list[tuple[float, float, float]] = quantity(
        ...,
        "s, m, m",
        "Rows of time, x, y of the box centre; linear between rows, at rest before and after",
        min_length=1,
    )
    heading_deg: float | None = quantity(
        None, "deg", "Heading, counter-clockwise from east, while at rest; otherwise the direction of travel"
    )
    size_m: tuple[float, float, float] | None = quantity(
        None, "m", "Length, width, height; the catalogue's if left out"
    )

    @model_validator(mode="after")
    def _rising_times(self) -> "Agent":
        times = [row[0] for row in self.waypoints]
        if any(b <= a for a, b in pairwise(times)):
            raise ValueError(f"waypoint times of {self.id!r} must rise strictly")
        if self.size_m is not None and min(self.size_m) <= 0:
            raise ValueError(f"size_m of {self.id!r} must be positive")
        return self


class GridTown(Section):
    """A grid of streets that SUMO's netgenerate builds when the run starts, with a building in every block."""

    blocks: int = quantity(4, "1", "Streets in each direction", ge=2, le=30)
    block_m: float = quantity(120.0, "m", "Distance between neighbouring junctions", ge=40, le=1000)
    lanes: int = quantity(1, "1", "Lanes per direction", ge=1, le=4)
    vehicles_per_hour: float = quantity(
        1800.0, "1/h", "Vehicles inserted per hour over the whole network", gt=0, le=1e5
    )
    building_height_m: float = quantity(12.0, "m", "Height of the buildings; 0 leaves them out", ge=0, le=300)
    setback_m: float = quantity(12.0, "m", "From the street's centre line to the building", ge=4, le=200)
    mix: dict[Kind, Share] = quantity(
        {"passenger": 0.75, "van": 0.12, "truck": 0.08, "bus": 0.05},
        "1",
        "Share of each class; scaled to sum to 1",
        min_length=1,
    )


class Highway(Section):
    """A straight motorway that SUMO drives, both directions."""

    length_m: float = quantity(2000.0, "m", "Length", ge=200, le=100_000)
    lanes: int = quantity(3, "1", "Lanes per direction", ge=1, le=6)
    density_per_km: float = quantity(60.0, "1/km", "Vehicles per kilometre over both directions", gt=0, le=400)
    speed_kmh: float = quantity(120.0, "km/h", "Speed limit", gt=0, le=250)
    mix: dict[Kind, Share] = quantity(
        {"passenger": 0.70, "van": 0.10, "truck": 0.18, "bus": 0.02},
        "1",
        "Share of each class; scaled to sum to 1",
        min_length=1,
    )


class Traffic(Section):
    """Where road users come from: exactly one source."""

    sumocfg: Path | None = choice(None, "A SUMO configuration, driven through libsumo")
    fcd: Path | None = choice(None, "A trace of SUMO's --fcd-output (.xml or .xml.gz), replayed")
    script: list[Agent] | None = choice(None, "Road users that follow waypoints", min_length=1)
    grid: GridTown | None = choice(None, "A street grid that SUMO builds and drives at run time")
    highway: Highway | None = choice(None, "A motorway that SUMO builds and drives at run time")

    @model_validator(mode="after")
    def _one_source(self) -> "Traffic":
        names = ("sumocfg", "fcd", "script", "grid", "highway")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"traffic needs exactly one of {', '.join(names)}; got {', '.join(given) or 'none'}")
        if self.script is not None:
            ids = [agent.id for agent in self.script]
            twice = sorted({i for i in ids if ids.count(i) > 1})
            if twice:
                raise ValueError(f"traffic.script ids must be unique; {twice[0]!r} is there twice")
        return self


class Mount(Section):
    """Where a lidar sits: relative to the centre of the roof, or to the antenna of a roadside unit."""

    x_m: float = quantity(0.0, "m", "Forward of the centre of the roof", ge=-20, le=20)
    y_m: float = quantity(0.0, "m", "To the left of it", ge=-5, le=5)
    z_m: float = quantity(0.3, "m", "Above it", ge=-5, le=5)
    yaw_deg: float = quantity(0.0, "deg", "Turned counter-clockwise seen from above", ge=-360, le=360)
    pitch_deg: float = quantity(0.0, "deg", "Nose down is positive", ge=-90, le=90)
    roll_deg: float = quantity(0.0, "deg", "Right side down is positive", ge=-180, le=180)


class Roadside(Section):
    """A roadside unit."""

    id: str = choice(..., "Name, unique in the scenario", min_length=1)
    position_m: tuple[float, float] = quantity(..., "m", "x, y of the pole")
    height_m: float = quantity(6.0, "m", "Height of antenna and lidars above ground", gt=0, le=100)
    heading_deg: float = quantity(0.0, "deg", "Direction that the mounts count from", ge=-360, le=360)
    lidar: bool = choice(True, "Whether the unit carries the lidars of `lidars.mounts`")


class Stations(Section):
    """Who has a radio."""

    count: int | None = quantity(None, "1", "Connected vehicles in the region, kept up as vehicles come and go", ge=0)
    penetration: float | None = quantity(None, "1", "Share of motor vehicles that are connected", ge=0, le=1)
    region: Region | None = quantity(
        None, "m", "Vehicles outside are not drawn as stations: x_min, y_min, x_max, y_max"
    )
    include: list[str] = choice([], "Names of vehicles that are connected whatever the draw says")
    roadside: list[Roadside] = choice([], "Roadside units")

    @model_validator(mode="after")
    def _one_rule(self) -> "Stations":
        if self.count is not None and self.penetration is not None:
            raise ValueError("stations takes count or penetration, not both")
        return self


class LidarModel(Section):
    """A rotating lidar given in the scenario itself."""

    beams: int = quantity(..., "1", "Laser beams, evenly spaced", ge=1, le=512)
    columns: int = quantity(..., "1", "Azimuth steps per turn", ge=8, le=8192)
    lowest_deg: float = quantity(-25.0, "deg", "Elevation of the lowest beam", ge=-90, le=90)
    highest_deg: float = quantity(15.0, "deg", "Elevation of the highest beam", ge=-90, le=90)
    range_m: float = quantity(120.0, "m", "Farthest return", gt=0, le=1000)

    @model_validator(mode="after")
    def _upright(self) -> "LidarModel":
        if self.highest_deg < self.lowest_deg:
            raise ValueError("highest_deg must not be below lowest_deg")
        return self


class Lidars(Section):
    """Which stations carry lidars, and which lidars."""

    count: int | None = quantity(None, "1", "Connected vehicles that carry lidars; all of them if left out", ge=0)
    include: list[str] = choice([], "Names of connected vehicles that carry lidars whatever the draw says")
    model: str | LidarModel = choice(
        "beam64", "Name in the lidar catalogue (beam16, beam32, beam64, beam128), or a model"
    )
    mounts: list[Mount] = choice([Mount()], "One lidar per mount", min_length=1, max_length=8)
    per_vehicle: dict[int, Share] = quantity(
        {}, "1", "Share of vehicles that carry the first n mounts, by n; all mounts if left out"
    )
    range_noise_m: float = quantity(0.02, "m", "Standard deviation of a range", ge=0, le=5)
    dropout: float = quantity(0.02, "1", "Share of returns lost", ge=0, le=1)

    @model_validator(mode="after")
    def _mounts_exist(self) -> "Lidars":
        for number in self.per_vehicle:
            if not 1 <= number <= len(self.mounts):
                raise ValueError(f"lidars.per_vehicle names {number} lidars; mounts has {len(self.mounts)}")
        if self.per_vehicle and sum(self.per_vehicle.values()) <= 0:
            raise ValueError("lidars.per_vehicle shares must not all be zero")
        return self


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


class Matrix(Section):
    """The abstract perception matrix."""

    cell_m: float = quantity(2.0, "m", "Side of a cell", ge=0.25, le=20)
    extent_m: float = quantity(50.0, "m", "From the station to the edge of its matrix", ge=5, le=300)


class Detector(Section):
    """The visibility detection model: points per object in, detections out (docs/models.md)."""

    half_points: float = quantity(12.0, "1", "Lidar points on an object at which half are detected", gt=0, le=1e4)
    steepness: float = quantity(1.6, "1", "Slope of the detection curve over the logarithm of the points", gt=0, le=20)
    center_sigma_m: float = quantity(
        0.15, "m", "Position error of a box with half_points points, per axis", ge=0, le=10
    )
    yaw_sigma_deg: float = quantity(3.0, "deg", "Heading error of a box with half_points points", ge=0, le=90)
    size_sigma_m: float = quantity(
        0.10, "m", "Length, width and height error of a box with half_points points", ge=0, le=5
    )
    false_per_frame: float = quantity(0.5, "1", "Mean number of false positives per station and frame", ge=0, le=100)


class Cooperation(Section):
    """Who asks whom for what, by which path, until when."""

    awareness_hz: float = quantity(10.0, "Hz", "Rate of awareness messages, where they are periodic", gt=0, le=100)
    awareness_rule: Literal["periodic", "cam"] = choice(
        "periodic",
        "When awareness messages are sent: at a fixed rate, or by movement as EN 302 637-2 says (1 to 10 Hz)",
    )
    egos: Literal["all"] | list[str] = choice("all", "Vehicles that fuse: all with a lidar, or a list of names")
    matching: Literal["blind_cells", "nearest", "none"] = choice(
        "blind_cells", "How helpers are picked: most blind cells covered per byte, nearest first, or nobody"
    )
    shortlist: int = quantity(
        0,
        "1",
        "With synchronous transport, helpers that a directory of descriptors puts forward for exact matching; 0 compares all",
        ge=0,
        le=1000,
    )
    relay: Literal["none", "hybrid", "height", "mobility", "midpoint", "best_snr"] = choice(
        "hybrid", "Rule that picks a relay where the direct link is not usable"
    )
    relay_weight: float = quantity(0.5, "1", "Weight of mobility against height in the hybrid rule", ge=0, le=1)
    fusion: Literal["early", "late", "cpm", "raw", "none"] = choice(
        "early",
        "What others send: the lidar points asked for (early), boxes (late), whole lidar frames as captured, whatever the budget "
        "(raw), or, unasked, collective perception messages (cpm)",
    )
    transport: Literal["radio", "synchronous"] = choice(
        "radio", "synchronous hands data over directly, without messages: the upper bound to compare with"
    )
    redundancy: Literal["none", "self_announcing", "dynamics", "frequency", "distance"] = choice(
        "none", "Objects that collective perception messages leave out because others tell of them"
    )
    max_helpers: int = quantity(3, "1", "Helpers asked per frame", ge=0, le=50)
    deadline_ms: float = quantity(100.0, "ms", "From an ego's capture to its fusion", ge=0, le=5000)
    max_age_ms: float = quantity(300.0, "ms", "Data captured longer before the ego's frame is dropped", ge=0, le=10_000)
    budget_bytes: int = quantity(6000, "B", "Data an ego asks for per frame, over all helpers", ge=0, le=100_000_000)
    detect_ms: float = quantity(20.0, "ms", "From capture to a station's own matrix and detections", ge=0, le=1000)
    min_delivery: float = quantity(0.7, "1", "Predicted delivery below which a link counts as not usable", ge=0, le=1)
    voxel_m: float = quantity(0.3, "m", "Shared points are thinned to one per cube of this side", gt=0, le=5)
    matrix: Matrix = choice(Matrix(), "The abstract perception matrix")

    @model_validator(mode="after")
    def _fused_after_detected(self) -> "Cooperation":
        if self.shortlist and self.transport != "synchronous":
            raise ValueError("shortlist needs transport synchronous: by radio nobody holds everybody's matrices")
        if self.deadline_ms < self.detect_ms:
            raise ValueError(
                f"deadline_ms ({self.deadline_ms}) must not be below detect_ms ({self.detect_ms}): "
                "an ego's own detections are part of what it fuses"
            )
        return self


class Errors(Section):
    """What stations believe wrongly about themselves."""

    gnss_sigma_m: float = quantity(0.0, "m", "Standard deviation of a position, per axis", ge=0, le=100)
    gnss_correlation_s: float = quantity(10.0, "s", "Time over which the position error decorrelates", gt=0, le=1e5)
    heading_sigma_deg: float = quantity(0.0, "deg", "Standard deviation of a heading", ge=0, le=180)
    clock_sigma_ms: float = quantity(0.0, "ms", "Standard deviation of a station's clock offset", ge=0, le=10_000)


class Record(Section):
    """What a run keeps besides its tables."""

    clouds_every_s: float = quantity(1.0, "s", "Interval at which fused clouds are kept; 0 keeps none", ge=0, le=3600)
    cloud_egos: int = quantity(1, "1", "Clouds kept each time: of the egos that fused most helpers then", ge=0, le=1000)
    prr_range_m: float = quantity(
        150.0, "m", "Packet reception ratio counts all stations nearer than this", gt=0, le=10_000
    )
    packet_share: float = quantity(
        1.0,
        "1",
        "Share of stations whose awareness messages the packet table lists; the metrics go by those",
        gt=0,
        le=1,
    )
    link_ticks: int = quantity(1, "1", "Every how many ticks the links are listed; 0 for never", ge=0, le=1_000_000)
    evaluation_range_m: float = quantity(60.0, "m", "Road users farther from the ego are not scored", gt=0, le=500)


class Scenario(Section):
    """One simulation, described completely."""

    name: str = choice(
        "scenario", "Short name; the run folder is called after it", pattern=r"^[A-Za-z0-9_.-]+$", max_length=80
    )
    description: str = choice("", "What the scenario shows")
    run: Run = choice(Run(), "Time and chance")
    world: World = choice(World(), "Static surroundings")
    traffic: Traffic = choice(..., "Where road users come from")
    stations: Stations = choice(Stations(penetration=1.0), "Who has a radio")
    lidars: Lidars = choice(Lidars(), "Which stations carry lidars")
    radio: Radio = choice(Radio(), "Channel, physical layer and access")
    cooperation: Cooperation = choice(Cooperation(), "Who shares what with whom")
    detector: Detector = choice(Detector(), "The visibility detection model")
    errors: Errors = choice(Errors(), "Errors of position, heading and clock")
    record: Record = choice(Record(), "What a run keeps")
