"""The result tables of a run, filled while it runs; their rows go to a store about every two seconds."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from v2xsim.engine.instant import Instant
from v2xsim.engine.recording.frame_tables import FrameTables
from v2xsim.engine.recording.fused_frame import FusedFrame
from v2xsim.engine.recording.in_order import InOrder
from v2xsim.engine.recording.kept_frames import KeptFrames
from v2xsim.engine.recording.participants import Participants, write_buildings, write_roads
from v2xsim.engine.recording.sight_tables import SightTables
from v2xsim.engine.recording.truth_tables import TruthTables
from v2xsim.engine.stages import Stages
from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.heard_pairs import Measured
from v2xsim.engine.workers import Workers
from v2xsim.evaluation.ages import AGE_COLUMNS
from v2xsim.evaluation.metric import Rows
from v2xsim.evaluation.metrics import READ_AGAIN, RunMetrics
from v2xsim.evaluation.packet_rows import RECEIVED
from v2xsim.mobility.base import Names
from v2xsim.records import LINK_STATE_NAMES, Prisms
from v2xsim.results.columns import COLUMNS
from v2xsim.results.results import metrics_table
from v2xsim.results.row_groups import GROUP_ROWS
from v2xsim.results.store import MemoryStore, Store
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema import Scenario
from v2xsim.world.roads import Roads

# Wall-clock time after which the next tick of a run alone moves the rows that are held to the store.
_HELD_S = 2.0

# The tables that are filled when frames are scored; all others are filled by the simulation.
_SCORED = (
    "detections", "hits", "announced", "contributions", "awareness", "fusion", "episodes", "frames", "frame_boxes", "frame_links",
    "frame_parts", "clouds",
)  # fmt: skip


class Recording:
    """Collects the tables of a run.

    Rows are held for about two seconds, then they go to the store; those of a table with many rows go earlier. The tables do not
    depend on when this happens. Other threads may score frames and store rows, because no station reads scores or tables.

    Args:
        scenario: Scenario of the run.
        begin_us: Simulated time of the first tick.
        prisms: Buildings of the world.
        names: Names of all road users and roadside units.
        store: Where the rows of the tables go.
        stages: Adds up the time of the stages of the run.
        workers: Threads that score frames and store rows.
        runs: Number of runs that share these threads. As each gets a part of the time, it holds its rows longer.
    """

    def __init__(
        self, scenario: Scenario, begin_us: int, prisms: Prisms | None = None, names: Names | None = None,
        store: Store | None = None, stages: Stages | None = None, workers: Workers | None = None, runs: int = 1,
    ) -> None:  # fmt: skip
        self._held_s = _HELD_S * runs
        self._scenario, self._begin_us = scenario, begin_us
        self._stages = stages or Stages()
        self.store: Store = MemoryStore() if store is None else store
        self._names, self._stored_s = Names() if names is None else names, time.monotonic()
        self._step_us = round(scenario.run.step_s * 1e6)
        record, work = scenario.record, scenario.cooperation
        detect_us, fuse_us, oldest_us = (round(ms * 1e3) for ms in (work.detect_ms, work.deadline_ms, work.max_age_ms))
        self.tables = {name: Columns(name) for name in COLUMNS if name not in ("agents", "metrics")}
        self._frame_tables = FrameTables(self.tables, record.evaluation_range_m, detect_us, self._step_us)
        self._truth_tables = TruthTables(self.tables, record, begin_us, self._step_us)
        self._sight_tables = SightTables(self.tables, record.seen_ticks, begin_us, self._step_us)
        self._kept_frames = KeptFrames(self.tables, record, begin_us, detect_us, self._step_us + fuse_us + oldest_us)
        self._participants = Participants()
        # Agent id of each station at the ticks whose frames may still be fused, by time.
        self._stations_at: dict[int, np.ndarray] = {}
        self._keeps_us = fuse_us + self._step_us
        end_us = begin_us + round(scenario.run.duration_s * 1e6 / self._step_us) * self._step_us
        self._metrics = RunMetrics(
            record.prr_range_m, record.packet_share, record.link_ticks * self._step_us, end_us, self._step_us, begin_us
        )
        self._later = InOrder(workers or Workers(1))
        write_buildings(self.tables["buildings"], prisms or Prisms.none())

    def add_roads(self, roads: Roads) -> None:
        """Record the roads of the run."""
        write_roads(self.tables["roads"], roads)

    def tick(self, instant: Instant, heard: Measured | None = None) -> None:
        """Record the road users and stations of a tick, and the links between stations.

        Args:
            instant: The world at the tick.
            heard: What each of its stations has measured on the packets of others; recorded at the ticks of links.
        """
        self._put_away_held(instant.time_us)
        self._participants.note(instant)
        oldest_us = instant.time_us - self._keeps_us
        self._stations_at = {time_us: agent for time_us, agent in self._stations_at.items() if time_us >= oldest_us}
        self._stations_at[instant.time_us] = instant.fleet.agent
        self._truth_tables.add(instant)
        self._kept_frames.tick(instant)
        period_us = self._scenario.record.link_ticks * self._step_us
        # A period of 0 records no links.
        if not period_us or (instant.time_us - self._begin_us) % period_us:
            return
        first, second, links = instant.links.near.first, instant.links.near.second, instant.links
        if len(first):
            self.tables["links"].add(
                time_us=instant.time_us, a=links.agent[first], b=links.agent[second], distance_m=links.distance_m,
                state=Coded(links.state, LINK_STATE_NAMES), case=links.case, blocker_height_m=links.blocker_height_m,
                loss_db=links.loss_db, shadowing_db=links.shadowing_db, power_dbm=links.power_dbm,
            )  # fmt: skip
        if heard is not None and len(heard.sender):
            self.tables["heard"].add(
                time_us=instant.time_us, station=np.repeat(instant.fleet.agent, np.diff(heard.offset)), sender=heard.sender,
                snr_db=heard.snr_db, share=heard.share,
            )  # fmt: skip

    def captured(self, captured: Sequence[tuple[Frame, Capture]]) -> None:
        """Record whom the stations with lidars saw at a tick."""
        self._sight_tables.add(captured)

    def fused(self, frames: list[FusedFrame] | Callable[[], list[FusedFrame]]) -> None:
        """Score and record the egos' frames of one tick, or those that a function returns."""
        self._later.do(partial(self._score, frames, self._kept_frames.remembered, self._stations_at))

    def _score(
        self, fused: list[FusedFrame] | Callable[[], list[FusedFrame]], ticks: tuple[Instant, ...], stations: dict[int, np.ndarray]
    ) -> None:  # fmt: skip
        frames = fused if isinstance(fused, list) else fused()
        self._kept_frames.offer(frames, self._frame_tables.add(frames, stations))
        self._kept_frames.keep_best(ticks)

    def finish(self) -> None:
        """Write the rows that are known only at the end of the run, when all frames are scored."""
        self._later.wait()
        self._frame_tables.close()

    def close(self) -> None:
        """Wait for scores and rows that other threads are at; leave the others undone."""
        self._later.close()

    def join(self, end_us: int) -> None:
        """Write the road users, stations and roadside units of the run, and make the final row groups.

        From now on, the store has the row groups of all tables.

        Args:
            end_us: Time at which the run has ended.
        """
        self._put_away(end_us)
        self._later.wait()
        for table, groups in self.store.join().items():
            self._add_to_metrics(table, groups)

    def _put_away_held(self, time_us: int) -> None:
        """Move the rows of all tables to the store if they have been held for long, and before that only those of long tables."""
        if time.monotonic() - self._stored_s > self._held_s:
            with self._stages.writing:
                self._put_away(time_us)
        elif full := [name for name, table in self.tables.items() if len(table) > GROUP_ROWS]:
            with self._stages.writing:
                self._later.do(partial(self._store, self._detached(full), full))

    def _put_away(self, time_us: int) -> None:
        """Move all rows to the store; those of the road users that were there so far replace the earlier ones."""
        agents = Columns("agents")
        self._participants.write(agents, self._names, self._scenario.stations.roadside)
        self._later.do(partial(self._store_all, self._detached(self.tables), agents, time_us))
        self._stored_s = time.monotonic()

    def _detached(self, names: Iterable[str]) -> dict[str, Columns]:
        """Return the rows of those tables among some that the simulation fills, and forget them."""
        return {name: self.tables[name].detached() for name in names if name not in _SCORED}

    def _store_all(self, taken: dict[str, Columns], agents: Columns, time_us: int) -> None:
        """Move the rows of all tables to the store; arguments as in `_store`."""
        self._store(taken, self.tables)
        for name in AGE_COLUMNS:
            self._metrics.ages.reached(name, time_us)
        self.store.replace("agents", agents.take())
        self.store.written(time_us)

    def _store(self, taken: dict[str, Columns], names: Iterable[str]) -> None:
        """Move rows of some tables to the store.

        Args:
            taken: Rows of the tables that the simulation fills; it may be filling them again.
            names: The tables. Of those that are filled when frames are scored, all rows so far go to the store.
        """
        for name in names:
            table = taken.get(name, self.tables[name])
            if len(table):
                rows = table.take()
                self._metrics.ages.add(name, rows)
                self._add_to_metrics(name, self.store.put(name, rows))

    def _add_to_metrics(self, table: str, groups: Iterable[pa.Table]) -> None:
        for group in groups:
            self._metrics.add(table, group)

    def metrics(self, duration_s: float) -> Rows:
        """Return every metric of the run after `join`, and write them into the table `metrics`.

        Args:
            duration_s: Simulated time of the run.
        """
        rows = self._metrics.rows(
            self._frame_tables.average_precision(), duration_s, lambda: self.store.groups(READ_AGAIN, RECEIVED)
        )
        self.store.put("metrics", metrics_table(rows))
        return rows
