"""Export of point clouds as PLY and PCD files, binary and little-endian, written with numpy only.

Each point has its position, colour, source, object, time and intensity.

A PLY file has world coordinates in 64 bits. A PCD file has coordinates in 32 bits, since Open3D reads 64-bit coordinates of this
format as zeros. Far from the origin, 32 bits would round a map coordinate to half a metre; there, an offset is taken off, and the
header has it: in VIEWPOINT, by which PCL's viewer moves the points, and in a comment.

References:
    Turk, The PLY Polygon File Format (1994). Point Cloud Library, "The PCD file format", version 0.7.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

# Up to this distance from the origin, 32-bit coordinates are exact to half a millimetre, and a PCD file needs no offset.
NEAR_ORIGIN_M = 8192.0
# Offsets are multiples of this length, so that a reader can add them in the head.
_OFFSET_STEP_M = 100.0


@dataclass(frozen=True)
class Cloud:
    """A point cloud to export.

    Attributes:
        points_m: Positions in the world frame.
        rgb: Colour of each point.
        source: Agent id of the station whose lidar measured each point.
        object_id: Agent id of the road user that each point lies on; -1 for the ground, -2 for a building.
        time_s: Time at which each point was captured; NaN if unknown.
        intensity: Cosine of the angle of incidence at each point; NaN if unknown.
        names: Name of each source, for the header.
    """

    points_m: Float[np.ndarray, "points 3"]
    rgb: UInt8[np.ndarray, "points 3"]
    source: Int64[np.ndarray, " points"]
    object_id: Int64[np.ndarray, " points"]
    time_s: Float[np.ndarray, " points"]
    intensity: Float32[np.ndarray, " points"]
    names: Mapping[int, str] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Return lines for the header of a file, in ASCII."""
        sources = [int(station) for station in np.unique(self.source)]
        return [
            "v2xsim fused cloud, metres, x east y north z up",
            "object: agent id, -1 ground, -2 building; time: capture in seconds of traffic time",
            "intensity: cosine of the angle of incidence, 0 to 1, no materials; nan: unknown",
            *(f"source {station} is {json.dumps(self.names.get(station, str(station)))}" for station in sources),
        ]


def write_ply(path: Path, cloud: Cloud) -> Path:
    """Write a point cloud as a binary PLY file with 64-bit world coordinates, and return the file's path."""
    header = [
        "ply", "format binary_little_endian 1.0", *(f"comment {note}" for note in cloud.notes()),
        f"element vertex {len(cloud.points_m)}", "property double x", "property double y", "property double z",
        "property uchar red", "property uchar green", "property uchar blue", "property int source", "property int object",
        "property double time", "property float intensity", "end_header",
    ]  # fmt: skip
    form = [
        ("xyz", "<f8", 3),
        ("rgb", "u1", 3),
        ("source", "<i4"),
        ("object", "<i4"),
        ("time", "<f8"),
        ("intensity", "<f4"),
    ]
    rows = np.zeros(len(cloud.points_m), np.dtype(form))
    rows["xyz"], rows["rgb"] = cloud.points_m, cloud.rgb
    rows["source"], rows["object"], rows["time"] = cloud.source, cloud.object_id, cloud.time_s
    rows["intensity"] = cloud.intensity
    path.write_bytes(("\n".join(header) + "\n").encode("ascii") + rows.tobytes())
    return path


def offset_m(points_m: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " 3"]:
    """Return what a file with 32-bit coordinates takes off each point: zeros near the origin, else a round position amid the points."""
    if np.abs(points_m).max(initial=0.0) <= NEAR_ORIGIN_M:
        return np.zeros(3)
    middle_m = (points_m.min(axis=0) + points_m.max(axis=0)) / 2
    return np.asarray(np.round(middle_m / _OFFSET_STEP_M) * _OFFSET_STEP_M * [1.0, 1.0, 0.0])


def write_pcd(path: Path, cloud: Cloud) -> Path:
    """Write a point cloud as a binary PCD file, and return the file's path.

    The colour of a point is one float with the bits 0x00RRGGBB, as PCL's own tools, Open3D and CloudCompare read it.
    """
    taken_off_m = offset_m(cloud.points_m)
    x_m, y_m, z_m = (f"{value:.0f}" for value in taken_off_m)
    notes = cloud.notes()
    if taken_off_m.any():
        notes.append(f"offset {x_m} {y_m} {z_m}: add it to x, y and z for world coordinates")
    header = [
        "# .PCD v0.7 - Point Cloud Data file format", *(f"# {note}" for note in notes), "VERSION 0.7",
        "FIELDS x y z rgb source object time intensity", "SIZE 4 4 4 4 4 4 8 4", "TYPE F F F F I I F F", "COUNT 1 1 1 1 1 1 1 1",
        f"WIDTH {len(cloud.points_m)}", "HEIGHT 1", f"VIEWPOINT {x_m} {y_m} {z_m} 1 0 0 0",
        f"POINTS {len(cloud.points_m)}", "DATA binary",
    ]  # fmt: skip
    form = [
        ("xyz", "<f4", 3),
        ("bgr0", "u1", 4),
        ("source", "<i4"),
        ("object", "<i4"),
        ("time", "<f8"),
        ("intensity", "<f4"),
    ]
    rows = np.zeros(len(cloud.points_m), np.dtype(form))
    rows["xyz"] = cloud.points_m - taken_off_m
    rows["bgr0"][:, :3] = cloud.rgb[:, ::-1]
    rows["source"], rows["object"], rows["time"] = cloud.source, cloud.object_id, cloud.time_s
    rows["intensity"] = cloud.intensity
    path.write_bytes(("\n".join(header) + "\n").encode("ascii") + rows.tobytes())
    return path
