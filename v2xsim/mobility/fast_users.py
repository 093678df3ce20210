"""Road users that are faster than those of their class usually are, and refusal of speeds that nobody can reach."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.mobility.base import MobilityError, counted
from v2xsim.notices import Notice
from v2xsim.world.top_speeds import MOST_MPS, TOP_SPEEDS, USUAL_MPS, impossible_speed, with_article


class FastUsers:
    """Notes the road users that are faster than usual, instant by instant.

    Args:
        source: Name of the traffic, for messages.
        name_of: Function that returns the name of a road user.
        if_pedestrian: Further advice about a pedestrian with an impossible speed, for the message of the error.
    """

    def __init__(self, source: str, name_of: Callable[[int], str], if_pedestrian: str = "") -> None:
        self._source, self._name_of, self._if_pedestrian = source, name_of, if_pedestrian
        # Time and class of each fast road user where it was first fast, and its highest speed.
        self._first: dict[int, tuple[int, int]] = {}
        self._fastest_mps: dict[int, float] = {}

    def note(
        self,
        time_us: int,
        agent: Int64[np.ndarray, " users"],
        row: Int64[np.ndarray, " users"],
        speed_mps: Float[np.ndarray, " users"],
    ) -> None:
        """Note the road users at one instant.

        Args:
            time_us: The instant.
            agent: Agent id of each road user.
            row: Row of each road user in `TOP_SPEEDS`.
            speed_mps: Speed of each road user; NaN if it is not known.

        Raises:
            MobilityError: If a speed is impossible.
        """
        speed_mps = np.abs(speed_mps)
        fast = np.flatnonzero(speed_mps > USUAL_MPS[row])
        for user in fast[speed_mps[fast] > MOST_MPS[row[fast]]].tolist():
            raise MobilityError(
                f"{self._source}: at {time_us / 1e6:.12g} s: the speed of {self._name_of(int(agent[user]))!r} must be wrong: "
                f"{impossible_speed(float(speed_mps[user]), int(row[user]))}; correct its speed, which must be in m/s (km/h "
                "divided by 3.6), or its type" + self._if_pedestrian * (TOP_SPEEDS[row[user]].name == "pedestrian")
            )
        for user in fast.tolist():
            known = int(agent[user])
            self._first.setdefault(known, (time_us, int(row[user])))
            self._fastest_mps[known] = max(self._fastest_mps.get(known, 0.0), float(speed_mps[user]))

    def notices(self, subject: str = "traffic.fast", left_out: str = "") -> tuple[Notice, ...]:
        """Return the notice about road users that are faster than usual.

        Args:
            subject: Subject of the notice.
            left_out: Name of the class in `TOP_SPEEDS` that another notice reports.
        """
        users = [user for user, (_, row) in self._first.items() if TOP_SPEEDS[row].name != left_out]
        if not users:
            return ()
        time_us, row = self._first[users[0]]
        top, fastest = TOP_SPEEDS[row], max(users, key=lambda user: self._fastest_mps[user])
        text = (
            f"{self._source}: {counted(len(users), 'road user')} faster than usual, first {self._name_of(users[0])!r} at "
            f"{time_us / 1e6:.12g} s ({with_article(top.name)}, usually at most {top.usual_mps:g} m/s); the fastest is "
            f"{self._name_of(fastest)!r} with {self._fastest_mps[fastest]:.4g} m/s; speeds are in m/s (km/h divided by 3.6)"
        )
        return (Notice(subject, len(users), text),)
