"""The interface of link forecasts: when a link of a station dies, as that station can tell from what it knows.

A link dies when a data packet over it, with nothing that disturbs it, is delivered with less than `cooperation.min_delivery`. A
building or a vehicle that comes between the two antennas is no death by itself: the loss must use up the margin of the SNR.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int8, Int64

from v2xsim.comms.relay.believed_channel import BelievedLinks, ChannelModel, believed_loss_db
from v2xsim.comms.relay.courses import Courses
from v2xsim.comms.relay.foresight.history import LinkHistories
from v2xsim.comms.relay.hops import Hops, KnownBodies
from v2xsim.part_answers import array_from
from v2xsim.parts import Kind, Part
from v2xsim.plugins import ask
from v2xsim.records import NLOSB, NLOSV, Boxes

CAUSES = ("range", "body", "building")
"""Causes of foretold deaths by the state of the link at that time: nothing in the way, a vehicle, a building."""


FARTHEST_S = 86_400.0
"""A death that is foretold for a later time than this counts as none: no run lasts longer."""

TURNS_RADPS = 0.05
"""A station with a higher yaw rate turns; a lane on a motorway bends less at any speed."""


@dataclass(frozen=True)
class KnownVehicles:
    """The vehicles that some stations know, where they are by now.

    Attributes:
        course: Centre of the bottom of each, and its motion.
        size_m: Length, width and height.
        yaw_rad: Heading.
        group: Row of the station that knows each, in rising order.
    """

    course: Courses
    size_m: Float[np.ndarray, "vehicles 3"]
    yaw_rad: Float[np.ndarray, " vehicles"]
    group: Int64[np.ndarray, " vehicles"]


@dataclass(frozen=True)
class ForesightView:
    """Input of link forecasts: links that work now, each as one station knows it.

    Attributes:
        first: One antenna of each link, and its motion.
        second: The other antenna.
        group: Row of the station that knows each link.
        first_body: Row in `vehicles` of the vehicle that carries the one antenna; -1 for none.
        second_body: Row in `vehicles` of the vehicle that carries the other one.
        snr_db: Mean SNR that was measured lately.
        vehicles: Vehicles that each station knows.
        channel: Models of the channel, and the map.
        budget_db: SNR of a link without any loss.
        least_snr_db: SNR below which a link is dead.
        sigma_db: Standard deviation of the shadowing by state: LOS, NLOSV, NLOSB.
        decorrelation_m: Distance after which its correlation has fallen to 1/e, by state.
        history: What the stations have learned of these links up to now; empty if the forecast does not learn (`LinkForecast.learns`).
        silent_s: Age of the newest announcement on each link; empty as `history`.
    """

    first: Courses
    second: Courses
    group: Int64[np.ndarray, " links"]
    first_body: Int64[np.ndarray, " links"]
    second_body: Int64[np.ndarray, " links"]
    snr_db: Float[np.ndarray, " links"]
    vehicles: KnownVehicles
    channel: ChannelModel
    budget_db: float
    least_snr_db: float
    sigma_db: Float[np.ndarray, " 3"]
    decorrelation_m: Float[np.ndarray, " 3"]
    history: LinkHistories = field(default_factory=LinkHistories.none)
    silent_s: Float[np.ndarray, " links_or_none"] = field(default_factory=lambda: np.zeros(0))

    @property
    def shape(self) -> tuple[int]:
        """Shape of the array of deaths: the number of links, in a tuple."""
        return (len(self.group),)

    @property
    def turns(self) -> Bool[np.ndarray, " links"]:
        """Whether one end of each link turns."""
        turn = np.maximum(np.abs(self.first.turn_radps), np.abs(self.second.turn_radps))
        is_turning: np.ndarray = turn > TURNS_RADPS
        return is_turning

    def first_event_s(self, look_s: float) -> Float[np.ndarray, " links"]:
        """Return when a building or a known vehicle first comes between the antennas of each link, on straight courses.

        It is 0 for a link that is blocked now, and infinite if nothing comes between within `look_s`.
        """
        # Imported here, so that a scenario can be checked without loading compiled kernels.
        from v2xsim.comms.channel.geometry import building_arrays
        from v2xsim.comms.relay import hop_loops

        seen = self.vehicles
        groups = int(max(self.group.max(initial=-1), seen.group.max(initial=-1))) + 1
        bodies = KnownBodies(
            np.searchsorted(seen.group, np.arange(groups + 1)).astype(np.int64),
            Boxes(seen.course.position_m, seen.size_m, seen.yaw_rad), seen.course.velocity_mps,
            np.zeros(len(seen.group), bool),
        )  # fmt: skip
        hops = Hops(
            self.first.position_m, self.second.position_m, self.first.velocity_mps, self.second.velocity_mps, self.group
        )
        found: Float[np.ndarray, " links"] = hop_loops.lifetimes(
            hop_loops.tracks(hops), hop_loops.body_rows(bodies), *building_arrays(self.channel.obstacles),
            np.full(len(self.group), np.inf), look_s,
        )  # fmt: skip
        return found

    def expected(
        self, rows: Int64[np.ndarray, " rows"], after_s: float
    ) -> tuple[Float[np.ndarray, " rows"], Int8[np.ndarray, " rows"]]:
        """Return the SNR without shadowing, and the state (LOS, NLOSV or NLOSB), of some links after a time."""
        snr_db, state = self.expected_at(rows, (after_s,))
        return snr_db[:, 0], state[:, 0]

    def expected_at(
        self, rows: Int64[np.ndarray, " rows"], times_s: Sequence[float]
    ) -> tuple[Float[np.ndarray, "rows times"], Int8[np.ndarray, "rows times"]]:
        """Return the SNR without shadowing, and the state, of some links after several times; faster than one after the other.

        Raises:
            ValueError: If a time is not finite.
        """
        if not np.isfinite(times_s).all():
            raise ValueError(f"times must be finite numbers of seconds, got {list(times_s)}")
        seen, times = self.vehicles, len(times_s)
        near = np.flatnonzero(np.isin(seen.group, self.group[rows]))
        body_row = np.full(len(seen.group) + 1, -1, np.int64)
        body_row[near] = np.arange(len(near))
        # Each time is a world of its own: the links and the vehicles of the first time, then those of the second one, and so on.
        course, first, second = seen.course[near], self.first[rows], self.second[rows]
        boxes = Boxes(
            np.concatenate([course.after(time_s) for time_s in times_s]), np.tile(seen.size_m[near], (times, 1)),
            np.tile(seen.yaw_rad[near], times),
        )  # fmt: skip

        def each(row: Int64[np.ndarray, " some"], step: int) -> Int64[np.ndarray, " repeated"]:
            """Return numbers once for each time, raised by a step from each time to the next; -1 stays."""
            raised = row + step * np.arange(times)[:, None]
            return np.where(row >= 0, raised, -1).ravel()

        groups = int(max(self.group.max(initial=-1), seen.group.max(initial=-1))) + 1
        links = BelievedLinks(
            np.concatenate([first.after(time_s) for time_s in times_s]), np.concatenate([second.after(time_s) for time_s in times_s]),
            each(self.group[rows], groups), each(body_row[self.first_body[rows]], len(near)), each(body_row[self.second_body[rows]], len(near)),
            boxes, each(seen.group[near], groups),
        )  # fmt: skip
        loss_db, state = believed_loss_db(links, self.channel)
        return self.budget_db - loss_db.reshape(times, -1).T, state.reshape(times, -1).T


class LinkForecast(Part):
    """Base of link forecasts.

    Attributes:
        foresees: Whether the model foresees anything at all (False switches foresight off).
        learns: Whether the model reads what stations learn of their links (`ForesightView.history`), which takes time.
        confirms: Whether an alarm is raised only if the same death is foretold at two ticks in a row.
    """

    kind = Kind("link forecast", "model", ("deaths",), "v2xsim.comms.relay.foresight")
    foresees: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    confirms: ClassVar[bool] = True

    def deaths(self, view: ForesightView) -> Float[np.ndarray, " links"]:
        """Return after how many seconds each link dies: 0 if it is dead already, infinity if no death is in sight."""
        raise NotImplementedError


def deaths_of(model: LinkForecast, view: ForesightView) -> Float[np.ndarray, " links"]:
    """Return when each link dies under a model; the result of a user's model is checked.

    A time after the end of the longest run is no death.

    Raises:
        PartError: If a user's model raises an exception or returns anything but one time per link.
    """
    answer = ask(model, "deaths", view)
    after_s = array_from(model, "deaths", answer, {"links": len(view.group)}, finite=False, least=0.0)
    return np.where(after_s > FARTHEST_S, np.inf, after_s)


def causes_of(view: ForesightView, after_s: Float[np.ndarray, " links"]) -> Int8[np.ndarray, " links"]:
    """Return the cause of each foretold death as an index of CAUSES: the state of the link just after it."""
    cause = np.zeros(len(after_s), np.int8)
    # Few links die within one tick, most of them at different times.
    for row in np.flatnonzero(np.isfinite(after_s)).tolist():
        state = int(view.expected(np.array([row]), float(after_s[row]) + JUST_S)[1][0])
        cause[row] = 2 if state == NLOSB else 1 if state == NLOSV else 0
    return cause


JUST_S = 0.1
"""The cause of a death is looked for this much after it: the times of deaths are as sure as this."""
