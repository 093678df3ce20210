"""Traffic from SUMO, recorded traces, scripts and generated roads, with one interface."""

from v2xsim.mobility.base import Mobility, MobilityError, Names
from v2xsim.mobility.source import extra_buildings, open_mobility

__all__ = ["Mobility", "MobilityError", "Names", "extra_buildings", "open_mobility"]
