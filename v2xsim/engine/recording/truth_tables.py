"""The truth at each tick: every road user and every station, as rows of the tables `states` and `stations`."""

import numpy as np

from v2xsim.engine.instant import Instant
from v2xsim.records import PART_NAMES
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema import Record
from v2xsim.world.road_users import KINDS


class TruthTables:
    """Records the true state of all road users, and the true and the believed pose of all stations, at every n-th tick.

    All numbers keep the 64 bits of the simulation, so that the run can be evaluated and cast again without any difference.

    Args:
        tables: Tables of the run.
        record: What the scenario records.
        begin_us: Simulated time of the first tick, which is always recorded.
        step_us: Time between two ticks.
    """

    def __init__(self, tables: dict[str, Columns], record: Record, begin_us: int, step_us: int) -> None:
        self._states, self._parts, self._stations = tables["states"], tables["parts"], tables["stations"]
        self._is_on = record.states
        self._begin_us, self._period_us = begin_us, record.state_ticks * step_us

    def add(self, instant: Instant) -> None:
        """Record a tick, if its number is a multiple of `record.state_ticks`."""
        if not self._is_on or (instant.time_us - self._begin_us) % self._period_us:
            return
        self._add_road_users(instant)
        self._add_parts(instant)
        self._add_stations(instant)

    def _add_road_users(self, instant: Instant) -> None:
        snapshot = instant.snapshot
        center_m, size_m, velocity_mps = snapshot.boxes.center_m, snapshot.boxes.size_m, snapshot.velocity_mps
        self._states.add(
            time_us=instant.time_us, agent=snapshot.agent, kind=Coded(snapshot.kind, KINDS), x_m=center_m[:, 0],
            y_m=center_m[:, 1], z_m=center_m[:, 2], yaw_rad=snapshot.boxes.yaw_rad, vx_mps=velocity_mps[:, 0],
            vy_mps=velocity_mps[:, 1], length_m=size_m[:, 0], width_m=size_m[:, 1], height_m=size_m[:, 2],
        )  # fmt: skip

    def _add_parts(self, instant: Instant) -> None:
        parts = instant.snapshot.parts
        if len(parts) == 0:
            return
        center_m, size_m = parts.boxes.center_m, parts.boxes.size_m
        self._parts.add(
            time_us=instant.time_us, agent=instant.snapshot.agent[parts.owner],
            part=Coded(parts.is_rear.astype(np.int8), PART_NAMES), x_m=center_m[:, 0], y_m=center_m[:, 1], z_m=center_m[:, 2],
            yaw_rad=parts.boxes.yaw_rad, length_m=size_m[:, 0], width_m=size_m[:, 1], height_m=size_m[:, 2],
        )  # fmt: skip

    def _add_stations(self, instant: Instant) -> None:
        fleet = instant.fleet
        pose, believed, antenna_m = fleet.pose, instant.errors.applied_to(fleet.pose), fleet.antenna_m[:, 2]
        self._stations.add(
            time_us=instant.time_us, station=fleet.agent, x_m=pose[:, 0], y_m=pose[:, 1], z_m=pose[:, 2],
            yaw_rad=pose[:, 3], believed_x_m=believed[:, 0], believed_y_m=believed[:, 1], believed_yaw_rad=believed[:, 3],
            vx_mps=fleet.velocity_mps[:, 0], vy_mps=fleet.velocity_mps[:, 1], antenna_m=antenna_m, lidars=fleet.lidars,
            ego=fleet.ego,
        )  # fmt: skip
