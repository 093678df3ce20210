"""Vehicles of two parts: where the hitch is, and which vehicles have one by default.

A semi-trailer truck of 16.5 m and an articulated bus of 18.75 m are the longest of their kind in the EU (Directive 96/53/EC, annex
I, as amended: 16.5 m for an articulated vehicle, 18.75 m for an articulated bus, 12 m for a single lorry, 15 m for a bus with
three axles). The same annex has at most 12 m from the kingpin to the rear of a semi-trailer, and 2.04 m from the kingpin to any
point of its front. So a semi-trailer of 13.6 m begins 1.6 m in front of its kingpin, and the kingpin is 4.5 m behind the bumper.

Assumptions, between the drawings of manufacturers: the axles of a semi-trailer are at 64 % of the way from the kingpin to the tail
(7.7 of 12 m); an articulated bus turns at 59 % of its length (10.6 of 18 m), its last axle is at 55 % of its rear part, and the
axle in front of the joint is 1.9 m from it; the joint of a bus turns by 54 degrees at most, and a trailer by 90.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from v2xsim.errors import UserError
from v2xsim.scenario.schema_world import Trailer
from v2xsim.world.road_users import BUS, TRUCK

SHORTEST_M = 15.0
"""A vehicle that is not longer is one body, unless the scenario gives its parts."""

LONGEST_M = {TRUCK: 25.25, BUS: 18.75}
"""Longest vehicle with one joint, as it is built here: the longest lorry of the European modular system, and the longest bus with one
joint. What is longer has more joints, or rails."""

WIDEST_M = 2.601
"""A wider body is a ship, an aircraft or a train: 2.55 m, and 2.60 m with thermal insulation (Directive 96/53/EC)."""

_KINGPIN_M, _TRAILER_FRONT_M = 4.5, 2.9
_TRAILER_AXLE, _BUS_AXLE, _BUS_JOINT, _BUS_AXLE_TO_JOINT_M = 0.64, 0.55, 0.59, 1.9
_SHORTEST_FRONT_M = 0.5
_TRAILER_MOST_RAD, _BUS_MOST_RAD = math.radians(90.0), math.radians(54.0)


@dataclass(frozen=True)
class TwoParts:
    """The parts of a vehicle; distances are along its axis while the parts are in line, from the front bumper if not given else.

    Attributes:
        hitch_m: Distance of the joint from the front bumper.
        front_axle_m: Distance of the rear axle of the front part from the front bumper.
        rear_m: Length of the rear part.
        rear_axle_m: Distance of the axle of the rear part (the middle one of a group) from the joint.
        most_rad: Largest angle of the joint.
        front_height_m: Height of the front part; None for that of the whole vehicle.
    """

    hitch_m: float
    front_axle_m: float
    rear_m: float
    rear_axle_m: float
    most_rad: float = _TRAILER_MOST_RAD
    front_height_m: float | None = None

    def ahead_m(self, length_m: float) -> float:
        """Return how far the rear part reaches in front of the joint; negative for one on a drawbar."""
        return self.hitch_m + self.rear_m - length_m

    def front_m(self, length_m: float, width_m: float) -> float:
        """Return the length of the box of the front part: up to the circle on which the front corners of the rear part turn.

        What lies below the front of a semi-trailer is no box of its own.
        """
        ahead_m = self.ahead_m(length_m)
        if ahead_m <= 0.0:
            return min(self.hitch_m, length_m - self.rear_m)
        return self.hitch_m - math.hypot(ahead_m, width_m / 2)


def usual_parts(kind: int, length_m: float, width_m: float) -> TwoParts | None:
    """Return the parts that a vehicle of a kind and a size usually has; None if it is one body."""
    if not (SHORTEST_M < length_m <= LONGEST_M.get(kind, 0.0) and width_m <= WIDEST_M):
        return None
    return semi_trailer(length_m) if kind == TRUCK else articulated_bus(length_m)


def semi_trailer(length_m: float) -> TwoParts:
    """Return the parts of a tractor with a semi-trailer; the length is that of both."""
    # The kingpin is over the driven axle, or up to about half a metre in front of it.
    return TwoParts(_KINGPIN_M, _KINGPIN_M, length_m - _TRAILER_FRONT_M, _TRAILER_AXLE * (length_m - _KINGPIN_M))


def articulated_bus(length_m: float) -> TwoParts:
    """Return the parts of an articulated bus."""
    hitch_m = _BUS_JOINT * length_m
    rear_m = length_m - hitch_m
    return TwoParts(hitch_m, hitch_m - _BUS_AXLE_TO_JOINT_M, rear_m, _BUS_AXLE * rear_m, _BUS_MOST_RAD)


def given_parts(
    trailer: Trailer | str, kind: int, size_m: Sequence[float], name: str, key: str = "traffic.script"
) -> TwoParts | None:
    """Return the parts of a road user as the scenario gives them; None for one body.

    Args:
        trailer: Value of the key `trailer`: the rear part, or the word for one body.
        kind: Class of the road user.
        size_m: Length, width and height of the whole.
        name: Name of the road user, for messages.
        key: Key of the scenario that gives them, for messages.

    Raises:
        UserError: If the parts do not fit the length of the whole.
    """
    if isinstance(trailer, str):
        return None
    length_m, width_m, height_m = (float(side_m) for side_m in size_m)
    hitch_m, rear_m = trailer.hitch_m, trailer.length_m
    to_tail_m = length_m - hitch_m
    parts = TwoParts(
        hitch_m, trailer.front_axle_m or hitch_m, rear_m, trailer.axle_m or _TRAILER_AXLE * to_tail_m,
        _BUS_MOST_RAD if kind == BUS else _TRAILER_MOST_RAD, trailer.front_height_m,
    )  # fmt: skip
    front_m = parts.front_m(length_m, width_m) if rear_m < length_m and to_tail_m > 0.0 else 0.0
    if front_m < _SHORTEST_FRONT_M:
        raise UserError(
            f"{key}: trailer of {name!r}: must leave a front part of at least {_SHORTEST_FRONT_M:g} m before the circle on which its front "
            f"turns; a body of {length_m:g} m with a rear part of {rear_m:g} m and a hitch at {hitch_m:g} m leaves {front_m:.3g} m; the size "
            "of the road user is that of both parts in line, and length_m that of the rear part"
        )
    if parts.rear_axle_m > to_tail_m:
        raise UserError(
            f"{key}: trailer of {name!r}: axle_m must not be behind the tail, which is {to_tail_m:g} m behind the joint, got {trailer.axle_m:g} m; "
            "axle_m is the distance from the joint back to the axle of the rear part"
        )
    if parts.front_axle_m > hitch_m + parts.rear_axle_m:
        raise UserError(
            f"{key}: trailer of {name!r}: front_axle_m must not be behind the axle of the rear part, which is {hitch_m + parts.rear_axle_m:g} m behind "
            f"the front bumper, got {parts.front_axle_m:g} m; front_axle_m is the distance of the front part's rear axle from the front bumper"
        )
    if trailer.front_height_m is not None and trailer.front_height_m > height_m:
        raise UserError(
            f"{key}: trailer of {name!r}: front_height_m must not be above the height of the whole, {height_m:g} m, got "
            f"{trailer.front_height_m:g} m"
        )
    return parts
