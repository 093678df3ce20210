"""A cloud as coordinates of few bits within a box: it keeps the order and the number of the points."""

import struct

import numpy as np
from jaxtyping import Float

from v2xsim.gpu.lidar.compression.entropy import Coder
from v2xsim.gpu.lidar.compression.message import joined, opened

_KIND, _LAYOUT = 3, "<BI6f"


def encoded(
    points_m: Float[np.ndarray, "points 3"],
    lower_m: Float[np.ndarray, " 3"],
    upper_m: Float[np.ndarray, " 3"],
    bits: int = 16,
    coder: Coder = "none",
) -> bytes:
    """Return points as coordinates of some bits each: 3 * bits * points bits before the coder, and 30 bytes of head.

    Args:
        points_m: The cloud; all of it within the box.
        lower_m: Lower corner of the box, stored in single precision, rounded outwards.
        upper_m: Upper corner of it, likewise.
        bits: Bits of a coordinate, 1 to 16. The step along an axis is the side of the box over 2^bits - 1.
        coder: General coder of the bytes.

    Raises:
        ValueError: The number of bits is out of range, the box has no volume, or a point lies outside it.
    """
    low, high = _outwards(lower_m, -np.inf), _outwards(upper_m, np.inf)
    points = np.asarray(points_m, float)
    if not 1 <= bits <= 16 or not (low < high).all():
        raise ValueError(
            f"coordinates need 1 to 16 bits and a box with a volume, got {bits} bits and {lower_m} to {upper_m} m"
        )
    if not ((points >= low) & (points <= high)).all():
        raise ValueError(
            f"all points must lie within the box {lower_m} to {upper_m} m; leave out those that do not, or take a larger box"
        )
    steps = np.rint((points - low) / (high - low) * (2**bits - 1)).astype(np.uint16)
    # The bits of all coordinates after each other, highest first.
    each = np.unpackbits(steps.reshape(-1, 1).astype(">u2").view(np.uint8), axis=1)[:, 16 - bits :]
    head = struct.pack(_LAYOUT, bits, len(points), *low, *high)
    return joined(_KIND, coder, head, np.packbits(each).tobytes())


def decoded(data: bytes) -> Float[np.ndarray, "points 3"]:
    """Return the points in their order, each at most half a step off along each axis.

    Raises:
        ValueError: The bytes are not those of `encoded`.
    """
    (bits, count, *corners), body = opened(data, _KIND, _LAYOUT)
    width, number = int(bits), int(count)
    if len(body) != (3 * number * width + 7) // 8:
        raise ValueError("a cloud of coordinates is damaged; decode the whole of what was encoded")
    each = np.zeros((3 * number, 16), np.uint8)
    each[:, 16 - width :] = np.unpackbits(np.frombuffer(body, np.uint8), count=3 * number * width).reshape(-1, width)
    steps = np.packbits(each, axis=1).view(">u2").reshape(number, 3)
    low, high = np.array(corners[:3]), np.array(corners[3:])
    points: np.ndarray = low + steps / (2.0**width - 1.0) * (high - low)
    return points


def _outwards(corner_m: Float[np.ndarray, " 3"], towards: float) -> Float[np.ndarray, " 3"]:
    """Return a corner in single precision, not nearer to the inside of the box than it was."""
    rounded = np.asarray(corner_m, np.float32)
    is_inside = rounded > corner_m if towards < 0 else rounded < corner_m
    return np.where(is_inside, np.nextafter(rounded, np.float32(towards)), rounded).astype(np.float64)
