"""The random traffic of a town, and the square in which it is busiest."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
from jaxtyping import Float

from v2xsim.import_osm.road_network import NETWORK
from v2xsim.import_osm.streets import HEADWAY_S, SPACE_M, Streets, streets_of
from v2xsim.mobility.base import MobilityError, counted
from v2xsim.mobility.sumo_tools import run_tool
from v2xsim.mobility.sumo_vehicle_types import type_xml
from v2xsim.notices import Notice

# Side of the square region from which stations are drawn.
REGION_M = 1500.0
STATIONS = 30
# Measuring starts after five minutes, when the roads have filled.
BEGIN_S = 300
DURATION_S = 30
# Shares of vehicle classes in European urban traffic; rounded values that we chose.
MIX = {"passenger": 0.75, "van": 0.13, "truck": 0.08, "bus": 0.04}
# SUMO draws trips between pieces of the network that no road connects; as many more are drawn until enough lead somewhere.
_LEAST_SUCCESS = 0.005


@dataclass(frozen=True)
class Traffic:
    """The traffic that was made.

    Attributes:
        center_m: Centre of the busiest square.
        stations: Number of stations for which the square always has vehicles.
        notices: What differs from the traffic of a usual town.
    """

    center_m: Float[np.ndarray, " 2"]
    stations: int
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class _Count:
    """Numbers of vehicles over the measured time.

    Attributes:
        center_m: Centre of the busiest square.
        least: Least number of vehicles on all roads.
        inside: Least number of vehicles in that square.
    """

    center_m: Float[np.ndarray, " 2"]
    least: int
    inside: int


def make_traffic(folder: Path, vehicles: int, seed: int, say: Callable[[str], None]) -> Traffic:
    """Write the traffic of the network in a folder: as many vehicles as wanted, or as its streets hold.

    Args:
        folder: Folder with the network.
        vehicles: Wanted number of vehicles on the roads at the same time.
        seed: Seed of the traffic demand.
        say: Function called with the name of the present step.

    Raises:
        MobilityError: If no vehicle finds a way through the roads.
    """
    streets = streets_of(folder / NETWORK)
    wanted = min(vehicles, streets.most_vehicles)
    stations = min(STATIONS, wanted)
    period_s = max(1.0, streets.least_period_s)
    for _ in range(5):
        say(f"making traffic, a vehicle every {period_s:.3g} s")
        count = _trial(folder, period_s, seed, streets)
        used_s = period_s
        if (count.least >= wanted and count.inside >= stations) or period_s <= streets.least_period_s:
            break
        shortage = max(wanted / max(count.least, 1), stations / max(count.inside, 1))
        period_s = max(period_s / min(4.0, 1.15 * shortage), streets.least_period_s)
    stations = max(min(STATIONS, count.inside), 1)
    return Traffic(count.center_m, stations, tuple(_notices(streets, vehicles, count, stations, used_s)))


def _notices(streets: Streets, vehicles: int, count: _Count, stations: int, period_s: float) -> Iterator[Notice]:
    """Yield notices about traffic that differs from that of a usual town."""
    if count.least < vehicles or stations < STATIONS:
        yield Notice(
            "import.traffic_small", max(count.least, 1),
            f"traffic of at least {counted(count.least, 'vehicle')} at a time (a town: {vehicles}) and {counted(stations, 'station')} (a town: {STATIONS}): a "
            f"vehicle starts every {period_s:.3g} s; the {streets.lane_m:,.0f} m of lanes hold {streets.most_vehicles:,} in dense traffic (one in "
            f"{SPACE_M:g} m), and a lane takes one in {HEADWAY_S:g} s; a larger extract has more",
        )  # fmt: skip
    if streets.is_through:
        yield Notice(
            "import.traffic_through", 1,
            "no road of the largest piece of the network leads into another one, so vehicles drive through it from end to end",
        )  # fmt: skip
    if streets.pieces > 1:
        yield Notice(
            "import.road_pieces", streets.pieces,
            f"{streets.pieces} pieces of the road network have no connection: the largest has {streets.largest_m:,.0f} of {streets.lane_m:,.0f} m of lanes; trips stay in "
            f"one piece, and pieces that are smaller than a trip ({streets.least_trip_m:.0f} m) have no traffic",
        )  # fmt: skip


def _trial(folder: Path, period_s: float, seed: int, streets: Streets) -> _Count:
    """Write trips, drive them for a test, and return the numbers of vehicles."""
    # Trips that need not fit begin and end anywhere.
    for least_m, is_through in ((streets.least_trip_m, streets.is_through), (0.0, True)):
        try:
            _demand(folder, period_s, seed, least_m, is_through)
        except MobilityError as error:
            if "no valid edges" not in str(error):
                raise
            continue
        count = _busiest(folder, seed)
        if count is not None:
            return count
    raise MobilityError(
        f"no vehicle finds a way through its roads ({streets.lane_m:,.0f} m of lanes in {counted(streets.pieces, 'piece')} without a connection, the largest of "
        f"{streets.largest_m:,.0f} m); choose a larger extract, and check that its roads share nodes where they meet"
    )


def _demand(folder: Path, period_s: float, seed: int, least_m: float, is_through: bool) -> None:
    """Write trips between random edges, one every `period_s`, until the end of the measured time.

    Edges are chosen with probabilities in proportion to their length, and those at the border of the network are preferred.

    Args:
        folder: Folder with the network.
        period_s: Time between the starts of two vehicles.
        seed: Seed of the traffic demand.
        least_m: Least straight distance of a trip.
        is_through: Whether trips may begin where a road leaves the network, and end where one enters it.
    """
    kinds = "".join(type_xml(kind, share) for kind, share in MIX.items())
    types = f'<additional><vTypeDistribution id="mix">{kinds}</vTypeDistribution></additional>'
    (folder / "types.add.xml").write_text(types, encoding="utf-8")
    run_tool(
        "randomTrips.py",
        ["--net-file", "town.net.xml", "--output-trip-file", "town.trips.xml", "--route-file", "town.rou.xml",
         "--additional-file", "types.add.xml", "--trip-attributes", 'type="mix" departLane="best" departSpeed="max"',
         "--begin", "0", "--end", str(BEGIN_S + DURATION_S), "--period", f"{period_s:.4f}", "--seed", str(seed),
         "--min-distance", f"{least_m:.0f}", "--length", "--validate", "--min-success-rate", str(_LEAST_SUCCESS),
         # If all edges are at the border of the network, a preference makes all their probabilities 0.
         *(["--allow-fringe"] if is_through else ["--fringe-factor", "2"])],
        folder,
    )  # fmt: skip
    for left in ("town.trips.xml", "town.rou.alt.xml"):
        (folder / left).unlink(missing_ok=True)
    own_types = "<vType" in (folder / "town.rou.xml").read_text(encoding="utf-8")
    additional = "" if own_types else '<additional-files value="types.add.xml"/>'
    (folder / "town.sumocfg").write_text(
        "<configuration><input>"
        f'<net-file value="town.net.xml"/><route-files value="town.rou.xml"/>{additional}'
        "</input></configuration>\n",
        encoding="utf-8",
    )


def _busiest(folder: Path, seed: int) -> _Count | None:
    """Drive the trips for a test; return the busiest square and numbers of vehicles, or None if there is never a vehicle."""
    run_tool(
        "sumo",
        ["-c", "town.sumocfg", "--fcd-output", "trial.xml", "--device.fcd.begin", str(BEGIN_S), "--device.fcd.period",
         "5", "--end", str(BEGIN_S + DURATION_S + 1), "--step-length", "0.5", "--seed", str(seed), "--no-step-log",
         "--no-warnings"],
        folder,
    )  # fmt: skip
    steps = [
        np.array([[float(v.get("x", 0)), float(v.get("y", 0))] for v in step.iter("vehicle")]).reshape(-1, 2)
        for step in ET.parse(folder / "trial.xml").getroot().iter("timestep")
    ]
    (folder / "trial.xml").unlink()
    steps = [step for step in steps if len(step)]
    if not steps:
        return None
    everywhere = np.concatenate(steps)
    candidates = np.unique(np.round(everywhere / 100.0), axis=0) * 100.0
    counts = np.array(
        [[(np.abs(step - center) <= REGION_M / 2.0).all(axis=1).sum() for step in steps] for center in candidates]
    )
    best = int(np.argmax(counts.mean(axis=1)))
    return _Count(candidates[best], min(len(step) for step in steps), int(counts[best].min()))
