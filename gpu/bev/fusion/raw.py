"""Raw fusion: helpers send whole lidar frames, even if the frames exceed the byte budget."""

from dataclasses import dataclass
from typing import ClassVar

from v2xsim.gpu.bev.fusion.fused_points import with_points, with_points_each
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, FusionViews, Share
from v2xsim.parts import part


@part("raw")
@dataclass(frozen=True)
class RawFusion(FusionScheme):
    """Helpers send whole lidar frames as captured; the byte budget does not limit them."""

    shares: ClassVar[Share] = Share.FRAMES

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return what the detector finds in the ego's points and the received points together."""
        return with_points(view)

    def fuse_each(self, views: FusionViews) -> list[FusedObjects]:
        """Return what `fuse` returns for each of several frames."""
        return with_points_each(views)
