"""SUMO's configurations and additional files, read and copied by the rules of XML and of SUMO."""

import gzip
import re
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

import pytest

from v2xsim.mobility import sumo
from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.mobility.sumo_config import read_options, safe_config, time_us_of
from v2xsim.mobility.sumo_tools import run_tool

ROUTES = (
    '<routes><route id="east" edges="A0B0 B0C0"/><vehicle id="a" route="east" depart="0"/>'
    '<vehicle id="b" route="east" depart="1"><stop busStop="Süd" duration="1"/></vehicle></routes>'
)
STOPS = (
    '<?xml version="1.0" encoding="{encoding}"?><additional><busStop id="Süd" lane="A0B0_0" startPos="20" endPos="60"/>'
    '<inductionLoop id="d" lane="A0B0_0" pos="70" period="1" file="loop.xml"/></additional>'
)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    run_tool("netgenerate", ["--grid", "--grid.number", "3", "--grid.length", "150", "-o", "grid.net.xml"], folder)
    return (folder / "grid.net.xml").read_bytes()


def scene(folder, net, options="", net_value="n.net.xml", routes_value="a.rou.xml", stops_value="s.add.xml"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "n.net.xml").write_bytes(net)
    (folder / "a.rou.xml").write_text(ROUTES, encoding="utf-8")
    (folder / "s.add.xml").write_bytes(STOPS.format(encoding="UTF-8").encode())
    config = folder / "c.sumocfg"
    config.write_text(
        f"<configuration><net-file value={quoteattr(net_value)}/><route-files value={quoteattr(routes_value)}/>"
        f"<additional-files value={quoteattr(stops_value)}/>{options}</configuration>",
        encoding="utf-8",
    )
    return config


def drive(config, step_us=100_000):
    return SumoMobility(config, step_us, 1, Names())


def departs(config):
    """Whether vehicle b, which stops at the bus stop with an umlaut, is on the road at 2 s."""
    with drive(config) as traffic:
        snapshot = traffic.snapshot(2_000_000)
        return {traffic.name_of(int(agent)) for agent in snapshot.agent} == {"a", "b"}


@pytest.mark.parametrize(
    "name",
    [
        "my town",
        "a%20b",
        "100%",
        "co,mma",
        "um läut",
        "quo'te",
        'quo"te',
        "am&p",
        "${HOME}",
        "se;mi",
        "<lt>",
        " blank ",
    ],
)
def test_a_scene_runs_in_a_folder_with_any_name(tmp_path, net, name):
    assert departs(scene(tmp_path / name, net))


def test_a_scene_runs_in_a_folder_whose_name_is_no_utf_8(tmp_path, net):
    assert departs(scene(tmp_path / "s\udcfcd", net))


@pytest.mark.parametrize(
    ("value", "file"), [("my%20town.net.xml", "my town.net.xml"), ("co%2Cmma%25.net.xml", "co,mma%.net.xml")]
)
def test_a_file_name_is_decoded_as_sumo_decodes_it(tmp_path, net, value, file):
    config = scene(tmp_path, net, net_value=value)
    (tmp_path / "n.net.xml").rename(tmp_path / file)
    assert departs(config)


@pytest.mark.parametrize(
    "value", ["a.rou.xml,more%2Ctrips.rou.xml", " a.rou.xml , more%2Ctrips.rou.xml ", "a.rou.xml,${MORE}.rou.xml"]
)
def test_a_list_of_files_may_have_blanks_encoded_commas_and_variables(tmp_path, net, value, monkeypatch):
    monkeypatch.setenv("MORE", "more%2Ctrips")
    config = scene(tmp_path, net, routes_value=value)
    (tmp_path / "more,trips.rou.xml").write_text(
        '<routes><vehicle id="c" depart="0"><route edges="B0C0"/></vehicle></routes>'
    )
    with drive(config) as traffic:
        snapshot = traffic.snapshot(2_000_000)
        assert {traffic.name_of(int(agent)) for agent in snapshot.agent} == {"a", "b", "c"}


def test_a_variable_that_is_not_set_is_empty_as_in_sumo(tmp_path, net):
    assert departs(scene(tmp_path, net, net_value="${V2XSIM_NOT_SET}n.net.xml"))


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-8", "UTF-16", "windows-1252"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_additional_file_is_read_in_the_encoding_that_it_declares(tmp_path, net, encoding, packed):
    config = scene(tmp_path, net)
    content = STOPS.format(encoding=encoding).encode(encoding)
    (tmp_path / "s.add.xml").write_bytes(gzip.compress(content) if packed else content)
    assert departs(config)
    assert not (tmp_path / "loop.xml").exists()


def test_a_copy_of_an_additional_file_declares_the_encoding_of_the_file(tmp_path, net):
    config = scene(tmp_path / "in", net)
    (tmp_path / "in" / "s.add.xml").write_bytes(STOPS.format(encoding="ISO-8859-1").encode("iso-8859-1"))
    (tmp_path / "copy").mkdir()
    safe_config(config, tmp_path / "copy")
    (copy,) = (tmp_path / "copy").glob("*s.add.xml")
    assert b"iso-8859-1" in copy.read_bytes()[:60].lower()
    assert ET.parse(copy).getroot()[0].get("id") == "Süd"


def test_comments_entities_and_quotes_do_not_hide_or_make_an_output(tmp_path, net):
    config = scene(tmp_path / "in", net)
    (tmp_path / "in" / "s.add.xml").write_text(
        "<!DOCTYPE additional [<!ENTITY stop 'S&#252;d'>]><additional>"
        '<!-- <edgeData id="old" file="old.xml"/> --><busStop id="&stop;" lane="A0B0_0" startPos="20" endPos="60"/>'
        "<poly id='p' shape='0,0 1,1'><param key='text'><![CDATA[<edgeData file=\"x.xml\"/>]]></param></poly>"
        "<edgeData id='e'\n file='out &gt; &#x41;.xml'/></additional>",
        encoding="utf-8",
    )
    assert departs(config)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == [
        "a.rou.xml",
        "c.sumocfg",
        "n.net.xml",
        "s.add.xml",
    ]


def test_nested_includes_relative_to_their_files_are_followed(tmp_path, net):
    config = scene(tmp_path, net)
    (tmp_path / "sub, one").mkdir()
    (tmp_path / "s.add.xml").write_text("<additional><include href='sub, one/m.xml'/></additional>")
    (tmp_path / "sub, one" / "m.xml").write_text(
        "<additional><include href='../sub, one/last%20one.xml'/></additional>"
    )
    (tmp_path / "sub, one" / "last%20one.xml").write_bytes(STOPS.format(encoding="ISO-8859-1").encode("iso-8859-1"))
    assert departs(config)
    assert not (tmp_path / "sub, one" / "loop.xml").exists()


def test_what_a_linked_file_includes_lies_beside_the_link(tmp_path, net):
    config = scene(tmp_path / "in", net)
    store = tmp_path / "store"
    store.mkdir()
    for name in ("n.net.xml", "s.add.xml", "a.rou.xml"):
        (tmp_path / "in" / name).rename(store / f"{name}.0815")
        (tmp_path / "in" / name).symlink_to(store / f"{name}.0815")
    (store / "s.add.xml.0815").write_text("<additional><include href='stops.xml'/></additional>")
    (tmp_path / "in" / "stops.xml").write_bytes(STOPS.format(encoding="UTF-8").encode())
    assert departs(config)


def test_options_may_be_values_texts_and_synonyms(tmp_path):
    config = tmp_path / "c.sumocfg"
    config.write_text(
        "<configuration><input><n v='n.xml'/><r>a.xml</r></input><b value='5'/><scale value=''/><end>\n</end></configuration>"
    )
    assert read_options(config) == {"net-file": "n.xml", "route-files": "a.xml", "begin": "5"}


def test_an_option_set_twice_is_refused(tmp_path):
    config = tmp_path / "c.sumocfg"
    config.write_text("<configuration><begin value='5'/><b value='6'/></configuration>")
    with pytest.raises(MobilityError, match=r"c\.sumocfg: sets the option begin twice"):
        read_options(config)


@pytest.mark.parametrize("value", ["true", "1", "yes", "on", "X"])
def test_mesoscopic_traffic_is_refused_by_the_name_of_its_option(tmp_path, net, value):
    with pytest.raises(MobilityError, match=r"c\.sumocfg: the option mesosim is set"):
        drive(scene(tmp_path, net, f"<processing><mesosim value='{value}'/></processing>"))


def test_an_option_mesosim_that_is_false_is_no_obstacle(tmp_path, net):
    assert departs(scene(tmp_path, net, "<mesosim value='false'/>"))


def notices(config, until_us=2_000_000, step_us=100_000):
    with drive(config, step_us) as traffic:
        traffic.snapshot(until_us)
        return {notice.subject: notice for notice in traffic.notices()}


def test_what_is_not_taken_over_from_a_configuration_is_reported(tmp_path, net):
    options = "<tripinfo-output value='t.xml'/><summary value='s.xml'/><step-length value='0.5'/><seed value='7'/><end value='1'/><gui-settings-file value='v.xml'/>"
    found = notices(scene(tmp_path, net, options))
    assert found["sumo.options_left_out"].count == 2
    assert "tripinfo-output, summary" in found["sumo.options_left_out"].text
    assert "0.5 s" in found["sumo.step_replaced"].text
    assert "run.seed" in found["sumo.seed_replaced"].text
    assert found["sumo.after_end"].count == 1
    assert found["sumo.outputs_left_out"].count == 1


def test_a_plain_configuration_gives_no_notice(tmp_path, net):
    config = scene(tmp_path, net, "<step-length value='0.1'/><end value='100'/>", stops_value="p.add.xml")
    (tmp_path / "p.add.xml").write_text(
        '<additional><busStop id="Süd" lane="A0B0_0" startPos="20" endPos="60"/></additional>'
    )
    assert notices(config) == {}


def test_warnings_of_sumo_are_counted_and_reported(tmp_path, net):
    config = scene(tmp_path, net)
    (tmp_path / "a.rou.xml").write_text(
        ROUTES.replace(
            "</routes>",
            '<vehicle id="late" route="east" depart="0"/><vehicle id="later" route="east" depart="0"/></routes>',
        )
    )
    warning = notices(config)["sumo.warnings"]
    assert warning.count == 2
    assert "ignoring 'late'" in warning.text


def test_a_network_in_degrees_is_refused(tmp_path):
    (tmp_path / "p.nod.xml").write_text(
        "<nodes><node id='a' x='9.70' y='50.86'/><node id='b' x='9.71' y='50.87'/><node id='c' x='9.72' y='50.86'/></nodes>"
    )
    (tmp_path / "p.edg.xml").write_text(
        "<edges><edge id='ab' from='a' to='b' length='900'/><edge id='bc' from='b' to='c' length='900'/></edges>"
    )
    run_tool(
        "netconvert",
        ["-n", "p.nod.xml", "-e", "p.edg.xml", "--offset.disable-normalization", "true", "-o", "n.net.xml"],
        tmp_path,
    )
    (tmp_path / "a.rou.xml").write_text("<routes><vehicle id='a' depart='0'><route edges='ab bc'/></vehicle></routes>")
    config = tmp_path / "c.sumocfg"
    config.write_text("<configuration><net-file value='n.net.xml'/><route-files value='a.rou.xml'/></configuration>")
    with pytest.raises(MobilityError, match=r"c\.sumocfg: .*longitude and latitude.*netconvert"):
        drive(config)


@pytest.mark.parametrize(
    ("text", "time_us"),
    [("2.5", 2_500_000), ("1:00:00", 3_600_000_000), ("-1", -1_000_000), ("x", None), ("inf", None)],
)
def test_a_time_of_sumo_is_seconds_or_a_clock_time(text, time_us):
    assert time_us_of(text) == time_us


# Names and passengers

RIDES = """<routes>
  <vType id="bus" vClass="bus"/>
  <vehicle id="b1" type="bus" depart="0" departPos="20" line="42"><route edges="A0B0 B0C0"/><stop busStop="s1" duration="5"/><stop busStop="s2" duration="5"/></vehicle>
  <vehicle id="c1" depart="triggered" departPos="20"><route edges="A1B1 B1C1"/></vehicle>
  <person id="rider" depart="0" departPos="60"><walk busStop="s1" edges="A0B0"/><ride busStop="s2" lines="42"/><walk edges="B0C0"/></person>
  <person id="driver" depart="0" departPos="20"><ride from="A1B1" to="B1C1" lines="c1"/></person>
  <person id="walker" depart="0" departPos="5"><walk edges="A0A1"/></person>
</routes>"""
BUS_STOPS = '<additional><busStop id="s1" lane="A0B0_0" startPos="70" endPos="90"/><busStop id="s2" lane="B0C0_0" startPos="60" endPos="90"/></additional>'


def rides(folder, net):
    config = scene(
        folder, net, "<step-length value='0.1'/><end value='60'/><lanechange.duration value='3'/><precision value='6'/>"
    )
    (folder / "a.rou.xml").write_text(RIDES)
    (folder / "s.add.xml").write_text(BUS_STOPS)
    return config


def test_a_trace_and_its_configuration_give_the_same_road_users_with_buses_and_drivers(tmp_path, net):
    config = rides(tmp_path, net)
    run_tool("sumo", ["-c", config, "--fcd-output", "t.xml", "--seed", "1"], tmp_path)
    replayed = FcdMobility(tmp_path / "t.xml", Names())
    rode = set()
    with drive(config) as driven:
        for time_us in range(0, 50_000_000, 1_000_000):
            a, b = driven.snapshot(time_us), replayed.snapshot(time_us)
            who = {driven.name_of(int(agent)) for agent in a.agent}
            assert who == {replayed.name_of(int(agent)) for agent in b.agent}, time_us
            rode |= {"person:rider", "person:driver"} - who
        subjects = [{notice.subject: notice.count for notice in source.notices()} for source in (driven, replayed)]
    assert rode == {"person:rider", "person:driver"}
    assert subjects[0]["traffic.riders"] == subjects[1]["trace.riders"] == 2


def test_a_vehicle_of_sumo_with_the_name_of_a_roadside_unit_stops_the_run(tmp_path, net):
    names = Names()
    names.register("b", "a roadside unit")
    with SumoMobility(scene(tmp_path, net), 100_000, 1, names) as traffic:
        traffic.snapshot(0)
        with pytest.raises(
            MobilityError, match=r"c\.sumocfg: at 2 s: a vehicle and a roadside unit have the same name 'b'"
        ):
            traffic.snapshot(2_000_000)


def test_a_vehicle_of_sumo_named_like_a_person_is_refused_with_both(tmp_path, net):
    config = scene(tmp_path, net)
    (tmp_path / "a.rou.xml").write_text(
        '<routes><vehicle id="person:1" depart="0"><route edges="A0B0"/></vehicle><person id="1" depart="1"><walk edges="A0A1"/></person></routes>'
    )
    with (
        drive(config) as traffic,
        pytest.raises(MobilityError, match=r"the person '1' and a vehicle have the same name 'person:1'"),
    ):
        traffic.snapshot(2_000_000)


def test_a_name_that_sumo_uses_again_for_a_truck_is_another_road_user(tmp_path, net):
    config = scene(tmp_path, net)
    (tmp_path / "a.rou.xml").write_text(
        '<routes><vType id="lorry" vClass="truck"/><vehicle id="x" depart="0" departPos="100"><route edges="A0B0"/></vehicle></routes>'
    )
    (tmp_path / "more.rou.xml").write_text(
        '<routes><vehicle id="y" depart="40"><route edges="B0C0"/></vehicle><vehicle id="x" type="lorry" depart="60"><route edges="A0B0"/></vehicle></routes>'
    )
    config.write_text(
        config.read_text()
        .replace('"a.rou.xml"', '"a.rou.xml,more.rou.xml"')
        .replace("</conf", "<route-steps value='10'/></conf")
    )
    with drive(config, 1_000_000) as traffic:
        first, later = traffic.snapshot(0), traffic.snapshot(62_000_000)
        assert [traffic.name_of(int(a)) for s in (first, later) for a in s.agent] == ["x", "x#2"]
        assert traffic.sumo_name_of(int(later.agent[0])) == "x"
        assert later.boxes.size_m[0, 0] != first.boxes.size_m[0, 0]
        assert "traffic.names_used_again" in {notice.subject for notice in traffic.notices()}


def test_the_names_of_vehicles_that_have_left_are_forgotten(tmp_path, net, monkeypatch):
    monkeypatch.setattr(sumo, "_SPARE_NAMES", -2)
    config = scene(tmp_path, net)
    (tmp_path / "a.rou.xml").write_text(
        '<routes><vehicle id="x" depart="0" departPos="100"><route edges="A0B0"/></vehicle><vehicle id="y" depart="60"><route edges="B0C0"/></vehicle></routes>'
    )
    with drive(config, 1_000_000) as traffic:
        traffic.snapshot(0)
        later = traffic.snapshot(62_000_000)
        assert set(traffic._sumo_names) == {int(later.agent[0])}
        assert traffic.sumo_name_of(int(later.agent[0])) == "y"


def test_containers_of_sumo_are_left_out_and_reported(tmp_path, net):
    config = scene(tmp_path, net)
    (tmp_path / "a.rou.xml").write_text(
        '<routes><vehicle id="a" depart="0"><route edges="A0B0"/></vehicle>'
        '<container id="k" depart="0"><stop edge="A0B0" endPos="20" duration="100"/></container></routes>'
    )
    assert "a.rou.xml" in notices(config)["sumo.containers"].text


def test_only_the_steps_of_the_run_count_after_the_end_of_a_configuration(tmp_path, net):
    with drive(scene(tmp_path, net, "<end value='1'/>")) as traffic:
        traffic.warm_up(5_000_000)
        for time_us in (5_000_000, 5_100_000, 5_200_000):
            traffic.snapshot(time_us)
        assert {notice.subject: notice.count for notice in traffic.notices()}["sumo.after_end"] == 3


def test_an_error_of_sumo_names_the_users_configuration_and_not_the_copy(tmp_path, net):
    with pytest.raises(MobilityError, match="sun-shine") as error:
        drive(scene(tmp_path, net, "<sun-shine value='1'/>"))
    assert "run.sumocfg" not in str(error.value)


def test_lanes_whose_lengths_do_not_fit_their_shapes_are_reported(tmp_path, net):
    assert "traffic.speeds" not in notices(scene(tmp_path / "plain", net), step_us=500_000, until_us=0)
    config = scene(
        tmp_path / "odd", re.sub(rb'length="\d+\.\d+" (shape="[-\d.,]+ [-\d.,]+")', rb'length="900" \1', net)
    )
    with drive(config, 500_000) as traffic:
        for time_us in range(0, 20_000_000, 500_000):
            traffic.snapshot(time_us)
        found = {notice.subject: notice.text for notice in traffic.notices()}
    assert "whether the lengths of lanes fit their shapes" in found["traffic.speeds"]


@pytest.mark.parametrize("option", ["--save-configuration.relative", "--save-commented"])
def test_a_configuration_that_sumo_wrote_itself_runs(tmp_path, net, option):
    scene(tmp_path, net)
    (tmp_path / "a.rou.xml").rename(tmp_path / "a b.rou.xml")
    files = ["-n", "n.net.xml", "-r", "a b.rou.xml", "-a", "s.add.xml"]
    run_tool("sumo", [*files, "--save-configuration", "own.sumocfg", option], tmp_path)
    assert departs(tmp_path / "own.sumocfg")


def test_a_net_file_that_is_no_network_is_refused_with_what_it_is(tmp_path):
    (tmp_path / "a.xml").write_text("<!-- <net/> --><routes/>")
    (tmp_path / "c.sumocfg").write_text("<configuration><net-file value='a.xml'/></configuration>")
    with pytest.raises(
        MobilityError, match=r"c\.sumocfg: net-file names a\.xml, .* root element is <routes>, not <net>"
    ):
        safe_config(tmp_path / "c.sumocfg", tmp_path)


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("fcd-export", r"name it in traffic\.fcd"),
        ("net", "net-file"),
        ("routes", "route-files"),
        ("other", "<configuration>$"),
    ],
)
def test_another_file_of_sumo_in_place_of_a_configuration_is_refused_with_its_place(tmp_path, root, words):
    (tmp_path / "c.sumocfg").write_text(f"<{root}/>")
    with pytest.raises(MobilityError, match=words):
        safe_config(tmp_path / "c.sumocfg", tmp_path)
