"""How stations and vehicles move on, as another station expects it: along an arc, and no farther than where they stop."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

# A slower station keeps its course: at walking speed, the yaw rate says little about the way.
_LEAST_MPS = 1.0
# A vehicle that turns at a junction changes its heading by no more than about this from now on.
_MOST_TURN_RAD = 1.2
# Weaker braking than this ends no course: drivers ease off often, and then go on.
_BRAKES_MPS2 = -0.3


@dataclass(frozen=True)
class Courses:
    """Position and motion of some stations or vehicles at one instant.

    Attributes:
        position_m: Position of each; the third column is the height above ground.
        velocity_mps: Horizontal velocity.
        acceleration_mps2: Change of the speed along the way; negative when braking.
        turn_radps: Yaw rate, counter-clockwise.
    """

    position_m: Float[np.ndarray, "courses 3"]
    velocity_mps: Float[np.ndarray, "courses 2"]
    acceleration_mps2: Float[np.ndarray, " courses"]
    turn_radps: Float[np.ndarray, " courses"]

    def __len__(self) -> int:
        return len(self.position_m)

    def __getitem__(self, rows: Int64[np.ndarray, " rows"]) -> "Courses":
        return Courses(
            self.position_m[rows], self.velocity_mps[rows], self.acceleration_mps2[rows], self.turn_radps[rows]
        )

    @staticmethod
    def straight(position_m: Float[np.ndarray, "courses 3"], velocity_mps: Float[np.ndarray, "courses 2"]) -> "Courses":
        """Return courses straight on at constant speed."""
        none = np.zeros(len(position_m))
        return Courses(position_m, velocity_mps, none, none)

    @property
    def speed_mps(self) -> Float[np.ndarray, " courses"]:
        """Speed of each."""
        speed: np.ndarray = np.hypot(self.velocity_mps[:, 0], self.velocity_mps[:, 1])
        return speed

    def way_m(self, after_s: float) -> Float[np.ndarray, " courses"]:
        """Return the distance that each covers within a time; one that brakes stops, and stays where it stops."""
        speed, change = self.speed_mps, self.acceleration_mps2
        brakes = change < _BRAKES_MPS2
        driving_s = np.minimum(after_s, np.where(brakes, speed / np.where(brakes, -change, 1.0), np.inf))
        way: np.ndarray = np.maximum(speed * driving_s + 0.5 * change * driving_s**2, 0.0)
        return way

    def after(self, after_s: float) -> Float[np.ndarray, "courses 3"]:
        """Return where each is after a time: its way along an arc of constant curvature."""
        speed, way_m = self.speed_mps, self.way_m(after_s)
        turned = np.where(speed > _LEAST_MPS, self.turn_radps / np.maximum(speed, _LEAST_MPS) * way_m, 0.0)
        half = 0.5 * np.clip(turned, -_MOST_TURN_RAD, _MOST_TURN_RAD)
        heading = np.arctan2(self.velocity_mps[:, 1], self.velocity_mps[:, 0]) + half
        # The chord of the arc; numpy's sinc is sin(pi x) / (pi x).
        chord_m = way_m * np.sinc(half / np.pi)
        place_m = self.position_m.copy()
        place_m[:, 0] += chord_m * np.cos(heading)
        place_m[:, 1] += chord_m * np.sin(heading)
        return place_m
