"""Keys that are written almost like a key that is read: in capitals, with other separators, or with one wrong letter."""

import re
from collections.abc import Mapping
from functools import lru_cache

from v2xsim.world.building_heights import BASE_KEYS, HEIGHT_KEYS

HEIGHTS = (*HEIGHT_KEYS, *BASE_KEYS)
"""Keys from which the heights of a building are read."""

# Keys of OpenStreetMap, or of other sources, that lack a prefix or have another word for the same; only for buildings.
_OTHER_WORDS: Mapping[str, str] = {
    "levels": "building:levels", "buildinglevel": "building:levels", "storeys": "building:levels", "storey": "building:levels", "stories": "building:levels", "floors": "building:levels",
    "numfloors": "building:levels", "buildingstoreys": "building:levels", "buildingfloors": "building:levels", "rooflevel": "roof:levels",
    "minheights": "min_height", "heightm": "height", "hight": "height",
}  # fmt: skip
# Other keys of OpenStreetMap that differ in one letter from one that is read.
_OTHER_KEYS = frozenset({"weight", "maxweight", "min_weight", "est_weight"})
# Shorter keys with one other letter are other words.
_SHORTEST = 6


def likes_of(tags: Mapping[str, str], keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the keys of some tags that are like one that is read and that the tags lack, each with that one.

    Args:
        tags: Tags of an element of a map, or of a polygon.
        keys: Keys that are read.
    """
    return [
        (key, wanted) for key in tags if (wanted := like(key.removeprefix("@"), keys)) is not None and wanted not in tags
    ]  # fmt: skip


@lru_cache(maxsize=10_000)
def like(key: str, keys: tuple[str, ...]) -> str | None:
    """Return the key of several that a key resembles without being any of them; None if it resembles none."""
    if key in keys or key in _OTHER_KEYS:
        return None
    plain = _plain(key)
    by_plain = {_plain(wanted): wanted for wanted in keys}
    if plain in by_plain:
        return by_plain[plain]
    other = _OTHER_WORDS.get(plain)
    if other in keys:
        return other
    return next((wanted for text, wanted in by_plain.items() if _differ_by_a_letter(plain, text)), None)


def _plain(key: str) -> str:
    return re.sub(r"[:_\-. ]", "", key).lower()


def _differ_by_a_letter(first: str, second: str) -> bool:
    """Return whether one letter too many, too few or wrong, or two letters in the wrong order, make the difference."""
    short, long = sorted((first, second), key=len)
    if len(short) < _SHORTEST or len(long) - len(short) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    return short[start + 1 :] == long[start + 1 :] or (
        short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]
    )
