"""The static world (buildings), and the catalogue of road users."""

from v2xsim.world.buildings import BuildingsError, HeightSources, load_obstacles
from v2xsim.world.road_users import CATALOGUE, KINDS

__all__ = ["CATALOGUE", "KINDS", "BuildingsError", "HeightSources", "load_obstacles"]
