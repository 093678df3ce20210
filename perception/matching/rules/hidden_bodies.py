"""Matching rule by bodies: the cells that helpers announced as occupied, and in which the ego knows of nothing.

Most blind cells are empty. A rule that asks for all of them pays for answers about free ground. This one asks only where a helper saw
a body, so its answers are short. What no helper announced stays unknown.
"""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.parts import part
from v2xsim.perception.matching.rules.blind_cells import BlindCells


@part("hidden_bodies")
@dataclass(frozen=True)
class HiddenBodies(BlindCells):
    """Ask for the blind cells that helpers announced as occupied, but not for vehicles that announced themselves; chosen as in blind_cells."""

    seeks_bodies: ClassVar[bool] = True
