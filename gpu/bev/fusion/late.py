"""Late fusion: helpers send the boxes that the ego requests.

`fused_boxes` extrapolates the boxes to the time of the ego's frame, and removes overlapping boxes with lower scores
(`v2xsim.spatial.boxes.suppressed`).
"""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.gpu.bev.fusion.fused_boxes import with_boxes
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, Share
from v2xsim.parts import part


@part("late")
@dataclass(frozen=True)
class LateFusion(FusionScheme):
    """Helpers send the boxes and velocities of the objects that they detect in the cells that the ego requests.

    Of overlapping boxes, only the one with the highest score is kept.
    """

    shares: ClassVar[Share] = Share.BOXES

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return the ego's detections combined with the received boxes."""
        return with_boxes(view)
