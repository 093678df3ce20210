"""What SUMO's vehicle types say of size and speed, and whether they say it themselves."""

import gzip

import pytest

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.sumo import SumoMobility
from v2xsim.mobility.sumo_tools import run_tool
from v2xsim.mobility.sumo_type_files import VehicleTypeFiles


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    nodes = "<nodes><node id='a' x='0' y='0'/><node id='b' x='2000' y='0'/></nodes>"
    (folder / "n.nod.xml").write_text(nodes)
    edges = "<edges><edge id='e' from='a' to='b' numLanes='4' speed='{}'/></edges>"
    (folder / "e.edg.xml").write_text(edges.format(100))
    run_tool("netconvert", ["-n", "n.nod.xml", "-e", "e.edg.xml", "-o", "net.net.xml"], folder)
    return folder / "net.net.xml"


def driven(net, folder, types, users, files=(), steps=2, step_us=1_000_000):
    """The traffic of some vehicle types and of the users, and its last snapshot; `files` are additional files."""
    (folder / "d.rou.xml").write_text(f"<routes>{types}<route id='r' edges='e'/>{users}</routes>")
    additional = f"<additional-files value='{','.join(files)}'/>" if files else ""
    config = folder / "c.sumocfg"
    config.write_text(
        f"<configuration><net-file value='{net}'/>{additional}<route-files value='d.rou.xml'/></configuration>"
    )
    with SumoMobility(config, step_us, 1, Names()) as traffic:
        for step in range(steps):
            snapshot = traffic.snapshot(step * step_us)
        return traffic, snapshot, {notice.subject: notice for notice in traffic.notices()}


def car(name, kind, lane=0, **other):
    more = " ".join(f"{key}='{value}'" for key, value in other.items())
    return f"<vehicle id='{name}' type='{kind}' route='r' depart='0' departLane='{lane}' {more}/>"


def heights(net, folder, types, files=()):
    users = car("v", "t")
    return driven(net, folder, types, users, files)[1].boxes.size_m[:, 2].tolist()


@pytest.mark.parametrize(
    ("vehicle_class", "default_m", "catalogue_m"), [("truck", 2.4, 3.0), ("bus", 3.4, 3.0), ("delivery", 2.86, 2.3)]
)
def test_a_height_that_a_type_sets_counts_also_if_it_is_sumos_default(
    net, tmp_path, vehicle_class, default_m, catalogue_m
):
    plain = f"<vType id='t' vClass='{vehicle_class}'/>"
    assert heights(net, tmp_path, plain) == [catalogue_m]
    assert heights(net, tmp_path, plain.replace("/>", f" height='{default_m}'/>")) == [default_m]


def test_a_height_in_a_comment_or_of_another_type_is_not_set(net, tmp_path):
    types = (
        "<!-- <vType id='t' height='2.4'/> --><vType id='u' vClass='truck' height='2.4'/><vType id='t' vClass='truck'/>"
    )
    assert heights(net, tmp_path, types) == [3.0]


def test_a_height_of_a_type_in_a_distribution_counts(net, tmp_path):
    types = "<vTypeDistribution id='t'><vType id='x' vClass='truck' height='2.4' probability='1'/></vTypeDistribution>"
    assert heights(net, tmp_path, types) == [2.4]


def test_a_height_in_an_included_file_of_any_encoding_counts(net, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.add.xml").write_text("<additional><include href='in/b.add.xml.gz'/></additional>")
    text = "<?xml version='1.0' encoding='ISO-8859-1'?><additional><vType id='t' vClass='truck' height='2.4'><param key='Ü' value='1'/></vType></additional>"
    (tmp_path / "in" / "b.add.xml.gz").write_bytes(gzip.compress(text.encode("latin-1")))
    assert heights(net, tmp_path, "", files=("a.add.xml",)) == [2.4]


def test_sumos_own_type_may_be_given_a_height(net, tmp_path):
    types = "<vType id='DEFAULT_VEHTYPE' guiShape='passenger/van' height='1.5'/>"
    users = car("v", "DEFAULT_VEHTYPE")
    assert driven(net, tmp_path, types, users)[1].boxes.size_m[0, 2] == 1.5
    assert driven(net, tmp_path, types.replace("height", "width"), users)[1].boxes.size_m[0, 2] == 2.3


def test_files_are_read_only_up_to_the_type_that_is_wanted(tmp_path):
    (tmp_path / "a.xml").write_text("<routes><vType id='t' height='2'/></routes>")
    (tmp_path / "b.xml").write_text("<routes><vType id='u' height='2'/></routes>")
    types = VehicleTypeFiles([tmp_path / "a.xml", tmp_path / "b.xml"])
    assert types.sets("t@v1", "height")
    (tmp_path / "b.xml").unlink()
    assert not types.sets("u", "height")


def test_files_that_include_each_other_end(tmp_path):
    (tmp_path / "a.xml").write_text("<routes><include href='a.xml'/><vType id='t' width='2'/></routes>")
    assert not VehicleTypeFiles([tmp_path / "a.xml"]).sets("nobody", "height")


def test_a_type_that_is_named_like_a_bus_and_has_no_class_is_reported(net, tmp_path):
    types = "<vType id='citybus'/><vType id='truck' vClass='passenger'/><vType id='car'/><vType id='car_bus'/>"
    users = "".join(car(name, name, lane) for lane, name in enumerate(("citybus", "truck", "car", "car_bus")))
    found = driven(net, tmp_path, types, users)[2]
    assert found["sumo.classless_types"].count == 2
    assert "'car_bus', 'citybus'; set their vClass" in found["sumo.classless_types"].text


def test_a_vclass_that_sumo_does_not_know_is_reported(net, tmp_path):
    found = driven(net, tmp_path, "<vType id='t' vClass='lorry'/>", car("v", "t"))[2]
    assert "'lorry' for vType 't' is not known" in found["sumo.warnings"].text


def test_a_vclass_and_a_shape_of_two_classes_are_reported(net, tmp_path):
    types = "<vType id='t' vClass='truck' guiShape='bus'/><vType id='u' vClass='emergency' guiShape='firebrigade'/>"
    found = driven(net, tmp_path, types, car("v", "t") + car("w", "u", 1))[2]
    assert found["sumo.shapes"].count == 1
    assert "'t' (vClass truck, guiShape bus, taken as bus)" in found["sumo.shapes"].text


@pytest.mark.parametrize("size", ["height='inf'", "length='inf'", "width='nan'"])
def test_a_size_that_is_not_finite_ends_the_run(net, tmp_path, size):
    with pytest.raises(MobilityError, match=r"c\.sumocfg: at 0 s: vehicle 'v' of type 't' .* sizes must be finite"):
        driven(net, tmp_path, f"<vType id='t' {size}/>", car("v", "t"))


# Speeds


def test_a_type_that_may_drive_faster_than_usual_is_named(net, tmp_path):
    types = "<vType id='fast' maxSpeed='120'/><vType id='t'/>"
    found = driven(net, tmp_path, types, car("v", "fast") + car("w", "t", 1))[2]
    assert found["sumo.max_speeds"].count == 1
    assert "'fast' with 120 m/s (a passenger car, usually at most 69.5 m/s)" in found["sumo.max_speeds"].text


def test_a_vehicle_that_drives_faster_than_usual_is_named(net, tmp_path):
    found = driven(net, tmp_path, "<vType id='t' maxSpeed='90'/>", car("v", "t", departSpeed="85"))[2]
    assert "first 'v' at 0 s" in found["traffic.fast"].text


def test_sumos_default_types_are_not_too_fast(net, tmp_path):
    classes = ("passenger", "bus", "rail_fast", "bicycle", "truck")
    types = "".join(f"<vType id='{name}' vClass='{name}'/>" for name in classes)
    users = "".join(car(name, name, lane, departSpeed="max") for lane, name in enumerate(classes[:4]))
    found = driven(net, tmp_path, types, users)[2]
    assert not {"traffic.fast", "sumo.max_speeds"} & set(found)


@pytest.mark.parametrize(("vehicle_class", "speed_mps"), [("passenger", 150), ("truck", 90), ("bicycle", 50)])
def test_a_vehicle_at_an_impossible_speed_ends_the_run_with_its_name(net, tmp_path, vehicle_class, speed_mps):
    types = f"<vType id='t' vClass='{vehicle_class}' maxSpeed='200' speedFactor='2'/>"
    with pytest.raises(
        MobilityError, match=rf"c\.sumocfg: at 0 s: the speed of 'v' must be wrong: {speed_mps} m/s is impossible"
    ):
        driven(net, tmp_path, types, car("v", "t", departSpeed=str(speed_mps)))


def test_a_speed_beyond_what_a_vehicle_can_do_is_not_set(net, tmp_path):
    (tmp_path / "d.rou.xml").write_text(
        f"<routes><vType id='t' maxSpeed='30'/><route id='r' edges='e'/>{car('v', 't')}</routes>"
    )
    config = tmp_path / "c.sumocfg"
    config.write_text(f"<configuration><net-file value='{net}'/><route-files value='d.rou.xml'/></configuration>")
    with SumoMobility(config, 1_000_000, 1, Names()) as traffic:
        agent = int(traffic.snapshot(0).agent[0])
        traffic.set_speed(agent, 20.0)
        with pytest.raises(MobilityError, match=r"v cannot be set: 140 m/s is impossible for a passenger car"):
            traffic.set_speed(agent, 140.0)
        with pytest.raises(MobilityError, match=r"cannot be set to 40 m/s: its vehicle type has maxSpeed 30 m/s"):
            traffic.set_speed(agent, 40.0)
