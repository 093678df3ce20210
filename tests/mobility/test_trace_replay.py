"""Replay of recorded traffic."""

import gzip

import numpy as np
import pytest

from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility
from v2xsim.world.road_users import KINDS

TRACE = """<fcd-export>
  <timestep time="1.00">
    <vehicle id="a" x="10.00" y="0.00" angle="90.00" type="car" speed="10.00"/>
    <vehicle id="leaver" x="0.00" y="9.00" angle="0.00" type="truck1" speed="5.00"/>
  </timestep>
  <timestep time="1.50"/>
  <timestep time="2.00">
    <vehicle id="a" x="20.00" y="0.00" angle="90.00" type="car" speed="12.00"/>
    <vehicle id="turner" x="0.00" y="50.00" angle="350.00" type="car" speed="3.00"/>
    <person id="a" x="5.00" y="5.00" angle="0.00" speed="1.00"/>
    <person id="rider" x="20.00" y="0.00" angle="0.00" speed="12.00" vehicle="a"/>
  </timestep>
  <timestep time="3.00">
    <vehicle id="turner" x="0.00" y="53.00" angle="10.00" type="car" speed="3.00"/>
  </timestep>
</fcd-export>"""


def replay(path, text=TRACE):
    path.write_text(text)
    return FcdMobility(path, Names())


@pytest.fixture
def traffic(tmp_path):
    return replay(tmp_path / "trace.xml")


def who(traffic, snapshot):
    return [traffic.name_of(int(agent)) for agent in snapshot.agent]


def test_the_front_bumper_becomes_the_centre(traffic):
    snapshot = traffic.snapshot(1_000_000)
    np.testing.assert_allclose(snapshot.boxes.center_m[0], [7.5, 0.0, 0.0])
    np.testing.assert_allclose(snapshot.boxes.yaw_rad, [0.0, np.pi / 2], atol=1e-12)


def test_between_samples_a_road_user_moves_linearly(traffic):
    snapshot = traffic.snapshot(1_300_000)
    np.testing.assert_allclose(snapshot.boxes.center_m, [[10.5, 0.0, 0.0]])
    np.testing.assert_allclose(snapshot.velocity_mps, [[10.6, 0.0]])


def test_who_is_not_in_the_next_sample_is_gone_after_its_last(traffic):
    assert who(traffic, traffic.snapshot(1_000_000)) == ["a", "leaver"]
    assert who(traffic, traffic.snapshot(1_000_001)) == ["a"]


def test_a_turn_over_north_goes_the_short_way(traffic):
    assert traffic.snapshot(2_500_000).boxes.yaw_rad[0] == pytest.approx(np.pi / 2)


def test_a_turn_over_west_where_yaw_jumps_by_a_full_turn_goes_the_short_way(tmp_path):
    text = TRACE.replace('angle="350.00"', 'angle="260.00"').replace('angle="10.00"', 'angle="280.00"')
    assert replay(tmp_path / "t.xml", text).snapshot(2_500_000).boxes.yaw_rad[0] == pytest.approx(np.pi)


def test_a_person_is_a_pedestrian_of_its_own_even_if_a_vehicle_has_its_id(traffic):
    snapshot = traffic.snapshot(2_000_000)
    assert who(traffic, snapshot) == ["a", "turner", "person:a"]
    assert KINDS[snapshot.kind[2]] == "pedestrian"


def test_the_type_tells_a_truck(traffic):
    assert KINDS[traffic.snapshot(1_000_000).kind[1]] == "truck"


@pytest.mark.parametrize("time_us", [0, 999_999])
def test_nobody_is_there_before_the_first_sample(traffic, time_us):
    assert len(traffic.snapshot(time_us)) == 0


def test_nobody_is_there_after_the_last_sample(traffic):
    traffic.snapshot(2_900_000)
    assert len(traffic.snapshot(3_000_000)) == 1
    assert len(traffic.snapshot(3_100_000)) == 0


def test_measuring_after_the_end_of_the_trace_is_refused(traffic):
    with pytest.raises(MobilityError, match=r"ends at 3 s.*run\.begin_s"):
        traffic.snapshot(60_000_000)


def test_instants_must_rise(traffic):
    traffic.snapshot(2_000_000)
    with pytest.raises(ValueError, match="must rise"):
        traffic.snapshot(1_000_000)


def test_the_bounds_hold_every_position(traffic):
    assert traffic.bounds == pytest.approx((-0.434, -0.0, 17.5, 50.6), abs=8.0)
    assert traffic.bounds[2] == 17.5


def test_a_trace_without_speeds_gets_them_from_the_way(tmp_path):
    traffic = replay(tmp_path / "t.xml", TRACE.replace('speed="10.00"', "").replace('speed="12.00"', ""))
    np.testing.assert_allclose(traffic.snapshot(1_000_000).velocity_mps[0], [10.0, 0.0])


def test_clock_times_are_read(tmp_path):
    traffic = replay(tmp_path / "t.xml", TRACE.replace('time="1.00"', 'time="00:00:01"'))
    assert len(traffic.snapshot(1_000_000)) == 2


def test_a_packed_trace_replays_like_a_plain_one(tmp_path, traffic):
    (tmp_path / "t.xml.gz").write_bytes(gzip.compress(TRACE.encode()))
    packed = FcdMobility(tmp_path / "t.xml.gz", Names())
    np.testing.assert_array_equal(packed.snapshot(1_700_000).boxes.center_m, traffic.snapshot(1_700_000).boxes.center_m)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("junk", "not valid XML"),
        ("<routes/>", "root element is <routes>"),
        ("<fcd-export/>", "no vehicle"),
        ("<fcd-export><timestep time='0'><vehicle id='a'", "not valid XML"),
        ("<fcd-export><timestep><vehicle/></timestep></fcd-export>", "needs a time"),
        ("<fcd-export><timestep time='x'/></fcd-export>", "needs a time"),
        (
            "<fcd-export><timestep time='0'><vehicle id='a' y='1' angle='0'/></timestep></fcd-export>",
            "no attribute 'x'",
        ),
        ("<fcd-export><timestep time='0'><vehicle id='a' x='q' y='1' angle='0'/></timestep></fcd-export>", "malformed"),
        ("<fcd-export><timestep time='0'><vehicle id='a' x='inf' y='1' angle='0'/></timestep></fcd-export>", "finite"),
        ("<fcd-export><timestep time='2'/><timestep time='1'/></fcd-export>", "must rise"),
        ("<!DOCTYPE fcd-export [<!ENTITY a 'b'>]><fcd-export/>", "document type"),
    ],
)
def test_a_damaged_trace_is_refused_with_file_and_reason(tmp_path, text, reason):
    with pytest.raises(MobilityError, match=reason) as error:
        replay(tmp_path / "t.xml", text)
    assert "t.xml" in str(error.value)


def test_a_trace_cut_short_in_its_packing_is_refused(tmp_path):
    path = tmp_path / "t.xml.gz"
    path.write_bytes(gzip.compress(TRACE.encode())[:-30])
    with pytest.raises(MobilityError, match="damaged gzip"):
        FcdMobility(path, Names()).snapshot(3_000_000)


def test_a_missing_trace_and_a_folder_are_refused(tmp_path):
    with pytest.raises(MobilityError, match="cannot be read"):
        FcdMobility(tmp_path / "none.xml", Names())
    with pytest.raises(MobilityError, match="is a folder"):
        FcdMobility(tmp_path, Names())
