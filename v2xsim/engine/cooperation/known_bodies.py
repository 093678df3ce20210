"""The vehicles that stations know: those that announced themselves, and those that the stations detected themselves."""

from collections.abc import Sequence

import numpy as np

from v2xsim.comms.relay.hops import KnownBodies
from v2xsim.engine.stations.vicinity import Vicinities
from v2xsim.records import Boxes, Detections


def known_bodies(vicinities: Vicinities, detected: Sequence[tuple[int, Detections]]) -> KnownBodies:
    """Return the vehicles that each owner knows, where they are by now.

    A vehicle that announces itself and is detected too is in the result twice, at two slightly different positions.

    Args:
        vicinities: What each owner knows from announcements.
        detected: Capture time, on the owner's own clock, and detections of the newest frame of each owner, with velocities as far
            as known.
    """
    own, said = vicinities.own, vicinities.announced
    is_vehicle = said.is_vehicle[said.row]
    row, owner = said.row[is_vehicle], vicinities.owner_of[is_vehicle]
    center_m = np.column_stack([vicinities.position_m[is_vehicle], said.pose[row, 2]])
    seen, count = [Detections.none(), *(one for _, one in detected)], [len(one) for _, one in detected]
    joined = Detections.joined(seen)
    age_s = (own.stamp_us - np.array([stamp_us for stamp_us, _ in detected], np.int64)) * 1e-6
    moved_m = joined.boxes.center_m.copy()
    moved_m[:, :2] += joined.velocity_mps * np.repeat(age_s, count)[:, None]
    every_owner = np.concatenate([owner, np.repeat(np.arange(len(own)), count)])
    order = np.argsort(every_owner, kind="stable")
    boxes = Boxes(
        np.concatenate([center_m, moved_m])[order],
        np.concatenate([said.size_m[row], joined.boxes.size_m])[order],
        np.concatenate([said.pose[row, 3], joined.boxes.yaw_rad])[order],
    )
    velocity_mps = np.concatenate([said.velocity_mps[row], joined.velocity_mps])[order]
    announced = np.concatenate([np.ones(len(row), bool), np.zeros(len(joined), bool)])[order]
    return KnownBodies(
        np.searchsorted(every_owner[order], np.arange(len(own) + 1)).astype(np.int64), boxes, velocity_mps, announced
    )
