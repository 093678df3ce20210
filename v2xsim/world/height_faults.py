"""What is wrong with the heights and outlines of buildings; each fault is reported with the ids of its buildings."""

from collections.abc import Mapping

from v2xsim.world.building_heights import (
    LEAST_LEVEL_M,
    ROOF_KEYS,
    TALLEST_M,
    default_height_m,
    given_base_m,
    length_m,
    level_count,
    roof_height_m,
)
from v2xsim.world.outlines import SMALLEST_M2

# Storeys higher than this are unlikely in buildings of several storeys; halls and churches have one or two.
_HIGHEST_LEVEL_M, _HIGHEST_HALL_M = 8.0, 25.0
# A building that is lower than this is no building; walls may be.
_LOWEST_M = 1.5
_WALLS = ("wall", "noise_barrier", "city_wall")
# Types of which none is higher than this.
_HIGHEST_SMALL_M = 30.0
_SMALL = frozenset({
    "house", "detached", "semidetached_house", "terrace", "bungalow", "cabin", "farm", "garage", "garages", "carport", "shed",
    "hut", "kiosk", "allotment_house", "toilets", "greenhouse", "kindergarten", "container",
})  # fmt: skip

LONGEST_M = 3000.0
"""Longest building; the largest factories have about 1.5 km."""

FAULTS: Mapping[str, str] = {
    "buildings.height_unreadable": "a height, underside or number of storeys that is no usable number; the next source of a height is taken",
    "buildings.height_below_storeys": f"a height that leaves less than {LEAST_LEVEL_M:g} m for each storey; the number of storeys counts",
    "buildings.height_above_storeys": (
        f"a height of more than {_HIGHEST_LEVEL_M:g} m for each of three or more storeys ({_HIGHEST_HALL_M:g} m for fewer), perhaps in "
        "feet without a unit; the height counts"
    ),
    "buildings.heights_differ": "two heights that differ (height, building:height, est_height); the first of them counts",
    "buildings.roof_above_height": "a roof (roof:height) that is higher than the whole building; the height of the building counts",
    "buildings.underside_above_roof": (
        "an underside (min_height, min_level) that is not below the roof; storeys are counted from it, a building "
        "with a height stands on the ground"
    ),
    "buildings.height_unlikely": (
        f"a height below {_LOWEST_M:g} m, above {TALLEST_M:g} m, or above {_HIGHEST_SMALL_M:g} m for a house or shed; it is taken as it is"
    ),
    "buildings.height_key_unknown": (
        "a parameter or attribute that is almost one of those that heights are read from, and is not read; they are height, building:levels, "
        "min_height and the like (docs/models.md)"
    ),
    "buildings.key_repeated": "a parameter twice with different values; the last one counts",
    "buildings.shape_unreadable": "a shape that cannot be read; left out",
    "buildings.in_degrees": "an outline smaller than 5 cm, probably in longitude and latitude; left out",
    "buildings.left_out": f"fewer than three different corners or an area below {SMALLEST_M2:g} m2",
    "buildings.huge": f"an edge longer than {LONGEST_M:,.0f} m, so a corner is probably wrong; left out until the corner is corrected",
    "buildings.long": f"an outline longer than {LONGEST_M:,.0f} m; it stands as it is",
    "buildings.id_repeated": "an id that another outline has, too; all of them stand",
    "buildings.third_coordinate": "corners with a third coordinate, which is not read; heights are parameters",
}  # fmt: skip
"""What is wrong, by the subject of the notice; each text follows "N buildings have", that of `left_out` "… their outline has"."""

LEFT_OUT = ("buildings.shape_unreadable", "buildings.in_degrees", "buildings.left_out", "buildings.huge")
"""The faults of which each leaves a building out."""


def height_faults(tags: Mapping[str, str], building: str) -> tuple[str, ...]:
    """Return the subjects of what is wrong with the heights of a building, as keys of FAULTS.

    Args:
        tags: OpenStreetMap's tags of the building.
        building: Type of the building.
    """
    faults = ["buildings.height_unreadable"] if is_height_unreadable(tags) else []
    heights_m = [value for key in ROOF_KEYS if (value := length_m(tags.get(key))) and value <= TALLEST_M]
    levels = level_count(tags.get("building:levels"))
    if heights_m:
        faults += _against_storeys(heights_m[0], levels)
        if max(heights_m) - min(heights_m) > max(0.5, 0.1 * min(heights_m)):
            faults.append("buildings.heights_differ")
    top_m, provenance = roof_height_m(tags, building)
    roof_m, given_m = length_m(tags.get("roof:height")), given_base_m(tags)
    below_m = given_m if given_m and given_m < top_m else 0.0
    if roof_m and provenance == "height" and roof_m > top_m - below_m + 0.1:
        faults.append("buildings.roof_above_height")
    if given_m and given_m >= top_m and provenance != "default":
        faults.append("buildings.underside_above_roof")
    name = building.strip().lower()
    is_small = name in _SMALL and default_height_m(name) < _HIGHEST_SMALL_M < top_m
    if provenance != "default" and name not in _WALLS and (top_m < _LOWEST_M or is_small):
        faults.append("buildings.height_unlikely")
    return tuple(faults)


def is_unlikely(top_m: float) -> bool:
    """Return whether a building that a scenario lists has a height that no building has."""
    return not _LOWEST_M <= top_m <= TALLEST_M


def _against_storeys(height_m: float, levels: float | None) -> list[str]:
    if not levels:
        return []
    if height_m < LEAST_LEVEL_M * levels:
        return ["buildings.height_below_storeys"]
    highest_m = _HIGHEST_LEVEL_M if levels >= 3 else _HIGHEST_HALL_M
    return ["buildings.height_above_storeys"] if height_m > highest_m * max(levels, 1.0) else []


def is_height_unreadable(tags: Mapping[str, str]) -> bool:
    """Return whether OpenStreetMap's tags have a height or a number of storeys that cannot be used.

    This includes the height of the underside and that of the roof itself. An underside below 0 is that of a cellar.
    """

    def given(*keys: str) -> list[str]:
        return [tags[key] for key in keys if tags.get(key, "").strip()]

    def above_ground(*keys: str) -> list[str]:
        return [text for text in given(*keys) if not text.strip().startswith("-")]

    heights = [length_m(text) for text in given(*ROOF_KEYS)]
    parts = [length_m(text) for text in (*given("roof:height"), *above_ground("min_height", "building:min_height"))]
    levels = [
        level_count(text)
        for text in (*given("building:levels", "roof:levels"), *above_ground("building:min_level", "min_level"))
    ]
    return (
        any(not value or value > TALLEST_M for value in heights)
        or any(value is None or value > TALLEST_M for value in parts)
        or None in levels
    )
