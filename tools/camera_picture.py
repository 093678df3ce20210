"""Draw docs/camera.png, what a camera in a street sees: `python tools/camera_picture.py [FILE]`."""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import matplotlib as mpl  # noqa: E402

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from v2xsim.gpu.lidar.bodies import shape_of_kind, shapes  # noqa: E402
from v2xsim.gpu.lidar.camera import Camera, see  # noqa: E402
from v2xsim.gpu.lidar.mesh_rays import meshes_of  # noqa: E402
from v2xsim.gpu.lidar.models import mount_transform  # noqa: E402
from v2xsim.gpu.lidar.shading import shaded  # noqa: E402
from v2xsim.records import Boxes, Obstacles, Prisms  # noqa: E402
from v2xsim.spatial.grid import indexed  # noqa: E402

PICTURE = ROOT / "docs" / "camera.png"
CAMERA = Camera.with_view(640, 360, np.radians(80.0), 150.0)
POSE = mount_transform(0.0, -1.75, 1.5, 0.03, 0.02)
# Kind, x, y, heading in degrees, length, width and height.
ROAD_USERS = (
    ("passenger", 13.0, -1.75, 0, 4.7, 1.85, 1.46), ("truck", 31.0, -1.75, 0, 10.0, 2.5, 3.6), ("bus", 24.0, 2.2, 180, 12.0, 2.55, 3.0),
    ("passenger", 9.0, 6.2, 180, 4.5, 1.8, 1.5), ("van", 17.0, 6.2, 180, 5.5, 2.0, 2.3), ("passenger", 46.0, 6.2, 180, 4.5, 1.8, 1.5),
    ("bicycle", 10.0, -4.4, 0, 1.7, 0.6, 1.7), ("pedestrian", 12.5, -6.8, 90, 0.3, 0.5, 1.72), ("pedestrian", 19.0, -7.2, 20, 0.3, 0.5, 1.72),
    ("motorcycle", 21.0, -4.6, 0, 2.1, 0.8, 1.5), ("passenger", 60.0, 1.75, 180, 4.5, 1.8, 1.5),
)  # fmt: skip
NAMES = ("sky", "ground", "building", "passenger", "van", "truck", "bus", "motorcycle", "bicycle", "pedestrian")
COLOURS = np.array([
    (214, 230, 244), (170, 170, 170), (110, 100, 90), (0, 114, 178), (86, 180, 233), (213, 94, 0), (230, 159, 0), (204, 121, 167), (0, 158, 115), (240, 228, 66)
], np.uint8)  # fmt: skip


def street() -> tuple[Boxes, Obstacles]:
    """Return road users in a street, and houses along it."""
    rows = np.array([row[1:] for row in ROAD_USERS], float)
    boxes = Boxes(np.column_stack([rows[:, :2], np.zeros(len(rows))]), rows[:, 3:].copy(), np.radians(rows[:, 2]))
    feet, top_m = [], []
    for n, x in enumerate(np.arange(-20.0, 140.0, 18.0)):
        for side in (-1, 1):
            low, high = sorted((side * 10.0, side * 24.0))
            feet.append(np.array([[x, low], [x + 14.0, low], [x + 14.0, high], [x, high]]))
            top_m.append(7.0 + 3.0 * ((n + side) % 3))
    offset = np.arange(0, 4 * len(feet) + 1, 4)
    return boxes, indexed(Prisms(np.concatenate(feet), offset, np.zeros(len(feet)), np.array(top_m)))


def main() -> None:
    """Draw the picture, its classes, its instances and its depth."""
    boxes, obstacles = street()
    meshes = meshes_of(shapes(), np.array([shape_of_kind(row[0]) for row in ROAD_USERS], np.int32))
    image = see(CAMERA, POSE, boxes, obstacles, meshes=meshes)
    kind = image.classes(np.array([NAMES.index(row[0]) - 3 for row in ROAD_USERS], np.uint8))
    instances = np.full((*image.instance.shape, 3), 235, np.uint8)
    instances[image.instance == -2] = 180
    palette = (255 * mpl.colormaps["tab20"](np.arange(20))[:, :3]).astype(np.uint8)
    body = image.instance >= 0
    instances[body] = palette[image.instance[body] % 20]
    figure, axes = plt.subplots(2, 2, figsize=(11.6, 7.4), layout="constrained")
    picture = shaded(image, CAMERA, POSE, boxes, obstacles, meshes, shapes().material)
    for place, shown, title in (
        (axes[0, 0], picture, "flat-shaded by material, light from the camera"), (axes[0, 1], COLOURS[kind], "class"),
        (axes[1, 0], instances, "instance"),
    ):  # fmt: skip
        place.imshow(shown)
        place.set_title(title)
    for number in np.unique(kind):
        axes[0, 1].plot([], [], "s", color=COLOURS[number] / 255, label=NAMES[number])
    axes[0, 1].legend(loc="lower left", ncols=2, fontsize=8, framealpha=0.9)
    depth = axes[1, 1].imshow(np.where(np.isfinite(image.depth_m), image.depth_m, np.nan), cmap="viridis_r", vmax=100.0)
    axes[1, 1].set_title("depth along the optical axis")
    figure.colorbar(depth, ax=axes[1, 1], label="depth [m]", shrink=0.8)
    for place in axes.flat:
        place.set_xlabel("column u")
        place.set_ylabel("row v")
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    figure.savefig(path, dpi=110)
    print(path)


if __name__ == "__main__":
    main()
