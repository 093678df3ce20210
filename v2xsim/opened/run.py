"""A finished run as data: its scenario, tables and metrics, and what can be computed from them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from v2xsim.evaluation.metric import Metric
from v2xsim.notices import Notice
from v2xsim.opened.casting import Casting, check_device
from v2xsim.opened.clouds import Cloud
from v2xsim.opened.errors import NotRecordedError, OpenError
from v2xsim.opened.evaluation import Evaluation, evaluated
from v2xsim.opened.first_seen import SeenUser, seen_users
from v2xsim.opened.frame_source import FrameSource
from v2xsim.opened.frames import Frame, Frames
from v2xsim.opened.manifest import (
    DRAWN_BY_NAME,
    notices_of,
    read_begun_manifest,
    read_manifest,
    replayed,
    run_scenario,
    setting,
)
from v2xsim.opened.recorded_frames import RecordedFrames
from v2xsim.opened.segments import SegmentTables, unfinished
from v2xsim.opened.tables import RunTables
from v2xsim.opened.truth import Truth, check_recorded, check_replayable
from v2xsim.opened.visibility import Visibility, visibility_of
from v2xsim.ownership import KEPT
from v2xsim.perception.tracking.station_tracks import Tracker
from v2xsim.perception.tracking.tracker import TrackerParams
from v2xsim.results.listed import Listed, ListedMetrics
from v2xsim.results.table_files import missing_tables
from v2xsim.scenario.explain import nearest
from v2xsim.scenario.schema import Scenario

if TYPE_CHECKING:
    import networkx as nx

    from v2xsim.opened.link_scenes import LinkScenes


class Run:
    """A finished run, or what was written of one that has not ended. Tables are read when they are used; the folder is not changed.

    Args:
        folder: Folder that `v2xsim run` or `Results.write` wrote.
        partial: Whether to open a run that has not ended, if there is one; as in `v2xsim.open`.

    Attributes:
        folder: Folder of the run.
        manifest: Content of its `manifest.json`.
        tables: Arrow tables by name; `tables.groups(name, columns)` yields a table in pieces (row groups), for tables larger than memory.
        is_complete: Whether the run has ended; otherwise it has no metrics, and its tables end at `until_s`. The files of a run that was
            killed after its end are complete, too.

    Raises:
        OpenError: If the folder holds no finished run, or one that this version cannot read.
    """

    def __init__(self, folder: Path | str, *, partial: bool = False) -> None:
        self.folder = Path(folder)
        self.tables: RunTables | SegmentTables
        self.folder = (unfinished(self.folder) if partial else None) or self.folder
        self.is_complete = not (partial and (self.folder / KEPT).exists())
        if self.is_complete:
            self.manifest: Mapping[str, Any] = Listed(read_manifest(self.folder))
            self.tables = RunTables(self.folder, self.manifest["format"], self.manifest.get("tables", {}))
            return
        self.manifest = Listed(read_begun_manifest(self.folder / KEPT))
        self.tables = SegmentTables(self.folder)

    @property
    def until_s(self) -> float:
        """Simulated time up to which the tables have all rows: the end of the run, or the last time at which all rows were written."""
        if isinstance(self.tables, SegmentTables) and self.tables.until_us is not None:
            return self.tables.until_us / 1e6
        begin_s, duration_s = (setting(self.manifest, f"run.{key}") for key in ("begin_s", "duration_s"))
        return float(begin_s + (duration_s if self.is_complete else 0.0))

    def __repr__(self) -> str:
        if not self.is_complete:
            name, seed, end_s = (setting(self.manifest, key) for key in ("name", "run.seed", "run.duration_s"))
            begin_s = setting(self.manifest, "run.begin_s")
            written = (
                "it has written no rows"
                if not len(self.tables)
                else f"written up to {self.until_s:g} s of {begin_s + end_s:g} s; see .tables"
            )
            return f"run {self.folder} ({name}, seed {seed}), not complete: {written}"
        name, seed, duration_s = (setting(self.manifest, key) for key in ("name", "run.seed", "run.duration_s"))
        missing = missing_tables(self.folder, self.manifest.get("tables", {}))
        lacks = "" if missing is None else f"; {missing}"
        return f"run {self.folder} ({name}, seed {seed}, {duration_s:g} s): {len(self.notices)} notices{lacks}; see .metrics and .tables"

    @cached_property
    def metrics(self) -> Mapping[str, Metric]:
        """Metrics of the whole run, by name; the table `metrics` also has those of distance bins and other parts.

        Raises:
            NotRecordedError: If the run has not ended.
        """
        if not self.is_complete:
            raise NotRecordedError(
                f"{self.folder}: must be a finished run to have metrics; evaluate() computes the metrics of what was written"
            )
        names, parts, values, units, counts = (self.tables["metrics"].column(n).to_pylist() for n in _METRIC_COLUMNS)
        rows = zip(names, parts, values, units, counts, strict=True)
        return ListedMetrics(
            {name: Metric(value, unit, count) for name, part, value, unit, count in rows if part == ""}
        )

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        """What the run left out of its inputs, repaired or assumed; of a run that has not ended, only what was known when it began."""
        return notices_of(self.manifest)

    def evaluate(
        self, *, range_m: float | None = None, thresholds: Sequence[float] | None = None,
        tracker: TrackerParams | Tracker | None = None, prr_range_m: float | None = None,
    ) -> Evaluation:  # fmt: skip
        """Evaluate the run again, with its own settings or with others.

        With the run's own settings, the tables are exactly those of the run.

        Args:
            range_m: Road users within this distance of an ego are scored; by default `record.evaluation_range_m` of the run.
            thresholds: Least overlaps (intersection over union seen from above, above 0 and at most 1) at which a detection
                counts as a hit; by default 0.3, 0.5 and 0.7.
            tracker: Parameters of the tracker, or a function that returns the tracks after the detections of one instant. It
                changes what counts as known, not what stations sent during the run.
            prr_range_m: Receivers within this distance of the sender count for the packet reception ratio; by default
                `record.prr_range_m` of the run.

        Raises:
            NotRecordedError: If the run did not record the states of every tick, or was killed before it wrote rows.
            OpenError: If a value is not possible, or the tables cannot be read.
        """
        check_recorded(self.manifest, self.folder, "to evaluate it again")
        if self.until_s <= setting(self.manifest, "run.begin_s"):
            raise NotRecordedError(
                f"{self.folder}: must have rows to be evaluated, but the run has written none yet; open it again later"
            )
        return evaluated(
            self._evaluated_manifest,
            self.tables,
            self._recorded_frames,
            self.folder,
            range_m,
            thresholds,
            tracker,
            prr_range_m,
        )

    def frames(self, ego: str | int | None = None, time_s: float | tuple[float, float] | None = None) -> Frames:
        """Return the frames of egos, in order of time.

        Args:
            ego: Name or agent id of one ego; None for all egos.
            time_s: Time of the capture, or first and last time; None for all times.

        Raises:
            NotRecordedError: If the run did not record the states of every tick.
            OpenError: If there is no such ego, or no frame at this time.
        """
        return self._frame_source.select(ego, time_s)

    def first_seen(self, least_points: int = 1) -> list[SeenUser]:
        """Return, for each road user that came in range of a lidar of another station, when and by how many stations it was seen.

        Args:
            least_points: Number of lidar returns of one station from which on it counts as seen for the first time.

        Raises:
            NotRecordedError: If the run did not record who saw whom.
            OpenError: If `least_points` is not a whole number above 0.
        """
        return seen_users(self.tables, self.names, self.manifest, self.folder, least_points)

    def cloud(self, frame: Frame, *, cast: bool = False) -> Cloud:
        """Return the point cloud of a frame after fusion; a cloud that was not recorded is cast again.

        Args:
            frame: One of `frames()`.
            cast: Whether to cast the cloud again even if it was recorded; it is the same.
        """
        return self._frame_source.cloud(frame, cast)

    def fused_intensity(self, ego: int, time_us: int, count: int) -> Float32[np.ndarray, " points"]:
        """Return the intensity of each of the `count` points of an ego's cloud after fusion; see `Cloud.intensity`.

        Only the clouds of this frame are cast.
        """
        return self._casting.fused_intensity(ego, time_us, count)

    def graph(self, time_s: float) -> "nx.DiGraph[str]":
        """Return the links at a recorded tick as a graph of networkx: stations are nodes, and each pair in range has two edges.

        An edge leads from the station that sends to the one that receives; it equals that of `Simulation.graph` at this tick.
        `v2xsim.link_graph.link_graph` has all attributes.

        Args:
            time_s: Traffic time of a tick at which the run recorded links and states.

        Raises:
            NotRecordedError: If the run did not record links and states at this tick.
            OpenError: If there is no such tick.
        """
        return self._link_scenes.graph(time_s)

    def station_cloud(self, station: str, time_s: float) -> Cloud:
        """Return the point cloud that a station with a lidar captured at a tick; it is cast again.

        Args:
            station: Name of a vehicle or roadside unit.
            time_s: Time of the tick.
        """
        return self._casting.own(self._agent_of(station), round(time_s * 1e6))

    def visibility(self, station: str | None = None, most_ticks: int = 100) -> Visibility:
        """Return which ground cells lidars observed, how often, and which road users none of them saw; the lidars are cast again.

        Args:
            station: Name of the only station whose lidars count; None for those of all stations.
            most_ticks: Largest number of ticks that are cast; of more, evenly spaced ones are taken.

        Raises:
            NotRecordedError: If the run did not record the states of every tick, or had no lidars.
            OpenError: If there is no such station.
        """
        agent = None if station is None else self._agent_of(station)
        casting = self._casting
        return visibility_of(casting.captured, casting.ticks_us, most_ticks, agent, self.folder)

    def _agent_of(self, station: str) -> int:
        agent = next((number for number, name in self.names.items() if name == station), None)
        if agent is None:
            raise OpenError(f"{self.folder}: must have a station {station!r}{nearest(station, self.names.values())}")
        return agent

    def replay(self, *, step_s: float | None = None) -> Scenario:
        """Return the scenario of the run with its recorded road users and buildings as their source.

        Run as it is, it gives the results of this run, unless a program sent messages in it: those are not sent again, as the notice
        `recorded.steered` says; speeds that a program set are in the recorded traffic. With other stations, lidars, radio or cooperation
        (`replay().with_(...)`), it gives what they would have been in the same traffic.

        Args:
            step_s: Time step of the replay, a multiple of the time between two recorded ticks; by default that of the run.

        Raises:
            NotRecordedError: If the run recorded no states, or not those of every step.
            UserError: If a plug-in has changed since, or is missing.
        """
        if not self.is_complete:
            raise OpenError(f"{self.folder}: must be a finished run to be replayed")
        check_replayable(self.manifest, self.folder, step_s)
        return replayed(self.scenario, self.manifest, self.folder, step_s)

    @cached_property
    def names(self) -> Mapping[int, str]:
        """Names of road users and roadside units, by the agent ids that all tables use."""
        agents, names = (self.tables["agents"].column(name).to_pylist() for name in ("agent", "name"))
        return Listed(zip(agents, names, strict=True))

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario of the run, with the values in effect; files that it names need not exist any more.

        Raises:
            UserError: If a plug-in has changed since, or is missing.
        """
        return run_scenario(self.manifest, self.folder)

    @property
    def _evaluated_manifest(self) -> Mapping[str, Any]:
        """The manifest; for a run that has not ended, its duration is that of what was written."""
        if self.is_complete:
            return self.manifest
        duration_s = self.until_s - setting(self.manifest, "run.begin_s")
        run = self.manifest["scenario"]["run"] | {"duration_s": duration_s}
        return {**self.manifest, "scenario": self.manifest["scenario"] | {"run": run}}

    @cached_property
    def _frame_source(self) -> FrameSource:
        check_recorded(self.manifest, self.folder, "for its frames")
        return FrameSource(
            self.folder,
            self.manifest,
            self.tables,
            self._truth,
            self._recorded_frames,
            self.names,
            lambda: self._casting,
        )

    @cached_property
    def _link_scenes(self) -> "LinkScenes":
        # Imported here: only programs that want a graph need it.
        from v2xsim.opened.link_scenes import LinkScenes

        until_us = None if self.is_complete else round(self.until_s * 1e6)
        return LinkScenes(self.folder, self.manifest, self.tables, self._truth, self.names, self.scenario, until_us)

    @cached_property
    def _casting(self) -> Casting:
        check_recorded(self.manifest, self.folder, "to cast its lidars again")
        check_device(setting(self.manifest, "run.device"), self.folder)
        return Casting(
            self.scenario, self.tables, self._truth, self.names, self.folder, self.manifest["format"] >= DRAWN_BY_NAME
        )

    @cached_property
    def _truth(self) -> Truth:
        return Truth(self.tables.parts, self.folder, "parts" in self.tables)

    @cached_property
    def _recorded_frames(self) -> RecordedFrames:
        return RecordedFrames(self.tables, self._truth, self.folder)


_METRIC_COLUMNS = ("metric", "bin", "value", "unit", "count")
