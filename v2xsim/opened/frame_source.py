"""Makes the ego frames of a finished run from its tables: selection, scores, clouds, and rows of tables."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from v2xsim.evaluation.frame import FrameScore
from v2xsim.evaluation.metric import arrays_of
from v2xsim.evaluation.scene import MODES
from v2xsim.opened.casting import Casting
from v2xsim.opened.clouds import Cloud
from v2xsim.opened.errors import NotRecordedError, OpenError
from v2xsim.opened.frames import Frame, Frames, Sources, rows_where
from v2xsim.opened.manifest import setting
from v2xsim.opened.numbers import is_finite
from v2xsim.opened.parts import PartTables, rows_at
from v2xsim.opened.recorded_frames import RecordedFrames
from v2xsim.opened.scores import Scores
from v2xsim.opened.truth import Truth
from v2xsim.perception.tracking.station_tracks import tracker_at
from v2xsim.scenario.explain import nearest


class FrameSource:
    """The ego frames of a run, scored with the run's own settings.

    Args:
        folder: Folder of the run, for messages.
        manifest: Manifest of the run.
        tables: Tables of the run.
        truth: The recorded truth of every tick.
        recorded: Ego frames in the form that the evaluation takes.
        names: Names of road users and roadside units, by agent id.
        casting: Function that returns what casts the lidars of the run again.
    """

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], tables: PartTables, truth: Truth,
        recorded: RecordedFrames, names: Mapping[int, str], casting: Callable[[], Casting],
    ) -> None:  # fmt: skip
        self._folder, self._manifest, self._truth = folder, manifest, truth
        self._names, self._casting = names, casting
        self._frame_us, self._egos = recorded.frame_us, recorded.ego
        self._recorded = recorded
        step_us = round(setting(manifest, "run.step_s") * 1e6)
        range_m = setting(manifest, "record.evaluation_range_m")
        self._scores = Scores(recorded, range_m, step_us, tracker_at(step_us))
        self._parts = lru_cache(tables.parts)
        self._sources = Sources(self._score, self.cloud, self.own_cloud, self._rows, self._links)

    def select(self, ego: str | int | None, time_s: float | tuple[float, float] | None) -> Frames:
        """Return the frames of one ego or of all, at one time, between two times, or at any time.

        Raises:
            OpenError: If there is no such ego, or no frame at this time.
        """
        chosen = np.ones(len(self._egos), bool)
        if ego is not None:
            chosen &= self._egos == self._agent(ego)
        if isinstance(time_s, tuple | list) and len(time_s) == 2:
            first_us, last_us = (self._us(value) for value in time_s)
            self._check_range(first_us, last_us)
            chosen &= (self._frame_us >= first_us) & (self._frame_us <= last_us)
        elif time_s is not None:
            chosen &= self._at(self._us(time_s), chosen)
        title = "of all egos" if ego is None else f"of {ego}"
        return Frames(np.flatnonzero(chosen), self._frame, title)

    def cloud(self, frame: Frame, cast: bool = False) -> Cloud:
        """Return the cloud of a frame after fusion: the recorded one, or one that is cast again.

        Args:
            frame: The frame.
            cast: Whether to cast it again even if it was recorded.
        """
        kept = self._kept(frame)
        if kept is None or cast:
            return self._casting().fused(frame.agent, frame.time_us)
        x_m, y_m, z_m, source, hit, time_us = arrays_of(kept, "x_m", "y_m", "z_m", "source", "object", "time_us")
        return Cloud(
            np.column_stack([x_m, y_m, z_m]), source, hit, time_us, self._names,
            lambda: self._casting().fused_intensity(frame.agent, frame.time_us, len(source)),
        )  # fmt: skip

    def own_cloud(self, frame: Frame) -> Cloud:
        """Return the cloud of the ego's own lidars; it is cast again."""
        return self._casting().own(frame.agent, frame.time_us)

    def _score(self, frame: Frame) -> FrameScore:
        return self._scores.of(frame.number)

    def _frame(self, number: int) -> Frame:
        time_us, ego = int(self._frame_us[number]), int(self._egos[number])
        scene, _ = self._recorded.scene(time_us, ego)
        detections = {mode: self._recorded.detections(time_us, ego, mode) for mode in MODES}
        return Frame(
            number, time_us, self._names[ego], ego, self._truth.pose(time_us, ego), self._truth.believed(time_us, ego), int(self._recorded.fuse_us[number]) / 1e6, scene,
            detections, self._recorded.announced(time_us, ego), self._names, self._sources,
        )  # fmt: skip

    def _agent(self, ego: str | int) -> int:
        egos = {self._names[agent]: agent for agent in np.unique(self._egos).tolist()}
        if ego in egos.values():
            return int(ego)
        if ego not in egos:
            known = list(egos)
            listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
            raise OpenError(
                f"{self._folder}: must have an ego {ego!r}{nearest(str(ego), known)}; egos with frames are {listed or 'none'}"
            )
        return egos[str(ego)]

    def _check_range(self, first_us: int, last_us: int) -> None:
        """Raise an error for times between which no frame can be."""
        given = f"({first_us / 1e6:.12g}, {last_us / 1e6:.12g})"
        if first_us > last_us:
            raise OpenError(f"{self._folder}: time_s must have the first time before the last, got {given}")
        if len(self._frame_us) and (first_us > self._frame_us.max() or last_us < self._frame_us.min()):
            between = f"{self._frame_us.min() / 1e6:.12g} and {self._frame_us.max() / 1e6:.12g} s"
            raise OpenError(f"{self._folder}: the frames of this run lie between {between}, got time_s={given}")

    def _us(self, time_s: float) -> int:
        if not is_finite(time_s):
            raise OpenError(f"{self._folder}: time_s must be seconds, or a first and a last time, got {time_s!r}")
        return round(time_s * 1e6)

    def _at(self, time_us: int, among: np.ndarray) -> np.ndarray:
        there = self._frame_us == time_us
        if not (there & among).any():
            times_us = np.unique(self._frame_us[among])
            near_us = times_us[np.argsort(np.abs(times_us - time_us), kind="stable")[:2]]
            listed = " and ".join(f"{us * 1e-6:.12g} s" for us in sorted(near_us.tolist()))
            raise OpenError(
                f"{self._folder}: must have a frame at {time_us * 1e-6:.12g} s; the nearest are at {listed or 'no time'}"
            )
        return there

    def _kept(self, frame: Frame) -> pa.Table | None:
        """Return the recorded cloud of a frame; None if it was not recorded."""
        kept = rows_where(rows_at(self._parts("frames"), "frame_us", frame.time_us), ego=frame.agent)
        if kept.num_rows == 0:
            return None
        return rows_at(self._parts("clouds"), "frame", kept["frame"][0].as_py())

    def _rows(self, frame: Frame, name: str) -> pa.Table:
        table = rows_at(self._parts(name), "frame_us", frame.time_us)
        if name == "contributions":
            return rows_where(table, ego=frame.agent)
        return table.filter(pc.or_(pc.equal(table["origin"], frame.agent), pc.equal(table["destination"], frame.agent)))

    def _links(self, frame: Frame) -> pa.Table:
        every = setting(self._manifest, "record.link_ticks")
        begin_us, step_us = (round(setting(self._manifest, key) * 1e6) for key in ("run.begin_s", "run.step_s"))
        if every == 0 or (frame.time_us - begin_us) % (every * step_us):
            raise NotRecordedError(
                f"{self._folder}: this run recorded no links at {frame.time_s:.12g} s (record.link_ticks: {every}); run it again with "
                "record.link_ticks=1"
            )
        here = rows_at(self._parts("links"), "time_us", frame.time_us)
        return here.filter(pc.or_(pc.equal(here["a"], frame.agent), pc.equal(here["b"], frame.agent)))
