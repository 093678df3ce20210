"""Late fusion: helpers send the boxes that the ego asks for.

They are moved on to the ego's time and overlapping ones suppressed in `fused_boxes`, by `v2xsim.spatial.boxes.suppressed`.
"""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.gpu.bev.fusion.fused_boxes import with_boxes
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, Share
from v2xsim.parts import part


@part("late")
@dataclass(frozen=True)
class LateFusion(FusionScheme):
    """Helpers send boxes with velocities from the cells that the ego asks for; overlapping boxes are suppressed by score."""

    shares: ClassVar[Share] = Share.BOXES

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return what the ego knows with what arrived."""
        return with_boxes(view)
