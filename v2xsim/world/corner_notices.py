"""Notices about a map on which a loss round corners finds no corners."""

from v2xsim.notices import Notice
from v2xsim.scenario.schema import Scenario
from v2xsim.world.roads import Roads

_KEY = "radio.propagation.building_loss"


def corner_notices(scenario: Scenario, roads: Roads, corners: int, buildings: int) -> tuple[Notice, ...]:
    """Return the notice that no link can go round a corner, if that is so.

    Args:
        scenario: A checked scenario.
        roads: Roads of the map.
        corners: Number of corner points of the map.
        buildings: Number of buildings.
    """
    radio, model = scenario.radio, scenario.radio.propagation.building_loss
    if not model.follows_streets or radio.access.ideal or corners or not buildings:
        return ()
    if len(roads) == 0:
        text = (
            f"{_KEY}: {model.name} goes round the corners of the road network, but the scenario has none. Set world.roads to a SUMO "
            "network or a list of streets; without it, "
        )
        return (Notice("radio.no_road_network", 1, text + _WITHOUT),)
    text = (
        f"{_KEY}: {model.name} goes round corners, but on the {len(roads):,} lanes and junctions of the map no two streets meet at an "
        "angle of 30 degrees or more; check world.roads. "
    )
    return (Notice("radio.no_corner_on_map", len(roads), text + _WITHOUT.capitalize()),)


_WITHOUT = (
    "each link behind a building loses as much as round two right angles with three equal legs, and at least the loss over the direct "
    "distance"
)
