"""The links of a finished run at recorded ticks, as graphs: the same as those of the stepped run."""

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from v2xsim.comms.pairs import kept_rows
from v2xsim.engine.stations.antennas import Antennas
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.evaluation.metric import arrays_of
from v2xsim.link_graph import HeardRows, LinkRows, LinkScene, StationRows, link_graph
from v2xsim.mobility.recorded import buildings_from
from v2xsim.opened.errors import NotRecordedError, OpenError
from v2xsim.opened.manifest import setting
from v2xsim.opened.parts import PartTables, rows_at
from v2xsim.opened.truth import Truth, check_any_recorded
from v2xsim.records import LINK_STATE_NAMES, Obstacles
from v2xsim.run_arguments import is_number
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.world.road_users import KINDS
from v2xsim.world.snapshot import Snapshot

if TYPE_CHECKING:
    import networkx as nx

_POSE, _BELIEVED = ("x_m", "y_m", "z_m", "yaw_rad"), ("believed_x_m", "believed_y_m", "believed_yaw_rad")


class LinkScenes:
    """Makes the graphs of the links of a run.

    Args:
        folder: Folder of the run, for messages.
        manifest: Manifest of the run.
        tables: Tables of the run.
        truth: The recorded road users of each tick.
        names: Names of road users and roadside units, by agent id.
        scenario: Scenario of the run.
        until_us: Time before which the tables have all rows; None if the run has ended.

    Raises:
        NotRecordedError: If the run recorded no links or no states.
    """

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], tables: PartTables, truth: Truth, names: Mapping[int, str],
        scenario: Scenario, until_us: int | None,
    ) -> None:  # fmt: skip
        self._folder, self._tables, self._truth, self._names = folder, tables, truth, names
        self._scenario = scenario
        self._antennas = Antennas(scenario.stations.antennas, names.__getitem__)
        check_any_recorded(manifest, folder, "for the graph of its links")
        self._every = {key: setting(manifest, key) for key in ("record.link_ticks", "record.state_ticks")}
        if not self._every["record.link_ticks"]:
            raise NotRecordedError(
                f"{folder}: this run recorded no links, which are needed for their graph; run it again with record.link_ticks=1"
            )
        step_us, begin_us, duration_us = (
            round(setting(manifest, f"run.{key}") * 1e6) for key in ("step_s", "begin_s", "duration_s")
        )
        end_us = begin_us + max(round(duration_us / step_us), 1) * step_us
        self._ticks_us = range(begin_us, end_us if until_us is None else min(end_us, until_us), step_us)

    def graph(self, time_s: float) -> "nx.DiGraph[str]":
        """Return the graph of a tick; arguments and errors as in `v2xsim.opened.run.Run.graph`."""
        return link_graph(self._scene(self._checked(time_s)), self._names.__getitem__)

    def _checked(self, time_s: float) -> int:
        """Return the time of a tick in microseconds, if links and states were recorded at it."""
        if not is_number(time_s) or not math.isfinite(time_s):
            raise OpenError(f"{self._folder}: time_s must be the traffic time of a tick in seconds, got {time_s!r}")
        time_us, ticks_us = round(time_s * 1e6), self._ticks_us
        recorded_us = ticks_us[:: math.lcm(*self._every.values())]
        given = f"{self._folder}: time_s must be that of a recorded tick, got {time_us / 1e6:.12g} s"
        if not len(recorded_us):
            raise NotRecordedError(f"{given}, and this run has not written any tick yet; open it again later")
        listed = (
            f"links and states were recorded from {recorded_us[0] / 1e6:.12g} s to {recorded_us[-1] / 1e6:.12g} s every "
            f"{recorded_us.step / 1e6:.12g} s"
        )
        if time_us in recorded_us:
            return time_us
        if time_us not in ticks_us:
            raise OpenError(f"{given}; {listed}")
        settings = ", ".join(f"{key}: {every}" for key, every in self._every.items())
        raise NotRecordedError(
            f"{given}; {listed} ({settings}); run it again with record.link_ticks=1 and record.state_ticks=1"
        )

    def _scene(self, time_us: int) -> LinkScene:
        snapshot = self._truth.snapshot(time_us)
        columns = ("station", *_POSE, *_BELIEVED, "vx_mps", "vy_mps", "antenna_m", "lidars", "ego")
        column = dict(zip(columns, self._columns("stations", time_us, columns), strict=True))
        fleet = self._fleet(column, snapshot)
        stations = StationRows(
            fleet.agent, fleet.pose, np.column_stack([column[name] for name in _BELIEVED]), fleet.velocity_mps,
            fleet.antenna_m, fleet.lidars, fleet.ego,
        )  # fmt: skip
        links = self._links(time_us, fleet.agent)
        return LinkScene(
            time_us, stations, links, self._heard(time_us), snapshot, self._obstacles, self._scenario
        )  # fmt: skip

    def _fleet(self, column: Mapping[str, np.ndarray], snapshot: Snapshot) -> Fleet:
        """Return the stations of a tick; their antennas are put where the run had them, and their rigs are left out.

        Args:
            column: Columns of the table `stations`, by name.
            snapshot: All road users at the tick.
        """
        agent, pose = column["station"], np.column_stack([column[name] for name in _POSE])
        row, carrier, count = kept_rows(snapshot.agent, agent), pose.copy(), len(agent)
        vehicles = np.flatnonzero(row >= 0)
        carriers = snapshot.carriers[row[vehicles]]
        carrier[vehicles] = np.column_stack([carriers.center_m, carriers.yaw_rad])
        fleet = Fleet(
            agent, row, pose, np.column_stack([column["vx_mps"], column["vy_mps"]]),
            np.column_stack([carrier[:, :2], column["antenna_m"]]), np.zeros(count), column["lidars"].astype(np.int64), np.zeros(count, np.int64),
            column["ego"], carrier, np.zeros(count, bool),
        )  # fmt: skip
        kinds = snapshot.kind[row[vehicles]].tolist()
        named = {one: KINDS[kind] for one, kind in zip(agent[vehicles].tolist(), kinds, strict=True)}
        self._antennas.place(fleet, named, snapshot.carriers)
        return fleet

    def _links(self, time_us: int, agent: np.ndarray) -> LinkRows:
        names = ("a", "b", "distance_m", "state", "loss_db", "shadowing_db", "power_dbm")
        a, b, distance_m, state, loss_db, shadowing_db, power_dbm = self._columns("links", time_us, names)
        if not np.isin(np.concatenate([a, b]), agent).all():
            raise OpenError(
                f"{self._folder}: must have the stations of its table links at {time_us / 1e6:.12g} s in its table stations; the tables are not "
                "of one run"
            )
        first, second = np.searchsorted(agent, a), np.searchsorted(agent, b)
        codes = np.array([LINK_STATE_NAMES.index(name) for name in state.tolist()], np.int8)
        return LinkRows(first, second, distance_m, codes, loss_db, shadowing_db, power_dbm)

    def _heard(self, time_us: int) -> HeardRows:
        return HeardRows(*self._columns("heard", time_us, HeardRows._fields))

    def _columns(self, table: str, time_us: int, names: tuple[str, ...]) -> list[np.ndarray]:
        return list(arrays_of(rows_at(self._tables.parts(table), "time_us", time_us), *names))

    @cached_property
    def _obstacles(self) -> Obstacles:
        return indexed(buildings_from(self._tables["buildings"]))
