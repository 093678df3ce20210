"""Replay of the road users of a finished run, from the states that it recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int8, Int64

from v2xsim.errors import in_command
from v2xsim.evaluation.metric import arrays_of
from v2xsim.mobility.base import Bounds, Mobility, MobilityError, Names
from v2xsim.notices import Notice
from v2xsim.records import Bodies, Boxes, Prisms
from v2xsim.scenario.manifest_files import ManifestError, manifest_at
from v2xsim.scenario.manifests import change_of
from v2xsim.scenario.schema_world import Recorded, Run
from v2xsim.scenario.steered import replay_text
from v2xsim.world.road_users import KINDS, antenna_heights_m
from v2xsim.world.roads import ROAD_KINDS, ROAD_USERS, Roads
from v2xsim.world.snapshot import Snapshot

TABLES = ("agents", "states", "parts", "buildings", "roads")
"""The tables of a run that a replay reads; runs of format 2 have no `parts`, and no road users of two parts."""

_ROADSIDE = "roadside"
_CENTER, _SIZE, _VELOCITY = ("x_m", "y_m", "z_m"), ("length_m", "width_m", "height_m"), ("vx_mps", "vy_mps")
STATE_COLUMNS = ("kind", "yaw_rad", *_CENTER, *_SIZE, *_VELOCITY)
"""Columns of `states`, after time and road user, from which a snapshot is made."""
PART_COLUMNS = ("yaw_rad", *_CENTER, *_SIZE)
"""Columns of `parts`, after time and road user, from which a snapshot is made."""


class RecordedStates:
    """The road users at each recorded tick of a run, with every digit; only the row groups around the present tick are in memory.

    Args:
        path: The file of the table `states` of the run.
        parts: The file of its table `parts`; None if the run has none.

    Raises:
        KeyError: If a file lacks a column.
    """

    def __init__(self, path: Path, parts: Path | None = None) -> None:
        self._states = _Ticks(path, STATE_COLUMNS)
        self._parts = None if parts is None else _Ticks(parts, PART_COLUMNS)
        self._latest = Snapshot.none(-1)

    def snapshot(self, time_us: int) -> Snapshot:
        """Return all road users at a tick, as the run had them."""
        # Several egos have a frame of one tick.
        if self._latest.time_us != time_us:
            states = self._states.at(time_us)
            parts = self._parts.at(time_us) if self._parts is not None else None
            self._latest = snapshot_of(
                time_us, lambda name: arrays_of(states, name)[0],
                None if parts is None else lambda name: arrays_of(parts, name)[0],
            )  # fmt: skip
        return self._latest

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all positions."""
        return self._states.bounds


class _Ticks:
    """The rows of a table by tick.

    Args:
        path: The file of the table.
        columns: Columns that it must have, after time and road user.

    Raises:
        KeyError: If the file lacks a column.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._file = pq.ParquetFile(path)
        for name in ("time_us", "agent", *columns):
            if name not in self._file.schema_arrow.names:
                raise KeyError(name)
        # First and last tick of each row group.
        self._ticks_us = [self._range(group, "time_us") for group in range(self._file.num_row_groups)]
        self._read = lru_cache(2)(self._group)

    def at(self, time_us: int) -> pa.Table:
        """Return the rows of a tick."""
        groups = [group for group, (first, last) in enumerate(self._ticks_us) if first <= time_us <= last]
        if not groups:
            return self._file.schema_arrow.empty_table()
        # The rows of a tick may lie in two row groups.
        return pa.concat_tables([_rows_at(*self._read(group), time_us) for group in groups])

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all positions."""
        groups = range(self._file.num_row_groups)
        if not len(groups):
            return (0.0, 0.0, 0.0, 0.0)
        x_m, y_m = (np.array([self._range(group, name) for group in groups]) for name in ("x_m", "y_m"))
        return (float(x_m[:, 0].min()), float(y_m[:, 0].min()), float(x_m[:, 1].max()), float(y_m[:, 1].max()))

    def _range(self, group: int, name: str) -> tuple[float, float]:
        """Return the smallest and the largest value of a column in a row group."""
        known = self._file.metadata.row_group(group).column(self._file.schema_arrow.names.index(name)).statistics
        if known is not None and known.has_min_max:
            return known.min, known.max
        (values,) = arrays_of(self._file.read_row_group(group, columns=[name]), name)
        return values.min(), values.max()

    def _group(self, group: int) -> tuple[pa.Table, np.ndarray]:
        """Return a row group and the tick of each row, in rising order."""
        table = self._file.read_row_group(group)
        return table, table.column("time_us").to_numpy()


def _rows_at(table: pa.Table, ticks_us: np.ndarray, time_us: int) -> pa.Table:
    first, end = np.searchsorted(ticks_us, [time_us, time_us + 1])
    return table.slice(int(first), int(end - first))


def snapshot_of(
    time_us: int, column: Callable[[str], np.ndarray], part_column: Callable[[str], np.ndarray] | None = None
) -> Snapshot:
    """Return all road users at a tick.

    Args:
        time_us: The tick.
        column: Function that returns a column of the table `states`, with the rows of this tick.
        part_column: The same of the table `parts`; None if the run has none.
    """
    agent, kind = column("agent"), _codes(column("kind"), KINDS)
    if len(agent) == 0:
        return Snapshot.none(time_us)
    boxes, velocity_mps = _boxes(column), np.column_stack([column(name) for name in _VELOCITY])
    parts = Bodies.none()
    if part_column is not None:
        parts = Bodies(_boxes(part_column), np.searchsorted(agent, part_column("agent")))
    return Snapshot(time_us, agent, kind, boxes, velocity_mps, antenna_heights_m(kind, boxes, parts), parts)


def _boxes(column: Callable[[str], np.ndarray]) -> Boxes:
    center_m, size_m = (np.column_stack([column(name) for name in names]) for names in (_CENTER, _SIZE))
    return Boxes(center_m, size_m, column("yaw_rad"))


def buildings_from(table: pa.Table) -> Prisms:
    """Return the buildings of a run from its table `buildings`."""
    if table.num_rows == 0:
        return Prisms.none()
    number, x_m, y_m, base_m, top_m = arrays_of(table, "building", "x_m", "y_m", "base_m", "top_m")
    first = np.flatnonzero(np.diff(number, prepend=-1))
    return Prisms(np.column_stack([x_m, y_m]), np.append(first, len(number)), base_m[first], top_m[first])


def _codes(words: np.ndarray, known: tuple[str, ...]) -> Int8[np.ndarray, " rows"]:
    """Return the position of each word among the known ones."""
    names, codes = np.unique(words.astype(str), return_inverse=True)
    return np.array([known.index(name) for name in names.tolist()], np.int8)[codes]


@dataclass(frozen=True)
class _Source:
    """The folder of the run that is replayed."""

    manifest: Path

    @cached_property
    def content(self) -> Any:
        """Content of the manifest."""
        try:
            return manifest_at(self.manifest)
        except ManifestError as error:
            raise MobilityError(str(error)) from None

    @property
    def digests(self) -> dict[str, str]:
        """Digest of the file of each table, as far as the manifest has them."""
        return dict(self.content.get("tables", {}))

    def settings(self) -> dict[str, Any]:
        """Return the sections `run` and `record` of its scenario, which must have recorded its states."""
        try:
            content = self.content
            sections: dict[str, Any] = {name: content["scenario"][name] for name in ("run", "record")}
            states, complete = sections["record"].get("states", False), content["complete"]
        except (KeyError, TypeError, AttributeError):
            raise MobilityError(
                f"{self.manifest}: must be the manifest.json of a finished run; its scenario has no sections run and record"
            ) from None
        if not states or complete is not True:
            raise MobilityError(
                f"{self.manifest}: this run recorded no states, so its traffic cannot be replayed; run it again with record.states=true"
            )
        return sections

    def has(self, name: str) -> bool:
        """Return whether the run wrote a table; runs of earlier formats lack some."""
        return name in self.digests

    def table(self, name: str) -> pa.Table:
        """Return a table of the run."""
        path = self.sound(name)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException):
            raise self._unreadable(name, path) from None

    def sound(self, name: str) -> Path:
        """Return the path of a table's file, which is the one that the run wrote.

        Raises:
            MobilityError: If it is missing, damaged or another one.
        """
        path = self.manifest.parent / f"{name}.parquet"
        try:
            if (digest := self.digests.get(name)) is not None and (changed := change_of(path, digest)) is not None:
                raise MobilityError(
                    f"{path}: must be the table {name!r} of the run that is replayed, and it {changed}; copy the folder again, or run it "
                    f"again: v2xsim run {in_command(self.manifest)}"
                )
            pq.read_metadata(path)
            return path
        except (OSError, pa.ArrowException):
            raise self._unreadable(name, path) from None

    def _unreadable(self, name: str, path: Path) -> MobilityError:
        return MobilityError(
            f"{path}: must be the table {name!r} of the run that is replayed, and it is missing or damaged; copy the folder again, or "
            f"run it again: v2xsim run {in_command(self.manifest)}"
        )


class RecordedMobility(Mobility):
    """The road users of a finished run, exactly as it recorded them, at its ticks.

    Args:
        recorded: Section of the scenario that names the run.
        run: Times of the new run; its ticks must be ticks that the former run recorded.
        names: Register of names of the new run. If it has the roadside units of the former run, all agent ids are the same.

    Raises:
        MobilityError: If the run recorded no states, or not at the ticks of the new run.
    """

    def __init__(self, recorded: Recorded, run: Run, names: Names) -> None:
        super().__init__(names)
        self._source = _Source(recorded.run)
        self._check_ticks(self._source.settings(), run)
        self._states = self._opened()
        self._agent_of = self._registered()

    @property
    def bounds(self) -> Bounds:
        """Rectangle around all positions."""
        return self._states.bounds

    def snapshot(self, time_us: int) -> Snapshot:
        """Return the road users that the run recorded at a tick."""
        before = self._states.snapshot(time_us)
        agent = self._agent_of[before.agent]
        order = np.argsort(agent, kind="stable")
        owner = np.argsort(order)[before.parts.owner]
        parts = np.argsort(owner, kind="stable")
        return Snapshot(
            time_us, agent[order], before.kind[order], before.boxes[order], before.velocity_mps[order],
            before.antenna_height_m[order], Bodies(before.parts.boxes[parts], owner[parts]),
        )  # fmt: skip

    def notices(self) -> tuple[Notice, ...]:
        """Return whether a program steered the run, and what the replay has of it."""
        text = replay_text(self._source.content)
        return () if text is None else (Notice("recorded.steered", 1, f"{self._source.manifest}: {text}"),)

    def roads(self) -> Roads:
        """Return the roads of the run."""
        return _roads_from(self._source.table("roads"))

    def _opened(self) -> RecordedStates:
        path = self._source.sound("states")
        parts = self._source.sound("parts") if self._source.has("parts") else None
        try:
            return RecordedStates(path, parts)
        except KeyError:
            raise MobilityError(
                f"{self._source.manifest.parent / 'states.parquet'}: must be the table 'states' of a run, and it holds other columns or words"
            ) from None

    def _check_ticks(self, former: dict[str, Any], run: Run) -> None:
        begin_us, step_us, duration_us = (
            round(former["run"][key] * 1e6) for key in ("begin_s", "step_s", "duration_s")
        )
        ticks_us = range(
            begin_us, begin_us + round(duration_us / step_us) * step_us, step_us * former["record"]["state_ticks"]
        )
        new_us = round(run.step_s * 1e6)
        first_us = round(run.begin_s * 1e6)
        last_us = first_us + (round(run.duration_s * 1e6 / new_us) - 1) * new_us
        if first_us not in ticks_us or last_us not in ticks_us or new_us % ticks_us.step:
            raise MobilityError(
                f"{self._source.manifest}: the run recorded states from {ticks_us[0] / 1e6:.12g} s to {ticks_us[-1] / 1e6:.12g} s every "
                f"{ticks_us.step / 1e6:.12g} s, and the new run has ticks from {first_us / 1e6:.12g} s to {last_us / 1e6:.12g} s every {new_us / 1e6:.12g} s; "
                "set run.begin_s, run.duration_s and run.step_s so that all of them were recorded"
            )

    def _registered(self) -> Int64[np.ndarray, " agents"]:
        """Enter the road users of the run into the register, and return the new agent id of each former one."""
        table = self._source.table("agents")
        former, names, kinds = (table.column(name).to_pylist() for name in ("agent", "name", "kind"))
        new = np.full(max(former, default=-1) + 1, -1, np.int64)
        for agent, name, kind in sorted(zip(former, names, kinds, strict=True)):
            if kind != _ROADSIDE:
                new[agent] = self.enter(name, "a road user", f"{self._source.manifest}")
        return new


def recorded_buildings(recorded: Recorded) -> Prisms:
    """Return the buildings of the run that is replayed; none if the scenario leaves them out."""
    return buildings_from(_Source(recorded.run).table("buildings")) if recorded.buildings else Prisms.none()


def _roads_from(table: pa.Table) -> Roads:
    if table.num_rows == 0:
        return Roads.none()
    number, name, kind, users, width_m, x_m, y_m = arrays_of(
        table, "road", "name", "kind", "users", "width_m", "x_m", "y_m"
    )
    first = np.flatnonzero(np.diff(number, prepend=-1))
    # Runs of earlier versions recorded no speed limits.
    has_limits = "limit_mps" in table.column_names
    limit_mps = arrays_of(table, "limit_mps")[0][first] if has_limits else np.full(len(first), np.nan)
    points_m: Float[np.ndarray, "points 2"] = np.column_stack([x_m, y_m])
    return Roads(
        tuple(name[first].tolist()), _codes(kind[first], ROAD_KINDS), _codes(users[first], ROAD_USERS), width_m[first],
        points_m, np.append(first, len(number)), limit_mps,
    )  # fmt: skip
