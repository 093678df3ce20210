"""The keys of a scenario, with units, defaults and limits.

This module has the sections for cooperation, errors and recording, and the scenario itself. The other sections are in
`schema_world`, `schema_stations` and `schema_radio`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import PrivateAttr, model_validator

from v2xsim.comms.messages.awareness.rule import AwarenessRule
from v2xsim.comms.messages.redundancy.rule import RedundancyRule
from v2xsim.comms.messages.request_cells import RequestCoding
from v2xsim.comms.messages.retelling.rule import RetellingRule
from v2xsim.comms.relay.bound import RelayBound
from v2xsim.comms.relay.foresight.model import LinkForecast
from v2xsim.comms.relay.rule import RelayRule
from v2xsim.gpu.bev.fusion.scheme import FusionScheme
from v2xsim.perception.detection.detector import Detector
from v2xsim.perception.matching.rule import MatchingRule
from v2xsim.scenario.choices import PartChoice, chosen
from v2xsim.scenario.errors import Document
from v2xsim.scenario.fields import File, Section, automatic, choice, quantity
from v2xsim.scenario.hooks import HOOKS
from v2xsim.scenario.schema_radio import Radio
from v2xsim.scenario.schema_stations import Lidars, Stations
from v2xsim.scenario.schema_world import Run, Traffic, World


class Matrix(Section):
    """The abstract perception matrix: the bird's-eye grid in which a station stores what it observed."""

    cell_m: float = quantity(
        2.0, "m", "Side of a square cell; smaller cells give a finer matrix and larger messages", ge=0.25, le=20
    )
    extent_m: float = quantity(50.0, "m", "Distance from the station to each edge of its matrix", ge=5, le=300)
    free_share: float | None = quantity(
        None,
        "1",
        "Share of the area of a cell that must be seen so that the cell counts as free; without a value, one ray across the cell is enough. It is measured in 16 parts of a cell",
        gt=0,
        le=0.95,
    )
    interval_ms: float | None = quantity(
        0.0,
        "ms",
        "Least time between two announcements of a station that contain its matrix: 0 for every announcement, null for none. Others use the newest "
        "matrix that arrived for 1 s longer than this. No effect with transport synchronous",
        ge=0,
        le=10_000,
    )


class Cooperation(Section):
    """How stations cooperate: awareness messages, choice of helpers, relays, fusion, and their limits in time and bytes."""

    awareness_rule: Annotated[AwarenessRule, PartChoice(AwarenessRule, "periodic")] = chosen(
        AwarenessRule,
        "periodic",
        "Rule that decides when stations send awareness messages: at a fixed rate, or after movement as in EN 302 637-2 (1 to 10 Hz)",
    )
    egos: Literal["all"] | list[str] = choice(
        "all",
        "Stations that request and fuse data (egos): all vehicles with a lidar, or a list of names, also of roadside units",
    )
    matching: Annotated[MatchingRule, PartChoice(MatchingRule, "most_weight")] = chosen(
        MatchingRule,
        "most_weight",
        "Rule that chooses helpers: the set from which most is expected to arrive; or those that cover most blind cells per byte; or those that saw bodies in blind cells; or, without a look into announced matrices, the nearest ones, some at random, or those whose answers filled most so far; or none",
    )
    shortlist: int = quantity(
        0,
        "1",
        "Number of helpers that are preselected by comparing descriptors, before exact matching; 0 matches all helpers exactly; values above 0 need transport synchronous",
        ge=0,
        le=1000,
    )
    relay: Annotated[RelayRule, PartChoice(RelayRule, "hybrid")] = chosen(
        RelayRule, "hybrid", "Rule that chooses a relay for two stations whose direct link is not usable"
    )
    bound: Annotated[RelayBound, PartChoice(RelayBound, "none")] = chosen(
        RelayBound,
        "none",
        "Upper bound: relays chosen with the true channel, which no station knows, instead of by the relay rule; for comparison only",
    )
    overhearing: bool = choice(
        True,
        "Whether the destination of a relayed message keeps what it decodes of the first hop, whose packets are addressed to the relay",
    )
    foresight: Annotated[LinkForecast, PartChoice(LinkForecast, "none")] = chosen(
        LinkForecast,
        "none",
        "Forecast of when links die, because a building of the map or a known vehicle comes between two stations; a link of an ego that is "
        "foretold to die within its cycle counts as weak at once, so a relay replaces it in time",
    )
    fusion: Annotated[FusionScheme, PartChoice(FusionScheme, "early")] = chosen(
        FusionScheme,
        "early",
        "What helpers send: requested lidar points (early), requested boxes (late), whole lidar frames regardless of the budget "
        "(raw), or, without requests, collective perception messages (cpm)",
    )
    transport: Literal["radio", "synchronous"] = choice(
        "radio",
        "How data reaches other stations: by radio, or synchronous (at once and without loss), as an upper bound for comparison",
    )
    redundancy: Annotated[RedundancyRule, PartChoice(RedundancyRule, "none")] = chosen(
        RedundancyRule,
        "none",
        "Rule that leaves objects out of a collective perception message: because others report them already, or because nobody needs them",
    )
    retelling: Annotated[RetellingRule, PartChoice(RetellingRule, "none")] = chosen(
        RetellingRule,
        "none",
        "Rule by which stations tell on what others reported in collective perception messages: nothing (none, as in the standard), or what a "
        "station around them has not heard of (unheard), or has neither heard of nor seen by its announced matrix (unseen); or, as baselines, "
        "each object once (flooding), or some at random (random_told)",
    )
    boxes_by: Literal["centre", "body"] = choice(
        "centre",
        "Which boxes an answer contains, with fusion scheme late: those whose centre lies in a requested cell (centre), or those whose body reaches into one (body)",
    )
    request_coding: RequestCoding = choice(
        "bits",
        "How a request names its cells: one bit per cell of the ego's matrix (bits), runs of equal bits (runs), or runs over blocks of 4 x 4 cells, where a "
        "request asks for all cells of each block in which a wanted cell lies (blocks)",
    )
    report_interval_ms: float = quantity(
        100.0,
        "ms",
        "Least time between two collective perception messages of a station (T_GenCpm of ETSI TS 103 324); congestion control may demand more",
        ge=100,
        le=1000,
    )
    max_helpers: int = quantity(
        3, "1", "Largest number of helpers from which an ego requests data per frame", ge=0, le=50
    )
    deadline_ms: float = automatic(
        100.0,
        "100, or detect_ms + 80 if detect_ms is above 100",
        "ms",
        "Time from an ego's capture to its fusion; data that arrives later can be used only for a later frame",
        ge=0,
        le=5000,
    )
    max_age_ms: float = quantity(
        300.0,
        "ms",
        "Largest age of a helper's data at the capture of the ego's frame; older data is not fused. If run.step_s is longer, only data of the same step "
        "is fused. No effect on collective perception messages",
        ge=0,
        le=10_000,
    )
    budget_bytes: int = quantity(
        6000,
        "B",
        "Largest payload that an ego requests per frame, from all helpers together",
        ge=0,
        le=100_000_000,
    )
    detect_ms: float = automatic(
        20.0,
        "20, or deadline_ms if that is shorter",
        "ms",
        "Processing time from a lidar capture until the station has its perception matrix and detections",
        ge=0,
        le=1000,
    )
    min_delivery: float = quantity(
        0.7,
        "1",
        "Least predicted delivery probability of a usable link; with a higher value, fewer links count as usable",
        ge=0,
        le=1,
    )
    hidden_speed_mps: float | None = quantity(
        None,
        "m/s",
        "Highest speed that is assumed for road users hidden in an ego's blind cells, one for all cells. Blind cells from which none of them could "
        "reach the ego have no weight, such as cells behind a faster ego. Without a value it is the speed limit of the road at each cell (world.roads, or "
        "SUMO's roads), 7 m/s up to 4 m beside roads and 2.2 m/s elsewhere, or 14 m/s everywhere on a map without roads",
        gt=0,
        le=150,
    )
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
    """Errors of the stations' estimates of their own position and heading, and of their clocks."""

    gnss_sigma_m: float = quantity(0.0, "m", "Standard deviation of the position error, per axis", ge=0, le=100)
    gnss_correlation_s: float = quantity(
        10.0, "s", "Time after which the correlation of the position error has fallen to 1/e", gt=0, le=1e5
    )
    heading_sigma_deg: float = quantity(0.0, "deg", "Standard deviation of the heading error", ge=0, le=180)
    clock_sigma_ms: float = quantity(0.0, "ms", "Standard deviation of a station's clock offset", ge=0, le=10_000)


FARTHEST_EVALUATED_M, FARTHEST_RECEIVER_M = 500.0, 10_000.0
"""Largest ranges of `record.evaluation_range_m` and `record.prr_range_m`; a finished run is evaluated with the same limits."""


class Record(Section):
    """The data that a run records, and the ranges over which metrics are computed."""

    clouds_every_s: float = quantity(
        1.0,
        "s",
        "Interval at which fused point clouds are kept for pictures, about 2 MB each; 0 keeps none. Clouds that were not kept can be cast again (docs/runs.md)",
        ge=0,
        le=3600,
    )
    cloud_egos: int = quantity(
        1,
        "1",
        "Number of clouds kept at each interval: those of the egos that fused data from the most helpers",
        ge=0,
        le=1000,
    )
    prr_range_m: float = quantity(
        150.0,
        "m",
        "Range of the packet reception ratio: only receivers nearer to the sender than this are counted",
        gt=0,
        le=FARTHEST_RECEIVER_M,
    )
    packet_share: float = quantity(
        1.0,
        "1",
        "Share of stations whose awareness messages are in the table packets; radio metrics are computed from this table",
        gt=0,
        le=1,
    )
    link_ticks: int = quantity(
        1,
        "1",
        "The tables links and heard list links, and what stations measured on them, at every n-th tick: 1 at every tick, 0 never",
        ge=0,
        le=1_000_000,
    )
    states: bool = choice(
        True,
        "Whether the true state of every road user and the believed pose of every station are recorded at each tick (8 to 25 B per road user and "
        "tick on disk). Without them, the run cannot be evaluated again or replayed, and its lidars cannot be cast again",
    )
    state_ticks: int = quantity(
        1,
        "1",
        "States are recorded at every n-th tick: 1 records every tick; from 2 on, the run cannot be evaluated again and its lidars cannot "
        "be cast again",
        ge=1,
        le=1_000_000,
    )
    seen_ticks: int = quantity(
        1,
        "1",
        "The tables sights and seen list who saw whom at every n-th tick: 1 at every tick, 0 never; then the metrics of them (seen_by_nobody and "
        "so on) are NaN",
        ge=0,
        le=1_000_000,
    )
    evaluation_range_m: float = quantity(
        60.0, "m", "Road users farther from the ego than this are not evaluated", gt=0, le=FARTHEST_EVALUATED_M
    )


class Scenario(File):
    """All keys of one simulation."""

    name: str = choice(
        "scenario", "Short name; also the name of the run folder", pattern=r"^[A-Za-z0-9_.-]+$", max_length=80
    )
    description: str = choice("", "What the scenario shows")
    plugins: list[Path] = choice(
        [],
        "Python files with parts of your own; paths are relative to this file's folder. Their code is run: list only files you trust",
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
    record: Record = choice(Record(), "What a run records, and the ranges of its metrics")

    # The content from which the scenario was made, before any check; None after `model_copy`, which changes the content.
    _document: Document | None = PrivateAttr(None)

    def with_(
        self, changes: Mapping[str, Any] | None = None, /, *, seed: int | None = None, **values: Any
    ) -> "Scenario":
        """Return this scenario with some values replaced, after the same checks as for a file.

        A section given as a whole replaces the section: keys that it leaves out get their defaults, as in a file.

        Args:
            changes: New values, by dotted key, such as `{"radio.tx_power_dbm": 20, "cooperation.relay": "none"}`. Relative
                paths among them count from the working folder.
            seed: New value of `run.seed`.
            values: New values of keys of the top level, such as `name`.

        Raises:
            ScenarioError: If a key is unknown, a value is not allowed, or two values contradict each other.
        """
        seeded = {} if seed is None else {"run.seed": seed}
        scenario: Scenario = HOOKS.changed(self, self._document, [changes or {}, values, seeded])
        return scenario

    def __repr__(self) -> str:
        # All keys would fill several screens; v2xsim.scenario.to_yaml has them.
        run = self.run
        return f"scenario {self.name}: traffic from {self.traffic.source}, {run.duration_s:g} s from {run.begin_s:g} s, seed {run.seed}"

    __str__ = __repr__

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> "Scenario":
        """Return a copy with some values replaced, after the checks of a scenario; `with_` also takes dotted keys."""
        copy = super().model_copy(update=update, deep=deep)
        if update:
            HOOKS.check_keys_together(copy)
            copy._document = None
            content = copy.model_dump(mode="json")
            copy._automatic = {key: value for key, value in copy._automatic.items() if _value_at(content, key) == value}
        return copy


def _value_at(content: Any, key: str) -> Any:
    for name in key.split("."):
        content = content.get(name) if isinstance(content, Mapping) else None
    return content
