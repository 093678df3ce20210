"""The height of a building in metres: from OpenStreetMap's tags, or a default for the type of building."""

import re
from collections.abc import Mapping
from typing import Literal

Provenance = Literal["height", "levels", "default"]

LEVEL_M = 3.0
"""Height of a storey (OpenStreetMap wiki, key building:levels: "about 3 m")."""

FOOT_M = 0.3048

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

OPEN_BELOW = ("roof", "carport", "canopy")
"""Types of buildings without walls: a roof on posts."""

_NUMBER = re.compile(
    r"^\s*(?:~|ca\.?|about)?\s*(\d+(?:[.,]\d+)?)\s*(m|metres?|meters?|mtrs?|cm|ft|feet|foot|')?\.?\s*$", re.IGNORECASE
)
_FEET_INCHES = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:'|ft)\s*(\d+(?:\.\d+)?)\s*(?:\"|''|in)\s*$", re.IGNORECASE)


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
    match = _NUMBER.match(text)
    if not match:
        return None
    value = float(match[1].replace(",", "."))
    unit = (match[2] or "m").lower()
    scale = {"ft": FOOT_M, "feet": FOOT_M, "foot": FOOT_M, "'": FOOT_M, "cm": 0.01}.get(unit, 1.0)
    return value * scale


def _count(text: str | None) -> float | None:
    """Return the number of storeys that a text gives; None if the text is no such number."""
    value = length_m(text) if text and not text.strip().lower().endswith(("m", "'", "ft", "feet")) else None
    return value if value is not None and value <= TALLEST_M / LEVEL_M else None


def default_height_m(building: str) -> float:
    """Return the default height of a type of building, given as the value of OpenStreetMap's key `building`."""
    return DEFAULT_HEIGHT_M.get(building.strip().lower(), OTHER_HEIGHT_M)


def roof_height_m(tags: Mapping[str, str], building: str) -> tuple[float, Provenance]:
    """Return the height of the roof above ground, and its source.

    A pitched roof counts up to its ridge: `height` includes it, and `building:levels` does not count the storeys in it.

    Args:
        tags: OpenStreetMap's tags of the building.
        building: Type of the building; it determines the default if the tags have no height.
    """
    for key in ("height", "building:height", "est_height"):
        height = length_m(tags.get(key))
        if height and height <= TALLEST_M:
            return height, "height"
    levels = _count(tags.get("building:levels"))
    roof_m = length_m(tags.get("roof:height")) or LEVEL_M * (_count(tags.get("roof:levels")) or 0.0)
    if levels or (levels == 0 and roof_m):
        return min(levels * LEVEL_M + roof_m, TALLEST_M), "levels"
    return default_height_m(building), "default"


def is_height_unreadable(tags: Mapping[str, str]) -> bool:
    """Return whether OpenStreetMap's tags have a height or a number of storeys that cannot be used.

    This includes the height of the underside, also if it is not below the roof, and that of the roof itself.
    """

    def given(*keys: str) -> list[str]:
        # A number below 0 is a storey below the ground.
        return [tags[key] for key in keys if tags.get(key, "").strip() and not tags[key].strip().startswith("-")]

    heights = [length_m(text) for text in given("height", "building:height", "est_height")]
    parts = [length_m(text) for text in given("min_height", "building:min_height", "roof:height")]
    levels = [_count(text) for text in given("building:levels", "building:min_level", "min_level", "roof:levels")]
    if any(not value or value > TALLEST_M for value in heights) or None in parts or None in levels:
        return True
    base_m = _given_base_m(tags)
    return base_m is not None and any(value is not None and value <= base_m for value in heights)


def prism_heights_m(tags: Mapping[str, str], building: str) -> tuple[float, float, Provenance]:
    """Return the heights of a building's underside and roof above ground, and the source of the roof's height.

    A building whose height is a default stands at least one storey above the underside that its tags give.
    """
    top_m, provenance = roof_height_m(tags, building)
    lowest_m = _given_base_m(tags)
    if provenance == "default" and lowest_m is not None and lowest_m >= top_m:
        top_m = min(lowest_m + LEVEL_M, TALLEST_M)
    return base_height_m(tags, building, top_m), top_m, provenance


def base_height_m(tags: Mapping[str, str], building: str, top_m: float) -> float:
    """Return the height of a building's underside: 0, unless there is open space below it, such as below a roof on posts.

    Args:
        tags: OpenStreetMap's tags of the building.
        building: Type of the building.
        top_m: Height of the roof above ground.
    """
    base = _given_base_m(tags)
    if base is None and (building.strip().lower() in OPEN_BELOW or tags.get("wall", tags.get("walls")) == "no"):
        base = top_m - 0.3  # A slab of 0.3 m on posts: lidar rays and radio waves pass below it.
    return base if base is not None and 0 <= base < top_m else 0.0


def _given_base_m(tags: Mapping[str, str]) -> float | None:
    """Return the height of a building's underside that its tags give; None if they give none."""
    base = length_m(tags.get("min_height")) or length_m(tags.get("building:min_height"))
    if base is None:
        levels = _count(tags.get("building:min_level")) or _count(tags.get("min_level"))
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
        _count(tags.get("building:levels"))
    )
    if has_height:
        return False
    is_below = [
        text.strip().startswith("-") and text.strip()[1:].isdigit()
        for text in (tags.get("layer", ""), tags.get("level", ""))
    ]
    only_cellar = _count(tags.get("building:levels")) == 0 and bool(_count(tags.get("building:levels:underground")))
    return any(is_below) or (only_cellar and not _count(tags.get("roof:levels")))
