"""Which tags of OpenStreetMap name a building or a part of one."""

from v2xsim.import_osm.osm_map import Tags

# Structures that block rays and waves like a building but have no tag `building`.
_STRUCTURES = {
    "man_made": {
        "silo",
        "storage_tank",
        "water_tower",
        "tower",
        "chimney",
        "gasometer",
        "cooling_tower",
        "bunker_silo",
        "lighthouse",
        "windmill",
        "communications_tower",
    },
    "aeroway": {"hangar", "terminal"},
    "parking": {"multi-storey"},
}
_STANDING = ("building", "disused:building", "abandoned:building", "ruins:building")
# An entrance is a point or a piece of a wall, and no building of its own.
_NO_BUILDING = ("no", "none", "false", "0", "entrance")


def building_of(tags: Tags) -> str | None:
    """Return the type of building that tags name; None if they name none."""
    # Buildings that nobody uses still stand.
    values = [tags[key].strip().lower() for key in _STANDING if tags.get(key, "").strip()]
    if values:
        return next((value for value in values if value not in _NO_BUILDING), None)
    return next((tags[key] for key, values in _STRUCTURES.items() if tags.get(key) in values), None)


def part_of(tags: Tags) -> str | None:
    """Return the type of building part that tags name; None if they name none."""
    value = tags.get("building:part", "").strip().lower()
    return value if value and value not in _NO_BUILDING else None
