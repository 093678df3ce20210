"""The parameters of the tracker, which can be read without loading compiled code."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np


class Limits(NamedTuple):
    """The parameters of the tracker in the form that the computation needs; see `TrackerParams`."""

    position_m2: float
    along_m2_s2: float
    across_m2_s2: float
    known_m2_s2: float
    gate: float
    least_score: float
    confirm_hits: int
    confirm_steps: int
    tentative_us: int
    coast_us: int


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

    @property
    def limits(self) -> Limits:
        """The parameters in the form that the compiled step takes."""
        return Limits(
            self.position_sigma_m**2, self.along_sigma_mps**2, self.across_sigma_mps**2, self.known_sigma_mps**2, self.gate,
            self.least_score, self.confirm_hits, self.confirm_steps, self.tentative_us, self.coast_us,
        )  # fmt: skip

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


USUAL = TrackerParams()
"""The parameters of a tracker of frames at most 100 ms apart."""
