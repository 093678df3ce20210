"""Deaths of links that egos foresee, each from what it knows: announcements, its own measurements and detections, and its map.

An alarm is raised if a death is foretold, for some forecasts only at two ticks in a row. It stands until its time is over; a time that moves by more
than SAME_US is another alarm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64

from v2xsim.comms.channel.detours import CornerMap
from v2xsim.comms.channel.fading.decibels import faded_db
from v2xsim.comms.channel.fading.model import FadingView, shape_of
from v2xsim.comms.channel.propagation import propagation
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.comms.relay.believed_channel import ChannelModel
from v2xsim.comms.relay.courses import Courses
from v2xsim.comms.relay.foresight.history import LinkHistories, Measurements, learned, still_known
from v2xsim.comms.relay.foresight.model import CAUSES, ForesightView, KnownVehicles, LinkForecast, causes_of, deaths_of
from v2xsim.comms.relay.usable import least_dbm
from v2xsim.engine.stations.hearing import NEWEST
from v2xsim.engine.stations.vicinity import Vicinities
from v2xsim.records import Detections, Obstacles
from v2xsim.results.tables import Coded, Columns
from v2xsim.scenario.schema import Cooperation
from v2xsim.scenario.schema_radio import Radio

SAME_US = 500_000
"""Two deaths of one link that are foretold for times closer than this are the same."""
# Agent ids are below this.
_AGENTS = 1 << 31
# A detection this close to an announced vehicle, seen from above, is that vehicle.
_SAME_VEHICLE_M = 1.0


@dataclass(frozen=True)
class Foretold:
    """The links of some owners to the stations that they know, as far as their deaths are foretold.

    Attributes:
        after_s: After how many seconds each known station's link with its owner dies: infinite if no death is foretold, 0 if the
            link seems dead already. One entry per known station, in the order of `Vicinities.known`.
    """

    after_s: Float[np.ndarray, " known"]


class Foresight:
    """Foresees the deaths of the links of egos, and writes the table `foretold`.

    Args:
        radio: Section `radio` of the scenario.
        rule: Section `cooperation` of the scenario.
        obstacles: Buildings of the map.
        corners: Corner points of the map.
        table: The table.

    Attributes:
        least_snr_db: SNR from which a link is usable.
    """

    def __init__(
        self, radio: Radio, rule: Cooperation, obstacles: Obstacles, corners: CornerMap, table: Columns
    ) -> None:
        wave = radio.propagation
        self._model: LinkForecast = rule.foresight
        self._channel = ChannelModel(
            radio.channel, wave.vehicle_blockage, wave.building_loss, radio.carrier_ghz, obstacles, corners
        )
        noise = noise_dbm(radio.bandwidth_mhz, radio.noise_figure_db)
        self._budget_db = radio.tx_power_dbm + 2.0 * radio.antenna_gain_dbi - noise
        least = least_dbm(
            radio.access,
            radio.mcs,
            radio.bandwidth_mhz,
            radio.noise_figure_db,
            radio.sensitivity_dbm,
            rule.min_delivery,
        )
        self.least_snr_db = least - noise
        shadowing = propagation(
            radio.channel, radio.carrier_ghz, radio.tx_power_dbm, wave.vehicle_blockage, radio.shadowing, wave.shadowing_sigma_db,
            wave.decorrelation_m,
        )  # fmt: skip
        self._sigma_db, self._decorrelation_m = shadowing.shadowing_sigma_db, shadowing.decorrelation_m
        # An access scheme that draws no fading has packets without it.
        self._fading = wave.fading if wave.fading.fades and radio.access.draws_fading else None
        self._history = LinkHistories.none()
        self._table = table
        self._detect_us = round(rule.detect_ms * 1e3)
        # By agent ids of ego and neighbour: the time foretold at the tick before, and that of the alarm that stands.
        self._before: dict[tuple[int, int], int] = {}
        self._standing: dict[tuple[int, int], int] = {}

    @property
    def foresees(self) -> bool:
        """Whether anything is foreseen at all."""
        return self._model.foresees

    def of_links(self, vicinities: Vicinities, detected: Sequence[tuple[int, Detections]], frame_us: int) -> Foretold:
        """Return what each owner foresees of its links, and raise alarms.

        Args:
            vicinities: What each owner knows.
            detected: Capture time and detections of the newest frame of each owner, as for `known_bodies`.
            frame_us: Capture time of the present frames.
        """
        known = vicinities.known
        after_s = np.full(len(known.agent), np.inf)
        rows = np.flatnonzero(known.snr_db >= self.least_snr_db)
        if not self._model.foresees:
            return Foretold(after_s)
        if len(rows) == 0:
            # Two ticks in a row count for each owner by itself, whether or not another one has a link.
            self._before = {}
            return Foretold(after_s)
        view = self._view(vicinities, detected, rows)
        if self._model.learns:
            view = self._with_history(view, vicinities, rows)
        death_s = deaths_of(self._model, view)
        is_sure = self._alarms(vicinities, rows, death_s, view, frame_us)
        after_s[rows] = np.where(is_sure, death_s, np.inf)
        return Foretold(after_s)

    def _alarms(
        self, vicinities: Vicinities, rows: Int64[np.ndarray, " links"], death_s: Float[np.ndarray, " links"], view: ForesightView,
        frame_us: int,
    ) -> np.ndarray:  # fmt: skip
        """Raise alarms, and return which deaths were foretold at the tick before too, or have come true since as it seems.

        A link that seems dead without an alarm counts for nothing: what is measured on it is worth more than the map.
        """
        known, time_us = vicinities.known, vicinities.own.time_us
        is_sure, raised = np.zeros(len(death_s), bool), []
        ego, neighbour = known.owner[vicinities.owner_of[rows]], known.agent[rows]
        now: dict[tuple[int, int], int] = {}
        self._standing = {key: due_us for key, due_us in self._standing.items() if due_us + SAME_US > time_us}
        for link in np.flatnonzero(np.isfinite(death_s)).tolist():
            key, due_us = (int(ego[link]), int(neighbour[link])), time_us + round(float(death_s[link]) * 1e6)
            if death_s[link] == 0.0:
                is_sure[link] = key in self._standing
                continue
            now[key] = due_us
            before_us = self._before.get(key)
            if self._model.confirms and (before_us is None or abs(due_us - before_us) > SAME_US):
                continue
            is_sure[link] = True
            if key not in self._standing or abs(due_us - self._standing[key]) > SAME_US:
                self._standing[key] = due_us
                raised.append(link)
        self._before = now
        if raised:
            chosen = np.array(raised)
            cause = causes_of(view, np.where(np.isin(np.arange(len(rows)), chosen), death_s, np.inf))[chosen]
            self._table.add(
                time_us=frame_us + self._detect_us, station=ego[chosen], neighbour=neighbour[chosen],
                death_us=time_us + np.round(death_s[chosen] * 1e6).astype(np.int64), cause=Coded(cause, CAUSES),
            )  # fmt: skip
        return is_sure

    def _with_history(
        self, view: ForesightView, vicinities: Vicinities, rows: Int64[np.ndarray, " links"]
    ) -> ForesightView:
        """Return a view with what each owner has learned of its links, and keep it for the next tick."""
        own, known, said = vicinities.own, vicinities.known, vicinities.announced
        owner = vicinities.owner_of[rows]
        expected_db, state = view.expected(np.arange(len(rows)), 0.0)
        distance_m = np.linalg.norm(view.first.position_m - view.second.position_m, axis=1)
        shape = np.full(len(rows), np.inf)
        if self._fading is not None:
            shape = shape_of(self._fading, FadingView(distance_m, state))
        seen = Measurements(
            known.owner[owner] * _AGENTS + known.agent[rows], own.time_us, known.snr_db[rows], expected_db, state,
            view.first.speed_mps + view.second.speed_mps, *faded_db(shape),
        )  # fmt: skip
        history = learned(self._history, seen, self._sigma_db, self._decorrelation_m, self.least_snr_db, NEWEST)
        self._history = still_known(self._history, history, own.time_us)
        silent_s = (own.stamp_us[owner] - said.stamp_us[said.row[rows]]) * 1e-6
        return replace(view, history=history, silent_s=silent_s)

    def hops(
        self, first: Courses, second: Courses, group: Int64[np.ndarray, " hops"], first_body: Int64[np.ndarray, " hops"],
        second_body: Int64[np.ndarray, " hops"], vehicles: KnownVehicles,
    ) -> ForesightView:  # fmt: skip
        """Return hops between any two stations as a view, with which their SNR ahead can be worked out; arguments as its attributes."""
        return ForesightView(
            first, second, group, first_body, second_body, np.zeros(len(group)), vehicles, self._channel, self._budget_db,
            self.least_snr_db, self._sigma_db, self._decorrelation_m,
        )  # fmt: skip

    def _view(
        self, vicinities: Vicinities, detected: Sequence[tuple[int, Detections]], rows: Int64[np.ndarray, " links"]
    ) -> ForesightView:
        """Return the direct links of owners to some of the stations that they know."""
        own, said, owner = vicinities.own, vicinities.announced, vicinities.owner_of
        row, o = said.row[rows], owner[rows]
        first = Courses(
            np.column_stack([own.pose[o, :2], own.antenna_height_m[o]]), own.velocity_mps[o], own.acceleration_mps2[o],
            own.turn_radps[o],
        )  # fmt: skip
        second = Courses(
            np.column_stack([vicinities.position_m[rows], said.antenna_m[row]]), said.velocity_mps[row],
            said.acceleration_mps2[row], said.turn_radps[row],
        )  # fmt: skip
        vehicles, body = known_vehicles(vicinities, detected)
        return ForesightView(
            first, second, o, np.full(len(rows), -1, np.int64), body[rows], vicinities.known.snr_db[rows], vehicles,
            self._channel, self._budget_db, self.least_snr_db, self._sigma_db, self._decorrelation_m,
        )  # fmt: skip


def known_vehicles(
    vicinities: Vicinities, detected: Sequence[tuple[int, Detections]]
) -> tuple[KnownVehicles, Int64[np.ndarray, " known"]]:
    """Return the vehicles that each owner knows, each once, and the row of the vehicle of each known station; -1 for none.

    A detection that lies on an announced vehicle is left out.

    Args:
        vicinities: What each owner knows from announcements.
        detected: Capture time and detections of the newest frame of each owner, as for `known_bodies`.
    """
    own, said, owner = vicinities.own, vicinities.announced, vicinities.owner_of
    station = np.flatnonzero(said.is_vehicle[said.row])
    row, place_m = said.row[station], vicinities.position_m[station]
    parts = [(
        owner[station], np.column_stack([place_m, said.pose[row, 2]]), said.velocity_mps[row], said.acceleration_mps2[row],
        said.turn_radps[row], said.size_m[row], said.pose[row, 3],
    )]  # fmt: skip
    for o, (stamp_us, seen) in enumerate(detected):
        if len(seen) == 0:
            continue
        center_m = seen.boxes.center_m.copy()
        center_m[:, :2] += seen.velocity_mps * ((own.stamp_us[o] - stamp_us) * 1e-6)
        mine = owner[station] == o
        is_new = ~_stand_over(center_m[:, :2], place_m[mine], said.size_m[row[mine]], said.pose[row[mine], 3])
        none = np.zeros(int(is_new.sum()))
        parts.append((
            np.full(len(none), o), center_m[is_new], seen.velocity_mps[is_new], none, none, seen.boxes.size_m[is_new],
            seen.boxes.yaw_rad[is_new],
        ))  # fmt: skip
    group, center_m, velocity_mps, change, turn, size_m, yaw_rad = (
        np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    order = np.argsort(group, kind="stable")
    body = np.full(len(owner), -1, np.int64)
    body[station] = np.argsort(order, kind="stable")[: len(station)]
    course = Courses(center_m, velocity_mps, change, turn)[order]
    return KnownVehicles(course, size_m[order], yaw_rad[order], group[order]), body


def _stand_over(
    point_m: Float[np.ndarray, "points 2"], center_m: Float[np.ndarray, "vehicles 2"], size_m: Float[np.ndarray, "vehicles 3"],
    yaw_rad: Float[np.ndarray, " vehicles"],
) -> np.ndarray:  # fmt: skip
    """Return whether each point lies on one of some vehicles, seen from above."""
    gap_m = point_m[:, None] - center_m
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    along, across = gap_m[..., 0] * cos + gap_m[..., 1] * sin, gap_m[..., 1] * cos - gap_m[..., 0] * sin
    reach_m = 0.5 * size_m[:, :2] + _SAME_VEHICLE_M
    return np.asarray(((np.abs(along) < reach_m[:, 0]) & (np.abs(across) < reach_m[:, 1])).any(axis=1))
