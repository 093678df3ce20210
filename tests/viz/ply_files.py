"""Points of the PLY files that v2xsim writes, read by numpy alone."""

from pathlib import Path

import numpy as np

ROW = [
    ("xyz", "<f8", 3), ("rgb", "u1", 3), ("source", "<i4"), ("object", "<i4"), ("time", "<f8"), ("intensity", "<f4"),
]  # fmt: skip


def read_ply(path: Path) -> np.ndarray:
    """Return the points of a PLY file as one structured array."""
    return np.frombuffer(path.read_bytes().split(b"end_header\n", 1)[1], ROW)
