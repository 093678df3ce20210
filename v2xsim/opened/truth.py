"""The recorded truth: the road users and the stations at each tick, with every digit of the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int8

from v2xsim.opened.blocks import Blocks
from v2xsim.opened.errors import NotRecordedError, OpenError
from v2xsim.opened.manifest import setting
from v2xsim.records import Boxes
from v2xsim.world.road_users import KINDS, antenna_height_m
from v2xsim.world.snapshot import Snapshot


class Truth:
    """The road users and the stations at each recorded tick of a run.

    Args:
        tables: Tables of the run.
        folder: Folder of the run, for messages.
    """

    def __init__(self, tables: Mapping[str, pa.Table], folder: Path) -> None:
        self._folder = folder
        self._states = Blocks(tables["states"], ("time_us",), folder)
        self._stations = Blocks(tables["stations"], ("time_us", "station"), folder)
        self._kind = _codes(self._states.column("kind"))
        self._latest = Snapshot.none(-1)

    def snapshot(self, time_us: int) -> Snapshot:
        """Return all road users at a tick, as the run had them."""
        # Several egos have a frame of one tick.
        if self._latest.time_us != time_us:
            self._latest = self._snapshot(time_us)
        return self._latest

    def _snapshot(self, time_us: int) -> Snapshot:
        rows = self._states.rows(time_us)
        if rows.stop == rows.start:
            return Snapshot.none(time_us)
        agent, yaw_rad = self._states.columns(rows, "agent", "yaw_rad")
        kind = self._kind[rows]
        size_m = self._states.matrix(rows, "length_m", "width_m", "height_m")
        boxes = Boxes(self._states.matrix(rows, "x_m", "y_m", "z_m"), size_m, yaw_rad)
        velocity_mps = self._states.matrix(rows, "vx_mps", "vy_mps")
        return Snapshot(time_us, agent, kind, boxes, velocity_mps, antenna_height_m(kind, size_m[:, 2]))

    def pose(self, time_us: int, station: int) -> Float[np.ndarray, " 4"]:
        """Return the true x, y, z and yaw of a station at a tick."""
        return self._row(time_us, station, "x_m", "y_m", "z_m", "yaw_rad")

    def believed(self, time_us: int, station: int) -> Float[np.ndarray, " 4"]:
        """Return the x, y, z and yaw that a station believed at a tick; the height has no error."""
        return self._row(time_us, station, "believed_x_m", "believed_y_m", "z_m", "believed_yaw_rad")

    def velocity_mps(self, time_us: int, station: int) -> Float[np.ndarray, " 2"]:
        """Return the true velocity of a station over ground at a tick."""
        return self._row(time_us, station, "vx_mps", "vy_mps")

    def _row(self, time_us: int, station: int, *names: str) -> np.ndarray:
        rows = self._stations.rows(time_us, station)
        if rows.stop == rows.start:
            raise OpenError(
                f"{self._folder}: must have a station {station} at {time_us * 1e-6:g} s in its table stations; the tables are not of one run"
            )
        row: np.ndarray = self._stations.matrix(rows, *names)[0]
        return row


def _codes(kinds: np.ndarray) -> Int8[np.ndarray, " rows"]:
    """Return the row in the vehicle catalogue of each name of a class."""
    names, codes = np.unique(kinds.astype(str), return_inverse=True)
    return np.array([KINDS.index(name) for name in names.tolist()], np.int8)[codes]


def check_recorded(manifest: Mapping[str, Any], folder: Path, purpose: str) -> None:
    """Check that a run recorded the states of every tick.

    Args:
        manifest: Manifest of the run.
        folder: Folder of the run, for messages.
        purpose: What the states are needed for, such as "to evaluate it again".

    Raises:
        NotRecordedError: If the run recorded no states, or not those of every tick.
    """
    if not setting(manifest, "record.states"):
        raise NotRecordedError(
            f"{folder}: this run recorded no states, which are needed {purpose}; run it again with record.states=true"
        )
    every = setting(manifest, "record.state_ticks")
    if every != 1:
        raise NotRecordedError(
            f"{folder}: this run recorded the states of one tick in {every}, and those of every tick are needed {purpose}; "
            "run it again with record.state_ticks=1"
        )
