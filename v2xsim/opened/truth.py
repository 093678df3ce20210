"""The recorded truth: the road users and the stations at each tick, with every digit of the run."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from v2xsim.mobility.recorded import PART_COLUMNS, STATE_COLUMNS, snapshot_of
from v2xsim.opened.blocks import Instants
from v2xsim.opened.errors import NotRecordedError, OpenError
from v2xsim.opened.manifest import setting
from v2xsim.opened.parts import Parts
from v2xsim.world.snapshot import Snapshot

_STATION_COLUMNS = (
    "x_m", "y_m", "z_m", "yaw_rad", "believed_x_m", "believed_y_m", "believed_yaw_rad", "vx_mps", "vy_mps",
)  # fmt: skip


class Truth:
    """The road users and the stations at each recorded tick of a run.

    Args:
        parts: Function that returns the row groups of a table of the run.
        folder: Folder of the run, for messages.
        has_parts: Whether the run has the table `parts`, which came with format 3.
    """

    def __init__(self, parts: Callable[[str], Parts], folder: Path, has_parts: bool = True) -> None:
        self._folder = folder
        self._parts = Instants(parts("parts"), ("time_us", "agent"), PART_COLUMNS, folder) if has_parts else None
        self._states = Instants(parts("states"), ("time_us", "agent"), STATE_COLUMNS, folder)
        self._stations = Instants(parts("stations"), ("time_us", "station"), _STATION_COLUMNS, folder)
        self._snapshot_at = lru_cache(2)(self._snapshot)

    def snapshot(self, time_us: int) -> Snapshot:
        """Return all road users at a tick, as the run had them."""
        return self._snapshot_at(time_us)

    def stations(self, time_us: int) -> list[int]:
        """Return the agent ids of all stations at a tick."""
        return self._stations.at(time_us).stations

    def pose(self, time_us: int, station: int) -> Float[np.ndarray, " 4"]:
        """Return the true x, y, z and yaw of a station at a tick."""
        return self._row(time_us, station, "x_m", "y_m", "z_m", "yaw_rad")

    def believed(self, time_us: int, station: int) -> Float[np.ndarray, " 4"]:
        """Return the x, y, z and yaw that a station believed at a tick; the height has no error."""
        return self._row(time_us, station, "believed_x_m", "believed_y_m", "z_m", "believed_yaw_rad")

    def velocity_mps(self, time_us: int, station: int) -> Float[np.ndarray, " 2"]:
        """Return the true velocity of a station over ground at a tick."""
        return self._row(time_us, station, "vx_mps", "vy_mps")

    def _snapshot(self, time_us: int) -> Snapshot:
        parts = None if self._parts is None else self._parts.at(time_us).column
        return snapshot_of(time_us, self._states.at(time_us).column, parts)

    def _row(self, time_us: int, station: int, *names: str) -> np.ndarray:
        stations = self._stations.at(time_us)
        rows = stations.rows(station)
        if rows.stop == rows.start:
            raise OpenError(
                f"{self._folder}: must have a station {station} at {time_us * 1e-6:.12g} s in its table stations; the tables are not of one run"
            )
        row: np.ndarray = stations.matrix(rows, *names)[0]
        return row


def check_recorded(manifest: Mapping[str, Any], folder: Path, purpose: str) -> None:
    """Check that a run recorded the states of every tick.

    Args:
        manifest: Manifest of the run.
        folder: Folder of the run, for messages.
        purpose: What the states are needed for, such as "to evaluate it again".

    Raises:
        NotRecordedError: If the run recorded no states, or not those of every tick.
    """
    check_any_recorded(manifest, folder, purpose)
    every = setting(manifest, "record.state_ticks")
    if every != 1:
        raise NotRecordedError(
            f"{folder}: this run recorded the states of one tick in {every}, and those of every tick are needed {purpose}; "
            "run it again with record.state_ticks=1"
        )


def check_replayable(manifest: Mapping[str, Any], folder: Path, step_s: float | None) -> None:
    """Check that a run recorded the states of every tick of a replay.

    Args:
        manifest: Manifest of the run.
        folder: Folder of the run, for messages.
        step_s: Time step of the replay; None for that of the run.

    Raises:
        NotRecordedError: If the run recorded no states, or not those of every tick of the replay.
    """
    check_any_recorded(manifest, folder, "to replay its traffic")
    step_us, every = round(setting(manifest, "run.step_s") * 1e6), setting(manifest, "record.state_ticks")
    wanted_us = step_us if step_s is None else round(step_s * 1e6)
    if wanted_us < 1 or wanted_us % (every * step_us):
        raise NotRecordedError(
            f"{folder}: this run recorded states every {every * step_us * 1e-6:.12g} s, and the replay has a step of {wanted_us * 1e-6:.12g} s; "
            f"replay it with a multiple, such as replay(step_s={every * step_us * 1e-6:.12g}), or run it again with record.state_ticks=1"
        )


def check_any_recorded(manifest: Mapping[str, Any], folder: Path, purpose: str) -> None:
    """Check that a run recorded states at all; arguments and error as in `check_recorded`."""
    if not setting(manifest, "record.states"):
        raise NotRecordedError(
            f"{folder}: this run recorded no states, which are needed {purpose}; run it again with record.states=true"
        )
