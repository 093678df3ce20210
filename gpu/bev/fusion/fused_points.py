"""Fusion of points: received points are added to the ego's own points, and the detector runs on all of them."""

import numpy as np

from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionView, FusionViews
from v2xsim.records import Boxes


def with_points(view: FusionView) -> FusedObjects:
    """Return what the detector finds in the ego's points and the received points together.

    A received point counts for the road user in whose box it lies (`v2xsim.gpu.bev.point_sums`). Each station sees an object at a slightly
    different position, because of capture times and pose errors. The object is placed at the mean of the positions seen by all
    stations, weighted by their numbers of points. So late data, or data with a large pose error, shifts the box.
    """
    # Imported here, so that a scenario can be checked without loading compiled kernels.
    from v2xsim.gpu.bev.point_sums import joined

    if not view.received:
        # The detector would get the same points and the same random numbers once more.
        return FusedObjects(view.own_detections, view.own_points)
    located = [item.located for item in view.received]
    points_m = np.concatenate([item.points_m for item in view.received])
    object_id = np.concatenate([item.object_id for item in view.received])
    count, center_m, kept, kept_of_item = joined(
        np.array([view.ego]), view.agent, view.objects.center_m[None], view.objects.size_m, view.objects.yaw_rad[None],
        view.own_points[None], np.zeros(len(located), np.int64), np.cumsum([len(item.points_m) for item in view.received]), points_m,
        object_id, np.array([place_m for place_m, _ in located]), np.array([is_there for _, is_there in located]),
    )  # fmt: skip
    station = np.array([item.station for item in view.received], np.int64)
    detections = view.detect(Boxes(center_m[0], view.objects.size_m, view.objects.yaw_rad), count[0])
    return FusedObjects(detections, count[0], points_m[kept], object_id[kept], station.repeat(kept_of_item))


def with_points_each(views: FusionViews) -> list[FusedObjects]:
    """Return what `with_points` returns for each of several frames, to the last bit."""
    from v2xsim.gpu.bev.point_sums import joined

    arguments = (
        views.ego, views.agent, views.center_m, views.size_m, views.yaw_rad, views.own_points, views.view, views.end, views.points_m,
        views.object_id, views.located_m, views.present,
    )  # fmt: skip
    count, center_m, kept, kept_of_item = joined(*arguments)
    view, row = np.nonzero(count)
    objects = Boxes(center_m[view, row], views.size_m[row], views.yaw_rad[view, row])
    found = views.detect_each(view, row, objects, count[view, row])
    points_m, object_id, source = views.points_m[kept], views.object_id[kept], views.station.repeat(kept_of_item)
    # Points of all items up to the last one of each frame.
    ends = np.cumsum(kept_of_item)[np.cumsum(np.bincount(views.view)) - 1].tolist()
    return [
        FusedObjects(detections, points, points_m[first:end], object_id[first:end], source[first:end])
        for detections, points, first, end in zip(found, count, [0, *ends[:-1]], ends, strict=True)
    ]
