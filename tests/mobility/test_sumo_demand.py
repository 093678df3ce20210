"""When the demand of a SUMO configuration ends, told from its files and from its traffic."""

import gzip

import pytest

from v2xsim.mobility.base import Names
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.mobility.sumo_demand import ending_notices, last_start_s
from v2xsim.mobility.sumo_tools import run_tool


@pytest.mark.parametrize(
    ("elements", "last_s"),
    [
        ('<vehicle id="a" depart="0"/><trip id="b" depart="75.5"/>', 75.5),
        ('<person id="p" depart="0:02:00"/><vehicle id="a" depart="3"/>', 120.0),
        ('<flow id="f" begin="10" end="90" period="exp(0.2)"/><vehicle id="a" depart="20"/>', 90.0),
        ('<flow id="f" begin="10" number="5" period="4"/>', 30.0),
        ('<flow id="f" begin="10" number="5" vehsPerHour="900"/>', 30.0),
        ('<personFlow id="f" begin="0" period="4"/>', None),
        ('<vehicle id="a" depart="3"/><include href="more.xml"/>', None),
        ('<vehicle id="a" depart="triggered"/>', None),
        ("<vType id='a'/>", None),
        ('<route id="r" edges="a b" repeat="20"/><vehicle id="a" depart="3" route="r"/>', None),
        ('<vehicle id="a" depart="3"><route edges="a" repeat="0"/></vehicle>', 3.0),
        ('<vehicle id="a" depart="3"/><rerouter id="r" edges="a"/>', None),
    ],
)
def test_the_last_start_is_that_of_the_last_vehicle_trip_person_or_flow(tmp_path, elements, last_s):
    plain, packed = tmp_path / "a.rou.xml", tmp_path / "b.rou.xml.gz"
    plain.write_text(f"<routes>{elements}</routes>")
    packed.write_bytes(gzip.compress(f"<routes>{elements}</routes>".encode(), mtime=0))
    assert last_start_s([plain]) == last_start_s([packed]) == last_s


def test_an_element_that_lies_across_two_pieces_of_a_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("v2xsim.mobility.sumo_demand._CHUNK_BYTES", 16)
    path = tmp_path / "a.rou.xml"
    path.write_text('<routes><vehicle id="a" depart="7"/><vehicle id="b" depart="41"/></routes>')
    assert last_start_s([path]) == 41.0


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    run_tool("netgenerate", ["--grid", "--grid.number", "2", "--grid.length", "150", "-o", "grid.net.xml"], folder)
    return (folder / "grid.net.xml").read_bytes()


def demand(folder, net, elements):
    (folder / "n.net.xml").write_bytes(net)
    (folder / "a.rou.xml").write_text(f'<routes><route id="r" edges="A0B0 B0B1"/>{elements}</routes>')
    config = folder / "c.sumocfg"
    config.write_text('<configuration><net-file value="n.net.xml"/><route-files value="a.rou.xml"/></configuration>')
    return config


def seen(config, until_s):
    with SumoMobility(config, 1_000_000, 1, Names()) as traffic:
        for second in range(until_s):
            traffic.snapshot(second * 1_000_000)
        return {notice.subject: notice for notice in traffic.notices()}.get("traffic.demand_ends")


ONE = '<vehicle id="a" depart="0" route="r"/>'


def test_a_demand_that_ends_long_before_the_run_is_reported_without_sumo(tmp_path, net):
    config = demand(tmp_path, net, ONE)
    (notice,) = ending_notices(config, 600_000_000)
    assert (notice.subject, notice.is_warning) == ("traffic.demand_ends", True)
    assert "starts at 0 s" in notice.text
    assert "until 600 s" in notice.text
    assert "--duration" in notice.text
    assert ending_notices(config, 60_000_000) == ()


def test_roads_that_empty_because_the_demand_has_ended_are_reported_by_the_run(tmp_path, net):
    config = demand(tmp_path, net, ONE)
    notice = seen(config, 100)
    assert notice.count == 1
    assert "of 1 road users, 0 are left at 99 s" in notice.text
    assert seen(config, 50) is None


@pytest.mark.parametrize(
    "elements",
    [
        f'{ONE}<flow id="f" begin="5" end="200" period="10" route="r"/>',  # lasts
        f'{ONE}<vehicle id="b" depart="190" route="r"/>',  # goes on after a gap
        '<vehicle id="a" depart="0" route="r"><stop lane="B0B1_0" duration="900"/></vehicle>',  # nobody leaves
    ],
)
def test_roads_that_do_not_empty_or_fill_again_are_not_reported(tmp_path, net, elements):
    assert seen(demand(tmp_path, net, elements), 120) is None
