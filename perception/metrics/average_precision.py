"""Average precision that does not depend on the order of frames, detections or objects.

There are three places where the order could have an influence:

- Across frames: all detections of a run are ranked by score together. (In an example ranked only within frames, the
  same detections have an average precision of 0.833 or 0.667, depending on the order of frames; `ap_opencood_local`
  keeps that convention for comparison.)
- Equal scores: detections with equal scores enter the precision-recall curve as one group, so there is no order among
  them.
- Matching within a frame: matching is greedy by score. Detections with equal scores, and objects with equal overlap,
  are taken in the order of `content_order`, which depends on the boxes and not on their rows.

Sources: greedy matching and all-point interpolation, Everingham et al., IJCV 111 (2015) 4.2 and PASCAL VOC 2010;
overlap seen from above, thresholds 0.3, 0.5 and 0.7, and match with the largest overlap, as in OPV2V's evaluation code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numba import njit

from v2xsim.records import Boxes, Detections
from v2xsim.spatial.boxes import bev_iou, content_order

# Thresholds of the overlap in OPV2V.
THRESHOLDS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Frame:
    """Detections of one ego at one instant, and the true objects, in the same coordinates and within the same range."""

    detections: Detections
    objects: Boxes


@dataclass(frozen=True)
class Matched:
    """Detections of one or several frames after matching with objects; `joined` combines several.

    Attributes:
        threshold: Smallest overlaps at which a detection counts as a hit, each from 0 to 1.
        score: Score of each detection, in falling order within each frame.
        hit: Whether each detection hit an object, for each threshold.
        objects: Number of objects that could be detected.
    """

    threshold: Float[np.ndarray, " thresholds"]
    score: Float[np.ndarray, " detections"]
    hit: Bool[np.ndarray, "thresholds detections"]
    objects: int

    def __repr__(self) -> str:
        hits = ", ".join(f"{int(row.sum())} hits at {t:g}" for t, row in zip(self.threshold, self.hit, strict=True))
        return f"<{len(self.score)} detections matched with {self.objects} objects: {hits}>"


@dataclass(frozen=True)
class Curve:
    """Precision over recall at one overlap threshold.

    Attributes:
        threshold: Smallest overlap at which a detection counts as a hit, 0 to 1.
        ap: Area under the interpolated curve, 0 to 1 (NaN if there was no object to detect).
        score: Distinct scores in falling order; point i of the curve includes every detection with a score of at least
            score[i].
        recall: Recall at each point, 0 to 1.
        precision: Precision at each point, 0 to 1, without interpolation.
    """

    threshold: float
    ap: float
    score: Float[np.ndarray, " points"]
    recall: Float[np.ndarray, " points"]
    precision: Float[np.ndarray, " points"]


@njit(cache=True, nogil=True)
def hits(
    iou: Float[np.ndarray, "detections objects"], threshold: Float[np.ndarray, " thresholds"]
) -> Bool[np.ndarray, "thresholds detections"]:
    """Return which detections are hits, for each threshold.

    Detections are processed from the first row down; each hits the object with the largest overlap among those not hit
    yet, if this overlap reaches the threshold.
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
    """Return the detections of one frame in order of falling score, with whether each is a hit at every threshold."""
    order = content_order(frame.detections.boxes, frame.detections.score)
    objects = frame.objects[content_order(frame.objects)]
    threshold = np.asarray(thresholds, np.float64)
    hit = hits(bev_iou(frame.detections.boxes[order], objects), threshold)
    return Matched(threshold, frame.detections.score[order], hit, len(objects))


def joined(parts: Sequence[Matched], thresholds: Sequence[float] = THRESHOLDS) -> Matched:
    """Return the matches of several frames, concatenated in the order given.

    Args:
        parts: Matches of each frame, all with the same thresholds.
        thresholds: Thresholds of the result if `parts` is empty.
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
    """Return the average precision at each threshold by OpenCOOD's convention: ranked within frames, not across them.

    The result depends on the order in which the frames were joined. OpenCOOD's convention is only for comparison with
    published tables.
    """
    claims = np.arange(1, len(matches.score) + 1)
    return np.array([_area(np.cumsum(hit, dtype=np.int64), claims, matches.objects) for hit in matches.hit])


def ap(frames: Sequence[Frame], thresholds: Sequence[float] = THRESHOLDS) -> tuple[Curve, ...]:
    """Return the precision-recall curve and average precision over all frames at each threshold, whatever their order."""
    return curves(joined([matched(frame, thresholds) for frame in frames], thresholds))


def ap_opencood_local(
    frames: Sequence[Frame], thresholds: Sequence[float] = THRESHOLDS
) -> Float[np.ndarray, " thresholds"]:
    """Return the average precision over frames at each threshold, by OpenCOOD's ranking within frames.

    The result depends on the order of the frames.
    """
    return opencood_local(joined([matched(frame, thresholds) for frame in frames], thresholds))
