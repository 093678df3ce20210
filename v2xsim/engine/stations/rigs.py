"""The rig of lidars that each station carries: which lidars, where on the body, and whether they can be there."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from v2xsim.errors import UserError
from v2xsim.gpu.lidar.models import CATALOGUE, Beams, evenly_spaced, mount_transform
from v2xsim.gpu.lidar.tables import TABLES
from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_stations import MOUNTS, NO_RIG, ROADSIDE, LidarModel, Mount
from v2xsim.world.road_users import CATALOGUE as ROAD_USERS
from v2xsim.world.road_users import KINDS

# A lidar on an arm or a bumper is farther out than the body by less than this.
_ARM_M = 0.5


@dataclass(frozen=True)
class MountedLidar:
    """A lidar of a rig.

    Attributes:
        beams: Beam pattern of the lidar.
        mount: Position and orientation relative to the roof or to the antenna of a roadside unit.
        key: Key of the mount in the scenario, dotted.
    """

    beams: Beams
    mount: Mount
    key: str

    def vehicle_from_sensor(self, base_m: float) -> Float[np.ndarray, "4 4"]:
        """Return the transform from the lidar's frame to that of its station.

        Args:
            base_m: Height of the roof or of the antenna of a roadside unit, from which the mount's height counts.
        """
        mount = self.mount
        return mount_transform(
            mount.x_m, mount.y_m, base_m + mount.z_m,
            np.radians(mount.yaw_deg), np.radians(mount.pitch_deg), np.radians(mount.roll_deg),
        )  # fmt: skip


class Rigs:
    """The rigs of a scenario. The rig of `lidars.mounts` has number 0; the others follow in the order of the file.

    It also collects notices about lidars in impossible places, as stations appear.
    """

    def __init__(self, scenario: Scenario) -> None:
        lidars = self._lidars = scenario.lidars
        self._names = [MOUNTS, *lidars.rigs]
        self._rigs = [
            tuple(
                MountedLidar(beams_of(lidars.model_of(mount)), mount, f"{_key(name)}.{number}")
                for number, mount in enumerate(lidars.mounts_of(name))
            )
            for name in self._names
        ]
        # Names of the stations with a lidar inside or beside the body, by the key of the mount.
        self._inside: dict[str, list[str]] = {}
        self._beside: dict[str, list[str]] = {}
        self._checked: set[str] = set()
        self._without_station = set(lidars.carry)
        self._check_before_traffic(scenario)

    def assigned(self, name: str, kind: str, otherwise: int | None = 0) -> int | None:
        """Return the number of the rig that a station carries if it carries lidars; None if it must not carry any.

        Args:
            name: Name of the road user or roadside unit.
            kind: Its kind, or `roadside`.
            otherwise: Number for a station for which `lidars.carry` names no rig.
        """
        rig = self._lidars.rig_of(name, kind)
        if rig is None:
            return otherwise
        return None if rig == NO_RIG else self._names.index(rig)

    def lidars(self, number: int) -> tuple[MountedLidar, ...]:
        """Return the lidars of a rig."""
        return self._rigs[number]

    @property
    def waits_for_stations(self) -> bool:
        """Whether `lidars.carry` has a name or a kind of which no station was seen yet."""
        return bool(self._without_station)

    def seen(self, name: str, kind: str) -> None:
        """Note that a station of this name and kind exists."""
        self._without_station -= {name, kind}

    def check(
        self, lidars: tuple[MountedLidar, ...], name: str, kind: str, base_m: float,
        size_m: tuple[float, float],
    ) -> None:  # fmt: skip
        """Check the places of a vehicle's lidars, once for each vehicle.

        Args:
            lidars: The lidars that the vehicle carries.
            name: Name of the vehicle.
            kind: Its kind.
            base_m: Height of its roof.
            size_m: Length and width of its body.

        Raises:
            UserError: If a lidar would be below the ground.
        """
        if name in self._checked:
            return
        self._checked.add(name)
        _check_above_ground(lidars, f"{name!r} ({kind})", base_m, "roof")
        for lidar in lidars:
            mount = lidar.mount
            beyond_m = max(abs(mount.x_m) - size_m[0] / 2, abs(mount.y_m) - size_m[1] / 2)
            if beyond_m < 0 and mount.z_m < 0:
                self._inside.setdefault(lidar.key, []).append(name)
            elif beyond_m > _ARM_M:
                self._beside.setdefault(lidar.key, []).append(name)

    def _check_before_traffic(self, scenario: Scenario) -> None:
        """Check the heights of lidars on roadside units and on the kinds of vehicles that generated traffic has."""
        for unit in scenario.stations.roadside:
            rig = self.assigned(unit.id, ROADSIDE)
            if unit.lidar and rig is not None:
                _check_above_ground(self.lidars(rig), f"the roadside unit {unit.id!r}", unit.height_m, "antenna")
        drawn = 0 if self._lidars.count is not None or not (self._lidars.include or self._lidars.carry) else None
        for traffic in (scenario.traffic.grid, scenario.traffic.highway):
            for kind in (kind for kind, share in traffic.shares.items() if share > 0) if traffic is not None else ():
                rig = self.assigned("", kind, otherwise=drawn)
                if rig is not None:
                    height_m = float(ROAD_USERS.size_m[KINDS.index(kind), 2])
                    _check_above_ground(self.lidars(rig), f"a {kind}", height_m, "roof")

    def notices(self, complete: bool = True) -> tuple[Notice, ...]:
        """Return notices about entries of `lidars.carry` without a station, and about lidars inside a body or far beside it.

        Args:
            complete: Whether all ticks were seen; if not, a station may still come.
        """
        without = sorted(self._without_station) if complete else []
        text = (
            f"lidars.carry: no station has the name or the kind {_listed(without)}, so nobody carries that rig; road users of that "
            "name or kind were never there, or have no radio (stations)"
        )
        unused = (Notice("lidars.carry_without_station", len(without), text),) if without else ()
        return unused + tuple(
            Notice(subject, len(names), f"{key}: the lidar is {where} of {_listed(names)}; {advice}")
            for found, subject, where, advice in (
                (self._inside, "lidars.inside_body", "inside the body", "it sees through that body as if it were on the roof"),
                (self._beside, "lidars.beside_body", f"more than {_ARM_M:g} m beside the body", "check x_m and y_m, or use lidars.carry"),
            )
            for key, names in found.items()
        )  # fmt: skip


def _check_above_ground(lidars: tuple[MountedLidar, ...], carrier: str, base_m: float, top: str) -> None:
    for lidar in lidars:
        if base_m + lidar.mount.z_m <= 0:
            raise UserError(
                f"{lidar.key}.z_m: must leave the lidar above ground on every station that carries it, got {lidar.mount.z_m:g} m on "
                f"{carrier}, whose {top} is {base_m:g} m above ground; raise the mount, or give this station another rig with "
                "lidars.carry"
            )


def beams_of(model: str | LidarModel) -> Beams:
    """Return the beams of a lidar, given the name of a built-in model or its description in the scenario."""
    if isinstance(model, str):
        return CATALOGUE[model] if model in CATALOGUE else TABLES[model]
    return evenly_spaced(model.beams, model.columns, model.lowest_deg, model.highest_deg, model.range_m)


def _key(rig: str) -> str:
    return "lidars.mounts" if rig == MOUNTS else f"lidars.rigs.{rig}"


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
