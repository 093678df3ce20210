"""Lidar clouds of a finished run, cast again from the recorded states and the random streams of the run.

Nothing but the recorded tables, the scenario and the seed decides what a lidar measured, so the clouds are those of the run,
bit for bit.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from v2xsim.engine.cooperation.answers import sent_points
from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.fleet import Fleet
from v2xsim.engine.stations.frame import Frame
from v2xsim.engine.stations.roster import Roster
from v2xsim.engine.stations.sensing import Sensing
from v2xsim.engine.stations.station_errors import StationErrors
from v2xsim.engine.workers import Workers
from v2xsim.gpu.lidar.points import transform
from v2xsim.mobility.recorded import buildings_from
from v2xsim.opened.blocks import Instants
from v2xsim.opened.clouds import Cloud
from v2xsim.opened.errors import NotRecordedError, OpenError
from v2xsim.opened.parts import PartTables
from v2xsim.opened.truth import Truth
from v2xsim.records import PointCloud
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.spatial.poses import pose_matrix
from v2xsim.streams import NameKeys, Streams

# A fused cloud needs those of its helpers, and neighbouring frames have the same helpers.
_KEPT_CLOUDS = 16
# Number of ticks whose stations stay in memory. For an earlier tick, stations are computed again from the first tick on.
_KEPT_FLEETS = 1000


class Casting:
    """Casts the lidars of a finished run again.

    Args:
        scenario: Scenario of the run.
        tables: Tables of the run.
        truth: The recorded truth of every tick.
        names: Names of road users and roadside units, by agent id.
        draws_by_name: Whether the random draws of the run were made from names; before format 3, they were made from agent ids.
        folder: Folder of the run, for messages.
    """

    def __init__(
        self,
        scenario: Scenario,
        tables: PartTables,
        truth: Truth,
        names: Mapping[int, str],
        folder: Path,
        draws_by_name: bool = True,
    ) -> None:
        self._scenario, self._truth, self._names, self._folder = scenario, truth, names, folder
        keys = NameKeys()
        for agent, name in names.items():
            keys.add(agent, name)
        streams = Streams(scenario.run.seed, keys if draws_by_name else None)
        agent_of = {name: agent for agent, name in names.items()}
        self._new_roster = partial(Roster, scenario, streams, agent_of.__getitem__, names.__getitem__)
        self._roster = self._new_roster()
        self._sensing = Sensing(scenario, indexed(buildings_from(tables["buildings"])), streams, Workers(1))
        self._contributions = Instants(
            tables.parts("contributions"), ("frame_us", "ego"), ("helper", "capture_us", "points"), folder
        )
        step_us = round(scenario.run.step_s * 1e6)
        begin_us = round(scenario.run.begin_s * 1e6)
        self._ticks_us = range(begin_us, begin_us + round(scenario.run.duration_s * 1e6 / step_us) * step_us, step_us)
        self._next_us, self._fleets = begin_us, dict[int, Fleet]()
        self._cloud = lru_cache(_KEPT_CLOUDS)(self._cast)

    @property
    def ticks_us(self) -> range:
        """All ticks of the run."""
        return self._ticks_us

    def captured(self, time_us: int) -> list[tuple[Frame, Capture]]:
        """Return what every station with a lidar captured at a tick, placed by its true pose; the matrices of the run have its error of the pose."""
        fleet = self._fleet(time_us)
        exact = StationErrors(fleet.agent, time_us, np.zeros((len(fleet), 3)), np.zeros(len(fleet), np.int64))
        return self._sensing.begin(self._truth.snapshot(time_us), fleet, exact).result()

    def own(self, station: int, time_us: int) -> Cloud:
        """Return the cloud that a station captured at a tick.

        Raises:
            OpenError: If the station carried no lidar at this tick, or there was no tick.
        """
        cloud, believed = self._cloud(station, time_us), self._truth.believed(time_us, station)
        points_m = transform(np.ascontiguousarray(cloud.points_m, np.float64), pose_matrix(*believed))
        count = len(cloud)
        return Cloud(
            points_m, np.full(count, station, np.int64), cloud.object_id, np.full(count, time_us, np.int64), self._names,
            partial(self._own_intensity, station, time_us),
        )  # fmt: skip

    def fused(self, ego: int, time_us: int) -> Cloud:
        """Return an ego's own points, followed by those that it received and fused.

        Raises:
            NotRecordedError: If the fusion scheme of a plug-in made the cloud.
        """
        scheme = self._scenario.cooperation.fusion
        if scheme.file is not None:
            raise NotRecordedError(
                f"{self._folder}: the fused cloud of this frame was not recorded, and the fusion scheme {scheme.name!r} of {scheme.file} "
                "made it; run it again with a smaller record.clouds_every_s and a larger record.cloud_egos"
            )
        parts = [self.own(ego, time_us)]
        parts += [self._part(helper, capture_us, rows) for helper, capture_us, rows in self._received(ego, time_us)]
        return Cloud(
            np.concatenate([part.points_m for part in parts]),
            np.concatenate([part.source for part in parts]),
            np.concatenate([part.object for part in parts]),
            np.concatenate([part.time_us for part in parts]),
            self._names,
            partial(self.fused_intensity, ego, time_us, sum(len(part) for part in parts)),
        )

    def fused_intensity(self, ego: int, time_us: int, count: int) -> Float32[np.ndarray, " points"]:
        """Return the intensity of each point of an ego's fused cloud, recorded or not, in the order of its points.

        Args:
            ego: Agent id of the ego.
            time_us: Time of the capture.
            count: Number of points of the cloud. Those that the fusion scheme of a plug-in added have NaN, since they may be any.
        """
        own = self._own_intensity(ego, time_us)
        if self._scenario.cooperation.fusion.file is not None:
            return np.concatenate([own, np.full(count - len(own), np.nan, np.float32)])
        parts = [self._own_intensity(helper, at_us)[rows] for helper, at_us, rows in self._received(ego, time_us)]
        return np.concatenate([own, *parts])

    def _received(self, ego: int, time_us: int) -> list[tuple[int, int, Int64[np.ndarray, " points"]]]:
        """Return helper, time of capture, and point numbers in the helper's cloud of the data that an ego fused."""
        received_data = self._contributions.at(time_us)
        helpers, captures_us, points = received_data.columns(received_data.rows(ego), "helper", "capture_us", "points")
        received = []
        for helper, capture_us, point_row in zip(helpers.tolist(), captures_us.tolist(), points, strict=True):
            if len(point_row):
                rows = np.asarray(point_row, np.int64)
                # The ego knows its own body and removes the points on it.
                received.append((helper, capture_us, rows[self._cloud(helper, capture_us).object_id[rows] != ego]))
        return received

    def _part(self, helper: int, capture_us: int, rows: Int64[np.ndarray, " points"]) -> Cloud:
        cloud, believed = self._cloud(helper, capture_us), self._truth.believed(capture_us, helper)
        count = len(rows)
        return Cloud(
            sent_points(cloud.points_m[rows], believed), np.full(count, helper, np.int64), cloud.object_id[rows],
            np.full(count, capture_us, np.int64), self._names,
        )  # fmt: skip

    def _own_intensity(self, station: int, time_us: int) -> Float32[np.ndarray, " points"]:
        fleet = self._fleet(time_us)
        return self._sensing.intensity(
            self._cloud(station, time_us), self._truth.snapshot(time_us), fleet, fleet.index(station)
        )

    def _cast(self, station: int, time_us: int) -> PointCloud:
        fleet = self._fleet(time_us)
        row = fleet.index(station)
        if row < 0 or fleet.lidars[row] == 0:
            raise OpenError(
                f"{self._folder}: {self._names.get(station, station)!r} must carry a lidar at {time_us * 1e-6:.12g} s, and it carries none then "
                "(table stations)"
            )
        return self._sensing.cloud(self._truth.snapshot(time_us), fleet, row)

    def _fleet(self, time_us: int) -> Fleet:
        """Return the stations at a tick; who is one depends on all ticks before."""
        if time_us not in self._ticks_us:
            raise OpenError(
                f"{self._folder}: time must be that of a tick, got {time_us * 1e-6:.12g} s; ticks are from {self._ticks_us[0] * 1e-6:.12g} s "
                f"to {self._ticks_us[-1] * 1e-6:.12g} s every {self._ticks_us.step * 1e-6:.12g} s"
            )
        if time_us not in self._fleets:
            self._follow_to(time_us)
        return self._fleets[time_us]

    def _follow_to(self, time_us: int) -> None:
        """Choose the stations of all ticks up to one. If a later tick was reached before, start again at the first tick."""
        if time_us < self._next_us:
            self._roster, self._next_us = self._new_roster(), self._ticks_us.start
        while self._next_us <= time_us:
            self._fleets[self._next_us] = self._roster.update(self._truth.snapshot(self._next_us))
            self._next_us += self._ticks_us.step
            if len(self._fleets) > _KEPT_FLEETS:
                del self._fleets[next(iter(self._fleets))]


def check_device(device: str, folder: Path) -> None:
    """Check that lidars can be cast here as a run cast them: a GPU and a processor round differently.

    Raises:
        NotRecordedError: If the run cast its lidars on a GPU, and there is none here.
    """
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise NotRecordedError(
            f"{folder}: this run cast its lidars on a GPU (run.device: {device}), and torch finds none here, so only recorded clouds can be "
            "read; cast the others on a machine with a GPU, or replay the run with run.device=cpu"
        )
