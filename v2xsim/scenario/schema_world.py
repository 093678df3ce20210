"""The time, world and traffic keys of a scenario."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from v2xsim.scenario.fields import Section, choice, quantity

# Largest coordinate of the world frame, in metres, for every source of positions. Map projections stay below it: UTM's northings
# reach 1e7 m, Web Mercator's eastings 2e7 m. With the 64-bit numbers of a run, positions up to it are exact to 15 nm.
FARTHEST_M = 1e8

# Latest traffic time. Traces may use seconds since 1970; their microseconds are exact in 64-bit numbers.
LATEST_S = 4e9

Kind = Literal["passenger", "van", "truck", "bus", "motorcycle", "bicycle", "pedestrian"]
Share = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[float, Field(gt=0, le=100)]
Size = tuple[Side, Side, Side]
Region = Annotated[tuple[float, float, float, float], Field(description="x_min, y_min, x_max, y_max [m]")]


class Run(Section):
    """Time span, time step, seed and computing device of a run."""

    seed: int = quantity(1, "1", "Seed of every random stream of the run", ge=0, lt=2**63)
    begin_s: float = quantity(
        0.0,
        "s",
        "Traffic time at which the measurement begins; the time before it is warm-up. Traces may use seconds since 1970",
        ge=0,
        le=LATEST_S,
    )
    duration_s: float = quantity(
        10.0, "s", "Duration of the measurement, without warm-up; rounded to whole steps", gt=0, le=86400
    )
    step_s: float = quantity(
        0.1,
        "s",
        "Time step of traffic and lidars; every lidar captures one frame per step, and egos ask for data once per step",
        ge=0.01,
        le=1.0,
    )
    device: Literal["cpu", "cuda"] = choice(
        "cpu", "Device that casts lidar rays: cpu with compiled kernels, or cuda with torch"
    )

    @model_validator(mode="after")
    def _whole_steps(self) -> "Run":
        for name in ("step_s", "duration_s", "begin_s"):
            micros = getattr(self, name) * 1e6
            if abs(micros - round(micros)) > 1e-3:
                raise ValueError(f"run.{name} must be a whole number of microseconds")
        if self.duration_s < self.step_s:
            raise ValueError(f"run.duration_s ({self.duration_s}) must be at least run.step_s ({self.step_s})")
        return self


def simulated_s(duration_s: float, step_s: float) -> float:
    """Return the time that a run simulates: its duration, rounded to whole steps."""
    step_us = round(step_s * 1e6)
    return round(duration_s * 1e6 / step_us) * step_us / 1e6


class Building(Section):
    """A building given in the scenario itself."""

    footprint_m: list[tuple[float, float]] = quantity(..., "m", "Corners of the footprint, in order", min_length=3)
    height_m: float = quantity(..., "m", "Height of the flat roof above ground", gt=0, le=1000)
    base_m: float = quantity(
        0.0, "m", "Height of the underside; above 0, there is open space below, as below a bridge", ge=0, lt=1000
    )


class Street(Section):
    """A street given in the scenario itself."""

    center_m: list[tuple[float, float]] = quantity(..., "m", "Points of the centre line, in order", min_length=2)
    lanes: int = quantity(2, "1", "Lanes of both directions together", ge=1, le=20)
    lane_m: float = quantity(3.5, "m", "Width of each lane", gt=0, le=20)
    speed_kmh: float = quantity(50.0, "km/h", "Speed limit", gt=0, le=250)


class World(Section):
    """The static surroundings of a run: its buildings and roads."""

    buildings: Path | list[Building] = choice(
        [], "A polygon file of SUMO's polyconvert (.poly.xml), or a list of buildings"
    )
    region: Region | None = quantity(
        None, "m", "Only buildings that touch this rectangle (x_min, y_min, x_max, y_max) are loaded"
    )
    roads: Path | list[Street] = choice(
        [],
        "Roads of the map: a SUMO network (.net.xml) or a list of streets; by default those on which SUMO drives the traffic. Pictures show them, "
        "links behind buildings go round their corners (radio.propagation.building_loss), and their speed limits say how fast a hidden road user "
        "may come (cooperation.hidden_speed_mps); they do not move the traffic",
    )


class Trailer(Section):
    """The rear part of a road user of two parts: a trailer, or the rear of an articulated bus."""

    length_m: float = quantity(..., "m", "Length of the rear part", gt=0, le=25)
    hitch_m: float = quantity(..., "m", "Distance of the joint (kingpin, coupling) from the front bumper", gt=0, le=25)
    axle_m: float | None = quantity(
        None,
        "m",
        "Distance from the joint back to the axle of the rear part; without a value, 0.64 of the way to the tail",
        gt=0,
        le=25,
    )
    front_axle_m: float | None = quantity(
        None, "m", "Distance of the front part's rear axle from the front bumper; without a value, hitch_m", gt=0, le=25
    )
    front_height_m: float | None = quantity(
        None, "m", "Height of the front part; without a value, that of the whole body", gt=0, le=10
    )


NO_TRAILER = "none"
"""Word for a road user that is one body, however long it is."""


class Agent(Section):
    """A road user that follows waypoints given in the scenario."""

    id: str = choice(..., "Name, unique in the scenario", min_length=1)
    kind: Kind = choice(
        "passenger", "Kind of road user in the vehicle catalogue, which sets body size and antenna height"
    )
    waypoints: list[tuple[float, float, float]] = quantity(
        ...,
        "s, m, m",
        "Rows of time, x and y of the body's centre; motion is straight between rows, and the road user rests before the first and after the last",
        min_length=1,
    )
    heading_deg: float | None = quantity(
        None,
        "deg",
        "Heading, counter-clockwise from east, while at rest; otherwise the direction of travel",
        ge=-360,
        le=360,
    )
    size_m: tuple[float, float, float] | None = quantity(
        None, "m", "Length, width, height; without a value, those of the vehicle catalogue"
    )
    trailer: Trailer | Literal["none"] | None = choice(
        None,
        "Rear part of a vehicle of two parts; size_m is the size of both in line. none: one body. Without a value, a truck longer than 15 m is a "
        "tractor with a semi-trailer, and a bus longer than 15 m is articulated",
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

    blocks: int = quantity(
        4, "1", "Number of parallel streets in each direction; n streets enclose n - 1 blocks per side", ge=2, le=30
    )
    block_m: float = quantity(120.0, "m", "Distance between neighbouring junctions", ge=40, le=1000)
    lanes: int = quantity(1, "1", "Lanes of each street per direction", ge=1, le=4)
    vehicles_per_hour: float = quantity(
        1800.0, "1/h", "Vehicles inserted per hour over the whole network", gt=0, le=1e5
    )
    building_height_m: float = quantity(12.0, "m", "Height of the buildings; 0 leaves them out", ge=0, le=300)
    setback_m: float = quantity(12.0, "m", "Distance from a street's centre line to the buildings", ge=4, le=200)
    mix: dict[Kind, Share] = quantity(
        {"passenger": 0.75, "van": 0.12, "truck": 0.08, "bus": 0.05},
        "1",
        "Share of each kind of road user; scaled so that the sum is 1. With pedestrians, the streets have sidewalks and crossings",
        min_length=1,
    )
    sizes_m: dict[Kind, Size] = quantity(
        {},
        "m",
        "Length, width and height of kinds, such as {truck: [16.5, 2.55, 4.0]}; without a value, those of the vehicle catalogue. Trucks and buses longer "
        "than 15 m have two parts",
    )
    truck_share: float | None = quantity(
        None,
        "1",
        "Share of trucks; the kinds of mix besides trucks share the rest in proportion. Without a value, mix gives all shares",
        ge=0,
        le=1,
    )

    @property
    def shares(self) -> dict[Kind, float]:
        """Share of each kind of road user, still to be scaled so that the sum is 1."""
        return _shares(self.mix, self.truck_share)

    @model_validator(mode="after")
    def _others_exist(self) -> "GridTown":
        _check_rest(self.mix, self.truck_share)
        return self


def _shares(mix: Mapping[Kind, float], truck_share: float | None) -> dict[Kind, float]:
    """Return the share of each kind of a mix, still to be scaled, with a share of trucks if it is given by itself."""
    if truck_share is None:
        return dict(mix)
    others = {kind: share for kind, share in mix.items() if kind != "truck"}
    rest = (1.0 - truck_share) / (sum(others.values()) or 1.0)
    return {kind: share * rest for kind, share in others.items()} | {"truck": truck_share}


def _check_rest(mix: Mapping[Kind, float], truck_share: float | None) -> None:
    """Raise an error if a share of trucks leaves a rest that the mix gives to nobody."""
    if truck_share is not None and truck_share < 1.0 and sum(s for k, s in mix.items() if k != "truck") <= 0.0:
        raise ValueError(
            f"truck_share {truck_share:g} leaves a rest, and mix names no other kind for it; add one, or set truck_share to 1"
        )


class Highway(Section):
    """A straight motorway with SUMO traffic in both directions."""

    length_m: float = quantity(2000.0, "m", "Length of the motorway", ge=200, le=100_000)
    lanes: int = quantity(3, "1", "Lanes per direction", ge=1, le=6)
    density_per_km: float = quantity(60.0, "1/km", "Vehicles per kilometre, both directions together", gt=0, le=400)
    speed_kmh: float = quantity(120.0, "km/h", "Speed limit", gt=0, le=250)
    mix: dict[Kind, Share] = quantity(
        {"passenger": 0.70, "van": 0.10, "truck": 0.18, "bus": 0.02},
        "1",
        "Share of each kind of vehicle; scaled so that the sum is 1",
        min_length=1,
    )
    sizes_m: dict[Kind, Size] = quantity(
        {},
        "m",
        "Length, width and height of kinds, such as {truck: [16.5, 2.55, 4.0]}; without a value, those of the vehicle catalogue. Trucks and buses longer "
        "than 15 m have two parts",
    )
    truck_share: float | None = quantity(
        None,
        "1",
        "Share of trucks; the kinds of mix besides trucks share the rest in proportion. Without a value, mix gives all shares",
        ge=0,
        le=1,
    )

    @property
    def shares(self) -> dict[Kind, float]:
        """Share of each kind of vehicle, still to be scaled so that the sum is 1."""
        return _shares(self.mix, self.truck_share)

    @model_validator(mode="after")
    def _others_exist(self) -> "Highway":
        _check_rest(self.mix, self.truck_share)
        return self


class Recorded(Section):
    """The road users of a finished run, replayed exactly as it recorded them (record.states)."""

    run: Path = choice(..., "The manifest.json of the run")
    buildings: bool = choice(
        True, "Whether the buildings of that run stand in the new one, too, in addition to those of world.buildings"
    )


SOURCES = ("sumocfg", "fcd", "script", "grid", "highway", "recorded")
"""The keys of the section `traffic`, each a source of road users."""


class Traffic(Section):
    """The source of the road users; exactly one must be given."""

    sumocfg: Path | None = choice(None, "A SUMO configuration (.sumocfg), simulated with libsumo")
    fcd: Path | None = choice(None, "A trace of SUMO's --fcd-output (.xml or .xml.gz), replayed")
    script: list[Agent] | None = choice(None, "Road users that follow waypoints", min_length=1)
    grid: GridTown | None = choice(
        None, "A street grid that SUMO's netgenerate builds when the run starts, with SUMO traffic"
    )
    highway: Highway | None = choice(None, "A straight motorway built when the run starts, with SUMO traffic")
    recorded: Recorded | None = choice(None, "The road users of a finished run, replayed")
    trailers: dict[str, Trailer | Literal["none"]] = choice(
        {},
        "Rear parts of the vehicles of traffic.sumocfg, by the id of SUMO's vehicle type (vType), or none for one body; other trucks and buses longer than "
        "15 m have the usual ones",
    )

    @property
    def source(self) -> str:
        """Key of the source that is given."""
        return next(name for name in SOURCES if getattr(self, name) is not None)

    @property
    def is_simulated(self) -> bool:
        """Whether SUMO simulates the traffic; otherwise it is replayed."""
        return self.source in ("sumocfg", "grid", "highway")

    @model_validator(mode="after")
    def _one_source(self) -> "Traffic":
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"traffic needs exactly one of {', '.join(SOURCES)}; got {', '.join(given) or 'none'}")
        if self.trailers and self.sumocfg is None:
            raise ValueError(
                "traffic.trailers is for vehicle types of traffic.sumocfg; a road user of traffic.script has a key trailer of its own"
            )
        if self.script is not None:
            ids = [agent.id for agent in self.script]
            twice = sorted({i for i in ids if ids.count(i) > 1})
            if twice:
                raise ValueError(f"traffic.script ids must be unique; {twice[0]!r} is there twice")
        return self
