"""Reader of the traces that SUMO writes with --fcd-output (XML, also gzipped); a trace is never completely in memory."""

import gzip
import re
import zlib
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np
from jaxtyping import Float, Int8, Int64

from v2xsim.mobility.base import Identities, MobilityError, Names, NameTakenError, center_of_front_m, yaw_of_compass_rad
from v2xsim.mobility.sumo_xml import opened, place_of
from v2xsim.mobility.trace_formats import not_a_trace
from v2xsim.scenario.schema_world import FARTHEST_M, LATEST_S
from v2xsim.world.road_users import (
    BUS,
    CATALOGUE,
    PASSENGER,
    PEDESTRIAN,
    TRUCK,
    is_vehicle_class,
    kind_of,
)
from v2xsim.world.top_speeds import USUAL_MPS, speed_class
from v2xsim.world.type_names import is_passenger_type_name, kind_of_type_name, kinds_in_type_name

# Number of bytes that the XML parser gets at once.
_CHUNK_BYTES = 1 << 18

# Steps of a trace within this time of the run matter for it, because road users are interpolated.
_NEAR_US = 1_000_000

# SUMO writes its options into a comment at the top of a trace.
_OPTION = re.compile(r"<(fcd-output\.(?:geo|utm)|mesosim)\s+v(?:alue)?\s*=\s*[\"']([^\"']*)[\"']")


def _trace_size_m() -> Float[np.ndarray, "kinds 3"]:
    """Return length, width and height of each class of road user for a trace, which has types but no sizes.

    Length and width are SUMO's defaults, because SUMO computed the distances between vehicles with them: with the
    catalogue's truck of 13 m instead of SUMO's of 7.1 m, trucks would overlap with the cars behind. Heights are those of
    the catalogue.
    """
    size = CATALOGUE.size_m.copy()
    size[PASSENGER, :2] = 5.0, 1.8
    size[TRUCK, :2] = 7.1, 2.4
    size[BUS, :2] = 12.0, 2.5
    return size


TRACE_SIZE_M = _trace_size_m()
_SIZES = [tuple(row) for row in TRACE_SIZE_M.tolist()]

# Stands for the missing speed of a road user, because NaN differs from itself. SUMO's speeds below 0 are those of reversing trains.
_NO_SPEED = -1e30


@dataclass(frozen=True)
class Sample:
    """The road users at one instant of a trace, in the world frame."""

    time_us: int
    agent: Int64[np.ndarray, " agents"]
    kind: Int8[np.ndarray, " agents"]
    center_m: Float[np.ndarray, "agents 2"]
    size_m: Float[np.ndarray, "agents 3"]
    yaw_rad: Float[np.ndarray, " agents"]
    speed_mps: Float[np.ndarray, " agents"]

    def __len__(self) -> int:
        return len(self.agent)

    @property
    def front_m(self) -> Float[np.ndarray, "agents 2"]:
        """Positions of the front bumpers, as in the trace."""
        ahead = np.column_stack([np.cos(self.yaw_rad), np.sin(self.yaw_rad)])
        return np.asarray(self.center_m + 0.5 * self.size_m[:, :1] * ahead)

    def rows(self, rows: np.ndarray) -> "Sample":
        """Return a sample with only the given rows of this one."""
        return Sample(
            self.time_us, self.agent[rows], self.kind[rows], self.center_m[rows], self.size_m[rows], self.yaw_rad[rows],
            self.speed_mps[rows],
        )  # fmt: skip


@dataclass
class Found:
    """What a reader has found in a trace so far, besides the road users.

    Attributes:
        begin_us: Time of the first step, which may be without road users; None before it.
        end_us: Time of the last step so far.
        header: Options that the comment at the top of the trace names, such as `fcd-output.geo`.
        riders: Persons in vehicles, whose bodies contain them; time in microseconds and name of the first vehicle of each.
        fast_persons: Persons that move faster than people run, beside no vehicle of the trace.
        containers: Containers, which are no road users.
        unknown_types: Vehicle types whose names have no word for a class.
        ambiguous_types: Vehicle types whose names have words for several classes, with the class that is taken.
        unknown_elements: Elements with an id that are none of SUMO's road users, by name, and how often each is there.
        untyped: Number of vehicles without a type.
        without_speed: Road users that have no speed at some time, each with whether the trace gives one that is no number.
        sharing: Name in the trace of each road user whose name stands for several, by the number of the road user.
        speed_rows: Row of each road user in `v2xsim.world.top_speeds.TOP_SPEEDS`, by its number in the trace.
        lowest_m: Lowest elevation in the trace.
        highest_m: Highest elevation in the trace.
    """

    begin_us: int | None = None
    end_us: int = 0
    header: set[str] = field(default_factory=set)
    riders: dict[str, tuple[int, str]] = field(default_factory=dict)
    fast_persons: set[str] = field(default_factory=set)
    containers: set[str] = field(default_factory=set)
    unknown_types: set[str] = field(default_factory=set)
    ambiguous_types: dict[str, int] = field(default_factory=dict)
    unknown_elements: dict[str, int] = field(default_factory=dict)
    untyped: int = 0
    without_speed: dict[str, bool] = field(default_factory=dict)
    sharing: dict[int, str] = field(default_factory=dict)
    speed_rows: list[int] = field(default_factory=list)
    lowest_m: float = np.inf
    highest_m: float = -np.inf


_Row = tuple[int, int, float, float, float, float, float, float, float]
"""Agent id, class, x and y of the front bumper, angle, speed, length, width and height of a road user."""

_Motion = tuple[float, float, float, float]
"""Position, angle and speed, by which a rider is recognised; _NO_SPEED if the trace has none."""


def _time_us(text: str) -> int:
    """Return the time in microseconds that a text gives as seconds or as [days:]hours:minutes:seconds."""
    # The sign of -00:00:10 is that of the whole time.
    sign = -1.0 if text.strip().startswith("-") else 1.0
    parts = [float(part) for part in text.strip().removeprefix("-").split(":")]
    scale = (86400.0, 3600.0, 60.0, 1.0)[-len(parts) :]
    time_s = sign * sum(part * unit for part, unit in zip(parts, scale, strict=True))
    if not abs(time_s) <= LATEST_S:
        raise ValueError(f"a time must be within {LATEST_S:.12g} s")
    return round(time_s * 1e6)


class TraceReader:
    """Collects the instants of a trace, and the road users at each, from XML events."""

    def __init__(self, path: Path, names: Names, run_us: tuple[int, int] | None = None) -> None:
        """Prepare to read a trace.

        Args:
            path: The trace.
            names: Register of the names in the trace.
            run_us: Begin and end of the run: `found` counts only what is in it or within a second of it; None counts everything.
        """
        self.path = path
        self.identities = Identities(names)
        self.found = Found(sharing=self.identities.sharing)
        # What is found at the present step: `found` itself, or an object that is thrown away.
        self._noted = self.found
        self._run_us = run_us
        self.ready: list[Sample] = []
        self._kind_of: dict[str, int] = {}
        self._car_types: dict[str, bool] = {}
        self._several_kinds: set[str] = set()
        self._root = ""
        self._time_us: int | None = None
        self._last_us: int | None = None
        self._begin_step()
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CommentHandler = self._comment
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _begin_step(self) -> None:
        self._rows: list[_Row] = []
        self._persons: list[tuple[str, _Motion, tuple[float, float, float]]] = []
        # Positions and speeds of the vehicles, by which riders are recognised.
        self._motions: dict[tuple[float, float, float], str] = {}
        self._ids: set[tuple[str, str]] = set()

    def fail(self, reason: str) -> MobilityError:
        """Return an error with the file and the present line."""
        return MobilityError(f"{self.path}: line {self.parser.CurrentLineNumber}: {reason}")

    def _refuse(self, *_: object) -> None:
        raise self.fail("has a document type declaration, which no trace needs; remove it")

    def _comment(self, text: str) -> None:
        if not self._root:
            options = _OPTION.findall(text)
            self.found.header |= {
                name for name, value in options if value.lower() in ("true", "1", "yes", "on", "x", "t")
            }

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._root:
            self._root = name
            if name != "fcd-export":
                raise self.fail(f"root element is <{name}>; a trace of --fcd-output has <fcd-export>{place_of(name)}")
        elif name == "timestep":
            try:
                self._time_us = _time_us(attributes["time"])
            except (KeyError, ValueError) as error:
                raise self.fail(f"<timestep> needs a time in seconds, within {LATEST_S:.12g} s of 0") from error
            if self._last_us is not None and self._time_us <= self._last_us:
                raise self.fail(
                    f"time steps must rise; {attributes['time']} s came after {self._last_us / 1e6:.12g} s; a trace of SUMO has equal "
                    "times if the option --precision rounds them"
                )
            self._last_us = self.found.end_us = self._time_us
            if self._run_us is not None:
                near = self._run_us[0] - _NEAR_US < self._time_us < self._run_us[1] + _NEAR_US
                self._noted = self.found if near else Found()
            if self.found.begin_us is None:
                self.found.begin_us = self._time_us
        elif name in ("vehicle", "person", "container"):
            if self._time_us is None:
                raise self.fail(f"<{name}> must be inside a <timestep>")
            self._enter(name, attributes)
        elif self._time_us is not None and "id" in attributes:
            self._noted.unknown_elements[name] = self._noted.unknown_elements.get(name, 0) + 1

    def _enter(self, name: str, attributes: dict[str, str]) -> None:
        """Note a road user of the present step."""
        try:
            name_in_trace = attributes["id"]
            if not name_in_trace:
                raise ValueError("its id is empty")
            if (name, name_in_trace) in self._ids:
                raise ValueError("it is there twice at one time; each road user needs an id of its own")
            self._ids.add((name, name_in_trace))
            if name == "container":
                self._noted.containers.add(name_in_trace)
            elif name == "vehicle":
                kind = self._kind(attributes)
                motion, size_m = self._state(kind, attributes)
                self._motions[motion[0], motion[1], motion[3]] = name_in_trace
                agent = self.identities.agent(name_in_trace, "a vehicle", (kind, *size_m))
                self._note_agent(agent, kind, attributes)
                self._rows.append((agent, kind, *motion, *size_m))
            elif attributes.get("vehicle"):
                self._note_rider(name_in_trace, attributes["vehicle"])
            else:
                self._persons.append((name_in_trace, *self._state(PEDESTRIAN, attributes)))
        except KeyError as error:
            geo = "; lon and lat must be converted to metres" if "lon" in attributes else ""
            raise self.fail(
                f"<{name}> has no attribute {error.args[0]!r}; the trace needs id, x, y and angle{geo}"
            ) from error
        except NameTakenError as error:
            raise self.fail(str(error)) from error
        except ValueError as error:
            raise self.fail(f"<{name} id={attributes.get('id')!r}> is malformed ({error})") from error

    def _note_agent(self, agent: int, kind: int, attributes: dict[str, str]) -> None:
        """Note how fast a road user can be, when it is there for the first time."""
        if agent == len(self.found.speed_rows):
            self.found.speed_rows.append(speed_class(kind, attributes.get("vClass", ""), attributes.get("type", "")))

    def _note_rider(self, person: str, vehicle: str) -> None:
        """Note a person who is in a vehicle at the present step."""
        self._noted.riders.setdefault(person, (self.found.end_us, vehicle))

    def _kind(self, attributes: dict[str, str]) -> int:
        """Return the class of a vehicle by its vClass if the trace has one, otherwise by the name of its type."""
        vehicle_class, name = attributes.get("vClass"), attributes.get("type")
        if vehicle_class:
            if not is_vehicle_class(vehicle_class):
                raise ValueError(f"its vClass {vehicle_class!r} is none of SUMO's")
            return kind_of(vehicle_class, attributes.get("guiShape", ""))
        if name is None:
            self._noted.untyped += 1
            return PASSENGER
        kind = self._kind_of.get(name)
        if kind is None:
            kind = self._kind_of[name] = kind_of_type_name(name)
            named = kinds_in_type_name(name)
            if named not in ((), (kind,)):
                self._several_kinds.add(name)
        if name in self._several_kinds:
            self._noted.ambiguous_types[name] = kind
        elif kind == PASSENGER and not self._is_car(name):
            self._noted.unknown_types.add(name)
        return kind

    def _is_car(self, type_name: str) -> bool:
        """Return whether the name of a type tells a passenger car."""
        known = self._car_types.get(type_name)
        if known is None:
            known = self._car_types[type_name] = is_passenger_type_name(type_name)
        return known

    def _state(self, kind: int, a: dict[str, str]) -> tuple[_Motion, tuple[float, float, float]]:
        """Return motion and size of a road user."""
        x_m, y_m, angle_deg, speed_mps = (
            float(a["x"]),
            float(a["y"]),
            float(a["angle"]),
            float(a.get("speed", _NO_SPEED)),
        )
        usual = _SIZES[kind]
        length_m, width_m, height_m = (
            float(a[name]) if name in a else usual_m
            for name, usual_m in zip(("length", "width", "height"), usual, strict=True)
        )
        # NaN fails every comparison.
        if not (abs(x_m) <= FARTHEST_M and abs(y_m) <= FARTHEST_M and abs(angle_deg) <= FARTHEST_M):
            raise ValueError(f"its position or angle is not finite, or larger than {FARTHEST_M:g}")
        if not (0 < length_m <= FARTHEST_M and 0 < width_m <= FARTHEST_M and 0 < height_m <= FARTHEST_M):
            raise ValueError("its size is not above 0 and finite")
        if not abs(speed_mps) <= FARTHEST_M:
            speed_mps = _NO_SPEED
            self._noted.without_speed[a["id"]] = self._noted.without_speed.get(a["id"], False) or "speed" in a
        if "z" in a:
            z_m = float(a["z"])
            noted = self._noted
            noted.lowest_m, noted.highest_m = min(noted.lowest_m, z_m), max(noted.highest_m, z_m)
        return (x_m, y_m, angle_deg, speed_mps), (length_m, width_m, height_m)

    def _end(self, name: str) -> None:
        if name != "timestep" or self._time_us is None:
            return
        for person, motion, size_m in self._persons:
            # SUMO lists a person who rides in a vehicle with the position and speed of the vehicle, but without the vehicle's
            # name.
            vehicle = self._motions.get((motion[0], motion[1], motion[3]))
            if vehicle is not None:
                self._note_rider(person, vehicle)
                continue
            if motion[3] > USUAL_MPS[PEDESTRIAN]:
                self._noted.fast_persons.add(person)
            # SUMO numbers persons and vehicles separately: both may have a "1".
            try:
                agent = self.identities.agent(f"person:{person}", f"the person {person!r}", (PEDESTRIAN, *size_m))
            except NameTakenError as error:
                raise self.fail(str(error)) from error
            self._note_agent(agent, PEDESTRIAN, {})
            self._rows.append((agent, PEDESTRIAN, *motion, *size_m))
        # SUMO writes an empty step if it samples no vehicle at that time (option device.fcd.period); such steps carry no
        # information.
        if self._rows:
            table = np.array(self._rows, float)
            yaw = yaw_of_compass_rad(table[:, 4])
            self.ready.append(
                Sample(
                    self._time_us,
                    table[:, 0].astype(np.int64),
                    table[:, 1].astype(np.int8),
                    center_of_front_m(table[:, 2:4], yaw, table[:, 6]),
                    table[:, 6:9],
                    yaw,
                    np.where(table[:, 5] == _NO_SPEED, np.nan, table[:, 5]),
                )
            )
        self._begin_step()
        self._time_us = None


def read_trace(reader: TraceReader) -> Generator[Sample, None, None]:
    """Yield the instants of a trace at which there are road users, in order of time.

    Raises:
        MobilityError: If the trace is missing, damaged or not written by --fcd-output.
    """
    path = reader.path
    if path.is_dir():
        raise MobilityError(f"{path}: is a folder; a trace of SUMO's --fcd-output (.xml or .xml.gz) is needed")
    try:
        with opened(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                reader.parser.Parse(chunk, False)
                yield from reader.ready
                reader.ready.clear()
            reader.parser.Parse(b"", True)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MobilityError(f"{path}: damaged gzip file ({error})") from error
    except OSError as error:
        raise MobilityError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (expat.ExpatError, LookupError) as error:
        raise MobilityError(f"{path}: {not_a_trace(path, error)}") from error
