"""When each road user of a finished run was first seen by a lidar, and by how many stations (table `seen`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from v2xsim.evaluation.sightings import NEVER, SEEN_COLUMNS, Sightings
from v2xsim.opened.errors import NotRecordedError, OpenError
from v2xsim.opened.parts import PartTables


@dataclass(frozen=True)
class SeenUser:
    """A road user that came in range of a lidar of another station.

    Attributes:
        agent: Agent id.
        name: Name.
        in_range_s: First listed tick at which it was in range.
        seen_s: First listed tick at which one station had enough returns from it; None if none ever had.
        last_s: Last listed tick at which it was in range.
        by_nobody: Share of the listed ticks in range at which no station had a return from it, 0 to 1.
        by_one: The same for exactly one station.
        by_several: The same for two or more.
        stations: Mean number of stations with a return, over the ticks with at least one; NaN without such a tick.
    """

    agent: int
    name: str
    in_range_s: float
    seen_s: float | None
    last_s: float
    by_nobody: float
    by_one: float
    by_several: float
    stations: float


def seen_users(
    tables: PartTables, names: Mapping[int, str], manifest: Mapping[str, Any], folder: Path, least_points: int
) -> list[SeenUser]:
    """Return the road users of the table `seen`, in rising order of agent ids; arguments and errors as in `Run.first_seen`.

    Args:
        tables: Tables of the run.
        names: Names by agent id.
        manifest: Manifest of the run.
        folder: Folder of the run, for messages.
        least_points: Number of returns of one station from which on a road user counts as seen.
    """
    if isinstance(least_points, bool) or not isinstance(least_points, int) or least_points < 1:
        raise OpenError(f"{folder}: first_seen: least_points must be a whole number above 0, got {least_points!r}")
    if manifest["scenario"]["record"].get("seen_ticks") == 0:
        raise NotRecordedError(f"{folder}: this run did not record who saw whom; run it again with record.seen_ticks=1")
    sightings = Sightings(least_points)
    for group in tables.groups("seen", SEEN_COLUMNS):
        sightings.add(group)
    users = sightings.users
    return [
        SeenUser(
            agent, names.get(agent, str(agent)), first_us / 1e6, None if seen_us == NEVER else seen_us / 1e6, last_us / 1e6,
            nobody / (nobody + one + several), one / (nobody + one + several), several / (nobody + one + several),
            sights / (one + several) if one + several else float("nan"),
        )
        for agent, first_us, seen_us, last_us, (nobody, one, several), sights in zip(
            users.agent.tolist(), users.in_range_us.tolist(), users.seen_us.tolist(), users.last_us.tolist(), users.ticks.tolist(),
            users.sights.tolist(), strict=True,
        )
    ]  # fmt: skip
