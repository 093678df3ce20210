"""Announced matrices alone: an ego fuses the matrices that stations announce anyway, and nobody sends anything else."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, Share
from v2xsim.parts import Above, AtLeast, AtMost, part
from v2xsim.records import BY_PLACE, OCCUPIED, Boxes, Detections

# Length, width and height of a passenger car: vehicle type 1 of 3GPP TR 37.885 V15.3.0 clause 6.1.2.
_CAR_SIZE_M = np.array([5.0, 2.0, 1.6])


@part("matrices")
@dataclass(frozen=True)
class AnnouncedMatricesAlone(FusionScheme):
    """Egos fuse the matrices in announcements; a group of occupied cells that nothing known explains becomes the box of a car.

    Attributes:
        explained_m: A group of which a cell centre is this close to the centre of a known vehicle is this vehicle.
        score: Score of each box that is made of cells.
    """

    shares: ClassVar[Share] = Share.MATRICES
    explained_m: Annotated[
        float,
        AtLeast(0),
        AtMost(50),
        "A group of occupied cells with a cell centre this close to the centre of a detection or of an announced vehicle is no new road user",
    ] = 3.0
    score: Annotated[float, Above(0), AtMost(1), "Score of the boxes that are made of groups of occupied cells"] = 0.3

    def fuse(self, view: FusionView) -> FusedObjects:
        """Return the ego's detections, and a box for each group of occupied cells that nothing known explains.

        A box stands at the mean of its cells, along the road of the map; away from roads, along the longer side of the group.
        """
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.gpu.bev.cell_groups import unexplained_groups
        from v2xsim.spatial.boxes import suppressed

        told = view.told
        known = (view.own_detections, told.announced)
        known_m = np.concatenate([view.pose[None, :2], *(one.boxes.center_m[:, :2] for one in known)])
        center_m, extent_m = unexplained_groups(
            (told.code == OCCUPIED) & told.is_open, view.lower, float(view.cell_m), known_m, self.explained_m
        )
        count = len(center_m)
        if count == 0:
            return FusedObjects(view.own_detections, view.own_points)
        longer_rad = np.where(extent_m[:, 0] >= extent_m[:, 1], 0.0, np.pi / 2.0)
        road_rad = told.road_yaw_rad(center_m)
        boxes = Boxes(
            np.column_stack([center_m, np.full(count, view.pose[2])]), np.tile(_CAR_SIZE_M, (count, 1)),
            np.where(np.isnan(road_rad), longer_rad, road_rad),
        )  # fmt: skip
        made = Detections(boxes, np.zeros((count, 2)), np.full(count, self.score), np.full(count, BY_PLACE, np.int64))
        joined = Detections.joined([view.own_detections, made])
        return FusedObjects(joined[suppressed(joined)], view.own_points)
