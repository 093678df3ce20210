"""Counts of buildings by the source of their height, and of what was left out or repaired, as notices."""

from dataclasses import dataclass

from v2xsim.notices import Notice
from v2xsim.world.outlines import SMALLEST_M2


@dataclass(frozen=True)
class HeightSources:
    """Numbers of loaded buildings by the source of their height, and numbers of polygons that were left out or repaired.

    Attributes:
        height: Number of buildings with a height in the map or in the scenario.
        levels: Number of buildings whose height comes from their number of storeys.
        default: Number of buildings without height and storeys, which get the default height of their type.
        degenerate: Number of polygons left out because they have fewer than three different corners or an area below 1 m2.
        outside: Number of polygons left out because they lie outside the region.
        repeated: Number of polygons left out because their outline occurs a second time: polyconvert writes the building of
            a school both as a school and as a building.
        crossing: Number of outlines that cross themselves; the areas that they enclose are loaded.
        unreadable: Number of buildings whose height or number of storeys in the map is no number.
        other: Types of polygons that are neither buildings nor known to polyconvert, with the number of each.
        polygons: Number of polygons in the file, buildings or not; -1 if the scenario lists the buildings.
        kept: Notices that the file keeps from the import that wrote it.
        net_offset_m: Shift to the coordinates of the network for which the file was made, as text; empty if unknown.
    """

    height: int = 0
    levels: int = 0
    default: int = 0
    degenerate: int = 0
    outside: int = 0
    repeated: int = 0
    crossing: int = 0
    unreadable: int = 0
    other: tuple[tuple[str, int], ...] = ()
    polygons: int = -1
    kept: tuple[Notice, ...] = ()
    net_offset_m: str = ""

    @property
    def loaded(self) -> int:
        """Number of buildings in the world."""
        return self.height + self.levels + self.default

    def notices(self, source: str) -> tuple[Notice, ...]:
        """Return what was left out, repaired or assumed.

        Args:
            source: The file of the buildings, or the key of the scenario that lists them.
        """
        everything = self.loaded + self.degenerate
        rows = [
            (
                "buildings.left_out", self.degenerate,
                f"{self.degenerate} of {everything} buildings are left out, because their outline has fewer than three different "
                f"corners or an area below {SMALLEST_M2:g} m2",
            ),
            (
                "buildings.outline_crosses_itself", self.crossing,
                f"outlines that cross themselves: {self.crossing}; the areas that they enclose are taken as buildings",
            ),
            (
                "buildings.repeated", self.repeated,
                f"outlines that occur again at the same heights: {self.repeated}; each is loaded once",
            ),
            (
                "buildings.outside_region", self.outside,
                f"buildings outside world.region: {self.outside}; they are not loaded",
            ),
            (
                "buildings.height_assumed", self.default,
                f"{self.default} of {self.loaded} buildings have neither a height nor a number of storeys; each has the default "
                "height of its type (docs/models.md, buildings)",
            ),
            (
                "buildings.height_unreadable", self.unreadable,
                f"buildings with a height, underside or number of storeys that is no usable number: {self.unreadable}; the next source of a "
                "height is taken (docs/models.md, buildings)",
            ),
            (
                "buildings.unknown_type", sum(count for _, count in self.other),
                f"{sum(count for _, count in self.other)} polygons are not taken as buildings, because their type is neither "
                f"`building` nor `building.…`: {_listed(self.other)}",
            ),
            (
                "buildings.none", int(self.loaded == 0 and self.polygons >= 0),
                f"none of {self.polygons} polygons becomes a building; a building has the type `building` or `building.…`, or a "
                "param `building`",
            ),
        ]  # fmt: skip
        kept = [(notice.subject, notice.count, notice.text) for notice in self.kept]
        return tuple(Notice(subject, count, f"{source}: {text}") for subject, count, text in (*kept, *rows) if count)


def _listed(counts: tuple[tuple[str, int], ...], most: int = 5) -> str:
    names = [f"{name or '(none)'} ({count})" for name, count in counts[:most]]
    return ", ".join(names) + (f" and {len(counts) - most} more" if len(counts) > most else "")
