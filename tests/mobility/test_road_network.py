"""Roads of SUMO networks."""

import gzip

import numpy as np
import pytest

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.road_network import read_roads
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.mobility.sumo_tools import run_tool
from v2xsim.world.roads import BICYCLE, FOOT, INSIDE, JUNCTION, LANE, MOTOR

NET = """<?xml version="1.0" encoding="ISO-8859-1"?>
<net version="1.20">
  <edge id=":J_0" function="internal"><lane id=":J_0_0" index="0" speed="9" length="9" shape="0,0 5,5"/></edge>
  <edge id=":J_w0" function="walkingarea"><lane id=":J_w0_0" index="0" speed="1" length="1" shape="0,0 1,0 1,1"/></edge>
  <edge id="M\xfcllerstra\xdfe" from="J" to="K">
    <lane id="M\xfcllerstra\xdfe_0" index="0" allow="pedestrian" speed="3" length="9" width="2.00" shape="0,0,7.5 9,0,8.0"/>
    <lane id="M\xfcllerstra\xdfe_1" index="1" disallow="pedestrian" speed="14" length="9" shape="0,3 9,3"/>
  </edge>
  <junction id="J" type="priority" x="0" y="0" incLanes="M\xfcllerstra\xdfe_0 M\xfcllerstra\xdfe_1" intLanes="" shape="0,0 4,0 4,4 0,4"/>
  <junction id=":J_0_0" type="internal" x="0" y="0" incLanes="" intLanes=""/>
</net>"""


def written(tmp_path, text=NET, name="town.net.xml"):
    path = tmp_path / name
    content = text.encode("latin-1")
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return path


@pytest.mark.parametrize("name", ["town.net.xml", "town.net.xml.gz"])
def test_lanes_and_junctions_of_a_network_are_read(tmp_path, name):
    roads = read_roads(written(tmp_path, name=name))
    assert roads.name == (":J_0_0", "Müllerstraße_0", "Müllerstraße_1", "J")
    assert roads.kind.tolist() == [INSIDE, LANE, LANE, JUNCTION]
    assert roads.users.tolist() == [MOTOR, FOOT, MOTOR, MOTOR]
    assert roads.width_m.tolist() == [3.2, 2.0, 3.2, 0.0]
    assert roads.limit_mps.tolist() == [9, 3, 14, 14]
    assert roads.points_m[roads.offset[1] : roads.offset[2]].tolist() == [[0, 0], [9, 0]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not valid XML"),
        ("<additional/>", "its root element is <additional>, not <net>"),
        ("<net><edge", "not valid XML"),
        ('<net><edge id="a"><lane id="a_0"/></edge></net>', r"<edge id='a'> is malformed \('shape'\)"),
        ('<net><edge id="a"><lane id="a_0" shape="0,0 x,1"/></edge></net>', "<edge id='a'> is malformed"),
        ('<net><edge id="a"><lane id="a_0" shape="0 1"/></edge></net>', "<edge id='a'> is malformed"),
        ('<net><edge id="a"><lane id="a_0" shape="0,0 nan,1"/></edge></net>', "within 100,000,000 m"),
        (
            '<net><edge id="a"><lane id="a_0" shape="0,0 1,1" speed="-5"/></edge></net>',
            "speed must be 0 to 1,000 m/s, got -5",
        ),
        (
            '<net><edge id="a"><lane id="a_0" shape="0,0 1,1" speed="nan"/></edge></net>',
            "speed must be 0 to 1,000 m/s, got nan",
        ),
        (
            '<net><edge id="a"><lane id="a_0" shape="0,0 1,1" speed="1e300"/></edge></net>',
            "speed must be 0 to 1,000 m/s, got 1e",
        ),
        (
            '<net><edge id="a"><lane id="a_0" shape="0,0 1,1" width="0"/></edge></net>',
            "width must be above 0 and at most 1,000 m, got 0",
        ),
        (
            '<net><edge id="a"><lane id="a_0" shape="0,0 1,1" width="inf"/></edge></net>',
            "width must be above 0 and at most 1,000 m, got inf",
        ),
        (
            '<net><junction id="J" shape="0,0 1e9,1 3,3"/></net>',
            "<junction id='J'> is malformed .* within 100,000,000 m",
        ),
    ],
)
def test_a_file_that_is_no_network_is_refused_with_file_and_reason(tmp_path, text, reason):
    with pytest.raises(MobilityError, match=rf"town\.net\.xml: .*{reason}"):
        read_roads(written(tmp_path, text))


def test_a_missing_network_and_a_damaged_one_are_refused(tmp_path):
    with pytest.raises(MobilityError, match="cannot be read"):
        read_roads(tmp_path / "none.net.xml")
    (tmp_path / "cut.net.xml.gz").write_bytes(gzip.compress(NET.encode("latin-1"))[:60])
    with pytest.raises(MobilityError, match="damaged gzip file"):
        read_roads(tmp_path / "cut.net.xml.gz")


def test_sumo_and_the_file_agree_on_the_roads(tmp_path):
    run_tool(
        "netgenerate",
        ["--grid", "--grid.number", "3", "--grid.length", "80", "--sidewalks.guess", "--crossings.guess",
         "--bikelanes.guess", "-o", "grid.net.xml"],
        tmp_path,
    )  # fmt: skip
    config = tmp_path / "grid.sumocfg"
    config.write_text('<configuration><net-file value="grid.net.xml"/></configuration>')
    with SumoMobility(config, 100_000, 1, Names()) as traffic:
        driven = traffic.roads()
    read = read_roads(tmp_path / "grid.net.xml")
    assert sorted(driven.name) == sorted(read.name)
    assert {LANE, INSIDE, JUNCTION} == set(read.kind.tolist())
    assert {MOTOR, BICYCLE, FOOT} == set(read.users.tolist())
    order, other = (np.argsort(roads.name) for roads in (driven, read))
    for one, two in zip(order, other, strict=True):
        assert (driven.kind[one], driven.users[one]) == (read.kind[two], read.users[two]), driven.name[one]
        assert driven.width_m[one] == read.width_m[two]
        assert driven.limit_mps[one] == read.limit_mps[two] > 0.0, driven.name[one]
        np.testing.assert_allclose(
            driven.points_m[driven.offset[one] : driven.offset[one + 1]],
            read.points_m[read.offset[two] : read.offset[two + 1]],
        )


def test_a_width_of_minus_1_is_the_default_of_sumo_and_a_limit_may_be_missing(tmp_path):
    net = tmp_path / "a.net.xml"
    net.write_text('<net><edge id="a"><lane id="a_0" shape="0,0 1,1" width="-1"/></edge></net>')
    roads = read_roads(net)
    assert (roads.width_m.tolist(), np.isnan(roads.limit_mps).tolist()) == ([3.2], [True])
