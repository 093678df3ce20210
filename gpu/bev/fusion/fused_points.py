"""Fusion of points: received points are added to the ego's own points, and the detector runs on all of them."""

import numpy as np

from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionView, FusionViews
from v2xsim.records import Boxes


def with_points(view: FusionView) -> FusedObjects:
    """Return what the detector finds in the ego's points and the received points together.

    Each station sees an object at a slightly different position, because of capture times and pose errors. The object
    is placed at the mean of the positions seen by all stations, weighted by their numbers of points. So late data, or
    data with a large pose error, shifts the box.
    """
    # Imported here, so that a scenario can be checked without loading compiled kernels.
    from v2xsim.gpu.lidar.returns import hits_per_agent

    if not view.received:
        # The detector would get the same points and the same random numbers once more.
        return FusedObjects(view.own_detections, view.own_points)
    apparent, count = view.objects, view.own_points.copy()
    weighted = apparent.center_m * count[:, None]
    clouds, objects, sources = [], [], []
    for item in view.received:
        # The ego knows its own body and removes the points on it from the received points.
        kept = item.object_id != view.ego
        clouds.append(item.points_m[kept])
        objects.append(item.object_id[kept])
        sources.append(np.full(int(kept.sum()), item.station, np.int64))
        added = hits_per_agent(item.object_id[kept], view.agent)
        center_m, known = item.located
        added[~known] = 0  # Without a position at the capture time, these points cannot move the body.
        weighted += center_m * added[:, None]
        count += added
    # A body without received points keeps its exact position, without rounding errors of the mean.
    touched = (count > view.own_points)[:, None]
    center = np.where(touched, weighted / np.maximum(count, 1)[:, None], apparent.center_m)
    detections = view.detect(Boxes(center, apparent.size_m, apparent.yaw_rad), count)
    return FusedObjects(
        detections,
        count,
        np.concatenate([np.zeros((0, 3)), *clouds]),
        np.concatenate([np.zeros(0, np.int64), *objects]),
        np.concatenate([np.zeros(0, np.int64), *sources]),
    )


def with_points_each(views: FusionViews) -> list[FusedObjects]:
    """Return what `with_points` returns for each of several frames, to the last bit."""
    from v2xsim.gpu.bev.point_sums import joined

    arguments = (
        views.ego, views.agent, views.center_m, views.own_points, views.view, views.end, views.object_id, views.located_m,
        views.present,
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
