"""Traffic driven by SUMO through libsumo, from any configuration."""

import math
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from v2xsim.mobility.base import (
    Bounds,
    Identities,
    Mobility,
    MobilityError,
    Names,
    NameTakenError,
    Progress,
    center_of_front_m,
    counted,
    listed,
    riders_text,
    snapshot_of,
    yaw_of_compass_rad,
)
from v2xsim.mobility.fast_users import FastUsers
from v2xsim.mobility.fcd_reader import Found, Sample
from v2xsim.mobility.road_network import roads_of_simulation
from v2xsim.mobility.sumo_bodies import Bodies, Body
from v2xsim.mobility.sumo_config import begins_late, safe_config, time_us_of
from v2xsim.mobility.sumo_demand import StartsSeen
from v2xsim.mobility.sumo_session import SumoSession
from v2xsim.mobility.sumo_tools import console_into, errors_in, libsumo, sumo_warnings
from v2xsim.mobility.sumo_type_files import VehicleTypeFiles
from v2xsim.mobility.trace_checks import TraceChecks
from v2xsim.mobility.trailers import Trailers
from v2xsim.mobility.two_parts import given_parts
from v2xsim.notices import Notice
from v2xsim.scenario.schema_world import FARTHEST_M, Trailer
from v2xsim.staging import Scratch
from v2xsim.world.road_users import (
    CATALOGUE,
    KINDS,
    PASSENGER,
    body_height_m,
    contradicts,
    is_sumo_default_height,
    kind_of,
)
from v2xsim.world.roads import Roads
from v2xsim.world.snapshot import Snapshot
from v2xsim.world.top_speeds import MOST_MPS, TOP_SPEEDS, USUAL_MPS, impossible_speed, speed_class, with_article
from v2xsim.world.type_names import kinds_in_type_name

LANE_CHANGE_S = 3.0
"""Duration of a lane change.

By default, SUMO moves a vehicle to the next lane within one step. Real drivers take 1.0 to 13.3 s (Toledo and Zohar,
Transportation Research Record 1999, 2007). The value here is at the short end, because lanes in towns are short."""

# Traffic time between two reports of progress while SUMO runs up to the start of the measurement.
_WARM_UP_CHUNK_US = 5_000_000

# A maxSpeed up to these says nothing: SUMO's highest speed of persons, of which they walk at a part, and that of all motor
# vehicles in earlier versions of SUMO, which roads limit.
_SUMO_WALKER_MPS = 10.5
_SUMO_FORMER_MPS = 70.0

# Number of names of vehicles that have left that are kept, so that they are looked for only now and then.
_SPARE_NAMES = 1000

# SUMO reports a coordinate below this for a vehicle without a position, such as one that is being teleported.
_NOWHERE_M = -1e8

# A network whose elevations differ by less is flat: no road crosses another one on a bridge.
_FLAT_M = 3.0


class SumoMobility(Mobility):
    """One SUMO simulation in this process.

    The time t of a snapshot is the time that SUMO's own outputs call t: a vehicle that departs at t is then at its
    departure position. (libsumo's getTime is one step ahead: it returns the next step to compute.) Elevation is ignored:
    all road users are on the plane z = 0.
    """

    def __init__(
        self,
        config: Path,
        step_us: int,
        seed: int,
        names: Names,
        scratch: Scratch | None = None,
        label: str = "",
        trailers: Mapping[str, Trailer | str] | None = None,
    ) -> None:
        """Start SUMO.

        Args:
            config: Path of a .sumocfg file. SUMO writes no file into the folder of this file.
            step_us: Time step of the simulation, a whole number of milliseconds.
            seed: Seed of SUMO's random numbers, taken modulo 2^31 - 1, the largest seed of SUMO.
            names: Register of names of the run, in which road users are entered.
            scratch: Temporary folder of a generated road, removed when the simulation is closed; None for other roads.
            label: Name of the traffic in messages; the path of the configuration if empty.
            trailers: Rear parts of vehicles as the scenario gives them, by vehicle type.

        Raises:
            MobilityError: If SUMO cannot start; the message has SUMO's reason.
        """
        super().__init__(names)
        if step_us % 1000:
            raise MobilityError(
                f"run.step_s must be a whole number of milliseconds for traffic of SUMO, got {step_us / 1e6:.12g} s"
            )
        self._source = label or str(config)
        self._step_us = step_us
        self._bodies: dict[str, Body] = {}
        self._columns = Bodies.of([])
        self._identities = Identities(names)
        self._sumo_names: dict[int, str] = {}
        self._checks = TraceChecks(config, Found(), names.name_of)
        self._fast = FastUsers(self._source, names.name_of)
        self._trailers, self._given_trailers = Trailers(self._source, names.name_of), dict(trailers or {})
        self._pulled_types: set[str] = set()
        # Vehicle types that may drive faster than usual, with their highest speed and class.
        self._fast_types: dict[str, tuple[float, int]] = {}
        self._riders: dict[str, tuple[int, str]] = {}
        # Vehicle types that name a class and set none, so that SUMO drives cars.
        self._classless_types: set[str] = set()
        self._contradictions: dict[str, str] = {}
        self._teleports = 0
        self._starts, self._has_started = StartsSeen(), False
        self._first_us = 0
        self._lowest_m, self._highest_m = math.inf, -math.inf
        self._last: Snapshot | None = None
        self._sumo: ModuleType = libsumo()
        self._session = SumoSession(self._source, self._sumo)
        # Also closes a simulation that nobody closed, as soon as nobody can reach it any more.
        self._end = weakref.finalize(self, self._session.end)
        try:
            safe = safe_config(config, self._session.folder, label)
            self._copy = safe.path
            command = ["sumo", "-c", str(safe.path), "--step-length", f"{step_us / 1e6:.3f}",
                       "--seed", str(seed % (2**31 - 1)), "--no-step-log", "true"]  # fmt: skip
            if not _changes_lanes_slowly(safe.options):
                command += ["--lanechange.duration", str(LANE_CHANGE_S)]
            self._call(self._sumo.start, command)
            self._begin_us = self._now_us()
            (x_min, y_min), (x_max, y_max) = self._sumo.simulation.getNetBoundary()
            if not max(abs(x_min), abs(y_min), abs(x_max), abs(y_max)) <= FARTHEST_M:
                raise MobilityError(
                    f"{config}: the road network must lie within {FARTHEST_M:,.0f} m of the origin, it reaches from "
                    f"{x_min:g}, {y_min:g} to {x_max:g}, {y_max:g}; move it with netconvert --offset.x and --offset.y"
                )
        except BaseException:
            self.close()
            raise
        self._bounds = (x_min, y_min, x_max, y_max)
        self._options = safe.options
        self._types = VehicleTypeFiles.of(safe.options, config)
        self._config_notices = safe.notices
        if _is_lon_lat(self._bounds):
            self.close()
            raise MobilityError(
                f"{config}: the road network lies between {x_min:.4g}, {y_min:.4g} and {x_max:.4g}, {y_max:.4g}: its coordinates are "
                "longitude and latitude, but must be metres; make it with netconvert's option --proj.utm"
            )

    @property
    def bounds(self) -> Bounds:
        """Rectangle around the road network."""
        return self._bounds

    def roads(self) -> Roads:
        """Return the roads of SUMO's network."""
        return roads_of_simulation(self._sumo)

    @property
    def begin_us(self) -> int:
        """Time of the first step of the traffic."""
        return self._begin_us

    def _now_us(self) -> int:
        return round(self._sumo.simulation.getTime() * 1000) * 1000

    def _call(self, function: Any, *arguments: Any) -> None:
        """Call libsumo, keep its output off the console, and turn its errors into ours."""
        try:
            with console_into(self._session.log):
                function(*arguments)
        except Exception as error:
            # libsumo's exceptions have no common base class that could be imported before libsumo.
            printed = errors_in(self._session.log_path.read_text(errors="replace"))
            message = str(error).strip()
            # The user knows the configuration, not its copy.
            texts = [text.replace(str(self._copy), str(self._source)) for text in (printed, message) if text]
            reason = " / ".join(dict.fromkeys(texts))
            raise MobilityError(f"{self._source}: SUMO stopped: {reason or type(error).__name__}") from error

    def _check_instant(self, time_us: int) -> None:
        if self._session.is_over:
            raise MobilityError(
                f"{self._source}: the simulation is closed, or belongs to the process that forked this one"
            )
        if time_us < self._begin_us:
            raise begins_late(self._source, self._begin_us, time_us)
        if (time_us - self._begin_us) % self._step_us:
            raise MobilityError(
                f"{self._source}: {time_us / 1e6:.12g} s is no whole number of steps of {self._step_us / 1e6:.12g} s after "
                f"{self._begin_us / 1e6:.12g} s, where traffic begins; change run.begin_s or run.step_s"
            )

    def warm_up(self, until_us: int, progress: Progress | None = None) -> None:
        """Advance the simulation to an instant without reading the states of road users."""
        self._check_instant(until_us)
        while (now := self._now_us()) < until_us:
            following = min(now + _WARM_UP_CHUNK_US, until_us)
            self._call(self._sumo.simulationStep, following / 1e6)
            if progress is not None:
                progress(following)

    def snapshot(self, time_us: int) -> Snapshot:
        """Return all vehicles and pedestrians on the road at one instant."""
        self._check_instant(time_us)
        if self._last is not None and time_us <= self._last.time_us:
            if time_us == self._last.time_us:
                return self._last
            raise ValueError(f"instants must rise; {time_us} us came after {self._last.time_us} us")
        if self._now_us() > time_us + self._step_us:
            raise ValueError(f"instants must rise; {time_us} us came after {self._now_us() - self._step_us} us")
        # One step more, because libsumo's time is that of the next step to compute (see the class).
        until_us = time_us + self._step_us
        if self._last is None:
            self._step_to(until_us)
        while (now := self._now_us()) < until_us:
            self._step_to(min(now + self._step_us, until_us))
        if self._last is None:
            self._first_us = time_us
        self._last = self._read(time_us)
        self._starts.note(time_us, self._has_started, len(self._last))
        self._has_started = False
        return self._last

    def _step_to(self, time_us: int) -> None:
        """Advance SUMO, and note what it reports for its last step only."""
        self._call(self._sumo.simulationStep, time_us / 1e6)
        self._teleports += self._sumo.simulation.getStartingTeleportNumber()
        # SUMO may use the name of a vehicle again in the step in which the vehicle has arrived.
        for name in (started := self._sumo.simulation.getDepartedIDList()):
            self._bodies.pop(name, None)
        self._has_started |= bool(started) or bool(self._sumo.simulation.getDepartedPersonIDList())

    def sumo_name_of(self, agent: int) -> str:
        """Return SUMO's name of a vehicle on the road, which differs from its name here if SUMO uses the name again."""
        return self._sumo_names[agent]

    def _read(self, time_us: int) -> Snapshot:
        vehicle, person = self._sumo.vehicle, self._sumo.person
        present: dict[str, Body] = {}
        states: list[tuple[float, float, float, float]] = []
        for name in vehicle.getIDList():
            x, y = vehicle.getPosition(name)
            if x > _NOWHERE_M and math.isfinite(x):
                present[name] = self._bodies.get(name) or self._meet(name, name, vehicle, "a vehicle", time_us)
                states.append((x, y, vehicle.getAngle(name), vehicle.getSpeed(name)))
        for name in person.getIDList():
            x, y = person.getPosition(name)
            if x <= _NOWHERE_M or not math.isfinite(x):
                continue
            # A person in a vehicle is left out: it is inside the vehicle's body.
            if inside := person.getVehicle(name):
                self._riders.setdefault(name, (time_us, inside))
                continue
            key = f"person:{name}"  # SUMO numbers persons and vehicles separately: both may have a "1".
            owner = f"the person {name!r}"
            present[key] = self._bodies.get(key) or self._meet(key, name, person, owner, time_us)
            states.append((x, y, person.getAngle(name), person.getSpeed(name)))
        # Who has left is forgotten, because SUMO may use the name again.
        self._bodies, bodies = present, list(present.values())
        if len(self._sumo_names) > 2 * len(bodies) + _SPARE_NAMES:
            self._sumo_names = {body.agent: self._sumo_names[body.agent] for body in bodies}
        self._columns = columns = self._columns.now(bodies)
        state, agent, size = np.array(states, float).reshape(-1, 4), columns.agent, columns.size_m
        yaw = yaw_of_compass_rad(state[:, 2])
        center = center_of_front_m(state[:, :2], yaw, size[:, 0])
        self._fast.note(time_us, agent, columns.speed_row, state[:, 3])
        if len(agent) and not self._checks.units.have_seen_enough:
            self._checks.see_units(Sample(time_us, agent, columns.kind, center, size, yaw, state[:, 3]))
        return snapshot_of(
            time_us, agent, columns.kind, center, size, yaw,
            state[:, 3:] * np.stack([np.cos(yaw), np.sin(yaw)], axis=1), self._trailers,
        )  # fmt: skip

    def _meet(self, key: str, name: str, domain: Any, owner: str, time_us: int) -> Body:
        """Return the body of a road user that appears for the first time, with SUMO's own length and width.

        Raises:
            MobilityError: If the name stands for something else already, such as a roadside unit.
        """
        vehicle_class, type_name = domain.getVehicleClass(name), domain.getTypeID(name)
        shape = domain.getShapeClass(name)
        kind = kind_of(vehicle_class, shape)
        if contradicts(vehicle_class, shape):
            self._contradictions.setdefault(
                type_name, f"vClass {vehicle_class}, guiShape {shape}, taken as {KINDS[kind]}"
            )
        length_m, width_m = domain.getLength(name), domain.getWidth(name)
        height_m = domain.getHeight(name)
        if not np.isfinite([length_m, width_m]).all() or math.isinf(height_m):
            raise MobilityError(
                f"{self._source}: at {time_us / 1e6:.12g} s: {owner.removeprefix('a ')} {name!r} of type {type_name!r} is {length_m:g} m long, {width_m:g} m "
                f"wide and {height_m:g} m high; sizes must be finite, correct its vType"
            )
        # The files are asked only where SUMO's answer does not tell whether they set the height.
        is_set = is_sumo_default_height(vehicle_class, height_m) and self._types.sets(type_name, "height")
        height_m = body_height_m(kind, vehicle_class, height_m, is_set)
        try:
            agent = self._identities.agent(key, owner, (kind, length_m, width_m, height_m))
        except NameTakenError as error:
            raise MobilityError(f"{self._source}: at {time_us / 1e6:.12g} s: {error}") from error
        if (trailer := self._given_trailers.get(type_name)) is not None:
            size_m = (length_m, width_m, height_m)
            self._trailers.give(agent, given_parts(trailer, kind, size_m, name, f"traffic.trailers.{type_name}"))
            self._pulled_types.add(type_name)
        z_m = domain.getPosition3D(name)[2]
        if math.isfinite(z_m) and z_m > _NOWHERE_M:
            self._lowest_m, self._highest_m = min(self._lowest_m, z_m), max(self._highest_m, z_m)
        named = kinds_in_type_name(type_name)
        if kind == PASSENGER and named not in ((), (PASSENGER,)) and not self._types.sets(type_name, "vClass"):
            self._classless_types.add(type_name)
        row = speed_class(kind, vehicle_class)
        if domain.getMaxSpeed(name) > max(
            USUAL_MPS[row], _SUMO_FORMER_MPS if CATALOGUE.is_motor[kind] else _SUMO_WALKER_MPS
        ):
            self._fast_types.setdefault(type_name, (domain.getMaxSpeed(name), row))
        body = Body(agent, kind, length_m, width_m, height_m, row)
        self._sumo_names[agent] = name
        return body

    def notices(self) -> tuple[Notice, ...]:
        """Return what v2xsim does otherwise than SUMO alone, what SUMO warned about, and whom it moved elsewhere."""
        notices, source = list(self._config_notices), self._source
        notices += self._identities.notices(source)

        def note(subject: str, count: int, text: str) -> None:
            if count:
                notices.append(Notice(subject, count, f"{source}: {text}"))

        configured_us = time_us_of(self._options.get("step-length", ""))
        if configured_us is not None and configured_us != self._step_us:
            note(
                "sumo.step_replaced", 1,
                f"the option step-length of {configured_us / 1e6:.12g} s is left out; SUMO's step is run.step_s, {self._step_us / 1e6:.12g} s",
            )  # fmt: skip
        end_us = time_us_of(self._options.get("end", ""))
        if end_us is not None and end_us >= 0 and self._last is not None and self._last.time_us >= end_us:
            steps = (self._last.time_us - max(end_us, self._first_us)) // self._step_us + 1
            note(
                "sumo.after_end", steps,
                f"{counted(steps, 'step')} of the run after {end_us / 1e6:.12g} s, where the option end stops SUMO's flows of vehicles; "
                "remove the option or shorten the run",
            )  # fmt: skip
        if not self._session.is_over:
            waiting = self._sumo.simulation.getMinExpectedNumber() - self._sumo.vehicle.getIDCount()
            notices += filter(None, [self._starts.notice(source, waiting - self._sumo.person.getIDCount())])
        note(
            "traffic.teleports", self._teleports,
            f"SUMO moved vehicles elsewhere {self._teleports:,} times, because they were stuck in a jam or had an accident",
        )  # fmt: skip
        if self._riders:
            note("traffic.riders", len(self._riders), riders_text(self._riders))
        note(
            "sumo.classless_types", len(self._classless_types),
            f"{counted(len(self._classless_types), 'vehicle type')} without a vClass, which SUMO takes as passenger cars, with the name of "
            f"another class: {listed(sorted(self._classless_types))}; set their vClass",
        )  # fmt: skip
        contradictions = [f"{name!r} ({text})" for name, text in self._contradictions.items()]
        note(
            "sumo.shapes", len(contradictions),
            f"{counted(len(contradictions), 'vehicle type')} whose vClass and guiShape contradict each other: {', '.join(contradictions[:3])}"
            f"{', ...' if len(contradictions) > 3 else ''}; correct one of the two",
        )  # fmt: skip
        if self._highest_m - self._lowest_m > _FLAT_M:
            note(
                "traffic.elevation", 1,
                f"elevations from {self._lowest_m:.0f} m to {self._highest_m:.0f} m are ignored: all road users stand on one plane, also "
                "those on and below bridges",
            )  # fmt: skip
        notices += self._checks.units.notices(source, "traffic")
        notices += [*self._fast.notices(), *self._trailers.notices()]
        unused = sorted(set(self._given_trailers) - self._pulled_types)
        note(
            "traffic.trailers_unused", len(unused),
            f"traffic.trailers: no vehicle of the types {listed(unused)} was there; the keys are ids of vehicle types",
        )  # fmt: skip
        if self._fast_types:
            name, (most_mps, row) = next(iter(self._fast_types.items()))
            note(
                "sumo.max_speeds", len(self._fast_types),
                f"{counted(len(self._fast_types), 'vehicle type')} with a maxSpeed above what is usual, first {name!r} with {most_mps:.4g} m/s "
                f"({with_article(TOP_SPEEDS[row].name)}, usually at most {TOP_SPEEDS[row].usual_mps:g} m/s); maxSpeed is in m/s (km/h divided by "
                "3.6)",
            )  # fmt: skip
        warnings = sumo_warnings(self._session.log_path, self._session.folders)
        common = "; ".join(f"{number} x {text}" for text, number in warnings.most_common(3))
        note("sumo.warnings", warnings.total(), f"SUMO warns: {common}" + ("; ..." if len(warnings) > 3 else ""))
        return tuple(notices)

    def set_speed(self, agent: int, speed_mps: float | None) -> None:
        """Set the speed at which a vehicle wants to drive from the next step on; None lets SUMO decide again.

        SUMO still keeps its vehicles from colliding, and within the acceleration of which each is capable.
        """
        name, body = next(((name, body) for name, body in self._bodies.items() if body.agent == agent), ("", None))
        if self._session.is_over or body is None or name not in self._sumo.vehicle.getIDList():
            raise MobilityError(f"the speed of {self.name_of(agent)} cannot be set: it is no vehicle on the road now")
        if speed_mps is not None and speed_mps > MOST_MPS[body.speed_row]:
            raise MobilityError(
                f"the speed of {self.name_of(agent)} cannot be set: {impossible_speed(speed_mps, body.speed_row)}; speeds are in m/s"
            )
        if speed_mps is not None and speed_mps > (most_mps := self._sumo.vehicle.getMaxSpeed(name)):
            raise MobilityError(
                f"the speed of {self.name_of(agent)} cannot be set to {speed_mps:g} m/s: its vehicle type has maxSpeed {most_mps:g} m/s, "
                "above which SUMO never drives it"
            )
        self._call(self._sumo.vehicle.setSpeed, name, -1.0 if speed_mps is None else float(speed_mps))

    def close(self) -> None:
        """End the simulation, so that another one can start in this process."""
        self._end()


def _changes_lanes_slowly(options: Mapping[str, str]) -> bool:
    """Return whether a configuration already sets how long a lane change takes."""
    return "lanechange.duration" in options or (time_us_of(options.get("lateral-resolution", "")) or 0) > 0


def _is_lon_lat(bounds: Bounds) -> bool:
    """Return whether the corners of a road network are degrees: no network is smaller than 20 m in both directions."""
    x_min, y_min, x_max, y_max = bounds
    small = 0 < max(x_max - x_min, y_max - y_min) < 20
    return small and max(abs(x_min), abs(x_max)) <= 180 and max(abs(y_min), abs(y_max)) <= 90
