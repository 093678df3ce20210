"""The random traffic of a town, with nearly the same number of vehicles during the whole run, and the square with most vehicles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from jaxtyping import Float

from v2xsim.import_osm.filling import Count, Filling, counted_over, fill_s_of, filled
from v2xsim.import_osm.road_network import NETWORK
from v2xsim.import_osm.streets import HEADWAY_S, SPACE_M, Streets, streets_of
from v2xsim.import_osm.trips import Trip, drawn_trips, least_times_s, spread, write_routes
from v2xsim.mobility.base import MobilityError, counted
from v2xsim.notices import Notice

STATIONS = 30
# The run begins after five minutes. The roads are full from time 0; in these minutes, queues at traffic lights become regular.
BEGIN_S = 300
DURATION_S = 30.0
# The number of vehicles varies by chance, so this factor times the square root of the wanted number drives in addition.
_SPARE = 1.5
# Trips that start for each one that arrives, so that the roads stay full; trips for which there is no room wait.
_EXCESS = 1.03
# Number of trips from which the usual time of a trip is estimated.
_SAMPLED_TRIPS = 400
_MOST_FILLINGS = 4


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
class _Demand:
    """How a network is filled.

    Attributes:
        anywhere: Whether trips may begin and end anywhere.
        most_vehicles: Number of vehicles on the roads above which no further one starts.
        filling: The roads once they are full.
    """

    anywhere: bool
    most_vehicles: int
    filling: Filling


def make_traffic(
    folder: Path, vehicles: int, seed: int, say: Callable[[str], None], duration_s: float = DURATION_S
) -> Traffic:
    """Write the traffic of the network in a folder: as many vehicles as wanted, or as its streets hold, until the end of the run.

    Args:
        folder: Folder with the network.
        vehicles: Wanted number of vehicles on the roads at the same time.
        seed: Seed of the traffic demand.
        say: Function called with the name of the present step.
        duration_s: Time after `BEGIN_S` for which the demand lasts.

    Raises:
        MobilityError: If no vehicle finds a way through the roads.
    """
    streets = streets_of(folder / NETWORK)
    demand = _demand(folder, vehicles, seed, say, streets)
    end_s = BEGIN_S + duration_s
    rate_hz = min(_EXCESS * demand.filling.arrivals_hz, 1.0 / streets.least_period_s)
    say(f"making traffic of {duration_s:g} s, a vehicle every {1 / rate_hz:.3g} s")
    # Trips of a second seed: those of the first one are still on the roads.
    trips = drawn_trips(folder, max(round(rate_hz * end_s), _SAMPLED_TRIPS), seed + 1, streets, demand.anywhere)
    write_routes(folder, [*demand.filling.present, *spread(trips, 0.0, end_s, rate_hz)], demand.most_vehicles)
    count = counted_over(folder, BEGIN_S, end_s, seed)
    if count is None:
        raise _no_way(streets)
    stations = max(min(STATIONS, count.inside), 1)
    return Traffic(count.center_m, stations, tuple(_notices(streets, vehicles, count, stations, 1.0 / rate_hz)))


def _demand(folder: Path, vehicles: int, seed: int, say: Callable[[str], None], streets: Streets) -> _Demand:
    """Fill the roads with as many vehicles as wanted, or as many as the busiest square needs for all stations."""
    wanted = min(vehicles, streets.most_vehicles)
    stations = min(STATIONS, wanted)
    # Trips that need not fit begin and end anywhere.
    for anywhere in (False, True):
        trips, times_s = _sample(folder, seed, streets, anywhere)
        if not trips:
            continue
        most = max(min(ceil(wanted + _SPARE * wanted**0.5), streets.most_vehicles), 1)
        for _ in range(_MOST_FILLINGS):
            say(f"filling the roads with {counted(most, 'vehicle')}")
            # This rate would keep the roads full if no vehicle waited for lights or others, so it is more than will be needed.
            rate_hz = min(most / max(float(np.mean(times_s)), 1.0), 1.0 / streets.least_period_s)
            fill_s = fill_s_of(times_s, rate_hz)
            if len(trips) < rate_hz * fill_s and len(trips) >= _SAMPLED_TRIPS // 2:
                trips = drawn_trips(folder, ceil(rate_hz * fill_s), seed, streets, anywhere)
            filling = filled(folder, trips, most, rate_hz, fill_s, seed)
            if filling is None or filling.arrivals_hz == 0:
                break
            if filling.count.inside >= stations or most >= streets.most_vehicles:
                return _Demand(anywhere, most, filling)
            fuller = min(ceil(most * min(4.0, 1.15 * stations / max(filling.count.inside, 1))), streets.most_vehicles)
            demand, most = _Demand(anywhere, most, filling), fuller
        else:
            return demand
    raise _no_way(streets)


def _sample(folder: Path, seed: int, streets: Streets, anywhere: bool) -> tuple[list[Trip], list[float]]:
    """Return some trips and their least times; none if the network has no edges for such trips."""
    try:
        trips = drawn_trips(folder, _SAMPLED_TRIPS, seed, streets, anywhere)
    except MobilityError as error:
        if "no valid edges" not in str(error):
            raise
        return [], []
    return trips, least_times_s(folder / NETWORK, trips)


def _no_way(streets: Streets) -> MobilityError:
    return MobilityError(
        f"no vehicle finds a way through its roads ({streets.lane_m:,.0f} m of lanes in {counted(streets.pieces, 'piece')} without a connection, the largest of "
        f"{streets.largest_m:,.0f} m); choose a larger extract, and check that its roads share nodes where they meet"
    )


def _notices(streets: Streets, vehicles: int, count: Count, stations: int, period_s: float) -> Iterator[Notice]:
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
