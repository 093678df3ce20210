"""The places of antennas that a scenario gives (`stations.antennas`), on the bodies of the vehicles that are stations."""

import math
from collections.abc import Callable

import numpy as np

from v2xsim.engine.stations.fleet import Fleet
from v2xsim.notices import Notice
from v2xsim.records import Boxes
from v2xsim.scenario.schema_stations import Antenna

# An antenna on a side of its body is outside by this much, so that the body does not block what is in front of it.
_OUTSIDE_M = 1e-3
# An antenna on an arm or a mirror is farther out than the body by less than this.
_ARM_M = 0.5


class Antennas:
    """Puts antennas where the scenario has them, and collects notices about entries that nobody has, and about odd places.

    Args:
        given: Places by name or kind of road users.
        name_of: Function that returns the name of a road user.
    """

    def __init__(self, given: dict[str, Antenna], name_of: Callable[[int], str]) -> None:
        self._given, self._name_of = given, name_of
        self._unused = set(given)
        self._beside: dict[str, str] = {}

    def place(self, fleet: Fleet, kinds: dict[int, str], carriers: Boxes) -> None:
        """Put the antennas of some stations where the scenario has them.

        Args:
            fleet: All stations; changed in place.
            kinds: Kind of each station that is a vehicle, by agent id.
            carriers: For each road user of the snapshot: the part of the body that carries its antenna.
        """
        if not self._given:
            return
        for place, agent in enumerate(fleet.agent.tolist()):
            name, kind = self._name_of(agent), kinds.get(agent)
            key = name if name in self._given else kind
            if kind is not None and key is not None and key in self._given:
                self._unused -= {name, kind}
                self._put(fleet, place, name, key, carriers.size_m[fleet.row[place]].tolist())

    def _put(self, fleet: Fleet, place: int, name: str, key: str, size_m: list[float]) -> None:
        antenna, (x_m, y_m, z_m, yaw_rad) = self._given[key], fleet.carrier[place].tolist()
        length_m, width_m, height_m = size_m
        if max(abs(antenna.x_m) - length_m / 2, abs(antenna.y_m) - width_m / 2) > _ARM_M:
            self._beside.setdefault(name, key)
        forward_m, left_m = _outside(antenna.x_m, length_m / 2), _outside(antenna.y_m, width_m / 2)
        cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
        fleet.antenna_m[place, :2] = x_m + cos * forward_m - sin * left_m, y_m + sin * forward_m + cos * left_m
        if antenna.height_m is not None:
            fleet.antenna_m[place, 2] = z_m + antenna.height_m
            fleet.antenna_inside[place] = antenna.height_m < height_m

    def notices(self, complete: bool = True) -> tuple[Notice, ...]:
        """Return the notices about entries without a station, and about antennas far beside the body.

        Args:
            complete: Whether all ticks were seen; if not, a station may still come.
        """
        found = []
        if complete and self._unused:
            keys = ", ".join(repr(key) for key in sorted(self._unused))
            found.append(
                Notice(
                    "stations.antennas_without_station", len(self._unused),
                    f"stations.antennas: no vehicle with a radio has the name or the kind {keys}; a roadside unit has its antenna at its position_m "
                    "and height_m",
                )
            )  # fmt: skip
        if self._beside:
            name, key = next(iter(self._beside.items()))
            more = f" and of {len(self._beside) - 1} more vehicles" if len(self._beside) > 1 else ""
            found.append(
                Notice(
                    "stations.antennas_beside_body", len(self._beside),
                    f"stations.antennas.{key}: the antenna of {name!r}{more} is more than {_ARM_M:g} m beside the body, whose size counts from its centre; "
                    "check x_m and y_m",
                )
            )  # fmt: skip
        return tuple(found)


def _outside(offset_m: float, half_m: float) -> float:
    """Return an offset from the middle; one on a side of the body is moved out a little."""
    return float(np.copysign(half_m + _OUTSIDE_M, offset_m)) if abs(abs(offset_m) - half_m) < _OUTSIDE_M else offset_m
