"""When the demand of a SUMO configuration ends, and whether the roads are empty at the end of a run for that reason."""

import math
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from v2xsim.mobility.sumo_config import files_of, read_options, time_us_of
from v2xsim.mobility.sumo_xml import opened
from v2xsim.notices import Notice

# Vehicles of a demand that ends shortly before the run are still on the roads at its end.
_LONG_S = 60.0
# The roads count as emptied if less than this share of the road users at the last start is left.
_STILL_THERE = 0.9
_CHUNK_BYTES = 1 << 22
# Elements that start one vehicle or many, elements that may start vehicles at any time, and elements that may keep vehicles on the roads
# after their trips.
_ELEMENT = re.compile(rb"<(vehicle|trip|person|flow|personFlow|include|calibrator|route|rerouter)\b([^>]*)>")
_AT_ANY_TIME = (b"include", b"calibrator", b"rerouter")
_ATTRIBUTE = re.compile(rb"""(\w+)\s*=\s*["']([^"']*)["']""")
_ADVICE = "make the demand longer (`v2xsim import-osm --duration`, `randomTrips.py --end`) or the run shorter"


def last_start_s(files: Iterable[Path]) -> float | None:
    """Return when the last vehicle or person of some route files starts.

    It is None if there is none, if the files have no last start, or if vehicles may stay after their trips, on routes that repeat or by a
    rerouter.

    Args:
        files: Route files and additional files, which may be gzipped.
    """
    times_s = [time_s for path in files for time_s in _starts_s(path)]
    last_s = max(times_s, default=math.inf)
    return last_s if math.isfinite(last_s) else None


def _starts_s(path: Path) -> Iterator[float]:
    """Yield the times of all starts in a file; infinity for flows without an end."""
    try:
        with opened(path) as file:
            rest = b""
            while chunk := file.read(_CHUNK_BYTES):
                text = rest + chunk
                done = text.rfind(b">") + 1
                yield from (_start_s(match[1], match[2]) for match in _ELEMENT.finditer(text, 0, done))
                rest = text[done:]
    except (OSError, EOFError, zlib.error):
        return  # SUMO reports what is wrong with the file.


def _start_s(element: bytes, text: bytes) -> float:
    """Return when the last vehicle of an element starts; minus infinity if the file does not have the time."""
    attributes = {key.decode(): value.decode(errors="replace") for key, value in _ATTRIBUTE.findall(text)}
    if element in _AT_ANY_TIME or (element == b"route" and attributes.get("repeat", "0") not in ("", "0")):
        return math.inf
    if element == b"route":
        return -math.inf
    if element not in (b"flow", b"personFlow"):
        return _seconds(attributes.get("depart", ""), -math.inf)
    return _flow_end_s(attributes)


def _flow_end_s(flow: Mapping[str, str]) -> float:
    """Return when the last vehicle of a flow starts; infinity if the flow has no end."""
    begin_s = _seconds(flow.get("begin", "0"), 0.0)
    end_s = _seconds(flow.get("end", ""), math.inf)
    number = _seconds(flow.get("number", ""), math.inf)
    rates = [_seconds(flow[key], 0.0) for key in ("vehsPerHour", "perHour", "personsPerHour") if key in flow]
    period_s = 3600.0 / rates[0] if rates and rates[0] > 0 else _seconds(flow.get("period", ""), math.inf)
    if math.isfinite(number) and not math.isfinite(end_s):
        return begin_s + number * period_s if math.isfinite(period_s) else math.inf
    return end_s


def _seconds(text: str, otherwise: float) -> float:
    """Return the seconds of a time of SUMO; another value if there is no time."""
    time_us = time_us_of(text)
    return otherwise if time_us is None else time_us / 1e6


def ending_notices(config: Path, end_us: int) -> tuple[Notice, ...]:
    """Return a notice if the demand of a SUMO configuration ends long before a run does.

    Args:
        config: A configuration that SUMO can read.
        end_us: End of the run.
    """
    options, home = read_options(config), config.absolute().parent
    # A saved state may have vehicles that start at any time.
    if "load-state" in options:
        return ()
    named = [(option, options[option]) for option in ("route-files", "additional-files") if option in options]
    files = [path for option, value in named for path in files_of(value, home, option, config)]
    last_s, end_s = last_start_s(files), end_us / 1e6
    if last_s is None or end_s - last_s <= _LONG_S:
        return ()
    text = f"{config}: the last vehicle starts at {last_s:.6g} s, but the run lasts until {end_s:.6g} s, so the roads empty; {_ADVICE}"
    return (Notice("traffic.demand_ends", 1, text),)


@dataclass
class StartsSeen:
    """When the last vehicle or person started in a run, and the number of road users at that time and now.

    Attributes:
        last_us: Time of the last start.
        then: Number of road users at that time.
        now_us: Present time.
        now: Present number of road users.
    """

    last_us: int = 0
    then: int = 0
    now_us: int = 0
    now: int = 0

    def note(self, time_us: int, has_started: bool, count: int) -> None:
        """Note the road users of a tick, and whether one has started since the tick before."""
        if has_started or self.now_us == 0:
            self.last_us, self.then = time_us, count
        self.now_us, self.now = time_us, count

    def notice(self, source: str, waiting: int) -> Notice | None:
        """Return the notice that the roads emptied because the demand ended long before the run; None if they did not.

        Args:
            source: Name of the traffic in the notice.
            waiting: Number of vehicles and persons that SUMO has yet to start.
        """
        since_us = self.now_us - self.last_us
        if waiting > 0 or since_us <= _LONG_S * 1e6 or self.now >= _STILL_THERE * self.then:
            return None
        return Notice(
            "traffic.demand_ends", self.then - self.now,
            f"{source}: no vehicle starts after {self.last_us / 1e6:.6g} s, so of {self.then:,} road users, {self.now:,} are left at "
            f"{self.now_us / 1e6:.6g} s; {_ADVICE}",
        )  # fmt: skip
