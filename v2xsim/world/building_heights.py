"""The height of a building in metres: from OpenStreetMap's tags, or a default for the type of building."""

import re
from collections.abc import Mapping
from typing import Literal

Provenance = Literal["height", "levels", "default"]

LEVEL_M = 3.0
"""Height of a storey (OpenStreetMap wiki, key building:levels: "about 3 m")."""

FOOT_M = 0.3048

LEAST_LEVEL_M = 2.0
"""Least height of a storey. A `height` that leaves less for each storey is not that of the roof, so the storeys count."""

TALLEST_M = 830.0
"""Largest accepted height of a building. The tallest one has 828 m (Burj Khalifa), so a larger number is a typing error."""

DEFAULT_HEIGHT_M: Mapping[str, float] = {
    "garage": 2.5, "garages": 2.5, "carport": 2.5, "canopy": 4.5, "shed": 2.5, "hut": 2.5, "kiosk": 3.0, "greenhouse": 3.0,
    "roof": 3.5, "container": 2.6, "allotment_house": 3.0, "service": 3.0, "toilets": 3.0, "transformer_tower": 9.0,
    "bungalow": 5.0, "cabin": 4.0, "house": 7.5, "detached": 7.5, "semidetached_house": 7.5, "terrace": 7.5,
    "farm": 7.5, "residential": 9.0, "apartments": 12.0, "dormitory": 12.0, "hotel": 15.0, "office": 12.0,
    "commercial": 9.0, "retail": 6.0, "supermarket": 6.0, "warehouse": 8.0, "industrial": 8.0, "manufacture": 8.0,
    "hangar": 10.0, "barn": 6.0, "farm_auxiliary": 5.0, "stable": 5.0, "sports_hall": 8.0, "stadium": 15.0,
    "school": 9.0, "kindergarten": 4.5, "university": 12.0, "college": 12.0, "hospital": 15.0, "public": 9.0,
    "civic": 9.0, "government": 12.0, "train_station": 9.0, "parking": 9.0, "church": 15.0, "chapel": 8.0,
    "cathedral": 30.0, "mosque": 15.0, "synagogue": 12.0, "temple": 12.0, "tower": 20.0, "silo": 15.0,
    "storage_tank": 10.0, "terminal": 12.0, "multi-storey": 9.0, "bridge": 9.0, "bunker_silo": 4.0, "chimney": 30.0, "gasometer": 30.0,
    "cooling_tower": 80.0, "water_tower": 25.0, "castle": 15.0,
}  # fmt: skip
"""Height of the flat roof if the map has none, by value of the key `building`.

Assumptions of this project for towns in central Europe: the usual number of storeys of the type times 3 m, plus half a
pitched roof for houses. The assumptions matter: only 39 of the 11,287 buildings of Bad Hersfeld have any information
on their height.
"""

OTHER_HEIGHT_M = 7.5
"""Default height for a type that the table does not list, most often `yes`: two storeys and half a roof."""

HEIGHT_KEYS = ("height", "building:height", "est_height", "building:levels", "roof:levels", "roof:height")
"""Keys of OpenStreetMap from which the height of a roof is read."""

ROOF_KEYS = ("height", "building:height", "est_height")
"""Keys that give the height of a roof in metres, the first one that can be used counts."""

BASE_KEYS = ("min_height", "building:min_height", "building:min_level", "min_level")
"""Keys that give the height of the underside."""

OPEN_BELOW = ("roof", "carport", "canopy")
"""Types of buildings without walls: a roof on posts."""

_NUMBER = re.compile(
    r"^\s*(?:~|ca\.?|about)?\s*(\d+(?:[.,]\d+)?)\s*(m|metres?|meters?|mtrs?|cm|ft|feet|foot|')?\.?\s*$", re.IGNORECASE
)
_FEET_INCHES = re.compile(
    r"^\s*(\d+(?:\.\d+)?)\s*(?:'|ft\.?|feet|foot)\s*(\d+(?:\.\d+)?)\s*(?:\"|''|in\.?|inch|inches)?\s*$", re.IGNORECASE
)
_COUNT = re.compile(r"^\s*(?:~|ca\.?|about)?\s*(\d+(?:[.,]\d+)?)\s*$", re.IGNORECASE)
_INCHES = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:\"|''|in\.?|inch|inches)\s*$", re.IGNORECASE)


def length_m(text: str | None) -> float | None:
    r"""Return the length in metres that a text gives as OpenStreetMap writes it: "12", "12.5 m", "40'", "6'3\\"".

    None if the text is not a length.
    """
    if text is None:
        return None
    text = text.replace("\u2032", "'").replace("\u2019", "'").replace("\u2033", '"').replace("\u201d", '"')
    match = _FEET_INCHES.match(text)
    if match:
        return FOOT_M * (float(match[1]) + float(match[2]) / 12)
    match = _INCHES.match(text)
    if match:
        return FOOT_M * float(match[1]) / 12
    match = _NUMBER.match(text)
    if not match:
        return None
    value = float(match[1].replace(",", "."))
    unit = (match[2] or "m").lower()
    scale = {"ft": FOOT_M, "feet": FOOT_M, "foot": FOOT_M, "'": FOOT_M, "cm": 0.01}.get(unit, 1.0)
    return value * scale


def level_count(text: str | None) -> float | None:
    """Return the number of storeys that a text gives, 0 or more; None if the text is no such number."""
    match = _COUNT.match(text or "")
    value = float(match[1].replace(",", ".")) if match else None
    return value if value is not None and value <= TALLEST_M / LEVEL_M else None


def default_height_m(building: str) -> float:
    """Return the default height of a type of building, given as the value of OpenStreetMap's key `building`."""
    return DEFAULT_HEIGHT_M.get(building.strip().lower(), OTHER_HEIGHT_M)


def roof_height_m(tags: Mapping[str, str], building: str) -> tuple[float, Provenance]:
    """Return the height of the roof above ground, and its source.

    A pitched roof counts up to its ridge: `height` includes it, and `building:levels` does not count the storeys in it. A height that
    leaves less than 2 m for each of the storeys gives way to them.

    Args:
        tags: OpenStreetMap's tags of the building.
        building: Type of the building; it determines the default if the tags have no height.
    """
    levels = level_count(tags.get("building:levels"))
    for key in ROOF_KEYS:
        height = length_m(tags.get(key))
        if height and height <= TALLEST_M and height >= LEAST_LEVEL_M * (levels or 0.0):
            return height, "height"
    given_m = length_m(tags.get("roof:height"))
    roof_m = given_m if given_m and given_m <= TALLEST_M else LEVEL_M * (level_count(tags.get("roof:levels")) or 0.0)
    if levels or (levels == 0 and roof_m):
        return min(levels * LEVEL_M + roof_m, TALLEST_M), "levels"
    default_m = default_height_m(building)
    # No walls, no storey below the roof; else the roof stands on one storey at least.
    below_m = 0.0 if building.strip().lower() in OPEN_BELOW else LEVEL_M
    return (default_m if roof_m == 0 else min(max(default_m, roof_m + below_m), TALLEST_M)), "default"


def prism_heights_m(tags: Mapping[str, str], building: str) -> tuple[float, float, Provenance]:
    """Return the heights of a building's underside and roof above ground, and the source of the roof's height.

    A building whose height is a default stands at least one storey above the underside that its tags give. Storeys that do not reach
    the underside are counted from there: a part of a tower may have the number of its own storeys.
    """
    top_m, provenance = roof_height_m(tags, building)
    lowest_m = given_base_m(tags)
    if provenance == "default" and lowest_m is not None and lowest_m >= top_m:
        top_m = min(lowest_m + LEVEL_M, TALLEST_M)
    elif provenance == "levels" and lowest_m is not None and lowest_m >= top_m:
        top_m = min(lowest_m + top_m, TALLEST_M)
    return base_height_m(tags, building, top_m), top_m, provenance


def base_height_m(tags: Mapping[str, str], building: str, top_m: float) -> float:
    """Return the height of a building's underside: 0, unless there is open space below it, such as below a roof on posts.

    Args:
        tags: OpenStreetMap's tags of the building.
        building: Type of the building.
        top_m: Height of the roof above ground.
    """
    base = given_base_m(tags)
    if base is None and (building.strip().lower() in OPEN_BELOW or tags.get("wall", tags.get("walls")) == "no"):
        base = top_m - 0.3  # A slab of 0.3 m on posts: lidar rays and radio waves pass below it.
    return base if base is not None and 0 <= base < top_m else 0.0


def given_base_m(tags: Mapping[str, str]) -> float | None:
    """Return the height of a building's underside that its tags give; None if they give none."""
    base = length_m(tags.get("min_height")) or length_m(tags.get("building:min_height"))
    if base is None:
        levels = level_count(tags.get("building:min_level")) or level_count(tags.get("min_level"))
        base = levels * LEVEL_M if levels else None
    return base


def is_underground(tags: Mapping[str, str]) -> bool:
    """Return whether OpenStreetMap's tags say that a building lies below the ground, such as an underground car park."""
    if (
        tags.get("location", "").strip().lower() in ("underground", "subsurface")
        or tags.get("parking") == "underground"
    ):
        return True
    has_height = any(length_m(tags.get(key)) for key in ("height", "building:height")) or bool(
        level_count(tags.get("building:levels"))
    )
    if has_height:
        return False
    is_below = [
        text.strip().startswith("-") and text.strip()[1:].isdigit()
        for text in (tags.get("layer", ""), tags.get("level", ""))
    ]
    only_cellar = level_count(tags.get("building:levels")) == 0 and bool(
        level_count(tags.get("building:levels:underground"))
    )
    return any(is_below) or (only_cellar and not level_count(tags.get("roof:levels")))
