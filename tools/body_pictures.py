"""Draw docs/bodies.png, the shapes of road users from two sides: `python tools/body_pictures.py [FILE]`.

Each shape is drawn at its nominal size, flat-shaded, with parallel light and without perspective. Colours show materials.
"""

import math
import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib as mpl  # noqa: E402

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from v2xsim.gpu.lidar.bodies import SHAPE_NAMES, Material, mesh_of_shape  # noqa: E402
from v2xsim.gpu.lidar.bodies.solids import Mesh, merged  # noqa: E402

PICTURE = ROOT / "docs" / "bodies.png"

COLOURS = {
    Material.PAINT: "#7f9fc4", Material.DARK_PAINT: "#4a4f57", Material.GLASS: "#27384d", Material.RUBBER: "#1f1f1f", Material.METAL: "#c3c6c9",
    Material.CLOTH: "#b5623c", Material.SKIN: "#e0b493", Material.RETROREFLECTOR: "#f2f2e6", Material.LAMP: "#f0c75e",
}  # fmt: skip

# Each shape is seen from the front left and from the rear right, a little from above: azimuth and elevation of the viewer.
VIEWS_DEG = ((38.0, 20.0), (-142.0, 20.0))
# Towards the light, in the frame of the picture: right, up, to the viewer.
LIGHT = np.array([-0.35, 0.75, 0.56]) / np.linalg.norm([-0.35, 0.75, 0.56])
# Pixels of the sides of one picture, and how many of them, across and up, are averaged to one against jagged edges.
WIDE, HIGH, FINE = 560, 330, 3


def composed(*parts: tuple[str, float]) -> Mesh:
    """Return shapes in line, each with its middle at a distance in front of the origin."""
    meshes = [(mesh_of_shape(name), [x_m, 0.0, 0.0]) for name, x_m in parts]
    return merged([Mesh(mesh.vertices_m + shift, mesh.triangles, mesh.material) for mesh, shift in meshes])


def picture(mesh: Mesh, azimuth_deg: float, elevation_deg: float) -> Float[np.ndarray, "rows columns 3"]:
    """Return the picture of a mesh, which fills it."""
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    viewer = np.array(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )
    seen_m = mesh.vertices_m @ np.stack([right, np.cross(viewer, right), viewer], axis=1)
    low, high = seen_m.min(axis=0), seen_m.max(axis=0)
    scale = FINE * 0.94 * min(WIDE / (high[0] - low[0]), HIGH / (high[1] - low[1]))
    middle = 0.5 * (low + high)
    column = scale * (seen_m[:, 0] - middle[0]) + 0.5 * FINE * WIDE
    row = 0.5 * FINE * HIGH - scale * (seen_m[:, 1] - middle[1])
    corners = np.stack([column, row, scale * seen_m[:, 2]], axis=1)[mesh.triangles]
    a, b, c = (seen_m[mesh.triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    shade = 0.45 + 0.55 * np.clip(normal @ LIGHT, 0.0, 1.0)
    colour = np.array([mpl.colors.to_rgb(COLOURS[Material(int(code))]) for code in mesh.material]) * shade[:, None]
    image = np.ones((FINE * HIGH, FINE * WIDE, 3))
    nearest = nearest_triangles(corners)
    image[nearest >= 0] = colour[nearest[nearest >= 0]]
    image[edges(nearest, normal)] *= 0.62
    return image.reshape(HIGH, FINE, WIDE, FINE, 3).mean(axis=(1, 3))


def nearest_triangles(corners: Float[np.ndarray, "triangles 3 3"]) -> Int64[np.ndarray, "rows columns"]:
    """Return which triangle each pixel shows, -1 for none; corners are column, row and nearness to the viewer."""
    depth = np.full((FINE * HIGH, FINE * WIDE), -np.inf)
    shown = np.full(depth.shape, -1, np.int64)
    for number, (p, q, r) in enumerate(corners):
        turn = (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])
        # Rows count downwards, so a triangle that faces the viewer turns the other way.
        if turn >= 0.0:
            continue
        low, high = np.floor(np.min([p, q, r], axis=0)).astype(int), np.ceil(np.max([p, q, r], axis=0)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        u = ((q[0] - x) * (r[1] - y) - (q[1] - y) * (r[0] - x)) / turn
        v = ((r[0] - x) * (p[1] - y) - (r[1] - y) * (p[0] - x)) / turn
        w = 1.0 - u - v
        near = u * p[2] + v * q[2] + w * r[2]
        inside = (np.minimum(np.minimum(u, v), w) >= -1e-9) & (near > depth[y, x])
        depth[y[inside], x[inside]] = near[inside]
        shown[y[inside], x[inside]] = number
    return shown


def edges(shown: Int64[np.ndarray, "rows columns"], normal: Float[np.ndarray, "triangles 3"]) -> np.ndarray:
    """Return the pixels at an outline or a crease: where neighbouring pixels show triangles that do not lie in one plane."""
    marked = np.zeros(shown.shape, bool)
    for axis in (0, 1):
        other = np.roll(shown, 1, axis=axis)
        both = (shown >= 0) & (other >= 0)
        bend = np.zeros(shown.shape, bool)
        bend[both] = (normal[shown[both]] * normal[other[both]]).sum(axis=1) < 0.97
        marked |= bend | ((shown >= 0) != (other >= 0))
    return marked


def main() -> None:
    """Draw all shapes but the plain box, each from two sides."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    meshes = {name: mesh_of_shape(name) for name in sys.argv[2:] or SHAPE_NAMES if name != "box"}
    if len(sys.argv) < 3:
        # The places of the parts are those of `v2xsim.mobility.two_parts`, the whole 16.5 m and 18 m long.
        meshes["tractor + semitrailer"] = composed(("tractor", 7.025), ("semitrailer", -1.45))
        meshes["bus_front + bus_rear"] = composed(("bus_front", 3.69), ("bus_rear", -5.31))
    per_row = 2 if len(meshes) > 1 else 1
    rows = -(-len(meshes) // per_row)
    figure, axes = plt.subplots(rows, 2 * per_row, figsize=(4.2 * 2 * per_row, 2.75 * rows), squeeze=False)
    for spot in axes.flat:
        spot.axis("off")
    for number, (name, mesh) in enumerate(meshes.items()):
        length_m, width_m, height_m = mesh.vertices_m.max(axis=0) - mesh.vertices_m.min(axis=0)
        for side, view in enumerate(VIEWS_DEG):
            spot = axes.flat[2 * number + side]
            spot.imshow(picture(mesh, *view), interpolation="none")
        axes.flat[2 * number].set_title(
            f"{name}   {length_m:.2f} x {width_m:.2f} x {height_m:.2f} m   {len(mesh.triangles)} triangles", loc="left", fontsize=10,
        )  # fmt: skip
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=110)
    print(path)


if __name__ == "__main__":
    main()
