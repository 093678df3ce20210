"""Tracks of vehicles at a fixed time step, with the parameters of their drivers.

A track is cut where the vehicle was absent or where SUMO teleported it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int8, Int64

SLACK_M = 1.0
FASTEST_RAD_PER_S = np.pi
"""If a body moves farther than its speed and turn explain by more than this, or turns faster than this, SUMO has moved it elsewhere.

SUMO moves bodies after a jam or at the end of a road. The track is cut there. A lane change is 0.5 m in half a second.
"""

WISHES = (
    "accel_mps2", "decel_mps2", "time_gap_s", "min_gap_m", "imperfection", "speed_factor", "max_speed_mps", "length_m", "width_m",
)  # fmt: skip
"""Stored parameters of a driver and its vehicle: in SUMO's words accel, decel, tau, minGap, sigma, speedFactor and so on."""


@dataclass(frozen=True)
class Drivers:
    """The drivers of vehicles, one per row.

    Attributes:
        kind: Class of the vehicle, a row of the catalogue of road users.
        style: Name of the style (v2xsim.datasets.motion.drivers); empty for vehicle types of a user's .sumocfg.
        model: Name of the car-following model; empty for vehicle types of a user's .sumocfg.
        wishes: Parameters of the driver; WISHES names the columns.
    """

    kind: Int8[np.ndarray, " drivers"]
    style: np.ndarray
    model: np.ndarray
    wishes: Float[np.ndarray, "drivers wishes"]

    def __getitem__(self, rows: np.ndarray) -> "Drivers":
        return Drivers(self.kind[rows], self.style[rows], self.model[rows], self.wishes[rows])


_FIELDS = ("pose", "offset", "begin_us", "agent", "network")
_DRIVER_FIELDS = tuple(field.name for field in fields(Drivers))


@dataclass(frozen=True)
class Tracks:
    """Tracks of vehicles, stored one after the other in arrays.

    Attributes:
        pose: x and y of the centre of the vehicle in metres and its yaw in radians, one row per pose.
        offset: Track t consists of the poses offset[t]:offset[t + 1].
        begin_us: Time of the first pose of each track.
        agent: Number of the vehicle in its run; a vehicle has several tracks if its track was cut.
        network: Name of the network of each track.
        drivers: Driver of each track.
    """

    pose: Float[np.ndarray, "rows 3"]
    offset: Int64[np.ndarray, " tracks_plus_1"]
    begin_us: Int64[np.ndarray, " tracks"]
    agent: Int64[np.ndarray, " tracks"]
    network: np.ndarray
    drivers: Drivers

    def __len__(self) -> int:
        return len(self.agent)


def cut(
    agent: Int64[np.ndarray, " rows"],
    step: Int64[np.ndarray, " rows"],
    pose: Float[np.ndarray, "rows 3"],
    speed_mps: Float[np.ndarray, " rows"],
    network: str,
    drivers: Drivers,
    step_us: int,
    begin_us: int,
    shortest: int,
) -> Tracks:
    """Return the tracks that the recorded poses of vehicles form.

    Args:
        agent: Vehicle of each pose, as a row of `drivers`.
        step: Number of the time step of each pose.
        pose: x and y in metres and yaw in radians of each pose.
        speed_mps: Speed at each pose, as SUMO reports it.
        network: Name of the network.
        drivers: Drivers of all vehicles.
        step_us: Length of a time step.
        begin_us: Time of step 0.
        shortest: Least number of poses of a track; shorter tracks are left out.
    """
    order = np.lexsort((step, agent))
    agent, step, pose, speed_mps = agent[order], step[order], pose[order], speed_mps[order]
    step_s = step_us * 1e-6
    way_m = np.hypot(*np.diff(pose[:, :2], axis=0).T)
    turn_rad = np.pi - np.abs(np.pi - np.abs(np.diff(pose[:, 2])))
    # SUMO reports the speed of the front bumper. The centre moves differently: it swings by up to half the length of the
    # vehicle when the vehicle turns.
    half_m = 0.5 * drivers.wishes[agent[1:], WISHES.index("length_m")]
    explained_m = np.maximum(speed_mps[1:], speed_mps[:-1]) * step_s + half_m * turn_rad
    leap = (way_m > explained_m + SLACK_M) | (turn_rad > FASTEST_RAD_PER_S * step_s)
    begins = np.ones(len(agent), bool)
    begins[1:] = (np.diff(agent) != 0) | (np.diff(step) != 1) | leap
    first = np.flatnonzero(begins)
    count = np.diff(np.append(first, len(agent)))
    kept = count >= shortest
    rows = np.repeat(kept, count)
    offset = np.concatenate([[0], np.cumsum(count[kept])]).astype(np.int64)
    owner = agent[first[kept]]
    return Tracks(
        pose[rows], offset, begin_us + step[first[kept]] * step_us, owner, np.full(len(owner), network), drivers[owner]
    )


def save(path: Path, tracks: Tracks) -> None:
    """Write tracks into an .npz file."""
    columns = {name: getattr(tracks, name) for name in _FIELDS}
    with path.open("wb") as stream:
        np.savez(stream, **columns, **{name: getattr(tracks.drivers, name) for name in _DRIVER_FIELDS})


def load(path: Path) -> Tracks:
    """Return the tracks of a file that `save` wrote."""
    with np.load(path, allow_pickle=False) as held:
        drivers = Drivers(held["kind"], held["style"], held["model"], held["wishes"])
        return Tracks(held["pose"], held["offset"], held["begin_us"], held["agent"], held["network"], drivers)


def joined(parts: Sequence[Tracks]) -> Tracks:
    """Return the tracks of several runs, one after the other; vehicles keep their numbers within their run."""
    before = np.cumsum([0, *(len(part.pose) for part in parts)])
    offset = [part.offset[1:] + rows for part, rows in zip(parts, before[:-1], strict=True)]
    columns = {name: np.concatenate([getattr(part.drivers, name) for part in parts]) for name in _DRIVER_FIELDS}
    return Tracks(
        np.concatenate([part.pose for part in parts]),
        np.concatenate([np.zeros(1, np.int64), *offset]),
        np.concatenate([part.begin_us for part in parts]),
        np.concatenate([part.agent for part in parts]),
        np.concatenate([part.network for part in parts]),
        Drivers(**columns),
    )
