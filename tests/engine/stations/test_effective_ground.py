"""Antennas must be above the effective ground of the channel's models."""

import pytest

import v2xsim
from v2xsim.errors import UserError
from v2xsim.traffic_preview import previewed

WINNER = {"channel": {"model": "winner_b1", "environment_height_m": 0.8}}
MANHATTAN = {"propagation": {"building_loss": {"model": "manhattan", "environment_height_m": 0.8}}}
LOW, AT, ABOVE = ({"antennas": {"b": {"height_m": height_m}}} for height_m in (0.5, 0.8, 0.81))


def preview(radio, stations=None, **about):
    script = [{"id": name, "waypoints": [[0, x, 0]]} for name, x in (("a", 0), ("b", 20))]
    script[1] |= about
    data = {"run": {"duration_s": 0.2}, "traffic": {"script": script}, "radio": radio, "stations": stations or {}}
    return previewed(v2xsim.scenario.from_data(data))


@pytest.mark.parametrize(("radio", "key"), [(WINNER, "radio.channel"), (MANHATTAN, "radio.propagation.building_loss")])
@pytest.mark.parametrize("stations", [LOW, AT])
def test_an_antenna_that_is_not_above_it_is_refused_with_its_station(radio, key, stations):
    with pytest.raises(
        UserError, match=rf"{key}.environment_height_m: must be below every antenna.*got 0.8 m; that of 'b' is"
    ):
        preview(radio, stations)


def test_an_antenna_on_the_roof_of_a_low_body_is_refused_and_so_is_a_low_roadside_unit():
    with pytest.raises(UserError, match=r"that of 'b' is 0.6 m above ground"):
        preview(WINNER, size_m=[4.0, 1.8, 0.6])
    with pytest.raises(UserError, match=r"that of 'pole' is 0.5 m above ground"):
        preview(WINNER, {"roadside": [{"id": "pole", "position_m": [9, 9], "height_m": 0.5, "lidar": False}]})


@pytest.mark.parametrize(
    ("radio", "stations"), [(WINNER, ABOVE), (MANHATTAN, ABOVE), ({"channel": "winner_b1"}, LOW), ({}, LOW)]
)
def test_other_antennas_may_be_where_they_are(radio, stations):
    preview(radio, stations)
