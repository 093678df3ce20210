"""The visibility detection model: input is the number of lidar points on each object, output are detections.

The model replaces a trained detector where only the dependence on visibility matters. For an object with n points, and
h = `half_points` and k = `steepness`:

- The probability of detection is 1 / (1 + exp(-k ln(n / h))), a logistic curve over ln n; without points it is 0.
- The box error in each coordinate is normal with standard deviation s sigma, where s = sqrt(h / n) clipped to [0.2, 2].
- The score is 1 / (1 + exp(-(0.5 + ln(n / h) + z))) with z standard normal; it rises with the number of points.
- The number of false positives is Poisson with mean `false_per_frame`; their score is 1 / (1 + exp(-(-0.5 + z))).

The error of a mean falls with the square root of the number of points, hence the factor s. The lower limit of s stands
for the accuracy of labels in data sets. The upper limit of s stands for detectors that fall back on the usual box of
the class. Scores of true and false positives overlap: at h points a true positive has a higher score than a false one
with probability 0.76 (two normal distributions whose means differ by one standard deviation). So average precision
depends on more than the recall. The equations are our own; no number is fitted to a published detector.

All randomness comes from uniform random numbers. With more points and the same random numbers, the model detects the
same objects and possibly more, with higher scores and errors that are not larger. So an ego can be compared with and without
received points under the same random numbers. The model has no confusion of classes, no reversed headings, no box for
two objects at once and no errors that persist over frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.parts import Above, AtLeast, AtMost, part
from v2xsim.perception.detection.detector import Detector, DetectorView, DetectorViews
from v2xsim.records import Boxes, Detections, PerceptionMatrix

OBJECT_DRAWS = 10
"""Number of uniform random numbers per object: detected, x, y, z, yaw, length, width, height, score.

The last number is not used.
"""

CLUTTER_DRAWS = 8
"""Number of uniform random numbers per possible false positive.

The numbers are for position, yaw, length, width, height, score and count (first row only); the last one is not used.
"""

# Limits of the error scale s.
_ERROR_SCALE = (0.2, 2.0)
# Mean logit of the score of a true positive with `half_points` points, and mean logit of a false positive.
_TRUE_LOGIT = 0.5
_FALSE_LOGIT = -0.5
# Length, width and height of a passenger car: vehicle type 1 of 3GPP TR 37.885 V15.3.0 clause 6.1.2. The spread is our
# choice.
_CAR_SIZE_M = np.array([5.0, 2.0, 1.6])
_CAR_SPREAD = 0.1


@part("visibility")
@dataclass(frozen=True)
class Visibility(Detector):
    """The visibility detection model: the more lidar points on a road user, the more likely it is detected.

    Attributes:
        half_points: Number of points on an object at which half are detected; larger values detect less.
        steepness: Slope of the detection curve over the logarithm of the points; larger values make the change
            sharper.
        center_sigma_m: Standard deviation of the position error, per axis, of a box with half_points points.
        yaw_sigma_deg: Standard deviation of the heading error of a box with half_points points.
        size_sigma_m: Standard deviation of the errors of length, width and height of a box with half_points points.
        false_per_frame: Mean number of false positives in a frame.
    """

    half_points: Annotated[
        float,
        Above(0),
        AtMost(1e4),
        "Number of lidar points on an object at which the detection probability is 0.5; with a larger value, fewer objects are detected",
    ] = 12.0
    steepness: Annotated[
        float,
        Above(0),
        AtMost(20),
        "Steepness of the detection probability over the logarithm of the number of lidar points; a larger value makes the change sharper",
    ] = 1.6
    center_sigma_m: Annotated[
        float,
        AtLeast(0),
        AtMost(10),
        "Standard deviation of the position error, per axis, of a box on an object with half_points lidar points; more points reduce the error",
    ] = 0.15
    yaw_sigma_deg: Annotated[
        float,
        AtLeast(0),
        AtMost(90),
        "Standard deviation of the heading error of a box on an object with half_points lidar points; more points reduce the error",
    ] = 3.0
    size_sigma_m: Annotated[
        float,
        AtLeast(0),
        AtMost(5),
        "Standard deviation of the errors of length, width and height of a box on an object with half_points lidar points; more points reduce them",
    ] = 0.10
    false_per_frame: Annotated[
        float, AtLeast(0), AtMost(100), "Mean number of false positives in each frame of a station"
    ] = 0.5

    def detect(self, view: DetectorView) -> Detections:
        """Return the detected objects, followed by the false positives."""
        draws = view.frame_draws(most_false(self), CLUTTER_DRAWS)
        clutter = Clutter(view.observed_m, draws) if false_count(draws, self) else Clutter.none()
        # An object without points is never detected.
        rows = np.flatnonzero(view.points)
        return detect(
            view.objects[rows], view.agent[rows], view.points[rows], view.row_draws(rows, OBJECT_DRAWS), clutter, self
        )

    def detect_each(self, views: DetectorViews) -> list[Detections]:
        """Return what `detect` returns for each of several frames, to the last bit.

        The arrays of one frame are so short that numpy would need ten times as long for each frame alone.
        """
        seen, true_detections = _true_detections(
            views.objects, views.agent, views.points, views.object_draws(OBJECT_DRAWS), self
        )
        wrong_frame, wrong_detections = _false_positives_of(
            views.matrices, views.frame_draws(most_false(self), CLUTTER_DRAWS), self
        )
        numbers = np.concatenate([views.frame[seen], wrong_frame])
        # The order stays the same within each frame: first its objects, then its false positives.
        every = Detections.joined([true_detections, wrong_detections])[np.argsort(numbers, kind="stable")]
        return every.split(np.cumsum(np.bincount(numbers, minlength=len(views.matrices)))[:-1])


@dataclass(frozen=True)
class Clutter:
    """Possible positions of false positives, and the random numbers that decide about them.

    Attributes:
        place_m: Possible centres of false positives, in the same coordinates as the objects; if empty, there are none.
        draws: Uniform random numbers in (0, 1), with `most_false` rows and CLUTTER_DRAWS columns.
    """

    place_m: Float[np.ndarray, "places 2"]
    draws: Float[np.ndarray, "most draws"]

    @staticmethod
    def none() -> "Clutter":
        """Return clutter without any false positive."""
        return Clutter(np.zeros((0, 2)), np.zeros((0, CLUTTER_DRAWS)))


def detection_probability(points: Int64[np.ndarray, " objects"], params: Visibility) -> Float[np.ndarray, " objects"]:
    """Return the probability (0 to 1) that an object is detected, given the number of lidar points on it."""
    # Imported here and below, so that a scenario can be checked without loading scipy.
    from scipy.special import expit

    with np.errstate(divide="ignore"):
        probability: np.ndarray = expit(params.steepness * np.log(points / params.half_points))
    return probability


@cache
def most_false(params: Visibility) -> int:
    """Return the largest number of false positives in a frame; only one frame in 10^9 would have more."""
    from scipy.special import pdtr

    mean = params.false_per_frame
    ceiling = int(np.ceil(mean + 8.0 * np.sqrt(mean) + 12.0)) if mean > 0 else 0
    return int(np.searchsorted(pdtr(np.arange(ceiling), mean), 1.0 - 1e-9)) if ceiling else 0


def detect(
    objects: Boxes,
    truth: Int64[np.ndarray, " objects"],
    points: Int64[np.ndarray, " objects"],
    draws: Float[np.ndarray, "objects draws"],
    clutter: Clutter,
    params: Visibility,
) -> Detections:
    """Return the detections of objects with given numbers of lidar points.

    Args:
        objects: Bounding boxes of the road users, at the positions where their points appear, pose errors included.
        truth: Agent id of each object, which is only copied to the detections for metrics.
        points: Number of lidar points on each object.
        draws: Uniform random numbers in (0, 1), OBJECT_DRAWS for each object. The numbers should depend on the object,
            not on its row.
        clutter: Possible positions of false positives, with their random numbers.
        params: Parameters of the model.

    Returns:
        Detections in the same coordinates as `objects`: first the detected objects in the order of their rows, then the
        false positives. Velocities are zero.
    """
    _, true_detections = _true_detections(objects, truth, points, draws, params)
    wrong = false_positives(clutter, params)
    return Detections.joined([true_detections, wrong]) if len(wrong) else true_detections


def _true_detections(
    objects: Boxes, truth: Int64[np.ndarray, " objects"], points: Int64[np.ndarray, " objects"],
    draws: Float[np.ndarray, "objects draws"], params: Visibility,
) -> tuple[Int64[np.ndarray, " seen"], Detections]:  # fmt: skip
    """Return the rows of the detected objects, and their detections."""
    from scipy.special import expit, ndtri

    seen = np.flatnonzero(draws[:, 0] < detection_probability(points, params))
    density = points[seen] / params.half_points
    scale = np.clip(1.0 / np.sqrt(density), *_ERROR_SCALE)[:, None]
    normal = ndtri(draws[seen, 1:9])
    body = objects[seen]
    size_m = body.size_m + params.size_sigma_m * scale * normal[:, 4:7]
    boxes = Boxes(
        body.center_m + params.center_sigma_m * scale * normal[:, :3],
        # A box keeps a positive size, however large size_sigma_m is.
        np.maximum(size_m, 0.5 * body.size_m),
        body.yaw_rad + np.radians(params.yaw_sigma_deg) * scale[:, 0] * normal[:, 3],
    )
    score = expit(_TRUE_LOGIT + np.log(density) + normal[:, 7])
    return seen, Detections(boxes, np.zeros((len(seen), 2)), score, truth[seen])


def false_count(draws: Float[np.ndarray, "most draws"], params: Visibility) -> int:
    """Return the number of false positives in a frame, by the draws of its clutter."""
    return int(_false_counts(draws[None], params)[0])


def _false_counts(draws: Float[np.ndarray, "frames most draws"], params: Visibility) -> Int64[np.ndarray, " frames"]:
    """Return the number of false positives in each of several frames."""
    from scipy.special import pdtr

    most = draws.shape[1]
    if most == 0 or params.false_per_frame == 0:
        return np.zeros(len(draws), np.int64)
    # The count is the quantile of the Poisson distribution at one uniform random number.
    return np.searchsorted(pdtr(np.arange(most), params.false_per_frame), draws[:, 0, 6])


def false_positives(clutter: Clutter, params: Visibility) -> Detections:
    """Return false positives: boxes of usual car size with random headings, standing on the ground."""
    count = false_count(clutter.draws, params)
    if len(clutter.place_m) == 0 or count == 0:
        return Detections.none()
    draws = clutter.draws[:count]
    return _false_detections(_places_of(draws, clutter.place_m), draws)


def _false_positives_of(
    matrices: Sequence[PerceptionMatrix], draws: Float[np.ndarray, "frames most draws"], params: Visibility
) -> tuple[Int64[np.ndarray, " wrong"], Detections]:
    """Return the false positives of several frames, and the frame of each; they lie in observed cells of its matrix."""
    # Imported here, so that a scenario can be checked without loading compiled code.
    from v2xsim.spatial.observed_cells import places_in

    counts = _false_counts(draws, params)
    place_m = np.zeros((int(counts.sum()), 2))
    first, is_placed = 0, np.ones(len(place_m), np.bool_)
    for number in np.flatnonzero(counts).tolist():
        matrix, end = matrices[number], first + int(counts[number])
        share = draws[number, : end - first, 0]
        if not places_in(matrix.code, matrix.lower, float(matrix.cell_m), share, place_m[first:end]):
            is_placed[first:end] = False
        first = end
    frame = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(len(frame)) - np.repeat(np.cumsum(counts) - counts, counts)
    if not is_placed.all():
        frame, row, place_m = frame[is_placed], row[is_placed], place_m[is_placed]
    return frame, _false_detections(place_m, draws[frame, row])


def _places_of(
    draws: Float[np.ndarray, "count draws"], place_m: Float[np.ndarray, "places 2"]
) -> Float[np.ndarray, "count 2"]:
    """Return the position of each false positive, out of the possible ones."""
    return place_m[np.minimum((draws[:, 0] * len(place_m)).astype(np.int64), len(place_m) - 1)]


def _false_detections(place_m: Float[np.ndarray, "count 2"], draws: Float[np.ndarray, "count draws"]) -> Detections:
    """Return the false positives at some positions."""
    from scipy.special import expit, ndtri

    count, normal = len(draws), ndtri(draws[:, 2:6])
    boxes = Boxes(
        np.column_stack([place_m, np.zeros(count)]),
        _CAR_SIZE_M * np.clip(1.0 + _CAR_SPREAD * normal[:, :3], 0.5, 1.5),
        np.pi * (2.0 * draws[:, 1] - 1.0),
    )
    return Detections(boxes, np.zeros((count, 2)), expit(_FALSE_LOGIT + normal[:, 3]), np.full(count, -1, np.int64))
