"""Buildings as upright prisms: read from a polygon file or from the scenario, cleaned and indexed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.notices import Notice
from v2xsim.records import Obstacles, Prisms
from v2xsim.scenario.schema_world import FARTHEST_M, Building, World
from v2xsim.spatial.grid import indexed
from v2xsim.world.building_heights import HEIGHT_KEYS, Provenance, prism_heights_m
from v2xsim.world.height_faults import LONGEST_M, height_faults, is_unlikely
from v2xsim.world.height_sources import HeightSources
from v2xsim.world.like_keys import HEIGHTS, likes_of
from v2xsim.world.outlines import Outline, corners_of, has_third_coordinate, usable_footprints
from v2xsim.world.polygon_file import BuildingsError, Polygon, PolygonList, in_degrees, read_polygons

__all__ = [
    "BuildingsError", "HeightSources", "building_notices", "joined", "load_obstacles", "load_prisms", "prisms_from",
    "prisms_of_polygons", "read_polygons", "standing_in",
]  # fmt: skip

# Outlines in degrees are smaller than this; one of 5 cm in metres would be no building.
_LARGEST_IN_DEGREES = 0.05
# Parameters and attributes of a polygon in which people write a height, and which are not read.
_LIKE_HEIGHTS = frozenset({
    "height", "heights", "buildingheight", "estheight", "renderheight", "heightm", "z", "levels", "buildinglevels", "level_count", "floors",
    "numfloors", "storeys", "stories", "hoehe", "höhe", "elevation", "hauteur", "altura",
})  # fmt: skip


@dataclass(frozen=True)
class _Block:
    """A building, or a piece of one, before its outline is checked.

    Attributes:
        outline_m: Its corners.
        base_m: Height of its underside.
        top_m: Height of its roof.
        provenance: Source of the height of its roof.
        place: Where it comes from, for messages.
        building: Equal for all pieces of one building.
    """

    outline_m: Outline
    base_m: float
    top_m: float
    provenance: Provenance
    place: str
    building: str | int


def _prisms(
    outlines: Sequence[Float[np.ndarray, "_corners 2"]], base_m: Sequence[float], top_m: Sequence[float]
) -> Prisms:
    """Return the prisms that have the given outlines as footprints, and the given heights of base and top."""
    if not outlines:
        return Prisms.none()
    offset: Int64[np.ndarray, " n"] = np.concatenate([[0], np.cumsum([len(o) for o in outlines])]).astype(np.int64)
    vertices = np.ascontiguousarray(np.concatenate(outlines), float)
    return Prisms(vertices, offset, np.array(base_m, float), np.array(top_m, float))


def _touches(corners_m: Float[np.ndarray, "corners 2"], region: tuple[float, float, float, float] | None) -> bool:
    """Return whether the bounding rectangle of an outline touches a region; always true if there is no region."""
    if region is None:
        return True
    (x_min, y_min), (x_max, y_max) = corners_m.min(axis=0), corners_m.max(axis=0)
    return bool(x_max >= region[0] and x_min <= region[2] and y_max >= region[1] and y_min <= region[3])


def _outlined(
    blocks: Sequence[_Block], region: tuple[float, float, float, float] | None
) -> tuple[Prisms, HeightSources]:
    """Return the prisms of those outlines that are valid and in the region, and the sources of their heights.

    Args:
        blocks: Buildings of a file or a scenario.
        region: x_min, y_min, x_max and y_max of the region; None for no limit.
    """
    outlines: list[Outline] = []
    base: list[float] = []
    top: list[float] = []
    count: Counter[str] = Counter()
    sources: dict[str | int, Provenance] = {}
    lost: dict[str, list[str]] = {
        "buildings.in_degrees": [], "buildings.left_out": [], "buildings.huge": [], "buildings.long": []
    }  # fmt: skip
    possible = []
    for block in blocks:
        if not _has_impossible_edge(block.outline_m):
            possible.append(block)
        elif _touches(block.outline_m, region):
            lost["buildings.huge"].append(f"{block.place}: {_longest_edge(block.outline_m)}")
        else:
            count["outside"] += 1
    footprints, crossing = usable_footprints([block.outline_m for block in possible])
    for block, parts, crosses in zip(possible, footprints, crossing, strict=True):
        inside = [part for part in parts if _touches(part, region)]
        if not parts:
            lost["buildings.in_degrees" if _is_in_degrees(block.outline_m) else "buildings.left_out"].append(
                block.place
            )
        elif not inside:
            count["outside"] += 1
        else:
            outlines += inside
            base += [block.base_m] * len(inside)
            top += [block.top_m] * len(inside)
            sources.setdefault(block.building, block.provenance)
            count["crossing"] += crosses
            if np.ptp(block.outline_m, axis=0).max() > LONGEST_M:
                lost["buildings.long"].append(block.place)
    count.update(sources.values())
    return _prisms(outlines, base, top), HeightSources(
        height=count["height"], levels=count["levels"], default=count["default"], degenerate=len(lost["buildings.left_out"]),
        outside=count["outside"], crossing=count["crossing"], faults=_without_empty(lost),
    )  # fmt: skip


def _has_impossible_edge(outline_m: Outline) -> bool:
    """Return whether an outline has an edge that is longer than the longest building, so a corner must be wrong."""
    return bool((np.abs(outline_m - np.roll(outline_m, 1, axis=0)) > LONGEST_M).any())


def _longest_edge(outline_m: Outline) -> str:
    """Return the two corners of the longest edge of an outline, as text."""
    after_m = np.roll(outline_m, -1, axis=0)
    start = int(np.abs(after_m - outline_m).max(axis=1).argmax())
    (x_m, y_m), (next_x_m, next_y_m) = outline_m[start], after_m[start]
    end = (start + 1) % len(outline_m)
    return f"from corner {start} at {x_m:.12g},{y_m:.12g} to corner {end} at {next_x_m:.12g},{next_y_m:.12g}"


def _without_empty(faults: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {subject: tuple(dict.fromkeys(places)) for subject, places in faults.items() if places}


def _is_in_degrees(outline_m: Outline) -> bool:
    """Return whether an outline is probably in longitude and latitude: in the range of degrees, and tiny."""
    extent = np.ptp(outline_m, axis=0)
    in_range = bool((np.abs(outline_m) <= (180.0, 90.0)).all())
    return in_range and bool((extent < _LARGEST_IN_DEGREES).all() and (extent > 0).any())


def _are_in_degrees(blocks: Sequence[_Block]) -> bool:
    """Return whether all outlines are probably in longitude and latitude."""
    drawn = [block.outline_m for block in blocks if np.ptp(block.outline_m, axis=0).any()]
    return bool(drawn) and all(map(_is_in_degrees, drawn))


def prisms_of_polygons(
    polygons: Sequence[Polygon], region: tuple[float, float, float, float] | None = None, source: str = "polygons"
) -> tuple[Prisms, HeightSources]:
    """Return the buildings among the polygons of a SUMO file, and the sources of their heights.

    Args:
        polygons: Polygons of the file, buildings or not.
        region: Only buildings that touch this rectangle are loaded.
        source: Name of the file, for the message of an error.

    Raises:
        BuildingsError: If the outlines are in longitude and latitude, or farther from the origin than any map projection leads.
    """
    unique: dict[tuple[object, int], _Block] = {}
    layers: Counter[object] = Counter()
    buildings = [polygon for polygon in polygons if polygon.building_type is not None]
    faults = _twice(buildings)
    read = _corners(buildings, faults, source)
    near = 0
    for number, (polygon, outline_m) in enumerate(read):
        if np.abs(outline_m).max() > FARTHEST_M:
            if _touches(outline_m, region):
                x_m, y_m = outline_m[np.abs(outline_m).max(axis=1).argmax()]
                raise BuildingsError(
                    f"{source}: buildings must lie within {FARTHEST_M:,.0f} m of the origin, got a corner at {x_m:g}, {y_m:g}; "
                    "set world.region to leave it out"
                )
            continue
        near += 1
        building = polygon.building_type or ""
        base_m, top_m, provenance = prism_heights_m(polygon.tags, building)
        if _touches(outline_m, region):
            _note_faults(faults, polygon, building, provenance)
        block = _Block(outline_m, base_m, top_m, provenance, polygon.place, polygon.name.partition("#")[0] or number)
        # The same corners in another order are the same outline. Parts of a building lie above each other.
        corners = frozenset(map(tuple, block.outline_m.round(2).tolist()))
        for layer in range(layers[corners]):
            loaded = unique[corners, layer]
            if loaded.base_m < top_m and base_m < loaded.top_m:
                unique[corners, layer] = block if _RANK[provenance] <= _RANK[loaded.provenance] else loaded
                break
        else:
            unique[corners, layers[corners]] = block
            layers[corners] += 1
    blocks = list(unique.values())
    if _are_in_degrees(blocks):
        raise in_degrees(
            f"{source}: the outlines of all {len(blocks)} buildings are smaller than 5 cm, so they are probably"
        )
    prisms, sources = _outlined(blocks, region)
    types = [polygon.kind.partition(".")[0] for polygon in polygons if polygon.building_type is None]
    unknown = Counter(polygon.kind.partition(".")[0] for polygon in polygons if polygon.is_of_unknown_type)
    listed = polygons if isinstance(polygons, PolygonList) else PolygonList(polygons)
    return prisms, replace(
        sources, outside=sources.outside + len(read) - near, repeated=near - len(blocks), polygons=len(polygons),
        other=tuple(unknown.most_common()), known=tuple((Counter(types) - unknown).most_common()), kept=listed.notices,
        net_offset_m=listed.net_offset_m, elements=tuple(Counter(listed.others).most_common()),
        faults=_without_empty(faults) | dict(sources.faults),
    )  # fmt: skip


def _twice(buildings: Sequence[Polygon]) -> dict[str, list[str]]:
    """Return the ids that several buildings have with different outlines, under the subject of their notice."""
    shapes: dict[str, set[str]] = {}
    for polygon in buildings:
        shapes.setdefault(polygon.name, set()).add(polygon.shape)
    return {"buildings.id_repeated": [name for name, different in shapes.items() if name and len(different) > 1]}


def _corners(buildings: Sequence[Polygon], faults: dict[str, list[str]], source: str) -> list[tuple[Polygon, Outline]]:
    """Return the buildings whose shapes can be read, with their corners, and note the others."""
    read = []
    for polygon in buildings:
        if polygon.is_in_degrees:
            raise in_degrees(f"{source}: polygon {polygon.name!r} has geo=true (line {polygon.line}), so its shape is")
        try:
            read.append((polygon, corners_of(polygon.shape)))
        except ValueError as error:
            line = f", line {polygon.line}" if polygon.line and polygon.name else ""
            faults.setdefault("buildings.shape_unreadable", []).append(f"{polygon.place}{line}: {error}")
    unreadable = faults.get("buildings.shape_unreadable", [])
    if len(unreadable) == len(buildings) > 0:
        raise BuildingsError(
            f"{source}: the shapes of all {len(buildings)} buildings cannot be read, first {unreadable[0]}; write shapes as x,y x,y x,y"
        )
    return read


def _note_faults(faults: dict[str, list[str]], polygon: Polygon, building: str, provenance: Provenance) -> None:
    """Note what is wrong with the heights of a building; pieces of one building, which have ids such as a#1, are one building."""
    place = polygon.name.partition("#")[0] or polygon.place
    for subject in height_faults(polygon.tags, building):
        faults.setdefault(subject, []).append(place)
    if has_third_coordinate(polygon.shape):
        faults.setdefault("buildings.third_coordinate", []).append(place)
    if polygon.repeated:
        faults.setdefault("buildings.key_repeated", []).append(f"{place}: {', '.join(dict.fromkeys(polygon.repeated))}")
    unread = [key for key, _ in likes_of(polygon.tags, HEIGHTS)]
    if provenance == "default":
        unread += [
            key
            for key in polygon.tags
            if re.sub(r"[@:_\-. ]", "", key).lower() in _LIKE_HEIGHTS and key not in HEIGHT_KEYS
        ]
    if unread:
        faults.setdefault("buildings.height_key_unknown", []).append(f"{place}: {unread[0].removeprefix('@')}")


# Of two heights for the same outline, the one with the better source counts.
_RANK: dict[Provenance, int] = {"height": 0, "levels": 1, "default": 2}


def prisms_from(
    buildings: Sequence[Building], region: tuple[float, float, float, float] | None = None
) -> tuple[Prisms, HeightSources]:
    """Return the buildings that a scenario lists, and the sources of their heights.

    Raises:
        BuildingsError: If the outlines are in longitude and latitude.
    """
    blocks = [
        _Block(np.array(b.footprint_m, float), b.base_m, b.height_m, "height", f"world.buildings.{number}", number)
        for number, b in enumerate(buildings)
    ]
    if _are_in_degrees(blocks):
        raise in_degrees("world.buildings: the outlines of all buildings are smaller than 5 cm, so they are probably")
    prisms, sources = _outlined(blocks, region)
    unlikely = [block.place for block in blocks if is_unlikely(block.top_m)]
    return prisms, replace(
        sources, faults={**sources.faults, **_without_empty({"buildings.height_unlikely": unlikely})}
    )


def load_prisms(world: World) -> tuple[Prisms, HeightSources]:
    """Return the buildings that the section `world` of a scenario gives, and the sources of their heights."""
    if isinstance(world.buildings, Path):
        return prisms_of_polygons(read_polygons(world.buildings), world.region, str(world.buildings))
    return prisms_from(world.buildings, world.region)


def joined(first: Prisms, second: Prisms) -> Prisms:
    """Return the prisms of two sets, one after the other."""
    return Prisms(
        np.concatenate([first.vertices_m, second.vertices_m]),
        np.concatenate([first.offset, first.offset[-1] + second.offset[1:]]),
        np.concatenate([first.base_m, second.base_m]),
        np.concatenate([first.top_m, second.top_m]),
    )


def building_notices(world: World, sources: HeightSources) -> tuple[Notice, ...]:
    """Return the notices about the buildings of a world; `sources` as `load_prisms` returns it."""
    return sources.notices(str(world.buildings) if isinstance(world.buildings, Path) else "world.buildings")


def load_obstacles(world: World, extra: Prisms | None = None) -> tuple[Obstacles, HeightSources]:
    """Return the buildings of a world with a grid index, and the sources of their heights.

    Args:
        world: Section `world` of the scenario.
        extra: Buildings of a generated town, in addition to those of the section.
    """
    prisms, sources = load_prisms(world)
    return indexed(joined(prisms, extra) if extra is not None and len(extra) else prisms), sources


def standing_in(prisms: Prisms, rows: Bool[np.ndarray, " prisms"]) -> Prisms:
    """Return the selected prisms of a set."""
    chosen = np.flatnonzero(rows)
    outlines = [prisms.vertices_m[prisms.offset[p] : prisms.offset[p + 1]] for p in chosen]
    return _prisms(outlines, prisms.base_m[chosen].tolist(), prisms.top_m[chosen].tolist())
