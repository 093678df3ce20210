"""Bodies of road users as triangle meshes that this project models itself, from their dimensions."""

from v2xsim.gpu.lidar.bodies.catalogue import SHAPE_NAMES, mesh_of_shape, shape, shape_of_kind, shapes
from v2xsim.gpu.lidar.bodies.materials import MATERIALS, Material, Reflectivity
from v2xsim.gpu.lidar.bodies.shapes import Shape, Shapes, joined

__all__ = [
    "MATERIALS",
    "SHAPE_NAMES",
    "Material",
    "Reflectivity",
    "Shape",
    "Shapes",
    "joined",
    "mesh_of_shape",
    "shape",
    "shape_of_kind",
    "shapes",
]
