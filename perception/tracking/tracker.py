"""Tracks of road users from detections alone: a constant-velocity Kalman filter over all tracks at once.

No true identity is read. Detections are assigned to tracks by position, within a gate, each to at most one track. The
state of a track is x, y, vx, vy over ground in the world frame.

- Prediction: the acceleration is white noise of spectral density q. Per axis, the covariance grows by
  Q = q [[dt^3/3, dt^2/2], [dt^2/2, dt]].
- Gate: a detection can belong to a track if d^2 = v' S^-1 v is below the 0.99 quantile of the chi-square distribution
  with 2 degrees of freedom, -2 ln(1 - 0.99).
- Assignment: the sum of d^2 + ln det S (twice the negative log-likelihood, up to a constant) is minimised, so that a
  new track with a wide covariance does not take the detection of an older, more accurate track.
- Birth: a detection without a track starts a new track. Its unknown speed is assumed to be mostly along its heading.
- Confirmation: a track is confirmed when M of the last N steps had a detection.
- Deletion: a track is deleted when its last detection is too old, so that a few late or missing frames delete no track.

Sources: Bar-Shalom, Li and Kirubarajan, Estimation with Applications to Tracking and Navigation (2001) 6.2.2 and 3.3;
Kuhn-Munkres as in scipy. The tracker does not model turning, correlated errors of several stations, or classes, and
does not smooth past states. Velocities that other stations report are used to start tracks and to extrapolate late
boxes, but not as measurements of the filter.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy.optimize import linear_sum_assignment

from v2xsim.records import Boxes, Detections

_SMOOTHING = 0.4  # Weight of the newest detection in size, bottom height, heading and score; our choice.


@dataclass(frozen=True)
class TrackerParams:
    """Parameters of the tracker; values without a source are our choice.

    Attributes:
        position_sigma_m: Standard deviation of the position error of a detection, per axis: the visibility model's 0.3
            m plus the error of the pose.
        acceleration_density_m2_s3: Spectral density q of the acceleration noise; within one second a velocity changes
            by about sqrt(q), 2 m/s, per axis. With a larger value, tracks follow turns faster and are smoothed less.
        along_sigma_mps: Standard deviation of a new track's speed along its heading; three times this value is above 45
            m/s.
        across_sigma_mps: Standard deviation of a new track's speed across its heading.
        known_sigma_mps: Standard deviation of a new track's velocity, per axis, if a velocity came with the detection.
        gate_probability: Probability that the detection of a tracked road user lies inside the track's gate, 0 to 1.
        least_score: Smallest score with which a detection can start a track; 0.2 is OpenCOOD's output threshold.
        confirm_hits: Number M of detections within the last N steps that confirms a track.
        confirm_steps: Number N of last steps in which detections count for confirmation, at most 60.
        tentative_us: Time after the last detection at which an unconfirmed track is dropped. It must be longer than the
            time between two frames (see `at_step`): otherwise no track ever gets a second detection.
        coast_us: Time after the last detection at which a confirmed track is dropped.
    """

    position_sigma_m: float = 0.4
    acceleration_density_m2_s3: float = 4.0
    along_sigma_mps: float = 15.0
    across_sigma_mps: float = 2.0
    known_sigma_mps: float = 2.0
    gate_probability: float = 0.99
    least_score: float = 0.2
    confirm_hits: int = 2
    confirm_steps: int = 3
    tentative_us: int = 350_000
    coast_us: int = 1_000_000

    @property
    def gate(self) -> float:
        """Squared Mahalanobis distance at the edge of the gate: the chi-square quantile for 2 degrees of freedom."""
        return float(-2.0 * np.log1p(-self.gate_probability))

    @staticmethod
    def at_step(step_us: int) -> "TrackerParams":
        """Return the parameters for a time between two frames; up to 100 ms, these are the defaults.

        At longer steps, an unconfirmed track still lives for the N steps in which its detections count for confirmation,
        and a confirmed one still survives a frame without a detection of it.

        Args:
            step_us: Time between two frames.
        """
        usual = TrackerParams()
        return replace(
            usual,
            # Half a step more, so that the last of the N steps counts whatever the rounding.
            tentative_us=max(usual.tentative_us, round((usual.confirm_steps + 0.5) * step_us)),
            coast_us=max(usual.coast_us, round(2.5 * step_us)),
        )


@dataclass(frozen=True)
class Tracks:
    """All tracks of one station at one instant.

    Attributes:
        time_us: Instant to which the states of all tracks refer.
        next_id: Number of the next new track.
        track_id: Number that the station gave each track, in order of creation; not related to agent ids.
        mean: Estimated state of each track: x, y in metres and vx, vy in metres per second, in the world frame.
        covariance: Covariance of the estimated state of each track.
        bottom_m: Smoothed height of the bottom face of each track's box.
        size_m: Smoothed length, width and height of each track's box.
        yaw_rad: Smoothed heading of each track.
        score: Smoothed score of the detections of each track.
        hits: Number of detections assigned to each track so far.
        misses: Number of steps since the last detection of each track.
        recent: Bit i is set if the track had a detection i steps ago.
        confirmed: Whether each track has ever had M detections in N steps.
        last_update_us: Capture time of the newest detection of each track.
    """

    time_us: int
    next_id: int
    track_id: Int64[np.ndarray, " tracks"]
    mean: Float[np.ndarray, "tracks 4"]
    covariance: Float[np.ndarray, "tracks 4 4"]
    bottom_m: Float[np.ndarray, " tracks"]
    size_m: Float[np.ndarray, "tracks 3"]
    yaw_rad: Float[np.ndarray, " tracks"]
    score: Float[np.ndarray, " tracks"]
    hits: Int64[np.ndarray, " tracks"]
    misses: Int64[np.ndarray, " tracks"]
    recent: Int64[np.ndarray, " tracks"]
    confirmed: Bool[np.ndarray, " tracks"]
    last_update_us: Int64[np.ndarray, " tracks"]

    def __len__(self) -> int:
        return len(self.track_id)

    def __repr__(self) -> str:
        return f"<{len(self)} tracks, {int(self.confirmed.sum())} confirmed>"

    def __getitem__(self, rows: np.ndarray | slice) -> "Tracks":
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})

    @property
    def boxes(self) -> Boxes:
        """Boxes of the tracked road users, in the world frame."""
        return Boxes(np.column_stack([self.mean[:, :2], self.bottom_m]), self.size_m, self.yaw_rad)

    @property
    def velocity_mps(self) -> Float[np.ndarray, "tracks 2"]:
        """Velocity of each track over ground."""
        return self.mean[:, 2:]

    @staticmethod
    def none(time_us: int = 0) -> "Tracks":
        """Return a state without tracks."""
        count, flag = np.zeros(0, np.int64), np.zeros(0, bool)
        number = np.zeros(0)
        return Tracks(
            time_us, 0, count, np.zeros((0, 4)), np.zeros((0, 4, 4)), number, np.zeros((0, 3)), number, number,
            count, count, count, flag, count,
        )  # fmt: skip


_COLUMNS = tuple(name for name in Tracks.__dataclass_fields__ if name not in ("time_us", "next_id"))


def predict(tracks: Tracks, dt_us: int, params: TrackerParams = TrackerParams()) -> Tracks:
    """Return the tracks extrapolated by `dt_us` at constant velocity.

    Two predictions in a row equal one over the whole time.
    """
    if dt_us < 0:
        raise ValueError(f"dt_us must not be negative, got {dt_us}; late detections go to step() as they are")
    dt = dt_us * 1e-6
    forward = np.eye(4)
    forward[0, 2] = forward[1, 3] = dt
    noise = np.kron(np.array([[dt**3 / 3.0, dt**2 / 2.0], [dt**2 / 2.0, dt]]), np.eye(2))
    return replace(
        tracks,
        time_us=tracks.time_us + dt_us,
        mean=tracks.mean @ forward.T,
        covariance=forward @ tracks.covariance @ forward.T + params.acceleration_density_m2_s3 * noise,
    )


def _speed_prior(
    yaw_rad: Float[np.ndarray, " boxes"], known: Bool[np.ndarray, " boxes"], params: TrackerParams
) -> Float[np.ndarray, "boxes 2 2"]:
    """Return the covariance of the velocity of new tracks: large along the heading if the velocity is not known."""
    heading = np.stack([np.cos(yaw_rad), np.sin(yaw_rad)], axis=-1)
    along = heading[:, :, None] * heading[:, None, :]
    across, lengthwise = params.across_sigma_mps**2, params.along_sigma_mps**2
    unknown = across * np.eye(2) + (lengthwise - across) * along
    return np.where(known[:, None, None], params.known_sigma_mps**2 * np.eye(2), unknown)


def _inverse(matrix: Float[np.ndarray, "rows 2 2"]) -> Float[np.ndarray, "rows 2 2"]:
    """Return the inverse of each symmetric 2 by 2 matrix."""
    a, b, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    adjugate = np.stack([d, -b, -b, a], axis=-1).reshape(-1, 2, 2)
    inverse: np.ndarray = adjugate / (a * d - b * b)[:, None, None]
    return inverse


def _assigned(
    tracks: Tracks,
    position_m: Float[np.ndarray, "detections 2"],
    noise_m2: Float[np.ndarray, "detections 2 2"],
    params: TrackerParams,
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Return the rows of tracks and detections that are assigned to each other; each row occurs at most once."""
    if len(tracks) == 0 or len(position_m) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    innovation = position_m[None, :, :] - tracks.mean[:, None, :2]
    spread = tracks.covariance[:, None, :2, :2] + noise_m2[None]
    a, b, d = spread[..., 0, 0], spread[..., 0, 1], spread[..., 1, 1]
    determinant = a * d - b * b
    x, y = innovation[..., 0], innovation[..., 1]
    squared = (d * x * x - 2.0 * b * x * y + a * y * y) / determinant
    cost = squared + np.log(determinant)
    open_gate = squared <= params.gate
    # A pair outside the gate means a track without a detection and a new track. All such pairs have the same cost,
    # which is higher than that of any pair inside the gate.
    beyond = float(cost[open_gate].max()) + params.gate if open_gate.any() else 0.0
    rows, columns = linear_sum_assignment(np.where(open_gate, cost, beyond))
    inside = open_gate[rows, columns]
    return rows[inside], columns[inside]


def _turned_towards(yaw_rad: Float[np.ndarray, " n"], newest_rad: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return headings turned towards the newest headings by a fixed share of the shorter way."""
    turn = (newest_rad - yaw_rad + np.pi) % (2.0 * np.pi) - np.pi
    turned: np.ndarray = (yaw_rad + _SMOOTHING * turn + np.pi) % (2.0 * np.pi) - np.pi
    return turned


def step(
    tracks: Tracks,
    detections: Detections,
    time_us: int,
    params: TrackerParams = TrackerParams(),
    captured_us: Int64[np.ndarray, " detections"] | None = None,
) -> Tracks:
    """Return the tracks after the detections of one instant.

    Args:
        tracks: State before the detections.
        detections: Detections in the world frame, at most one per road user (see boxes.suppressed).
        time_us: Instant of the new state. If this instant is before that of `tracks`, the data is late and the state
            keeps its instant.
        params: Parameters of the tracker.
        captured_us: Capture time of each detection (None means `time_us`). Older detections are extrapolated with their
            velocity, and their position error grows with age; detections older than `coast_us` are dropped.
    """
    captured = np.full(len(detections), time_us, np.int64) if captured_us is None else captured_us
    # Late data must not move the tracks back in time; it is extrapolated to their instant below.
    tracks = _not_forgotten(predict(tracks, max(0, time_us - tracks.time_us), params), params)
    fresh = tracks.time_us - captured <= params.coast_us
    if not fresh.all():
        detections, captured = detections[fresh], captured[fresh]
    boxes = detections.boxes
    age_s = np.maximum(0, tracks.time_us - captured)[:, None] * 1e-6
    position_m = boxes.center_m[:, :2] + age_s * detections.velocity_mps
    prior = _speed_prior(boxes.yaw_rad, np.any(detections.velocity_mps, axis=1), params)
    # Age squared: a velocity error v gives a position error of v times age.
    noise = params.position_sigma_m**2 * np.eye(2) + age_s[..., None] ** 2 * prior

    t, d = _assigned(tracks, position_m, noise, params)
    mean, covariance = tracks.mean.copy(), tracks.covariance.copy()
    spread = covariance[t, :2, :2] + noise[d]
    gain = covariance[t][:, :, :2] @ _inverse(spread)
    mean[t] += (gain @ (position_m[d] - mean[t, :2])[..., None])[..., 0]
    updated = covariance[t] - gain @ spread @ gain.transpose(0, 2, 1)
    # Rounding makes the product slightly asymmetric, which would grow over many steps.
    covariance[t] = 0.5 * (updated + updated.transpose(0, 2, 1))

    bottom, size, yaw, score = (a.copy() for a in (tracks.bottom_m, tracks.size_m, tracks.yaw_rad, tracks.score))
    bottom[t] += _SMOOTHING * (boxes.center_m[d, 2] - bottom[t])
    size[t] += _SMOOTHING * (boxes.size_m[d] - size[t])
    yaw[t] = _turned_towards(yaw[t], boxes.yaw_rad[d])
    score[t] += _SMOOTHING * (detections.score[d] - score[t])
    joined = np.zeros(len(tracks), bool)
    joined[t] = True
    last_update = tracks.last_update_us.copy()
    last_update[t] = np.maximum(last_update[t], captured[d])  # Late data must not move this time back.
    old = replace(
        tracks, mean=mean, covariance=covariance, bottom_m=bottom, size_m=size, yaw_rad=yaw, score=score,
        hits=tracks.hits + joined, misses=np.where(joined, 0, tracks.misses + 1),
        recent=tracks.recent << 1 | joined, last_update_us=last_update,
    )  # fmt: skip

    # Detections with a low score may continue a track but not start one, so that false positives rarely become tracks.
    free = detections.score >= params.least_score
    free[d] = False
    new = _born(old.next_id, detections[free], position_m[free], noise[free], prior[free], captured[free])
    return _confirmed(_with(old, new), params)


def _born(
    first_id: int,
    detections: Detections,
    position_m: Float[np.ndarray, "detections 2"],
    noise_m2: Float[np.ndarray, "detections 2 2"],
    speed_m2_s2: Float[np.ndarray, "detections 2 2"],
    captured_us: Int64[np.ndarray, " detections"],
) -> Tracks:
    """Return one new track per detection."""
    count = len(detections)
    covariance = np.zeros((count, 4, 4))
    covariance[:, :2, :2] = noise_m2
    covariance[:, 2:, 2:] = speed_m2_s2
    one = np.ones(count, np.int64)
    boxes = detections.boxes
    return Tracks(
        0, first_id + count, first_id + np.arange(count), np.hstack([position_m, detections.velocity_mps]), covariance,
        boxes.center_m[:, 2], boxes.size_m, boxes.yaw_rad, detections.score, one, 0 * one, one, np.zeros(count, bool),
        captured_us,
    )  # fmt: skip


def _with(old: Tracks, new: Tracks) -> Tracks:
    """Return the old tracks followed by the new tracks."""
    if len(new) == 0:
        return old
    columns: dict[str, Any] = {n: np.concatenate([getattr(old, n), getattr(new, n)]) for n in _COLUMNS}
    return replace(old, next_id=new.next_id, **columns)


def _not_forgotten(tracks: Tracks, params: TrackerParams) -> Tracks:
    """Return the tracks whose last detection is recent enough; the others are dropped."""
    # An unconfirmed track is often a false positive, so it is dropped sooner.
    patience = np.where(tracks.confirmed, params.coast_us, params.tentative_us)
    alive = tracks.time_us - tracks.last_update_us <= patience
    return tracks if alive.all() else tracks[alive]


def _confirmed(tracks: Tracks, params: TrackerParams) -> Tracks:
    """Return the tracks with `confirmed` updated: tracks with M detections in the last N steps stay confirmed from now on."""
    window = tracks.recent & ((1 << params.confirm_steps) - 1)  # Only the bits of the last N steps count.
    lately = (window[:, None] >> np.arange(params.confirm_steps) & 1).sum(axis=1)
    return replace(tracks, confirmed=tracks.confirmed | (lately >= params.confirm_hits), recent=window)


def velocity_of(
    tracks: Tracks, detections: Detections, params: TrackerParams = TrackerParams()
) -> Float[np.ndarray, "detections 2"]:
    """Return the velocity over ground of each detection, from the track to which it was assigned; zero if unknown.

    Args:
        tracks: Tracks after `step` with the same detections.
        detections: Detections in the world frame, at the instant of the tracks.
        params: Parameters of the tracker.
    """
    velocity = np.zeros((len(detections), 2))
    noise = np.broadcast_to(params.position_sigma_m**2 * np.eye(2), (len(detections), 2, 2))
    t, d = _assigned(tracks, detections.boxes.center_m[:, :2], noise, params)
    velocity[d] = tracks.mean[t, 2:]  # It is zero for a track with a single detection that came without a velocity.
    return velocity
