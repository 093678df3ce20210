"""Export of point clouds as PLY and PCD files, binary and little-endian, written with numpy only.

References:
    Turk, The PLY Polygon File Format (1994). Point Cloud Library, "The PCD file format", version 0.7.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8


def write_ply(path: Path, points_m: Float[np.ndarray, "points 3"], rgb: UInt8[np.ndarray, "points 3"]) -> Path:
    """Write a coloured point cloud as a binary PLY file, and return the file's path."""
    header = (
        "ply\nformat binary_little_endian 1.0\ncomment v2xsim fused cloud, metres, x east y north z up\n"
        f"element vertex {len(points_m)}\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    )
    rows = np.zeros(len(points_m), np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
    rows["xyz"] = points_m
    rows["rgb"] = rgb
    path.write_bytes(header.encode("ascii") + rows.tobytes())
    return path


def write_pcd(path: Path, points_m: Float[np.ndarray, "points 3"], rgb: UInt8[np.ndarray, "points 3"]) -> Path:
    """Write a coloured point cloud as a binary PCD file, and return the file's path.

    The colour of a point is one float with the bits 0x00RRGGBB, as PCL's own tools, Open3D and CloudCompare read it.
    """
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\n"
        f"COUNT 1 1 1 1\nWIDTH {len(points_m)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points_m)}\n"
        "DATA binary\n"
    )
    rows = np.zeros(len(points_m), np.dtype([("xyz", "<f4", 3), ("bgr0", "u1", 4)]))
    rows["xyz"] = points_m
    rows["bgr0"][:, :3] = np.asarray(rgb)[:, ::-1]
    path.write_bytes(header.encode("ascii") + rows.tobytes())
    return path
