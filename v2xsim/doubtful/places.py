"""Ranges, heights and amounts that no place with road users has."""

import math
from collections.abc import Iterator

from v2xsim.doubtful.doubt import Doubt
from v2xsim.scenario.schema import Scenario
from v2xsim.scenario.schema_world import Trailer
from v2xsim.world.road_users import CATALOGUE, KINDS, PASSENGER

CAR_M = float(CATALOGUE.size_m[PASSENGER, 0])
"""Length of a car: a range below it reaches nobody, because two bodies cannot be closer."""
# Length of a car and the gap that SUMO keeps before it.
_JAM_M = CAR_M + 2.5
# Cells along a side of a matrix below which a blind street and its surroundings are one cell.
_FEWEST_CELLS = 8.0
_LOWEST_BUILDING_M, _TALLEST_BUILDING_M = 1.0, 500.0
_LOWEST_ANTENNA_M, _TALLEST_MAST_M = 1.0, 50.0
# A number plate is higher than the one; the highest vehicles with an antenna on a mast stay below the other.
_LOWEST_ON_BODY_M, _HIGHEST_ON_BODY_M = 0.2, 6.0
_LOWEST_FRONT_M = 0.5
# Drawbars of the longest road trains are about 5 m long.
_LONGEST_DRAWBAR_M = 6.0
# A walking pace is 4 to 7 km/h; the narrowest lanes for cars are about 2 m wide.
_SLOWEST_ROAD_KMH, _NARROWEST_LANE_M = 4.0, 1.5


def place_doubts(scenario: Scenario) -> Iterator[Doubt]:
    """Yield ranges shorter than a car, matrices of a few cells, and heights and amounts in the wrong unit."""
    yield from _ranges(scenario)
    yield from _buildings(scenario)
    yield from _generated(scenario)
    yield from _antennas(scenario)
    yield from _roads(scenario)
    yield from _trailers(scenario)
    units = [unit for unit in scenario.stations.roadside if not _LOWEST_ANTENNA_M <= unit.height_m <= _TALLEST_MAST_M]
    if units:
        yield Doubt(
            f"stations.roadside height_m of {units[0].id!r}", f"{units[0].height_m:g} m",
            f"antennas of roadside units are {_LOWEST_ANTENNA_M:g} to {_TALLEST_MAST_M:g} m above ground; is this value in metres?",
            len(units), "stations.roadside.height_m",
        )  # fmt: skip


def _ranges(scenario: Scenario) -> Iterator[Doubt]:
    radio, record, matrix = scenario.radio, scenario.record, scenario.cooperation.matrix
    for key, value_m, least_m, effect, usual in (
        ("record.evaluation_range_m", record.evaluation_range_m, CAR_M, "no road user is ever evaluated", "50 to 100 m"),
        ("record.prr_range_m", record.prr_range_m, 2 * CAR_M, "hardly any receiver counts for the packet reception ratio", "100 to 500 m"),
        ("radio.range_m", radio.range_m, 2 * CAR_M, "hardly any station receives from another", "500 to 1500 m"),
    ):  # fmt: skip
        if value_m < least_m:
            length = (
                "the length of a car"
                if least_m == CAR_M
                else "the distance between the antennas of two cars in a queue"
            )
            yield Doubt(
                key, f"{value_m:g} m", f"this is less than {length} ({least_m:g} m): {effect}; {usual} are usual"
            )
    cells = 2.0 * matrix.extent_m / matrix.cell_m
    if cells < _FEWEST_CELLS:
        side = math.ceil(cells)
        what = "the cell is larger than the matrix" if cells < 1.0 else f"the matrix has only {side} x {side} cells"
        yield Doubt(
            "cooperation.matrix.cell_m", f"{matrix.cell_m:g} m",
            f"with extent_m {matrix.extent_m:g}, {what}, so it cannot show what is blind; cells of 1 to 4 m in a matrix of 30 to 100 m are usual",
        )  # fmt: skip


def _antennas(scenario: Scenario) -> Iterator[Doubt]:
    wrong = [
        (name, place.height_m) for name, place in scenario.stations.antennas.items()
        if place.height_m is not None and not _LOWEST_ON_BODY_M <= place.height_m <= _HIGHEST_ON_BODY_M
    ]  # fmt: skip
    if wrong:
        name, height_m = wrong[0]
        yield Doubt(
            f"stations.antennas.{name}.height_m", f"{height_m:g} m",
            f"antennas of vehicles are {_LOWEST_ON_BODY_M:g} to {_HIGHEST_ON_BODY_M:g} m above ground; is this value in metres?", len(wrong),
            "stations.antennas.height_m",
        )  # fmt: skip


def _roads(scenario: Scenario) -> Iterator[Doubt]:
    roads = scenario.world.roads if isinstance(scenario.world.roads, list) else []
    for key, unit, least, reason in (
        ("speed_kmh", "km/h", _SLOWEST_ROAD_KMH, "nobody drives so slowly, so almost no blind cell of this road has a weight; is this value in km/h?"),
        ("lane_m", "m", _NARROWEST_LANE_M, "no car fits into this lane; is this value in metres?"),
    ):  # fmt: skip
        wrong = [(number, getattr(road, key)) for number, road in enumerate(roads) if getattr(road, key) < least]
        if wrong:
            number, value = wrong[0]
            yield Doubt(f"world.roads.{number}.{key}", f"{value:g} {unit}", reason, len(wrong), f"world.roads.{key}")


def _trailers(scenario: Scenario) -> Iterator[Doubt]:
    """Yield trailers whose numbers are possible, and hardly meant."""
    found: dict[str, list[tuple[str, float, str]]] = {"front_height_m": [], "hitch_m": []}
    for number, agent in enumerate(scenario.traffic.script or ()):
        if not isinstance(agent.trailer, Trailer):
            continue
        trailer, key = agent.trailer, f"traffic.script.{number}.trailer"
        length_m = agent.size_m[0] if agent.size_m else float(CATALOGUE.size_m[KINDS.index(agent.kind), 0])
        drawbar_m = length_m - trailer.hitch_m - trailer.length_m
        if drawbar_m > _LONGEST_DRAWBAR_M:
            found["hitch_m"].append((
                f"{key}.hitch_m", trailer.hitch_m,
                f"the rear part of {trailer.length_m:g} m begins {drawbar_m:.3g} m behind the joint, and nothing is between them; size_m is the size of both parts in line",
            ))  # fmt: skip
        if trailer.front_height_m is not None and trailer.front_height_m < _LOWEST_FRONT_M:
            found["front_height_m"].append((
                f"{key}.front_height_m", trailer.front_height_m,
                "the front part, with its antenna on the roof, is lower than any vehicle; is this value in metres?",
            ))  # fmt: skip
    for name, wrong in found.items():
        if wrong:
            key, value_m, reason = wrong[0]
            yield Doubt(key, f"{value_m:g} m", reason, len(wrong), f"traffic.script.trailer.{name}")


def _buildings(scenario: Scenario) -> Iterator[Doubt]:
    buildings = scenario.world.buildings if isinstance(scenario.world.buildings, list) else []
    wrong = [
        (number, building.height_m) for number, building in enumerate(buildings)
        if not _LOWEST_BUILDING_M <= building.height_m <= _TALLEST_BUILDING_M
    ]  # fmt: skip
    if wrong:
        number, height_m = wrong[0]
        yield Doubt(
            f"world.buildings.{number}.height_m",
            f"{height_m:g} m",
            _height_reason(height_m),
            len(wrong),
            "world.buildings.height_m",
        )
    grid = scenario.traffic.grid
    if grid is not None and 0.0 < grid.building_height_m < _LOWEST_BUILDING_M:
        yield Doubt(
            "traffic.grid.building_height_m", f"{grid.building_height_m:g} m",
            _height_reason(grid.building_height_m) + "; 0 leaves the buildings out",
        )  # fmt: skip


def _height_reason(height_m: float) -> str:
    if height_m < _LOWEST_BUILDING_M:
        return "a building this low hides no road user and blocks no link; houses are 6 to 15 m high; is this value in metres?"
    return "hardly any building is this high; is this value in metres?"


def _generated(scenario: Scenario) -> Iterator[Doubt]:
    grid, highway, until_s = (
        scenario.traffic.grid,
        scenario.traffic.highway,
        scenario.run.begin_s + scenario.run.duration_s,
    )
    if grid is not None and grid.vehicles_per_hour * until_s / 3600.0 < 1.0:
        yield Doubt(
            "traffic.grid.vehicles_per_hour", f"{grid.vehicles_per_hour:g} 1/h",
            f"this is less than one vehicle until the end of the run at {until_s:g} s; 500 to 5000 per hour are usual",
        )  # fmt: skip
    if highway is None:
        return
    vehicles = highway.density_per_km * highway.length_m * 1e-3
    per_lane_m = 2 * highway.lanes * 1000.0 / highway.density_per_km
    if vehicles < 1.0:
        yield Doubt(
            "traffic.highway.density_per_km", f"{highway.density_per_km:g} 1/km",
            f"this is less than one vehicle on {highway.length_m:g} m; 10 to 100 per km are usual",
        )  # fmt: skip
    elif per_lane_m < _JAM_M:
        yield Doubt(
            "traffic.highway.density_per_km", f"{highway.density_per_km:g} 1/km",
            f"on {highway.lanes} lanes each way, this leaves {per_lane_m:.1f} m for each vehicle, and a car with its gap needs {_JAM_M:g} m, so SUMO inserts "
            "fewer; add lanes, or lower the density",
        )  # fmt: skip
    if highway.speed_kmh < 20.0:
        yield Doubt(
            "traffic.highway.speed_kmh",
            f"{highway.speed_kmh:g} km/h",
            "a cyclist is as fast; motorways have 80 to 130 km/h",
        )
