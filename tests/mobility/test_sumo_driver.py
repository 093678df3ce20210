"""Traffic that SUMO drives."""

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from v2xsim.errors import UserError
from v2xsim.mobility.base import MobilityError, Names
from v2xsim.mobility.fcd import FcdMobility
from v2xsim.mobility.sumo import LANE_CHANGE_S, SumoMobility
from v2xsim.mobility.sumo_config import safe_config
from v2xsim.mobility.sumo_tools import missing_library, run_tool
from v2xsim.scenario.schema_world import Trailer
from v2xsim.world.road_users import KINDS

BOLOGNA = Path(__file__).resolve().parents[3] / "shared" / "scenes" / "bologna_acosta"
STEP_US = 100_000

ROUTES = """<routes>
  <vType id="car" vClass="passenger" length="4.5"/>
  <vType id="van" vClass="passenger" guiShape="passenger/van" length="5.2" width="1.9"/>
  <vType id="lorry" vClass="truck" length="16.5" height="3.9"/>
  <route id="east" edges="A0B0 B0C0"/>
  <route id="north" edges="A0A1 A1A2"/>
  <person id="still" depart="0"><walk edges="A0A1 A1A2"/></person>
  <vehicle id="still" type="car" route="east" depart="0" departPos="50"><stop lane="A0B0_1" endPos="50.5" startPos="40" duration="100"/></vehicle>
  <vehicle id="lorry" type="lorry" route="north" depart="0" departPos="60" departSpeed="10"/>
  <vehicle id="van" type="van" route="north" depart="2" departPos="20" departSpeed="5"/>
</routes>"""


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    run_tool(
        "netgenerate",
        ["--grid", "--grid.number", "3", "--grid.length", "150", "--sidewalks.guess", "--default.sidewalk-width", "2", "--crossings.guess",
         "--offset.disable-normalization", "true", "-o", "grid.net.xml"],
        folder,
    )  # fmt: skip
    return folder / "grid.net.xml"


@pytest.fixture
def scene(net, tmp_path):
    """A scene as people keep them: configuration, network and outputs in folders of their own."""
    for name in ("config", "net", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "net" / "grid.net.xml").write_bytes(net.read_bytes())
    (tmp_path / "demand.rou.xml").write_text(ROUTES)
    (tmp_path / "config" / "detectors.add.xml").write_text(
        '<additional><!-- <edgeData id="x" file="old.xml"/> -->'
        '<inductionLoop id="d" lane="A0A1_1" pos="70" period="1" file="../out/loop.xml"/>'
        f'<edgeData id="e" file="{tmp_path}/out/edges.xml"/></additional>'
    )
    config = tmp_path / "config" / "run.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="../net/grid.net.xml"/><route-files value="../demand.rou.xml"/>'
        '<additional-files value="detectors.add.xml"/></input>'
        f'<output><tripinfo-output value="{tmp_path}/out/trips.xml"/><fcd-output value="fcd.xml"/><summary value="{tmp_path}/out/summary.xml"/></output>'
        '<report><log value="log.txt"/></report></configuration>'
    )
    return config


def drive(config, names=None, step_us=STEP_US, seed=1):
    return SumoMobility(config, step_us, seed, names or Names())


def named(traffic, snapshot):
    return {traffic.name_of(int(agent)): row for row, agent in enumerate(snapshot.agent)}


def test_a_vehicle_stands_on_its_departure_position_with_its_centre_half_a_length_behind(scene, net):
    with drive(scene) as traffic:
        snapshot = traffic.snapshot(0)
        row = named(traffic, snapshot)["lorry"]
    lanes = {lane.get("id"): lane.get("shape") for lane in ET.parse(net).iter("lane")}
    x_m, y_m = (float(part) for part in lanes["A0A1_1"].split()[0].split(","))
    # The street runs north: the front bumper is 60 m up its lane, and half the length of the lorry behind it the centre.
    np.testing.assert_allclose(snapshot.boxes.center_m[row], [x_m, y_m + 60 - 16.5 / 2, 0.0], atol=1e-3)
    assert snapshot.boxes.size_m[row].tolist() == [16.5, 2.4, 3.9]
    assert snapshot.boxes.yaw_rad[row] == pytest.approx(np.pi / 2)
    assert snapshot.antenna_height_m[row] == 3.9


def test_the_velocity_is_the_way_made_from_step_to_step(scene):
    with drive(scene) as traffic:
        traffic.warm_up(3_000_000)
        before, after = traffic.snapshot(3_000_000), traffic.snapshot(3_100_000)
        row = named(traffic, after)["lorry"]
    moved = (after.boxes.center_m[row, :2] - before.boxes.center_m[row, :2]) / 0.1
    np.testing.assert_allclose(after.velocity_mps[row], moved, atol=0.3)
    assert after.velocity_mps[row, 1] > 5


def test_a_lane_change_takes_its_time_and_is_no_jump(tmp_path):
    roads = ["--grid", "--grid.number", "2", "--grid.length", "300", "--default.lanenumber", "2", "-o", "net.net.xml"]
    run_tool("netgenerate", roads, tmp_path)
    # It starts on the right lane and has to stop on the left one.
    (tmp_path / "demand.rou.xml").write_text(
        '<routes><route id="north" edges="A0A1"/><vehicle id="changer" route="north" depart="0" departLane="0" departSpeed="10">'
        '<stop lane="A0A1_1" endPos="200" duration="5"/></vehicle></routes>'
    )
    config = tmp_path / "run.sumocfg"
    config.write_text(
        '<configuration><input><net-file value="net.net.xml"/><route-files value="demand.rou.xml"/></input></configuration>'
    )
    with drive(config) as traffic:
        x_m = [traffic.snapshot(time_us).boxes.center_m[0, 0] for time_us in range(0, 10_000_000, STEP_US)]
    assert x_m[0] - x_m[-1] == pytest.approx(3.2, abs=0.2)  # lanes are 3.2 m wide
    assert np.abs(np.diff(x_m)).max() < 2 * 3.2 * 0.1 / LANE_CHANGE_S


def test_a_van_is_told_by_its_shape_and_a_pedestrian_by_being_a_person(scene):
    with drive(scene) as traffic:
        traffic.warm_up(3_000_000)
        snapshot = traffic.snapshot(3_000_000)
        rows = named(traffic, snapshot)
    assert KINDS[snapshot.kind[rows["van"]]] == "van"
    assert snapshot.boxes.size_m[rows["van"]].tolist() == [5.2, 1.9, 2.3]
    assert KINDS[snapshot.kind[rows["person:still"]]] == "pedestrian"
    assert "still" in rows


def test_nothing_is_written_where_the_scene_lies(scene):
    root = scene.parent.parent
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    with drive(scene) as traffic:
        traffic.warm_up(20_000_000)
        traffic.snapshot(20_000_000)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_sumo_prints_nothing_on_the_console(scene, capfd):
    with drive(scene) as traffic:
        traffic.warm_up(5_000_000)
    with pytest.raises(MobilityError):
        drive(scene.parent / "none.sumocfg")
    assert capfd.readouterr() == ("", "")


def test_a_replayed_trace_shows_what_sumo_drove(scene, tmp_path):
    run_tool(
        "sumo",
        ["-n", tmp_path / "net" / "grid.net.xml", "-r", tmp_path / "demand.rou.xml", "--fcd-output", "t.fcd.xml", "--end",
         "8", "--step-length", "0.1", "--seed", "1", "--precision", "6", "--lanechange.duration", "3"],
        tmp_path,
    )  # fmt: skip
    replayed = FcdMobility(tmp_path / "t.fcd.xml", Names())
    with drive(scene) as driven:
        for time_us in range(0, 7_000_000, 500_000):
            a, b = driven.snapshot(time_us), replayed.snapshot(time_us)
            rows_a, rows_b = named(driven, a), named(replayed, b)
            assert rows_a.keys() == rows_b.keys()
            # The trace does not say how long a vehicle is: compare bumpers, which it does record.
            for name in rows_a:
                for axis, turn in ((0, np.cos), (1, np.sin)):
                    fronts = [
                        s.boxes.center_m[r, axis] + 0.5 * s.boxes.size_m[r, 0] * turn(s.boxes.yaw_rad[r])
                        for s, r in ((a, rows_a[name]), (b, rows_b[name]))
                    ]
                    assert fronts[0] == pytest.approx(fronts[1], abs=1e-4)
                np.testing.assert_allclose(a.velocity_mps[rows_a[name]], b.velocity_mps[rows_b[name]], atol=1e-4)


def test_the_same_seed_drives_the_same_traffic_twice_in_one_process(scene):
    runs = []
    for _ in range(2):
        with drive(scene, seed=2**40) as traffic:
            traffic.warm_up(9_000_000)
            runs.append(traffic.snapshot(9_000_000))
    np.testing.assert_array_equal(runs[0].boxes.center_m, runs[1].boxes.center_m)
    np.testing.assert_array_equal(runs[0].agent, runs[1].agent)


def test_a_second_simulation_at_once_is_refused_and_one_after_the_other_is_not(scene):
    with drive(scene), pytest.raises(MobilityError, match="one simulation per process"):
        drive(scene)
    drive(scene).close()


def test_warming_up_or_stepping_arrives_at_the_same_traffic(scene):
    with drive(scene) as traffic:
        traffic.warm_up(4_000_000)
        jumped = traffic.snapshot(4_000_000)
    with drive(scene) as traffic:
        for time_us in range(0, 4_000_001, STEP_US):
            stepped = traffic.snapshot(time_us)
    np.testing.assert_array_equal(np.sort(jumped.boxes.center_m, axis=0), np.sort(stepped.boxes.center_m, axis=0))


def test_a_warm_up_reports_the_traffic_time(scene):
    told = []
    with drive(scene) as traffic:
        traffic.warm_up(12_000_000, told.append)
    assert told == [5_000_000, 10_000_000, 12_000_000]


def test_traffic_before_the_configurations_begin_is_refused(scene):
    scene.write_text(scene.read_text().replace("</configuration>", '<time><begin value="2"/></time></configuration>'))
    with drive(scene) as traffic:
        with pytest.raises(MobilityError, match=r"begins at 2 s.*run\.begin_s"):
            traffic.snapshot(0)
        assert "van" in named(traffic, traffic.snapshot(2_000_000))


def test_an_instant_between_steps_is_refused(scene):
    with drive(scene) as traffic, pytest.raises(MobilityError, match="whole number of steps"):
        traffic.snapshot(150_000)


def test_a_step_of_a_fraction_of_a_millisecond_is_refused(scene):
    with pytest.raises(MobilityError, match="whole number of milliseconds"):
        drive(scene, step_us=10_500)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("../net/grid.net.xml", "../net/none.net.xml", "does not exist"),
        ("../demand.rou.xml", "../net/grid.net.xml,nowhere.rou.xml", "does not exist"),
        ("<configuration>", "<configuration><sun-shine value='1'/>", "sun-shine"),
        ("</configuration>", "", "not valid XML"),
        ("configuration>", "routes>", "root element is <routes>"),
    ],
)
def test_a_configuration_that_cannot_run_is_refused_with_file_and_reason(scene, old, new, reason):
    scene.write_text(scene.read_text().replace(old, new))
    with pytest.raises(MobilityError, match=reason) as error:
        drive(scene)
    assert "run.sumocfg" in str(error.value)


def test_sumos_own_reason_is_passed_on(scene):
    (scene.parent.parent / "demand.rou.xml").write_text(ROUTES.replace("A0B0 B0C0", "A0B0 nowhere"))
    with pytest.raises(MobilityError, match="nowhere"), drive(scene) as traffic:
        traffic.warm_up(5_000_000)
    drive_again = scene.parent.parent / "demand.rou.xml"
    drive_again.write_text(ROUTES)
    drive(scene).close()


def test_detectors_of_a_scene_write_into_the_temporary_folder(scene, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    safe_config(scene, folder)
    (copy,) = folder.glob("*detectors.add.xml")
    assert "../out" not in copy.read_text()
    assert f"{tmp_path}/out/" not in copy.read_text()


@pytest.mark.parametrize(
    ("library", "package"), [("libatomic.so.1", "libatomic1"), ("libX11.so.6", "libx11-6"), ("libGL.so.1", "libgl1")]
)
def test_a_missing_system_library_is_named_with_its_package(library, package):
    text = f"{library}: cannot open shared object file: No such file or directory"
    assert f"apt-get install {package}" in (missing_library(text) or "")


@pytest.mark.slow
@pytest.mark.skipif(not BOLOGNA.is_dir(), reason="the Bologna scene is not beside this checkout")
def test_the_morning_peak_of_bologna_drives_and_its_folder_stays_as_it_was():
    before = sorted(os.listdir(BOLOGNA))
    with drive(BOLOGNA / "run.sumocfg", step_us=500_000) as traffic:
        traffic.warm_up(300_000_000)
        snapshot = traffic.snapshot(300_000_000)
        later = traffic.snapshot(300_500_000)
    assert len(snapshot) > 400
    assert {KINDS[kind] for kind in snapshot.kind} >= {"passenger", "van", "bus"}
    same, a, b = np.intersect1d(snapshot.agent, later.agent, return_indices=True)
    assert len(same) > 350
    moved = (later.boxes.center_m[b, :2] - snapshot.boxes.center_m[a, :2]) / 0.5
    assert np.median(np.linalg.norm(moved - later.velocity_mps[b], axis=1)) < 0.3
    assert sorted(os.listdir(BOLOGNA)) == before


def test_a_network_beyond_every_map_projection_is_refused_with_the_repair(net, tmp_path):
    run_tool("netconvert", ["-s", net, "--offset.x", "2e8", "-o", "far.net.xml"], tmp_path)
    config = tmp_path / "far.sumocfg"
    config.write_text('<configuration><net-file value="far.net.xml"/></configuration>')
    with pytest.raises(MobilityError, match=r"far\.sumocfg: .* within 100,000,000 m .*--offset\.x"):
        SumoMobility(config, STEP_US, 1, Names())


def turning(scene):
    """Let the lorry turn right at a junction, and return the configuration."""
    demand = scene.parent.parent / "demand.rou.xml"
    demand.write_text(ROUTES.replace('edges="A0A1 A1A2"/>\n  <person', 'edges="A0A1 A1B1"/>\n  <person'))
    return scene


def test_the_trailer_of_a_long_lorry_follows_a_turn_as_the_tail_that_sumo_has(scene):
    with drive(turning(scene)) as traffic:
        lorry, angles, away_m = None, [], []
        for step in range(200):
            snapshot = traffic.snapshot(step * STEP_US)
            if lorry is None and len(snapshot.parts):
                lorry = int(snapshot.agent[snapshot.parts.owner[0]])
            if len(snapshot.parts) != 2:
                continue
            parts, row = snapshot.parts.boxes, snapshot.parts.owner[0]
            angles.append(abs(np.angle(np.exp(1j * np.diff(parts.yaw_rad)[0]))))
            tails = [
                box.center_m[n, :2] - box.size_m[n, 0] / 2 * np.array([np.cos(box.yaw_rad[n]), np.sin(box.yaw_rad[n])])
                for box, n in ((parts, 1), (snapshot.boxes, row))
            ]
            away_m.append(np.hypot(*(tails[0] - tails[1])))
        subjects = {notice.subject for notice in traffic.notices()}
    assert traffic.name_of(lorry) == "lorry"
    # It turns by 90 degrees. SUMO's tail stays on the lane, and a trailer cuts the corner, the more so since lorries cannot turn as
    # tightly as SUMO's lanes do.
    assert np.degrees(max(angles)) > 15.0
    assert 1.0 < max(away_m) < 5.0
    assert away_m[0] == pytest.approx(0.0, abs=1e-6)
    assert "traffic.straightened" not in subjects


def test_a_scenario_gives_the_trailers_of_vehicle_types(scene):
    with SumoMobility(scene, STEP_US, 1, Names(), trailers={"lorry": "none", "lory": "none"}) as traffic:
        assert len(traffic.snapshot(0).parts) == 0
        found = {notice.subject: notice.text for notice in traffic.notices()}
    assert "no vehicle of the types 'lory' was there" in found["traffic.trailers_unused"]
    short = Trailer(length_m=9.0, hitch_m=8.0, front_height_m=3.0)
    with SumoMobility(scene, STEP_US, 1, Names(), trailers={"lorry": short}) as traffic:
        assert traffic.snapshot(0).parts.boxes.size_m[:, 2].tolist() == [3.0, 3.9]
    with (
        SumoMobility(scene, STEP_US, 1, Names(), trailers={"van": short}) as traffic,
        pytest.raises(UserError, match=r"traffic.trailers.van: trailer of 'van': must leave a front part"),
    ):
        traffic.snapshot(2_000_000)
