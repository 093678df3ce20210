"""Whether the buildings and the roads of a scenario have one origin."""

import pytest

from v2xsim.mobility.origins import origin_notices, unused_buildings
from v2xsim.scenario.schema_world import Traffic, World
from v2xsim.world.buildings import load_prisms


def notices(tmp_path, net_offset, poly_offset):
    location = f'<location netOffset="{net_offset}"/>' if net_offset else ""
    (tmp_path / "a town.net.xml").write_text(f"<net>{location}<edge id='a'/></net>")
    (tmp_path / "a.sumocfg").write_text('<configuration><input><net value="a%20town.net.xml"/></input></configuration>')
    poly = f'<location netOffset="{poly_offset}"/>' if poly_offset else ""
    (tmp_path / "a.poly.xml").write_text(f'<additional>{poly}<poly type="building" shape="0,0 9,0 9,9"/></additional>')
    world = World(buildings=tmp_path / "a.poly.xml")
    return origin_notices(Traffic(sumocfg=tmp_path / "a.sumocfg"), world, load_prisms(world)[1])


def test_a_polygon_file_for_another_network_is_reported_with_both_origins(tmp_path):
    (notice,) = notices(tmp_path, "-500000.00,-5538630.70", "-500100.00,-5538630.70")
    assert notice.subject == "buildings.other_origin"
    assert "-500100.00" in notice.text
    assert "a town.net.xml has -500000.00" in notice.text


@pytest.mark.parametrize(
    ("net", "poly"),
    [
        ("-500000.00,-5538630.70", "-500000.00,-5538630.71"),
        ("", "-1,-2"),
        ("-1,-2", ""),
        ("0.00,0.00", "0,0"),
        ("-1,-2", "west"),
    ],
)
def test_equal_and_unknown_origins_are_no_difference(tmp_path, net, poly):
    assert notices(tmp_path, net, poly) == ()


def test_a_damaged_network_is_left_to_the_traffic(tmp_path):
    notices(tmp_path, "-1,-2", "-3,-4")
    (tmp_path / "a town.net.xml").write_text("<net")
    world = World(buildings=tmp_path / "a.poly.xml")
    assert origin_notices(Traffic(sumocfg=tmp_path / "a.sumocfg"), world, load_prisms(world)[1]) == ()


def test_buildings_that_only_sumo_draws_are_reported(tmp_path):
    (tmp_path / "town.poly.xml").write_text(
        '<additional><poly type="building.yes" shape="0,0 9,0 9,9"/><poly type="water" shape="0,0"/></additional>'
    )
    (tmp_path / "stops.add.xml").write_text('<additional><busStop id="a"/></additional>')
    (tmp_path / "a.sumocfg").write_text(
        '<configuration><additional-files value="stops.add.xml,town.poly.xml"/></configuration>'
    )
    traffic = Traffic(sumocfg=tmp_path / "a.sumocfg")
    (notice,) = unused_buildings(traffic, World())
    assert (notice.subject, notice.count) == ("buildings.unused", 1)
    assert "set world.buildings to town.poly.xml" in notice.text
    assert unused_buildings(traffic, World(buildings=tmp_path / "town.poly.xml")) == ()


@pytest.mark.parametrize(
    "config", ["<configuration/>", '<configuration><additional-files value="gone.xml"/></configuration>', "<net"]
)
def test_other_configurations_are_left_to_the_traffic(tmp_path, config):
    (tmp_path / "a.sumocfg").write_text(config)
    assert unused_buildings(Traffic(sumocfg=tmp_path / "a.sumocfg"), World()) == ()
