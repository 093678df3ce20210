"""Average precision that does not depend on the order of frames, detections or objects.

There are three places where an order could have an influence:

- Across frames: all detections of a run are ranked by score together. (If they are ranked within frames only, the same
  detections score 0.833 or 0.667 depending on the order of frames; `ap_opencood_local` keeps that convention for
  comparison.)
- Equal scores: they enter the precision-recall curve as one group, so there is no order among them.
- Matching within a frame: greedy by score. Equal scores, and objects with equal overlap, are taken in the order of
  `content_order`, which depends on the boxes and not on their rows.

Sources: greedy matching and all-point interpolation, Everingham et al., IJCV 111 (2015) 4.2 and PASCAL VOC 2010;
overlap seen from above, thresholds 0.3, 0.5 and 0.7 and arg-max match as in OPV2V's evaluation code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.records import Boxes, Detections
from v2xsim.spatial.boxes import bev_iou, content_order

# OPV2V's overlaps.
THRESHOLDS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Frame:
    """Detections of one ego at one instant and the true objects, in one frame of reference and within one range."""

    detections: Detections
    objects: Boxes


@dataclass(frozen=True)
class Matched:
    """Detections of one or many frames after matching; the parts of a run are `joined`.

    Attributes:
        threshold: Least overlaps at which a detection counts as a hit, each from 0 to 1.
        score: Score of each detection, falling within each frame.
        hit: Whether each detection hit an object, by threshold.
        objects: Number of objects that could be detected.
    """

    threshold: Float[np.ndarray, " thresholds"]
    score: Float[np.ndarray, " detections"]
    hit: Bool[np.ndarray, "thresholds detections"]
    objects: int


@dataclass(frozen=True)
class Curve:
    """Precision over recall at one threshold.

    Attributes:
        threshold: Least overlap at which a detection counts as a hit, 0 to 1.
        ap: Area under the interpolated curve, 0 to 1; NaN if there was no object to detect.
        score: Distinct scores, falling; point i includes every detection with at least score[i].
        recall: Recall at each point.
        precision: Precision at each point, without interpolation.
    """

    threshold: float
    ap: float
    score: Float[np.ndarray, " points"]
    recall: Float[np.ndarray, " points"]
    precision: Float[np.ndarray, " points"]


@njit(cache=True, nogil=True)
def _hits(
    iou: Float[np.ndarray, "detections objects"], threshold: Float[np.ndarray, " thresholds"]
) -> Bool[np.ndarray, "thresholds detections"]:
    """Return which detections are hits.

    They are taken from the first row down, and each may hit one object that is not taken yet.
    """
    detections, objects = iou.shape
    hit = np.zeros((threshold.shape[0], detections), np.bool_)
    for t in range(threshold.shape[0]):
        taken = np.zeros(objects, np.bool_)
        for d in range(detections):
            best = -1
            for g in range(objects):
                if not taken[g] and iou[d, g] >= threshold[t] and (best < 0 or iou[d, g] > iou[d, best]):
                    best = g
            if best >= 0:
                taken[best] = True
                hit[t, d] = True
    return hit


def matched(frame: Frame, thresholds: Sequence[float] = THRESHOLDS) -> Matched:
    """Return the detections of one frame by falling score, each marked as hit or not at every threshold."""
    order = content_order(frame.detections.boxes, frame.detections.score)
    objects = frame.objects[content_order(frame.objects)]
    threshold = np.asarray(thresholds, np.float64)
    hit = _hits(bev_iou(frame.detections.boxes[order], objects), threshold)
    return Matched(threshold, frame.detections.score[order], hit, len(objects))


def joined(parts: Sequence[Matched], thresholds: Sequence[float] = THRESHOLDS) -> Matched:
    """Return the matches of several frames as one, in the order given.

    Args:
        parts: Matches of the frames, all with the same thresholds.
        thresholds: Thresholds of the result if there is no part.
    """
    if not parts:
        threshold = np.asarray(thresholds, np.float64)
        return Matched(threshold, np.zeros(0), np.zeros((len(threshold), 0), bool), 0)
    return Matched(
        parts[0].threshold,
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.hit for part in parts], axis=1),
        sum(part.objects for part in parts),
    )


def _area(hits: Int64[np.ndarray, " points"], claims: Int64[np.ndarray, " points"], objects: int) -> float:
    """Return the area under the all-point interpolated curve, from running counts of hits and of detections."""
    if objects == 0:
        return float("nan")
    if len(hits) == 0:
        return 0.0
    envelope = np.maximum.accumulate((hits / claims)[::-1])[::-1]
    return float(np.sum(np.diff(hits, prepend=0) * envelope) / objects)


def curves(matches: Matched) -> tuple[Curve, ...]:
    """Return the order-invariant precision-recall curve and average precision at each threshold."""
    order = np.argsort(-matches.score, kind="stable")
    score = matches.score[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], len(score) > 0))
    claims = last + 1
    all_curves = []
    for threshold, hit in zip(matches.threshold, matches.hit, strict=True):
        hits = np.cumsum(hit[order], dtype=np.int64)[last]
        recall = hits / matches.objects if matches.objects else np.full(len(hits), np.nan)
        all_curves.append(
            Curve(float(threshold), _area(hits, claims, matches.objects), score[last], recall, hits / claims)
        )
    return tuple(all_curves)


def opencood_local(matches: Matched) -> Float[np.ndarray, " thresholds"]:
    """Return the average precision by the convention of OpenCOOD: sorted within frames, not across them.

    The result depends on the order in which the frames were joined; use it only for comparison with published tables.
    """
    claims = np.arange(1, len(matches.score) + 1)
    return np.array([_area(np.cumsum(hit, dtype=np.int64), claims, matches.objects) for hit in matches.hit])


def ap(frames: Sequence[Frame], thresholds: Sequence[float] = THRESHOLDS) -> tuple[Curve, ...]:
    """Return the order-invariant average precision over frames, with its curve, at each threshold."""
    return curves(joined([matched(frame, thresholds) for frame in frames], thresholds))


def ap_opencood_local(
    frames: Sequence[Frame], thresholds: Sequence[float] = THRESHOLDS
) -> Float[np.ndarray, " thresholds"]:
    """Return the average precision over frames by OpenCOOD's ranking within frames.

    It depends on the order of the frames.
    """
    return opencood_local(joined([matched(frame, thresholds) for frame in frames], thresholds))
