"""Lidars whose returns have a power: weak ones are lost, and fog, rain and snow weaken them and return echoes of their own."""

from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from v2xsim.gpu.lidar.bodies.shapes import Shapes
from v2xsim.gpu.lidar.cast import Scan
from v2xsim.gpu.lidar.effects import clutter
from v2xsim.gpu.lidar.effects.intensity import least_power, received_power
from v2xsim.gpu.lidar.effects.weather import AIR, SURFACE, in_weather
from v2xsim.gpu.lidar.mesh_rays import Meshes
from v2xsim.gpu.lidar.models import Beams
from v2xsim.gpu.lidar.rays import rays_of
from v2xsim.gpu.lidar.surfaces import surfaces_of
from v2xsim.gpu.lidar.tables import STATED, TABLES
from v2xsim.notices import Notice
from v2xsim.records import CLUTTER, LOST, Boxes, Obstacles
from v2xsim.scenario.schema_stations import USUAL_REFLECTIVITY
from v2xsim.scenario.schema_stations import Lidars as Settings

_STATED = {id(TABLES[name]): stated for name, stated in STATED.items()}


@dataclass
class Counts:
    """Numbers of rays since the beginning of a run.

    Attributes:
        clear: Rays that would return in clear air if every surface did.
        surface: Of these, rays that return from the surface.
        echoes: Rays that return from the air.
    """

    clear: int = 0
    surface: int = 0
    echoes: int = 0


@dataclass(frozen=True)
class Air:
    """What a lidar gets of the rays of a scan, by the power of each return and the weather of the scenario.

    Attributes:
        settings: Section `lidars` of the scenario.
        shapes: Shapes of the bodies; None if all are boxes.
        counts: What was lost and what was added since the beginning of the run.
    """

    settings: Settings
    shapes: Shapes | None
    counts: Counts = field(default_factory=Counts)
    _lock: Lock = field(default_factory=Lock)

    def reported(
        self, scan: Scan, beams: Beams, world_from_sensor: np.ndarray, boxes: Boxes, obstacles: Obstacles, meshes: Meshes, key: int,
    ) -> Scan:  # fmt: skip
        """Return what a lidar reports of a scan: a ray that returns too weakly is LOST, and one that returns from the air is CLUTTER.

        A ray that meets nothing is LOST, too: in such air, to hear nothing does not show that the way is free.

        Args:
            scan: What the rays meet; object ids are rows of `boxes`.
            beams: Beam pattern of the lidar.
            world_from_sensor: Pose of the lidar in the world.
            boxes: Bounding boxes of the bodies.
            obstacles: Buildings.
            meshes: Shapes of the bodies.
            key: Random key of the scan, with 64 bits.
        """
        material = None if self.shapes is None else self.shapes.material
        surfaces = surfaces_of(
            scan.range_m,
            scan.object_id,
            scan.triangle,
            rays_of(beams).every_direction(),
            world_from_sensor,
            boxes,
            obstacles,
            meshes,
            material,
        )
        power = received_power(
            surfaces.reflectivity, surfaces.incidence_cos, np.maximum(scan.range_m, 1e-3).astype(np.float64)
        )
        found = in_weather(scan.range_m, power, self._clutter(beams), key)
        is_surface, is_air = found.source == SURFACE, found.source == AIR
        with self._lock:
            self.counts.clear += int(np.isfinite(scan.range_m).sum())
            self.counts.surface += int(is_surface.sum())
            self.counts.echoes += int(is_air.sum())
        object_id = np.where(is_surface, scan.object_id, np.where(is_air, CLUTTER, LOST))
        return Scan(found.range_m, object_id, scan.triangle)

    def _clutter(self, beams: Beams) -> clutter.Clutter:
        air, reflectivity = self.settings.air, self.settings.range_reflectivity
        # The data sheets of some products state a range for another reflectivity.
        stated = _STATED.get(id(beams), (beams.range_m, USUAL_REFLECTIVITY))
        weakest = least_power(*stated) if reflectivity is None else least_power(beams.range_m, reflectivity)
        sensor = clutter.Sensor(weakest, beams.range_m, least_reflectivity=air.least_echo)
        if air.fog_visibility_m is not None:
            return clutter.fog(sensor, air.fog_visibility_m)
        if air.snow_mm_per_h > 0.0:
            return clutter.snow(sensor, air.snow_mm_per_h, air.wet_snow)
        return clutter.rain(sensor, air.rain_mm_per_h) if air.rain_mm_per_h > 0.0 else clutter.clear(sensor)

    def notices(self) -> tuple[Notice, ...]:
        """Return how many rays the air or weak surfaces took, and how many echoes the air added."""
        clear, surface, echoes = self.counts.clear, self.counts.surface, self.counts.echoes
        if clear == 0:
            return ()
        text = (
            f"of the rays that met something in range, {1 - surface / clear:.1%} got no return from it, because it was too weak or an echo of the air "
            f"was stronger; {echoes / (surface + echoes) if surface + echoes else 0:.1%} of the returns are echoes of the air"
        )
        return (Notice("lidars.weak_returns", clear - surface, text),)
