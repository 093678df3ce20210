"""Early fusion: helpers send the lidar points that the ego requests."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from v2xsim.gpu.bev.fusion.fused_points import with_points, with_points_each
from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, FusionViews, Share
from v2xsim.parts import AtLeast, AtMost, part


@part("early")
@dataclass(frozen=True)
class EarlyFusion(FusionScheme):
    """Helpers send the lidar points in the cells that the ego requests; the detector runs on all points together.

    Attributes:
        voxel_m: Side of the cubes in which shared points are thinned to one point; larger cubes send less.
    """

    shares: ClassVar[Share] = Share.POINTS
    voxel_m: Annotated[
        float,
        AtLeast(0.001),
        AtMost(5),
        "Edge length of the voxels: a helper sends at most one lidar point per voxel, so larger voxels mean less data",
    ] = 0.3

    @property
    def thinned_to_m(self) -> float:
        """Side length in metres of the cubes in which shared points are thinned to one point."""
        return self.voxel_m

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return what the detector finds in the ego's points and the received points together."""
        return with_points(view)

    def fuse_each(self, views: FusionViews) -> list[FusedObjects]:
        """Return what `fuse` returns for each of several frames."""
        return with_points_each(views)
