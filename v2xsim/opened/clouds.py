"""Point clouds of a finished run, with the station, the object and the capture of each point."""

import colorsys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Int64

from v2xsim.opened.errors import OpenError
from v2xsim.records import BUILDING, CLUTTER, GROUND

if TYPE_CHECKING:
    import open3d

ColourBy = Literal["source", "object", "time", "height"]
COLOURINGS = ("source", "object", "time", "height")

Rgb = tuple[float, float, float]

# Okabe and Ito, Color Universal Design (2008), without black and yellow: told apart by nearly all readers on white.
_PALETTE: tuple[Rgb, ...] = (
    (0.0, 0.447, 0.698), (0.902, 0.624, 0.0), (0.0, 0.620, 0.451), (0.800, 0.475, 0.655), (0.835, 0.369, 0.0),
    (0.337, 0.706, 0.914),
)  # fmt: skip
_GROUND_GREY: Rgb = (0.75, 0.75, 0.75)
_BUILDING_GREY: Rgb = (0.45, 0.45, 0.45)
_AIR_RED: Rgb = (0.8, 0.2, 0.2)
# Ends of the scales of time and height.
_LOW, _HIGH = np.array([0.0, 0.24, 0.55]), np.array([0.95, 0.85, 0.25])


@dataclass(frozen=True, eq=False)
class Cloud:
    """A point cloud in the world frame.

    Attributes:
        points_m: x, y and z of each point; a station's own points are placed by the pose that it believes.
        source: Agent id of the station whose lidar measured each point.
        object: Agent id of the road user that each point lies on; -1 for the ground, -2 for a building.
        time_us: Time at which each point was captured; -1 if the fusion scheme of a plug-in names a source that sent no data.
        names: Names of stations and road users, by agent id.
        measure: Function that returns the intensity of each point; None if it is not known.
    """

    points_m: Float[np.ndarray, "points 3"]
    source: Int64[np.ndarray, " points"]
    object: Int64[np.ndarray, " points"]
    time_us: Int64[np.ndarray, " points"]
    names: Mapping[int, str]
    measure: Callable[[], Float32[np.ndarray, " points"]] | None = field(default=None, repr=False)

    @cached_property
    def intensity(self) -> Float32[np.ndarray, " points"]:
        """Intensity of each return, 0 to 1: the cosine of its angle of incidence; NaN if it is not known.

        A dull (Lambertian) surface returns this share of what it would return to a ray at right angles, at the same distance. All
        surfaces reflect alike: materials are not simulated.
        """
        return np.full(len(self), np.nan, np.float32) if self.measure is None else self.measure()

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        stations, counts = np.unique(self.source, return_counts=True)
        by = sorted(zip(counts.tolist(), stations.tolist(), strict=True), reverse=True)
        shown = ", ".join(f"{count:,} of {self.names.get(station, station)}" for count, station in by[:6])
        return f"cloud of {len(self):,} points" + (f": {shown}" if by else "") + (", ..." if len(by) > 6 else "")

    def colours(self, colour_by: ColourBy = "source") -> Float[np.ndarray, "points 3"]:
        """Return red, green and blue of each point, 0 to 1.

        Args:
            colour_by: `source` for the station that measured a point, `object` for what it lies on (ground and buildings are
                grey), `time` for its capture (newer points are lighter), or `height` (higher points are lighter).

        Raises:
            OpenError: If there is no such colouring.
        """
        if colour_by in ("source", "object"):
            values = self.source if colour_by == "source" else self.object
            known, rows = np.unique(values, return_inverse=True)
            colour = self.legend(colour_by)
            return np.array([colour[value] for value in known.tolist()], float).reshape(-1, 3)[rows]
        if colour_by not in COLOURINGS:
            raise OpenError(f"colour_by must be one of {', '.join(COLOURINGS)}, got {colour_by!r}")
        scale = self.time_us.astype(float) if colour_by == "time" else self.points_m[:, 2]
        low, high = (float(scale.min()), float(scale.max())) if len(scale) else (0.0, 0.0)
        share = (scale - low) / (high - low) if high > low else np.ones(len(scale))
        colours: np.ndarray = _LOW + share[:, None] * (_HIGH - _LOW)
        return colours

    def legend(self, colour_by: Literal["source", "object"] = "source") -> dict[int, Rgb]:
        """Return the colour of each station, or of each road user, by agent id; -1 is the ground, -2 a building.

        Raises:
            OpenError: If the colouring has a scale instead: that of time and of height goes from dark to light.
        """
        if colour_by not in ("source", "object"):
            raise OpenError(
                f"a legend is of 'source' or 'object', got {colour_by!r}; time and height are scales from dark (least) to light (most)"
            )
        values = self.source if colour_by == "source" else self.object
        # Stations by their number of points, so that the ego, which has most, has the first colour.
        known, counts = np.unique(values[values >= 0], return_counts=True)
        order = np.lexsort((known, -counts)) if colour_by == "source" else np.arange(len(known))
        colours = {int(agent): _colour(number) for number, agent in enumerate(known[order].tolist())}
        if colour_by == "object":
            colours |= {GROUND: _GROUND_GREY, BUILDING: _BUILDING_GREY}
            if (self.object == CLUTTER).any():
                colours[CLUTTER] = _AIR_RED
        return colours

    def named_legend(self, colour_by: Literal["source", "object"] = "source") -> dict[str, Rgb]:
        """Return the legend by name; `ground` and `building` are those of the points on no road user."""
        return {self._name_of(agent): colour for agent, colour in self.legend(colour_by).items()}

    def _name_of(self, agent: int) -> str:
        return {GROUND: "ground", BUILDING: "building", CLUTTER: "air"}.get(agent) or str(self.names.get(agent, agent))

    def to_open3d(self, colour_by: ColourBy | None = "source") -> "open3d.geometry.PointCloud":
        """Return the cloud as a point cloud of Open3D.

        Args:
            colour_by: What gives a point its colour (see `colours`); None for no colours.

        Raises:
            OpenError: If Open3D is not installed, or there is no such colouring.
        """
        try:
            import open3d
        except ImportError:
            raise OpenError("to_open3d needs Open3D; install it: pip install 'v2xsim[viewer]'") from None
        cloud: Any = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(self.points_m))
        if colour_by is not None:
            cloud.colors = open3d.utility.Vector3dVector(self.colours(colour_by))
        return cloud


def _colour(number: int) -> Rgb:
    """Return a colour that differs from those of other numbers; beyond the palette, hues go round by the golden ratio."""
    if number < len(_PALETTE):
        return _PALETTE[number]
    return colorsys.hsv_to_rgb((number * 0.618034) % 1.0, 0.65, 0.85 if number % 2 else 0.65)
