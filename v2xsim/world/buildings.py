"""Buildings as upright prisms: read from a polygon file or from the scenario, cleaned and indexed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int64

from v2xsim.notices import Notice
from v2xsim.records import Obstacles, Prisms
from v2xsim.scenario.schema_world import FARTHEST_M, Building, World
from v2xsim.spatial.grid import indexed
from v2xsim.world.building_heights import Provenance, is_height_unreadable, prism_heights_m
from v2xsim.world.height_sources import HeightSources
from v2xsim.world.outlines import Outline, corners_of, usable_footprints
from v2xsim.world.polygon_file import BuildingsError, Polygon, PolygonList, in_degrees, read_polygons

__all__ = [
    "BuildingsError", "HeightSources", "building_notices", "joined", "load_obstacles", "load_prisms", "prisms_from",
    "prisms_of_polygons", "read_polygons", "standing_in",
]  # fmt: skip

# Outlines in degrees are smaller than this; one of 5 cm in metres would be no building.
_LARGEST_IN_DEGREES = 0.05


@dataclass(frozen=True)
class _Block:
    """A building before its outline is checked."""

    outline_m: Outline
    base_m: float
    top_m: float
    provenance: Provenance


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
    footprints, crossing = usable_footprints([block.outline_m for block in blocks])
    for block, parts, crosses in zip(blocks, footprints, crossing, strict=True):
        inside = [part for part in parts if _touches(part, region)]
        if not parts:
            count["degenerate"] += 1
        elif not inside:
            count["outside"] += 1
        else:
            outlines += inside
            base += [block.base_m] * len(inside)
            top += [block.top_m] * len(inside)
            count[block.provenance] += 1
            count["crossing"] += crosses
    return _prisms(outlines, base, top), HeightSources(
        height=count["height"], levels=count["levels"], default=count["default"], degenerate=count["degenerate"],
        outside=count["outside"], crossing=count["crossing"],
    )  # fmt: skip


def _are_in_degrees(outlines_m: Sequence[Outline]) -> bool:
    """Return whether outlines are probably in longitude and latitude: in the range of degrees, and all of them tiny."""
    drawn = [outline for outline in outlines_m if len(outline) >= 3]
    if not drawn:
        return False
    everything = np.concatenate(drawn)
    in_range = bool((np.abs(everything) <= (180.0, 90.0)).all())
    return in_range and all(bool((np.ptp(outline, axis=0) < _LARGEST_IN_DEGREES).all()) for outline in drawn)


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
    buildings = unreadable = far = 0
    for polygon in polygons:
        building = polygon.building_type
        if building is None:
            continue
        outline_m = corners_of(polygon.shape)
        if np.abs(outline_m).max(initial=0.0) > FARTHEST_M:
            if _touches(outline_m, region):
                x_m, y_m = outline_m[np.abs(outline_m).max(axis=1).argmax()]
                raise BuildingsError(
                    f"{source}: buildings must lie within {FARTHEST_M:,.0f} m of the origin, got a corner at {x_m:g}, {y_m:g}; "
                    "set world.region to leave it out"
                )
            far += 1
            continue
        buildings += 1
        unreadable += is_height_unreadable(polygon.tags)
        base_m, top_m, provenance = prism_heights_m(polygon.tags, building)
        block = _Block(outline_m, base_m, top_m, provenance)
        # The same corners in another order are the same outline. Parts of a building lie above each other.
        corners = frozenset(map(tuple, block.outline_m.round(2).tolist())) or polygon.shape
        for layer in range(layers[corners]):
            loaded = unique[corners, layer]
            if loaded.base_m < top_m and base_m < loaded.top_m:
                unique[corners, layer] = block if _RANK[provenance] <= _RANK[loaded.provenance] else loaded
                break
        else:
            unique[corners, layers[corners]] = block
            layers[corners] += 1
    blocks = list(unique.values())
    if _are_in_degrees([block.outline_m for block in blocks]):
        raise in_degrees(
            f"{source}: the outlines of all {len(blocks)} buildings are smaller than 5 cm, so they are probably"
        )
    prisms, sources = _outlined(blocks, region)
    other = Counter(polygon.kind.partition(".")[0] for polygon in polygons if polygon.is_of_unknown_type)
    return prisms, replace(
        sources, outside=sources.outside + far, repeated=buildings - len(blocks), unreadable=unreadable, other=tuple(other.most_common()),
        polygons=len(polygons), kept=polygons.notices if isinstance(polygons, PolygonList) else (),
        net_offset_m=polygons.net_offset_m if isinstance(polygons, PolygonList) else "",
    )  # fmt: skip


# Of two heights for the same outline, the one with the better source counts.
_RANK: dict[Provenance, int] = {"height": 0, "levels": 1, "default": 2}


def prisms_from(
    buildings: Sequence[Building], region: tuple[float, float, float, float] | None = None
) -> tuple[Prisms, HeightSources]:
    """Return the buildings that a scenario lists, and the sources of their heights.

    Raises:
        BuildingsError: If the outlines are in longitude and latitude.
    """
    blocks = [_Block(np.array(b.footprint_m, float), b.base_m, b.height_m, "height") for b in buildings]
    if _are_in_degrees([block.outline_m for block in blocks]):
        raise in_degrees("world.buildings: the outlines of all buildings are smaller than 5 cm, so they are probably")
    return _outlined(blocks, region)


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
