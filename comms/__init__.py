"""The radio: geometry, propagation, physical layer, access, messages and relays, as functions on arrays.

Nothing here knows a clock, a scenario or a run. numpy and numba only.
"""

__all__ = [
    "access",
    "blockage",
    "fragments",
    "geometry",
    "medium",
    "messages",
    "pairs",
    "pathloss",
    "phy",
    "relay",
    "shadowing",
]
