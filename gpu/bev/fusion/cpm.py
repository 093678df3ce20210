"""Collective perception: stations broadcast the boxes of the road users that they perceive, without requests."""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.gpu.bev.fusion.fused_boxes import with_boxes
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, Share
from v2xsim.parts import part


@part("cpm")
@dataclass(frozen=True)
class CollectivePerception(FusionScheme):
    """Stations broadcast the objects that they perceive in collective perception messages; no station requests data."""

    shares: ClassVar[Share] = Share.REPORTS

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return the ego's detections combined with the received boxes."""
        return with_boxes(view)
