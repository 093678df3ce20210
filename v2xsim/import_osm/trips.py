"""Trips between random places of a network, and the file of routes that starts them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from v2xsim.import_osm.road_network import NETWORK
from v2xsim.import_osm.streets import Streets
from v2xsim.mobility.sumo_tools import run_tool
from v2xsim.mobility.sumo_vehicle_types import type_xml

ROUTES, CONFIG = "town.rou.xml", "town.sumocfg"
# Shares of vehicle classes in European urban traffic; rounded values that we chose.
MIX = {"passenger": 0.75, "van": 0.13, "truck": 0.08, "bus": 0.04}
# SUMO also draws trips between pieces of the network that no road connects, and draws again until enough trips have a route.
_LEAST_SUCCESS = 0.005
_TYPES, _TRIPS = "types.add.xml", "town.trips.xml"


class Trip(NamedTuple):
    """A way through the network.

    Attributes:
        kind: Class of the vehicle.
        edges: Edges of the route.
    """

    kind: str
    edges: tuple[str, ...]


@dataclass(frozen=True)
class Departure:
    """The start of a trip.

    Attributes:
        time_s: Time of the start.
        trip: The trip.
        edge_row: Row of the edge on which the vehicle starts, in the edges of the trip.
        position_m: Position of the front bumper on that edge; None for its beginning.
        lane: Number of the lane; None for the one that SUMO finds best for the route.
    """

    time_s: float
    trip: Trip
    edge_row: int = 0
    position_m: float | None = None
    lane: int | None = None


def drawn_trips(folder: Path, count: int, seed: int, streets: Streets, anywhere: bool) -> list[Trip]:
    """Return trips between random edges of the network in a folder; fewer than wanted where few pairs of edges are connected.

    Edges are chosen with probabilities in proportion to their length, and those at the border of the network are preferred.

    Args:
        folder: Folder with the network.
        count: Wanted number of trips.
        seed: Seed of the draws.
        streets: The streets of the network, which give the least straight distance of a trip.
        anywhere: Whether trips may be short, and may begin where a road leaves the network and end where one enters it.

    Raises:
        MobilityError: If SUMO's tools fail, such as in a network without an edge for these trips.
    """
    is_through = anywhere or streets.is_through
    kinds = "".join(type_xml(kind, share) for kind, share in MIX.items())
    types = f'<additional><vTypeDistribution id="mix">{kinds}</vTypeDistribution></additional>'
    (folder / _TYPES).write_text(types, encoding="utf-8")
    run_tool(
        "randomTrips.py",
        ["--net-file", NETWORK, "--output-trip-file", _TRIPS, "--route-file", ROUTES,
         "--additional-file", _TYPES, "--trip-attributes", 'type="mix"',
         "--begin", "0", "--end", str(count), "--period", "1", "--seed", str(seed),
         "--min-distance", f"{0.0 if anywhere else streets.least_trip_m:.0f}", "--length", "--validate",
         "--min-success-rate", str(_LEAST_SUCCESS),
         # If all edges are at the border of the network, a preference makes all their probabilities 0.
         *(["--allow-fringe"] if is_through else ["--fringe-factor", "2"])],
        folder,
    )  # fmt: skip
    root = ET.parse(folder / ROUTES).getroot()
    for left in (_TRIPS, _TYPES, ROUTES, "town.rou.alt.xml"):
        (folder / left).unlink(missing_ok=True)
    routes = [(vehicle.get("type", ""), vehicle.find("route")) for vehicle in root.iter("vehicle")]
    return [Trip(kind, tuple(route.get("edges", "").split())) for kind, route in routes if route is not None]


def least_times_s(network: Path, trips: Iterable[Trip]) -> list[float]:
    """Return the time of each trip at the speed limits, without other vehicles and traffic lights."""
    times: dict[str, float] = {}
    for _, edge in ET.iterparse(network):
        if edge.tag == "edge":
            lane = edge.find("lane")
            if lane is not None and edge.get("function") is None:
                times[edge.get("id", "")] = float(lane.get("length", 0.0)) / max(float(lane.get("speed", 0.0)), 0.1)
            edge.clear()
    return [sum(times.get(edge, 0.0) for edge in trip.edges) for trip in trips]


def spread(trips: Sequence[Trip], begin_s: float, end_s: float, rate_hz: float) -> list[Departure]:
    """Return the starts of trips in equal intervals between two times; if there are too few trips, they are used again."""
    count = round((end_s - begin_s) * rate_hz)
    return [Departure(begin_s + row / rate_hz, trips[row % len(trips)]) for row in range(count)]


def write_routes(folder: Path, departures: Sequence[Departure], most_vehicles: int) -> None:
    """Write the routes of a demand, and the configuration that drives them; vehicles are numbered in the order in which they start.

    Args:
        folder: Folder to write into.
        departures: Starts by rising time.
        most_vehicles: Number of vehicles on the roads above which no further one starts, until one has arrived.
    """
    root = ET.Element("routes")
    root.extend(ET.fromstring(type_xml(kind, share)) for kind, share in MIX.items())
    for number, departure in enumerate(departures):
        vehicle = ET.SubElement(root, "vehicle", _attributes(number, departure))
        ET.SubElement(vehicle, "route", edges=" ".join(departure.trip.edges))
    ET.indent(root)
    ET.ElementTree(root).write(folder / ROUTES, encoding="utf-8", xml_declaration=True)
    (folder / CONFIG).write_text(
        f'<configuration>\n  <input><net-file value="{NETWORK}"/><route-files value="{ROUTES}"/></input>\n'
        "  <!-- No more vehicles than these are on the roads, so that jams do not grow. -->\n"
        f'  <processing><max-num-vehicles value="{most_vehicles}"/></processing>\n</configuration>\n',
        encoding="utf-8",
    )


def _attributes(number: int, departure: Departure) -> dict[str, str]:
    """Return the attributes of a vehicle in a file of routes."""
    place = {"departEdge": str(departure.edge_row)} if departure.edge_row else {}
    if departure.position_m is not None:
        place["departPos"] = f"{departure.position_m:.2f}"
    return {
        "id": str(number), "type": departure.trip.kind, "depart": f"{departure.time_s:.2f}", **place,
        "departLane": "best" if departure.lane is None else str(departure.lane), "departSpeed": "max",
    }  # fmt: skip
