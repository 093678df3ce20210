"""The keys of a scenario, with units, defaults and limits.

This file has cooperation, errors, recording and the scenario itself. The other sections are in `schema_world`,
`schema_stations` and `schema_radio`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import model_validator

from v2xsim.comms.messages.awareness.rule import AwarenessRule
from v2xsim.comms.messages.redundancy.rule import RedundancyRule
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.gpu.bev.fusion.scheme import FusionScheme
from v2xsim.perception.detection.detector import Detector
from v2xsim.perception.matching.rule import MatchingRule
from v2xsim.scenario.choices import PartChoice, chosen
from v2xsim.scenario.fields import File, Section, choice, quantity
from v2xsim.scenario.schema_radio import Radio
from v2xsim.scenario.schema_stations import Lidars, Stations
from v2xsim.scenario.schema_world import Run, Traffic, World


class Matrix(Section):
    """The abstract perception matrix."""

    cell_m: float = quantity(2.0, "m", "Side of a cell", ge=0.25, le=20)
    extent_m: float = quantity(50.0, "m", "From the station to the edge of its matrix", ge=5, le=300)


class Cooperation(Section):
    """Which stations request data from which, over which path, and until when."""

    awareness_rule: Annotated[AwarenessRule, PartChoice(AwarenessRule, "periodic")] = chosen(
        AwarenessRule,
        "periodic",
        "When awareness messages are sent: at a fixed rate, or by movement as in EN 302 637-2 (1 to 10 Hz)",
    )
    egos: Literal["all"] | list[str] = choice("all", "Vehicles that fuse: all with a lidar, or a list of names")
    matching: Annotated[MatchingRule, PartChoice(MatchingRule, "blind_cells")] = chosen(
        MatchingRule,
        "blind_cells",
        "How helpers are chosen: most blind cells covered per byte, nearest first, or none",
    )
    shortlist: int = quantity(
        0,
        "1",
        "With synchronous transport: number of helpers that a directory of descriptors selects for exact matching; 0 compares all",
        ge=0,
        le=1000,
    )
    relay: Annotated[RelayRule, PartChoice(RelayRule, "hybrid")] = chosen(
        RelayRule, "hybrid", "Rule that picks a relay where the direct link is not usable"
    )
    fusion: Annotated[FusionScheme, PartChoice(FusionScheme, "early")] = chosen(
        FusionScheme,
        "early",
        "What helpers send: requested lidar points (early), requested boxes (late), whole lidar frames regardless of the budget "
        "(raw), or, without requests, collective perception messages (cpm)",
    )
    transport: Literal["radio", "synchronous"] = choice(
        "radio", "synchronous hands data over directly, without messages: the upper bound to compare with"
    )
    redundancy: Annotated[RedundancyRule, PartChoice(RedundancyRule, "none")] = chosen(
        RedundancyRule,
        "none",
        "Objects that collective perception messages leave out because others report them already",
    )
    max_helpers: int = quantity(3, "1", "Most helpers that an ego requests data from, per frame", ge=0, le=50)
    deadline_ms: float = quantity(
        100.0, "ms", "Time from an ego's capture to its fusion; data that arrives later is not used", ge=0, le=5000
    )
    max_age_ms: float = quantity(
        300.0, "ms", "Data captured longer than this before the ego's frame is dropped", ge=0, le=10_000
    )
    budget_bytes: int = quantity(
        6000, "B", "Most data that an ego requests per frame, over all helpers", ge=0, le=100_000_000
    )
    detect_ms: float = quantity(
        20.0, "ms", "Time from a capture until the station has its matrix and detections", ge=0, le=1000
    )
    min_delivery: float = quantity(0.7, "1", "Predicted delivery below which a link counts as not usable", ge=0, le=1)
    matrix: Matrix = choice(Matrix(), "The abstract perception matrix")

    @model_validator(mode="after")
    def _fused_after_detected(self) -> "Cooperation":
        if self.shortlist and self.transport != "synchronous":
            raise ValueError(
                "shortlist needs transport synchronous: by radio no station holds the matrices of all others"
            )
        if self.deadline_ms < self.detect_ms:
            raise ValueError(
                f"deadline_ms ({self.deadline_ms}) must not be below detect_ms ({self.detect_ms}): "
                "an ego's own detections are part of what it fuses"
            )
        return self


class Errors(Section):
    """Errors in what stations believe about their own position, heading and clock."""

    gnss_sigma_m: float = quantity(0.0, "m", "Standard deviation of a position, per axis", ge=0, le=100)
    gnss_correlation_s: float = quantity(10.0, "s", "Time over which the position error decorrelates", gt=0, le=1e5)
    heading_sigma_deg: float = quantity(0.0, "deg", "Standard deviation of a heading", ge=0, le=180)
    clock_sigma_ms: float = quantity(0.0, "ms", "Standard deviation of a station's clock offset", ge=0, le=10_000)


class Record(Section):
    """What a run records besides its tables."""

    clouds_every_s: float = quantity(1.0, "s", "Interval at which fused clouds are kept; 0 keeps none", ge=0, le=3600)
    cloud_egos: int = quantity(1, "1", "Clouds kept each time: of the egos that fused most helpers then", ge=0, le=1000)
    prr_range_m: float = quantity(
        150.0, "m", "Packet reception ratio counts all stations nearer than this", gt=0, le=10_000
    )
    packet_share: float = quantity(
        1.0,
        "1",
        "Share of stations whose awareness messages are in the packet table; the radio metrics count only these",
        gt=0,
        le=1,
    )
    link_ticks: int = quantity(
        1, "1", "Number of ticks between two listings of the links; 0 lists none", ge=0, le=1_000_000
    )
    evaluation_range_m: float = quantity(60.0, "m", "Road users farther from the ego are not scored", gt=0, le=500)


class Scenario(File):
    """One simulation, described completely."""

    name: str = choice(
        "scenario", "Short name; also the name of the run folder", pattern=r"^[A-Za-z0-9_.-]+$", max_length=80
    )
    description: str = choice("", "What the scenario shows")
    plugins: list[Path] = choice(
        [],
        "Python files with parts of your own; paths count from this file's folder. Their code is run: list only files you trust",
    )
    run: Run = choice(Run(), "Time and seed")
    world: World = choice(World(), "Static surroundings")
    traffic: Traffic = choice(..., "Where road users come from")
    stations: Stations = choice(Stations(penetration=1.0), "Stations: vehicles and roadside units with a radio")
    lidars: Lidars = choice(Lidars(), "Which stations carry lidars")
    radio: Radio = choice(Radio(), "Channel, physical layer and access")
    cooperation: Cooperation = choice(Cooperation(), "Cooperation: requests, relays, fusion")
    detector: Annotated[Detector, PartChoice(Detector, "visibility")] = chosen(
        Detector, "visibility", "How stations detect road users in their lidar points"
    )
    errors: Errors = choice(Errors(), "Errors of position, heading and clock")
    record: Record = choice(Record(), "What a run keeps")
