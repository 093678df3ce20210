"""Notices about the buildings that an import of an OpenStreetMap extract leaves out, repairs or assumes."""

from collections.abc import Iterator, Sequence

from v2xsim.import_osm.rings import INNER_OUTSIDE, OUTER_IN_OUTER
from v2xsim.mobility.base import counted
from v2xsim.notices import Notice

# For each reason: subject of the notice, and what happens, after "N buildings: ".
_REASONS = {
    "a ring does not close": (
        "import.ring_open", "a ring of the building does not close, because ways of it are not in the extract or do not meet; the "
        "open part is left out",
    ),
    INNER_OUTSIDE: ("import.inner_outside", "a ring with the role inner lies outside of the outer rings; nothing is built there"),
    OUTER_IN_OUTER: ("import.outer_in_outer", "a ring with the role outer lies directly in another one; it is taken as a court"),
    "an outer way with other tags": (
        "import.outer_differs", "a height or a type of an outer way differs from that of its relation, which counts, or from that of another way "
        "of its ring, of which the first counts",
    ),
    "a relation of another type": ("import.relation_type", "a relation whose type is neither multipolygon nor building; left out"),
    "a relation without its outline": (
        "import.relation_empty", "a relation of type building without an outline or a part in the extract; left out",
    ),
    "nothing left beside a passage": (
        "import.in_passage", "lies completely in the opening for a road that leads through it; left out",
    ),
    "closed by a straight line": ("import.outline_open", "the outline does not end where it begins; it is closed by a straight line"),
    "the extract lacks corners": ("import.corners_missing", "corners are not in the extract; the others are joined"),
    "an outline without an area": ("import.outline_empty", "fewer than three corners or less than 1 m2; left out"),
    "a point without an outline": ("import.building_point", "mapped as a point without an outline; left out"),
    "below the ground": ("import.underground", "below the ground; left out"),
    "a building that is gone or not yet there": ("import.not_standing", "gone or not yet built; left out"),
    "a building site or a ruin": ("import.unfinished", "a building site or a ruin; taken with its full height"),
    "a part higher than its outline": (
        "import.part_higher", "a part (building:part) is higher than the height of its building; the height of the part counts",
    ),
    "a part beyond its outline": ("import.part_outside", "a part (building:part) reaches beyond the outline of its building; it stands as mapped"),
    "a part without an outline": ("import.part_alone", "less than half of a part (building:part) lies in the outline of any building; it stands alone"),
    "a road with a tag of a building": ("import.building_road", "a road with the tag of a building; left out as a building"),
}  # fmt: skip


def building_notices(lost: dict[str, list[str]]) -> Iterator[Notice]:
    """Yield a notice for each reason for which buildings of the map are left out or changed."""
    for reason, names in lost.items():
        if names:
            subject, text = _REASONS[reason]
            yield Notice(subject, len(names), f"{counted(len(names), 'building')} of the map: {text} ({some(names)})")


def some(names: Sequence[str], most: int = 3) -> str:
    """Return the first names of a list, as text."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
