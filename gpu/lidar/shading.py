"""A flat-shaded picture of what a camera sees: the colour of each material, brighter where the camera looks at it squarely.

The only light comes from the camera. It is a drawing of geometry, for people to look at, and no photograph.
"""

import numpy as np
from jaxtyping import Float, UInt8

from v2xsim.gpu.lidar.bodies.materials import Material
from v2xsim.gpu.lidar.camera import Camera, Image
from v2xsim.gpu.lidar.mesh_rays import NO_MESHES, Meshes
from v2xsim.gpu.lidar.surfaces import NO_MATERIAL, surfaces_of
from v2xsim.records import Boxes, Obstacles

_COLOUR = np.zeros((NO_MATERIAL + 1, 3))
for _material, _rgb in {
    Material.PAINT: (127, 159, 196), Material.DARK_PAINT: (74, 79, 87), Material.GLASS: (39, 56, 77), Material.RUBBER: (31, 31, 31),
    Material.METAL: (195, 198, 201), Material.CLOTH: (181, 98, 60), Material.SKIN: (224, 180, 147), Material.RETROREFLECTOR: (242, 242, 230),
    Material.LAMP: (240, 199, 94), Material.GROUND: (140, 140, 136), Material.WALL: (205, 190, 165),
}.items():  # fmt: skip
    _COLOUR[_material] = _rgb
_COLOUR[NO_MATERIAL] = (214, 230, 244)

# Share of the colour that a surface has which the camera only grazes.
_DARKEST = 0.45


def shaded(
    image: Image,
    camera: Camera,
    world_from_camera: Float[np.ndarray, "4 4"],
    boxes: Boxes,
    obstacles: Obstacles,
    meshes: Meshes = NO_MESHES,
    material: UInt8[np.ndarray, " triangles"] | None = None,
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Return red, green and blue of each pixel.

    Args:
        image: What the camera sees.
        camera: Intrinsics.
        world_from_camera: Pose of the camera.
        boxes: Bounding boxes of the bodies.
        obstacles: Buildings.
        meshes: Shapes of the bodies.
        material: Material of each triangle of the shapes; needed with meshes.
    """
    toward = camera.directions / np.linalg.norm(camera.directions, axis=-1, keepdims=True)
    found = surfaces_of(
        image.range_m, image.instance, image.triangle, toward, world_from_camera, boxes, obstacles, meshes, material
    )
    light = np.where(found.material == NO_MATERIAL, 1.0, _DARKEST + (1.0 - _DARKEST) * found.incidence_cos)
    # The ground is grazed nearly everywhere.
    light[found.material == Material.GROUND] = 0.85
    picture: np.ndarray = np.rint(_COLOUR[found.material] * light[..., None]).astype(np.uint8)
    return picture
