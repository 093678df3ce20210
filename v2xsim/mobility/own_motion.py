"""Whether each road user of a trace, taken alone, moves at its speeds and in the direction of its angles.

`trace_units` compares the movements of all road users together, so that one with other units among many goes unseen there.
Here each road user is followed by itself, of whatever kind. Its movement is measured over windows of some metres, not from
sample to sample: over a few centimetres, noise and rounding of positions hide direction and distance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.mobility.base import counted
from v2xsim.mobility.fcd_reader import Sample
from v2xsim.mobility.trace_units import ANGLES, FASTEST_MPS, LON_LAT_ADVICE, unit_advice
from v2xsim.notices import Notice
from v2xsim.world.top_speeds import TOP_SPEEDS, USUAL_MPS, with_article

# A window ends when the road user has moved this far, or should have.
_WINDOW_M = 5.0
# A road user is compared with its speeds and angles only over so many windows and metres: less may be one turn or a reversal.
_LEAST_WINDOWS = 3
_LEAST_WAY_M = 20.0

# Below this, a speed may be the noise of a standing road user.
_CREEPING_MPS = 0.5

# Over more than 5 s a road user may turn several times, or stop and start again: its angle tells nothing, and it may move only
# by a part of what its speeds give. Over more than a minute its speeds tell nothing, either.
_SHORT_SPAN_S = 5.0
_LONGEST_SPAN_S = 60.0
_PART_OF_WAY = 0.2

# A jump: farther than a lane change within one step and 5 m/s^2 up and down allow (see `trace_checks.jumps`).
_SLACK_M = 6.0
_ACCELERATION_MPS2 = 5.0

# Mean factor between way and speed at which the two do not belong together. Lanes whose lengths do not fit their shapes stay
# below; km/h (3.6), miles per hour (2.2), knots (1.9) and feet (3.3) are above.
_WRONG_FACTOR = 1.5

_FAR_TOO_SHORT = 0.02

# Mean cosine between movement and heading below which the heading is another one: 45 degrees on the average.
_WRONG_COSINE = np.cos(np.radians(45.0))
# Mean cosine at which another meaning of the angles fits.
_FITTING_COSINE = 0.97

# Headings that differ more within a window have no mean.
_LEAST_MEAN_HEADING = 0.8

_NEVER = np.iinfo(np.int64).min
_USER = np.dtype(
    [
        ("in_run", "?"),
        # The first sample and the largest distance from it; the last sample; the begin of the window.
        ("first_us", "i8"), ("first_x_m", "f8"), ("first_y_m", "f8"), ("reach_m", "f8"), ("last_us", "i8"), ("x_m", "f8"), ("y_m", "f8"), ("speed_mps", "f8"),
        ("anchor_us", "i8"), ("anchor_x_m", "f8"), ("anchor_y_m", "f8"), ("anchor_cos", "f8"), ("anchor_sin", "f8"), ("anchor_headings", "f8"),
        ("anchor_least_m", "f8"), ("anchor_most_m", "f8"), ("anchor_m", "f8"), ("anchor_signed_m", "f8"),
        # Sums over all windows.
        ("pairs", "i8"), ("windows", "i8"), ("moved_m", "f8"), ("expected_m", "f8"), ("log", "f8"), ("log_squared", "f8"),
        ("blind_m", "f8"), ("blind_s", "f8"), ("jumps", "i8"), ("jumped_m", "f8"), ("jump_expected_m", "f8"), ("turned_m", "f8"), ("agree_m", "f8", (1 + len(ANGLES),)),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class _Wrong:
    """What is wrong with the motion of a road user, and since when it is there."""

    agent: int
    first_us: int
    text: str


class OwnMotion:
    """Follows each road user of a trace from sample to sample."""

    def __init__(self) -> None:
        self._users = np.zeros(0, _USER)

    def see(self, sample: Sample, in_run: bool) -> None:
        """Take note of the next sample of the trace.

        Args:
            sample: The sample.
            in_run: Whether it is in the run. Only road users of the run are reported; what they do before and after it counts.
        """
        self._grow(int(sample.agent.max()) + 1)
        front_m = sample.front_m
        user = self._users[sample.agent]
        span_s = np.where(user["last_us"] == _NEVER, np.inf, (sample.time_us - user["last_us"].astype(float)) * 1e-6)
        user["in_run"] |= in_run
        new = user["last_us"] == _NEVER
        for name, value in (("first_us", sample.time_us), ("first_x_m", front_m[:, 0]), ("first_y_m", front_m[:, 1])):
            user[name] = np.where(new, value, user[name])
        away_m = np.hypot(front_m[:, 0] - user["first_x_m"], front_m[:, 1] - user["first_y_m"])
        user["reach_m"] = np.fmax(user["reach_m"], away_m)
        followed = span_s <= _LONGEST_SPAN_S
        long = followed & (span_s > _SHORT_SPAN_S)
        span_s = np.where(followed, span_s, 0.0)
        before, now = np.abs(user["speed_mps"]), np.abs(sample.speed_mps)
        # Some traces have a speed only in some samples.
        low, high = np.fmin(before, now), np.fmax(before, now)
        way_m = np.hypot(front_m[:, 0] - user["x_m"], front_m[:, 1] - user["y_m"])
        usual_m = np.where(np.isfinite(high), high, FASTEST_MPS) * span_s
        jumped = followed & (way_m > usual_m + 0.25 * _ACCELERATION_MPS2 * span_s**2 + _SLACK_M + sample.size_m[:, 0])
        moved = followed & ~jumped
        user["pairs"] += followed
        user["jumps"] += jumped
        user["jumped_m"] += np.where(jumped, way_m, 0.0)
        user["jump_expected_m"] += np.where(jumped, high * span_s, 0.0)
        least_mps = np.where(low < _CREEPING_MPS, 0.0, np.where(long, _PART_OF_WAY * low, low))
        most_mps = np.where(long, np.inf, high + _CREEPING_MPS)
        user["anchor_least_m"] += np.where(moved, least_mps * span_s, 0.0)
        user["anchor_most_m"] += np.where(moved, most_mps * np.maximum(span_s, 1e-6), 0.0)
        user["anchor_m"] += np.where(moved, 0.5 * (low + high) * span_s, 0.0)
        user["anchor_signed_m"] += np.where(moved, np.nan_to_num(sample.speed_mps) * span_s, 0.0)
        user["anchor_cos"] += np.cos(sample.yaw_rad)
        user["anchor_sin"] += np.sin(sample.yaw_rad)
        user["anchor_headings"] += np.where(long, np.inf, 1.0)
        user["x_m"], user["y_m"], user["speed_mps"] = front_m[:, 0], front_m[:, 1], sample.speed_mps
        user["last_us"] = sample.time_us
        chord_m = np.hypot(user["x_m"] - user["anchor_x_m"], user["y_m"] - user["anchor_y_m"])
        full = moved & (np.fmax(chord_m, user["anchor_least_m"]) >= _WINDOW_M)
        blind = full & ~np.isfinite(user["anchor_least_m"])
        user["blind_m"] += np.where(blind, chord_m, 0.0)
        user["blind_s"] += np.where(blind, (sample.time_us - user["anchor_us"]) * 1e-6, 0.0)
        user[full] = _with_window(user[full], chord_m[full])
        _begin_window(user, full | ~moved, sample.time_us, sample.yaw_rad)
        self._users[sample.agent] = user

    def _grow(self, count: int) -> None:
        missing = count - len(self._users)
        if missing > 0:
            more = np.zeros(max(missing, len(self._users), 64), _USER)
            more["last_us"] = _NEVER
            self._users = np.append(self._users, more)

    def notices(
        self, source: str, name_of: Callable[[int], str], speed_rows: Int64[np.ndarray, " users"]
    ) -> tuple[Notice, ...]:
        """Return the notices about road users whose way does not fit their speeds, or whose direction not their angles.

        Args:
            source: Name of the trace, for the text.
            name_of: Function that returns the name of a road user.
            speed_rows: Row of each road user in `TOP_SPEEDS`.
        """
        notices = []
        for subject, wrong, others in (
            ("trace.own_speeds", self._wrong_speeds(), "moves at other speeds than those in the trace"),
            ("trace.own_places", self._too_far(speed_rows), "moves farther than one of its class usually can"),
            ("trace.own_angles", self._wrong_angles(), "moves in another direction than its angles"),
        ):
            if wrong:
                first = min(wrong, key=lambda one: (one.first_us, one.agent))
                seen = int((self._users["in_run"] & (self._users["pairs"] > 0)).sum())
                text = (
                    f"{source}: {len(wrong):,} of {counted(seen, 'road user')} {others if len(wrong) == 1 else others.replace('moves', 'move', 1)}, "
                    f"first {name_of(first.agent)!r}, there from {first.first_us / 1e6:.12g} s on: {first.text}"
                )
                notices.append(Notice(subject, len(wrong), text))
        return tuple(notices)

    def wrong(self, name_of: Callable[[int], str]) -> str:
        """Return which road users move otherwise than their speeds and angles, for the message of an error; empty if none does."""
        wrong = {one.agent: one for one in (*self._wrong_angles(), *self._wrong_speeds())}
        if not wrong:
            return ""
        first = min(wrong.values(), key=lambda one: (one.first_us, one.agent))
        return f" ({counted(len(wrong), 'road user')}, first {name_of(first.agent)!r} at {first.first_us / 1e6:.12g} s)"

    def _wrong_speeds(self) -> list[_Wrong]:
        """Return the road users whose way is longer or shorter than their speeds allow, on the average over their windows."""
        users = self._users
        count = np.maximum(users["windows"], 1)
        mean = users["log"] / count
        error = np.sqrt(np.maximum(users["log_squared"] / count - mean**2, 0.0) / count)
        # Noise moves a standing road user far in sum, but not away.
        way_m = np.fmax(np.fmin(users["moved_m"], users["reach_m"]), users["expected_m"])
        enough = (users["windows"] >= _LEAST_WINDOWS) & (way_m >= _LEAST_WAY_M)
        wrong = enough & (np.abs(mean) - 2.0 * error > np.log(_WRONG_FACTOR))
        # Degrees show at once.
        wrong |= (users["windows"] >= 2) & (mean < np.log(_FAR_TOO_SHORT)) & (users["expected_m"] >= 2.0 * _WINDOW_M)
        jumping = (users["jumps"] >= _LEAST_WINDOWS) & (users["jumps"] > 0.5 * users["pairs"])
        found = []
        for agent in np.flatnonzero(users["in_run"] & (wrong | jumping)).tolist():
            user = users[agent]
            ways = ("jumped_m", "jump_expected_m") if jumping[agent] else ("moved_m", "expected_m")
            found.append(_Wrong(agent, int(user["first_us"]), _speeds_text(user, *(float(user[way]) for way in ways))))
        return found

    def _too_far(self, speed_rows: Int64[np.ndarray, " users"]) -> list[_Wrong]:
        """Return the road users without speeds whose positions show speeds that are unusual for their class."""
        users = self._users[: len(speed_rows)]
        mean_mps = users["blind_m"] / np.maximum(users["blind_s"], 1e-9)
        far = np.fmin(users["blind_m"], users["reach_m"]) >= _LEAST_WAY_M
        found = []
        for agent in np.flatnonzero(users["in_run"] & far & (mean_mps > USUAL_MPS[speed_rows])).tolist():
            user, top = users[agent], TOP_SPEEDS[speed_rows[agent]]
            text = (
                f"{user['blind_m']:.3g} m in {user['blind_s']:.3g} s are {mean_mps[agent]:.3g} m/s, and {with_article(top.name)} has "
                f"usually at most {top.usual_mps:g} m/s; correct its positions, the times or its type"
            )
            found.append(_Wrong(agent, int(user["first_us"]), text))
        return found

    def _wrong_angles(self) -> list[_Wrong]:
        """Return the road users that move in another direction than that of their angle, on the average over their windows."""
        users = self._users
        cosine = users["agree_m"] / np.maximum(users["turned_m"], 1e-9)[:, None]
        way_m = np.fmin(users["turned_m"], users["reach_m"])
        enough = (users["windows"] >= _LEAST_WINDOWS) & (way_m >= _LEAST_WAY_M)
        found = []
        for agent in np.flatnonzero(users["in_run"] & enough & (cosine[:, 0] < _WRONG_COSINE)).tolist():
            fitting = [name for (name, _), fit in zip(ANGLES, cosine[agent, 1:], strict=True) if fit > _FITTING_COSINE]
            looks = f"; its angles look like {' or '.join(fitting)}" if fitting else ""
            off_deg = np.degrees(np.arccos(np.clip(cosine[agent, 0], -1.0, 1.0)))
            text = (
                f"over {users['turned_m'][agent]:.3g} m it moves {off_deg:.0f} degrees off its angle{looks}; correct its angles, which must be "
                "degrees clockwise from north, or take it out of the trace"
            )
            found.append(_Wrong(agent, int(users["first_us"][agent]), text))
        return found


def _begin_window(user: np.ndarray, here: np.ndarray, time_us: int, yaw_rad: Float[np.ndarray, " users"]) -> None:
    """Begin the next window of some road users at their present places."""
    user["anchor_us"] = np.where(here, time_us, user["anchor_us"])
    user["anchor_x_m"] = np.where(here, user["x_m"], user["anchor_x_m"])
    user["anchor_y_m"] = np.where(here, user["y_m"], user["anchor_y_m"])
    user["anchor_cos"] = np.where(here, np.cos(yaw_rad), user["anchor_cos"])
    user["anchor_sin"] = np.where(here, np.sin(yaw_rad), user["anchor_sin"])
    user["anchor_headings"] = np.where(here, 1.0, user["anchor_headings"])
    for name in ("anchor_least_m", "anchor_most_m", "anchor_m", "anchor_signed_m"):
        user[name] = np.where(here, 0.0, user[name])


def _with_window(user: np.ndarray, chord_m: Float[np.ndarray, " users"]) -> np.ndarray:
    """Return road users with the windows that end now added to their sums."""
    least_m, most_m = user["anchor_least_m"], user["anchor_most_m"]
    speeds_known = np.isfinite(least_m)
    # 1 mm stands for no movement, which has no logarithm.
    way_m = np.maximum(chord_m, 1e-3)
    beyond = np.where(chord_m > most_m, way_m / np.maximum(most_m, 1e-3), way_m / np.maximum(least_m, 1e-3))
    # On a bend, the chord of the window is shorter than the way.
    within = (chord_m >= 0.9 * least_m) & (chord_m <= most_m)
    log = np.where(within | ~speeds_known, 0.0, np.log(beyond))
    user["windows"] += 1
    user["moved_m"] += chord_m
    user["expected_m"] += np.where(speeds_known, user["anchor_m"], 0.0)
    user["log"] += log
    user["log_squared"] += log**2
    headings = np.hypot(user["anchor_cos"], user["anchor_sin"]) / user["anchor_headings"]
    clear = (headings > _LEAST_MEAN_HEADING) & (chord_m > 0.5 * _WINDOW_M)
    heading_rad = np.arctan2(user["anchor_sin"], user["anchor_cos"])
    direction_rad = np.arctan2(user["y_m"] - user["anchor_y_m"], user["x_m"] - user["anchor_x_m"])
    # SUMO's speeds below 0 are those of reversing trains.
    direction_rad += np.where(user["anchor_signed_m"] < 0, np.pi, 0.0)
    angle_deg = 90.0 - np.degrees(heading_rad)
    yaws = [heading_rad, *(yaw_of(angle_deg) for _, yaw_of in ANGLES)]
    agree_m = np.stack([chord_m * np.cos(direction_rad - yaw_rad) for yaw_rad in yaws], axis=1)
    user["turned_m"] += np.where(clear, chord_m, 0.0)
    user["agree_m"] += np.where(clear[:, None], agree_m, 0.0)
    return user


def _speeds_text(user: np.void, moved_m: float, expected_m: float) -> str:
    """Return what a road user moves, what its speeds give, and the likely cause."""
    measured = f"it moves {moved_m:.3g} m where its speeds give {expected_m:.3g} m"
    x_m, y_m = float(user["x_m"]), float(user["y_m"])
    if expected_m < 1e-3 * moved_m:
        return f"{measured}; correct its speeds"
    ratio = moved_m / expected_m
    if moved_m == 0:
        return f"{measured}, at ({x_m:.7g}, {y_m:.7g}) all the time; correct its positions or its speeds"
    if ratio < 3e-4 and abs(x_m) <= 180 and abs(y_m) <= 90:
        return f"{measured}, at ({x_m:.6g}, {y_m:.6g}): {LON_LAT_ADVICE}"
    return f"{measured}, to ({x_m:.6g}, {y_m:.6g}); {unit_advice(ratio)}"
