"""No fusion: an ego knows only what its own sensors see."""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.gpu.bev.fusion.fused_points import with_points, with_points_each
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, FusionViews, Share
from v2xsim.parts import part


@part("none")
@dataclass(frozen=True)
class NoFusion(FusionScheme):
    """No fusion: no station sends sensor data, and every ego uses its own detections alone."""

    shares: ClassVar[Share] = Share.NOTHING

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return the detections of the ego alone."""
        return with_points(view)

    def fuse_each(self, views: FusionViews) -> list[FusedObjects]:
        """Return what `fuse` returns for each of several frames."""
        return with_points_each(views)
