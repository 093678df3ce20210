"""What a scenario may say: every key, its unit, its default and its limits.

Here are cooperation, errors and what is kept, and the whole; the other sections are in `schema_world`, `schema_stations` and `schema_radio`.
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
    """Who asks whom for what, by which path, until when."""

    awareness_rule: Annotated[AwarenessRule, PartChoice(AwarenessRule, "periodic")] = chosen(
        AwarenessRule,
        "periodic",
        "When awareness messages are sent: at a fixed rate, or by movement as EN 302 637-2 says (1 to 10 Hz)",
    )
    egos: Literal["all"] | list[str] = choice("all", "Vehicles that fuse: all with a lidar, or a list of names")
    matching: Annotated[MatchingRule, PartChoice(MatchingRule, "blind_cells")] = chosen(
        MatchingRule,
        "blind_cells",
        "How helpers are picked: most blind cells covered per byte, nearest first, or nobody",
    )
    shortlist: int = quantity(
        0,
        "1",
        "With synchronous transport, helpers that a directory of descriptors puts forward for exact matching; 0 compares all",
        ge=0,
        le=1000,
    )
    relay: Annotated[RelayRule, PartChoice(RelayRule, "hybrid")] = chosen(
        RelayRule, "hybrid", "Rule that picks a relay where the direct link is not usable"
    )
    fusion: Annotated[FusionScheme, PartChoice(FusionScheme, "early")] = chosen(
        FusionScheme,
        "early",
        "What others send: the lidar points asked for (early), boxes (late), whole lidar frames as captured, whatever the budget "
        "(raw), or, unasked, collective perception messages (cpm)",
    )
    transport: Literal["radio", "synchronous"] = choice(
        "radio", "synchronous hands data over directly, without messages: the upper bound to compare with"
    )
    redundancy: Annotated[RedundancyRule, PartChoice(RedundancyRule, "none")] = chosen(
        RedundancyRule, "none", "Objects that collective perception messages leave out because others tell of them"
    )
    max_helpers: int = quantity(3, "1", "Helpers asked per frame", ge=0, le=50)
    deadline_ms: float = quantity(100.0, "ms", "From an ego's capture to its fusion", ge=0, le=5000)
    max_age_ms: float = quantity(300.0, "ms", "Data captured longer before the ego's frame is dropped", ge=0, le=10_000)
    budget_bytes: int = quantity(6000, "B", "Data an ego asks for per frame, over all helpers", ge=0, le=100_000_000)
    detect_ms: float = quantity(20.0, "ms", "From capture to a station's own matrix and detections", ge=0, le=1000)
    min_delivery: float = quantity(0.7, "1", "Predicted delivery below which a link counts as not usable", ge=0, le=1)
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


class Scenario(File):
    """One simulation, described completely."""

    name: str = choice(
        "scenario", "Short name; the run folder is called after it", pattern=r"^[A-Za-z0-9_.-]+$", max_length=80
    )
    description: str = choice("", "What the scenario shows")
    plugins: list[Path] = choice(
        [],
        "Python files with parts of your own; paths count from this file's folder. They are run: list only files you trust",
    )
    run: Run = choice(Run(), "Time and chance")
    world: World = choice(World(), "Static surroundings")
    traffic: Traffic = choice(..., "Where road users come from")
    stations: Stations = choice(Stations(penetration=1.0), "Who has a radio")
    lidars: Lidars = choice(Lidars(), "Which stations carry lidars")
    radio: Radio = choice(Radio(), "Channel, physical layer and access")
    cooperation: Cooperation = choice(Cooperation(), "Who shares what with whom")
    detector: Annotated[Detector, PartChoice(Detector, "visibility")] = chosen(
        Detector, "visibility", "How stations detect road users in their lidar points"
    )
    errors: Errors = choice(Errors(), "Errors of position, heading and clock")
    record: Record = choice(Record(), "What a run keeps")
