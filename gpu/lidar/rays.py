"""The rays of a lidar as compiled code reads them."""

import weakref
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, Integer
from numba import njit

from v2xsim.gpu.lidar.models import Beams


class Rays(NamedTuple):
    """The rays of a lidar.

    Attributes:
        elevation: Elevation of each beam in radians.
        cos_el: Cosine of it.
        sin_el: Sine of it.
        cos_az: Cosine of the azimuth of each column.
        sin_az: Sine of it.
        range_m: Largest distance of a return.
    """

    elevation: Float[np.ndarray, " beams"]
    cos_el: Float[np.ndarray, " beams"]
    sin_el: Float[np.ndarray, " beams"]
    cos_az: Float[np.ndarray, " columns"]
    sin_az: Float[np.ndarray, " columns"]
    range_m: float

    def every_direction(self) -> Float[np.ndarray, "beams columns 3"]:
        """Return the unit vector of each ray in the frame of the lidar."""
        flat, up = self.cos_el[:, None], np.broadcast_to(self.sin_el[:, None], (len(self.sin_el), len(self.sin_az)))
        return np.stack([flat * self.cos_az, flat * self.sin_az, up], axis=-1)

    def directions(
        self, beam: Int64[np.ndarray, " hits"], column: Integer[np.ndarray, " hits"]
    ) -> Float[np.ndarray, "hits 3"]:
        """Return the unit vectors of some rays in the frame of the lidar."""
        flat = self.cos_el[beam]
        return np.column_stack([flat * self.cos_az[column], flat * self.sin_az[column], self.sin_el[beam]])


_RAYS: dict[int, tuple["weakref.ref[Beams]", Rays]] = {}


class View(NamedTuple):
    """How the rays of a sensor lie in its frame.

    Attributes:
        is_flat: False for a lidar, whose columns lie evenly around its z axis. True for a camera, whose rays cross a plane at x = 1: row and
            column give z and y there.
        far_m: Distance beyond which nothing is hit.
        turn_columns: Number of columns of a whole turn of a lidar. If it is larger than the number of columns of the rays, these are a sector.
        first_column: First column of a sector, counted in the whole turn.
    """

    is_flat: bool
    far_m: float
    turn_columns: int
    first_column: int


@njit(cache=True, nogil=True)
def turning(far_m, columns):  # type: ignore[no-untyped-def]
    """Return the view of a lidar whose rays are a whole turn."""
    return View(False, far_m, columns, 0)


def rays_of(beams: Beams) -> Rays:
    """Return the rays of a beam pattern; they are computed once for each pattern, since that takes a tenth of the time of a scan."""
    if (known := _RAYS.get(id(beams))) is not None and known[0]() is beams:
        return known[1]
    rays = _computed(beams)
    number = id(beams)

    def forget(_: "weakref.ref[Beams]") -> None:
        _RAYS.pop(number, None)

    _RAYS[number] = weakref.ref(beams, forget), rays
    return rays


def _computed(beams: Beams) -> Rays:
    cos_el, sin_el = _cos_sin(beams.elevation_rad)
    cos_az, sin_az = _cos_sin(beams.azimuth_rad)
    return Rays(beams.elevation_rad, cos_el, sin_el, cos_az, sin_az, float(beams.range_m))


@njit(cache=True, nogil=True)
def _cos_sin(angle):  # type: ignore[no-untyped-def]
    """Return cosine and sine as all compiled code computes them; those of numpy may differ in the last bit."""
    return np.cos(angle), np.sin(angle)
