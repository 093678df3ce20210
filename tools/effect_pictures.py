"""Draw docs/lidar_effects.png, one scan with each effect of the sensor: `python tools/effect_pictures.py [FILE]`."""

import sys
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib as mpl  # noqa: E402

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

from v2xsim.gpu.lidar.cast import Scan, cast  # noqa: E402
from v2xsim.gpu.lidar.effects.clutter import Clutter, Sensor, fog, rain, snow  # noqa: E402
from v2xsim.gpu.lidar.effects.divergence import sub_rays  # noqa: E402
from v2xsim.gpu.lidar.effects.echoes import STRONGEST, echoes  # noqa: E402
from v2xsim.gpu.lidar.effects.intensity import least_power, received_power  # noqa: E402
from v2xsim.gpu.lidar.effects.motion import EgoMotion, column_time_s, compensated  # noqa: E402
from v2xsim.gpu.lidar.effects.weather import AIR, in_weather  # noqa: E402
from v2xsim.gpu.lidar.models import Beams, evenly_spaced, mount_transform  # noqa: E402
from v2xsim.gpu.lidar.tables import TABLES  # noqa: E402
from v2xsim.gpu.lidar.turn import cast_turning  # noqa: E402
from v2xsim.records import Boxes, Obstacles, Prisms  # noqa: E402
from v2xsim.spatial.grid import indexed  # noqa: E402

PICTURE = ROOT / "docs" / "lidar_effects.png"
BLUE, RED = "#3b6ea5", "#c0392b"
MOUNT = mount_transform(0.0, 0.0, 1.9)
SENSOR = Sensor(least_power(100.0, 0.1), 120.0)
REFLECTIVITY = 0.3


def street() -> tuple[Boxes, Obstacles]:
    """Return vehicles of two lanes and parked ones beside them, and three buildings."""
    rows = [(x, y, 4.5, 1.8, 1.5) for x in (-34.0, -21.0, 14.0, 27.0, 40.0) for y in (-1.75, 1.75)]
    rows += [(x, y, 4.2, 1.8, 1.5) for x in np.arange(-40.0, 41.0, 8.0) for y in (-7.0, 7.5) if abs(x) > 3.0]
    rows += [(9.0, -4.4, 0.5, 0.5, 1.75), (-11.0, 5.0, 0.5, 0.5, 1.75), (-12.0, -1.75, 12.0, 2.5, 3.8)]
    row = np.array(rows)
    bodies = Boxes(np.column_stack([row[:, :2], np.zeros(len(row))]), row[:, 2:].copy(), np.zeros(len(row)))
    feet = [
        np.array([[x, y], [x + 22.0, y], [x + 22.0, y + 9.0], [x, y + 9.0]])
        for x, y in ((-40, 14), (5, 14), (-20, -23))
    ]
    prisms = Prisms(np.concatenate(feet).astype(float), np.arange(0, 13, 4), np.zeros(3), np.full(3, 9.0))
    return bodies, indexed(prisms)


def scanned(beams: Beams, bodies: Boxes, obstacles: Obstacles) -> tuple[Scan, Float[np.ndarray, "beams columns"]]:
    """Return a scan, and the power of its returns if all surfaces are met squarely."""
    scan = cast(beams, MOUNT, bodies, np.arange(len(bodies), dtype=np.int64), obstacles)
    return scan, received_power(REFLECTIVITY, 1.0, scan.range_m.astype(float))


def points(beams: Beams, range_m: Float[np.ndarray, "beams columns"]) -> Float[np.ndarray, "points 3"]:
    """Return the points of all rays with a return, in the frame of the sensor."""
    elevation, azimuth = np.meshgrid(beams.elevation_rad, beams.azimuth_rad, indexing="ij")
    has = np.isfinite(range_m)
    level = np.cos(elevation[has])
    toward = np.stack([level * np.cos(azimuth[has]), level * np.sin(azimuth[has]), np.sin(elevation[has])], axis=-1)
    return toward * range_m[has][:, None]


def dots(axes: Axes, cloud: Float[np.ndarray, "points 3"], colour: str, size: float = 0.3) -> None:
    """Draw points seen from above."""
    axes.scatter(cloud[:, 0], cloud[:, 1], s=size, c=colour, linewidths=0)


def weather(
    axes: Axes, title: str, air: Clutter, scan: Scan, power: Float[np.ndarray, "beams columns"], beams: Beams
) -> None:
    """Draw a scan in weather; echoes of the air are red."""
    kept = in_weather(scan.range_m, power, air, 3)
    is_air: Bool[np.ndarray, "beams columns"] = kept.source == AIR
    dots(axes, points(beams, np.where(is_air, np.inf, kept.range_m)), BLUE)
    dots(axes, points(beams, np.where(is_air, kept.range_m, np.inf)), RED)
    axes.set_title(title)


def edges(axes: Axes) -> None:
    """Draw a fence 0.7 m before a wall as thin rays meet it, and as beams of 3 by 1.5 mrad, 6 cm wide there, do."""
    posts = [(20.0, y, 0.05, 0.05, 2.5) for y in np.arange(-1.5, 1.6, 0.5)]
    row = np.array([*posts, (21.2, 0.0, 1.0, 12.0, 3.0)])
    bodies = Boxes(np.column_stack([row[:, :2], np.zeros(len(row))]), row[:, 2:].copy(), np.zeros(len(row)))
    beams, nothing = evenly_spaced(5, 1800, -2.0, -1.0, 120.0), indexed(Prisms.none())
    sub = sub_rays(beams, 3, 9, 1.5e-3, 3.0e-3)
    fine, power = scanned(sub.beams, bodies, nothing)
    found = echoes(fine.range_m, power, sub, 1.0, SENSOR.least_power)
    dots(axes, points(beams, found.range_m[STRONGEST]), RED, 22.0)
    dots(axes, points(beams, scanned(beams, bodies, nothing)[0].range_m), BLUE, 6.0)
    axes.set(xlim=(18.3, 22.3), ylim=(-2.0, 2.0))
    axes.set_title("a fence before a wall: thin rays (blue), beams of 3 mrad (red)")


def moving(axes: Axes, bodies: Boxes, obstacles: Obstacles) -> None:
    """Draw a turn at 30 m/s without compensation, and with it."""
    beams = evenly_spaced(8, 1800, -3.0, 0.0, 120.0)
    turn = cast_turning(
        beams, np.eye(4), MOUNT, EgoMotion(30.0, 0.0, 0.3), 0.1, bodies, np.zeros((len(bodies), 2)),
        np.arange(len(bodies), dtype=np.int64), obstacles,
    )  # fmt: skip
    measured = points(beams, turn.range_m)
    column = np.broadcast_to(np.arange(beams.columns), turn.range_m.shape)[np.isfinite(turn.range_m)]
    time_s = column_time_s(column, beams.columns, 0.1)
    dots(axes, measured, RED, 2.0)
    dots(axes, compensated(measured, time_s, EgoMotion(30.0, 0.0, 0.3), 0.1), BLUE, 2.0)
    axes.set(xlim=(-2.0, 34.0), ylim=(-18.0, 18.0))
    axes.set_title("at 30 m/s: raw (red), compensated (blue)")


def main() -> None:
    """Write the picture."""
    beams, (bodies, obstacles) = TABLES["hdl64e"], street()
    scan, power = scanned(beams, bodies, obstacles)
    figure, panels = plt.subplots(2, 3, figsize=(15.0, 10.0))
    dots(panels[0, 0], points(beams, scan.range_m), BLUE)
    panels[0, 0].set_title("clear air (hdl64e)")
    weather(panels[0, 1], "fog, visibility 100 m; echoes of the air red", fog(SENSOR, 100.0), scan, power, beams)
    weather(panels[0, 2], "rain, 20 mm/h", rain(SENSOR, 20.0), scan, power, beams)
    weather(panels[1, 0], "dry snow, 2 mm/h", snow(SENSOR, 2.0), scan, power, beams)
    edges(panels[1, 1])
    moving(panels[1, 2], bodies, obstacles)
    for axes in panels.flat:
        axes.set_aspect("equal")
        axes.tick_params(labelsize=8)
    for axes in panels.flat[:4]:
        axes.set(xlim=(-36.0, 36.0), ylim=(-28.0, 28.0))
    figure.tight_layout()
    figure.savefig(sys.argv[1] if len(sys.argv) > 1 else PICTURE, dpi=80)


if __name__ == "__main__":
    main()
