"""The static world (buildings), and the catalogue of road users."""

from v2xsim.world.buildings import load_obstacles
from v2xsim.world.height_sources import HeightSources
from v2xsim.world.polygon_file import BuildingsError
from v2xsim.world.road_users import CATALOGUE, KINDS

__all__ = ["CATALOGUE", "KINDS", "BuildingsError", "HeightSources", "load_obstacles"]
