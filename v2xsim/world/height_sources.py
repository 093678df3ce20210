"""Counts of buildings by the source of their height, and of what was left out or repaired, as notices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from v2xsim.notices import Notice
from v2xsim.world.height_faults import FAULTS, LEFT_OUT


@dataclass(frozen=True)
class HeightSources:
    """Numbers of loaded buildings by the source of their height (the pieces of one building, with ids such as a#1, are one), and numbers of polygons that were left out or repaired.

    Attributes:
        height: Number of buildings with a height in the map or in the scenario.
        levels: Number of buildings whose height comes from their number of storeys.
        default: Number of buildings without height and storeys, which get the default height of their type.
        degenerate: Number of polygons left out because they have fewer than three different corners or an area below 1 m2.
        outside: Number of polygons left out because they lie outside the region.
        repeated: Number of polygons left out because their outline occurs a second time: polyconvert writes the building of
            a school both as a school and as a building.
        crossing: Number of outlines that cross themselves; the areas that they enclose are loaded.
        faults: What is wrong with heights, by the subjects of `v2xsim.world.height_faults.FAULTS`, with the ids of the buildings.
        other: Types of polygons that are neither buildings nor known to polyconvert, with the number of each.
        known: Types of polygons that polyconvert writes for other things than buildings, with the number of each.
        elements: Names of other elements of the file, with the number of each.
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
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    other: tuple[tuple[str, int], ...] = ()
    known: tuple[tuple[str, int], ...] = ()
    elements: tuple[tuple[str, int], ...] = ()
    polygons: int = -1
    kept: tuple[Notice, ...] = ()
    net_offset_m: str = ""

    @property
    def loaded(self) -> int:
        """Number of buildings in the world."""
        return self.height + self.levels + self.default

    def _buildings(self, subject: str) -> str:
        """Return the words before the text of a fault."""
        count = len(self.faults[subject])
        if subject == "buildings.left_out":
            return f"{count:,} of {self.loaded + count:,} buildings are left out, because their outline has"
        return "1 building has" if count == 1 else f"{count:,} buildings have"

    @property
    def _why_none(self) -> str:
        """Why a file gives no building: what became of those that it has, or what makes a polygon one."""
        left_out = sum(len(self.faults.get(subject, ())) for subject in LEFT_OUT)
        if not self.outside and not left_out:
            return f"; a building has the type `building` or `building.…`, or a param `building`{self._instead}"
        there = f": {self.outside} outside world.region" if self.outside else ""
        unusable = f"{left_out} left out because of their outlines" if left_out else ""
        advice = "; world.region must be in the coordinates of the file" if self.outside else ""
        return f"{there}{', ' if there else ': '}{unusable}{advice}" if unusable else there + advice

    @property
    def _instead(self) -> str:
        """What a file without buildings has instead of them."""
        if self.polygons:
            return f"; the types are {_listed(self.known + self.other)}" if self.known or self.other else ""
        return (
            f"; the file has no <poly>, but {_listed(self.elements)}" if self.elements else "; the file has no <poly>"
        )

    def notices(self, source: str) -> tuple[Notice, ...]:
        """Return what was left out, repaired or assumed.

        Args:
            source: The file of the buildings, or the key of the scenario that lists them.
        """
        rows = [
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
                f"{self.default:,} of {self.loaded:,} buildings have neither a height nor a number of storeys; each has the default "
                "height of its type (docs/models.md, buildings)",
            ),
            *(
                (subject, len(ids), f"{self._buildings(subject)} {FAULTS[subject]} ({some(ids)}; docs/models.md, buildings)")
                for subject, ids in self.faults.items()
            ),
            (
                "buildings.unknown_type", sum(count for _, count in self.other),
                f"polygons that are not taken as buildings: {sum(count for _, count in self.other)}; their type is neither "
                f"`building` nor `building.…`: {_listed(self.other)}",
            ),
            (
                "buildings.none", int(self.loaded == 0 and self.polygons >= 0),
                f"none of {self.polygons} polygons becomes a building{self._why_none}",
            ),
            (
                "buildings.other_polygons", sum(count for _, count in self.known) if self.loaded else 0,
                f"{sum(count for _, count in self.known):,} of {self.polygons:,} polygons are no buildings, so nothing blocks there: "
                f"{_listed(self.known)}",
            ),
        ]  # fmt: skip
        kept = [(notice.subject, notice.count, notice.text) for notice in self.kept]
        return tuple(Notice(subject, count, f"{source}: {text}") for subject, count, text in (*kept, *rows) if count)


def some(ids: Sequence[str], most: int = 5) -> str:
    """Return the first ids of a list, as text."""
    return ", ".join(ids[:most]) + (", …" if len(ids) > most else "")


def _listed(counts: tuple[tuple[str, int], ...], most: int = 5) -> str:
    names = [f"{name or '(none)'} ({count})" for name, count in counts[:most]]
    return ", ".join(names) + (f" and {len(counts) - most} more" if len(counts) > most else "")
