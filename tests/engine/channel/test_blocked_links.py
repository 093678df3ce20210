"""What a run and a check report about links that find no way round a corner."""

from dataclasses import replace

import numpy as np
import pytest

import v2xsim
from tests.engine.small_world import fleet_of, links_of
from v2xsim.engine.channel.blocked_links import BlockedLinks
from v2xsim.input_checks import input_notices
from v2xsim.records import Prisms
from v2xsim.scenario.schema import Scenario
from v2xsim.spatial.grid import indexed
from v2xsim.world.roads import Roads, roads_from

HOUSE = {"footprint_m": [[10, 10], [90, 10], [90, 90], [10, 90]], "height_m": 9.0}
CROSSING = [{"center_m": [[-100, 0], [200, 0]]}, {"center_m": [[0, -100], [0, 200]]}]


def scenario(roads=(), building_loss="corner", **radio):
    settings = {
        "name": "blocked", "run": {"duration_s": 0.2, "step_s": 0.1}, "world": {"buildings": [HOUSE], "roads": list(roads)},
        "traffic": {"script": [{"id": "a", "waypoints": [[0, 50, 0]]}, {"id": "b", "waypoints": [[0, 0, 50]]}, {"id": "c", "waypoints": [[0, 60, 100]]}]},
        "radio": {"propagation": {"building_loss": building_loss}, **radio},
    }  # fmt: skip
    return Scenario.model_validate(settings)


def subjects(notices):
    return [notice.subject for notice in notices if notice.subject.startswith("radio.no_")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["radio.no_road_network"]), ({"roads": CROSSING[:1]}, ["radio.no_corner_on_map"]), ({"roads": CROSSING}, []),
        ({"building_loss": "tr37885"}, []), ({"access": "ideal"}, []),
    ],
)  # fmt: skip
def test_a_check_reports_a_map_on_which_no_link_can_go_round_a_corner(settings, expected):
    assert subjects(input_notices(scenario(**settings))) == expected


def test_a_run_reports_the_same_and_counts_links_without_a_way():
    assert subjects(v2xsim.run(scenario()).notices) == ["radio.no_road_network"]
    # From a to b round the corner; c stands behind the house, in sight of no corner.
    (notice,) = [one for one in v2xsim.run(scenario(CROSSING)).notices if one.subject == "radio.no_corner"]
    assert notice.count == 4
    assert "of 6 links behind buildings" in notice.text
    assert "33% go round one corner, 0% round two, and 67% have no way" in notice.text
    assert not notice.is_warning


def test_links_are_counted_over_all_ticks():
    prisms = Prisms(np.array(HOUSE["footprint_m"], float), np.array([0, 4]), np.zeros(1), np.full(1, 9.0))
    counted = BlockedLinks(scenario(CROSSING), indexed(prisms), roads_from(scenario(CROSSING).world.roads))
    assert len(counted.corners) == 1
    links = links_of(fleet_of(range(4), np.zeros((4, 2))))
    for corners in ([-1, 1, 1, 2, 0, 0], [-1, -1, -1, -1, 1, 0]):
        counted.note(replace(links, corners=np.array(corners, np.int8)))
    (notice,) = counted.notices()
    assert notice.count == 3
    assert "of 7 links" in notice.text
    assert "43% go round one corner, 14% round two, and 43% have no way" in notice.text


def test_a_world_without_buildings_looks_for_no_corners():
    empty = BlockedLinks(scenario(CROSSING), indexed(Prisms.none()), roads_from(scenario(CROSSING).world.roads))
    assert len(empty.corners) == 0
    assert empty.notices() == ()
    assert len(BlockedLinks(scenario(), indexed(Prisms.none()), Roads.none()).corners) == 0
