"""The graph of links: a scripted scene whose values are worked out by hand, and laws that hold in every graph."""

import subprocess
import sys

import networkx as nx
import numpy as np
import pytest

import v2xsim
from v2xsim.comms.relay.lifetime import LOOK_S
from v2xsim.link_graph import LinkScene, link_graph
from v2xsim.records import LOS
from v2xsim.scenario.schema import Scenario

TRUE = (
    "state",
    "distance_m",
    "loss_db",
    "shadowing_db",
    "power_dbm",
    "snr_db",
    "delivery",
    "unfaded_delivery",
    "lifetime_s",
)
BELIEVED = ("believed_delivery", "believed_snr_db")


def mast(name, x, y, height_m):
    return {"id": name, "position_m": [x, y], "height_m": height_m, "lidar": False}


def drive(name, start, end, seconds, **settings):
    return {"id": name, "waypoints": [[0, *start], [seconds, *end]], **settings}


# Three places out of each other's range. In the first, a truck drives at 10 m/s between two masts; in the second, a car drives away
# from a mast at 20 m/s; in the third, a car drives at 10 m/s behind a building.
SCENE = {
    "name": "three-ends", "run": {"duration_s": 3.6, "step_s": 0.1},
    "world": {"buildings": [{"footprint_m": [[40, -290], [60, -290], [60, -250], [40, -250]], "height_m": 10.0}]},
    "traffic": {"script": [
        drive("truck", (50, -30), (50, 70), 10, kind="truck", size_m=[10.0, 2.5, 3.0]),
        drive("runner", (100, 210), (300, 210), 10),
        drive("dasher", (80, -320), (80, -220), 10),
    ]},
    "stations": {
        "penetration": 0.0, "include": ["runner", "dasher"],
        "roadside": [mast("west", 0, 0, 1.5), mast("east", 100, 0, 1.5), mast("north", 0, 210, 1.6), mast("south", 0, -300, 1.6)],
    },
    "lidars": {"count": 0},
    "radio": {"range_m": 200.0, "shadowing": False, "propagation": {"vehicle_blockage": "knife_edges"}},
    "errors": {"gnss_sigma_m": 0.5},
}  # fmt: skip


@pytest.fixture(scope="module")
def graphs():
    """Return the graph of each tick of the scene, by the tick's number."""
    with v2xsim.Simulation(Scenario.model_validate(SCENE)) as sim:
        return [sim.graph() for _ in sim]


def urban_los_db(distance_m):
    return 38.77 + 16.7 * np.log10(distance_m) + 18.2 * np.log10(5.9)


def urban_building_db(distance_m):
    return 36.85 + 30.0 * np.log10(distance_m) + 18.9 * np.log10(5.9)


def test_nodes_are_the_stations_with_their_true_and_believed_state(graphs):
    graph = graphs[10]
    assert (graph.graph["time_s"], graph.graph["time_us"]) == (1.0, 1_000_000)
    assert set(graph) == {"west", "east", "north", "south", "runner", "dasher"}
    runner = graph.nodes["runner"]
    assert [runner[name] for name in ("x_m", "y_m", "yaw_rad", "vx_mps", "vy_mps")] == pytest.approx(
        [120, 210, 0, 20, 0]
    )
    # The antenna of a car is on its roof, in the middle.
    assert [runner[name] for name in ("antenna_x_m", "antenna_y_m", "antenna_m")] == pytest.approx([120, 210, 1.6])
    error_m = np.hypot(runner["believed_x_m"] - runner["x_m"], runner["believed_y_m"] - runner["y_m"])
    assert 0.01 < error_m < 5.0
    assert [graph.nodes["west"][name] for name in ("antenna_m", "lidars", "is_ego", "vx_mps")] == [1.5, 0, False, 0]


def test_only_pairs_in_range_have_edges_one_in_each_direction(graphs):
    pairs = {("west", "east"), ("north", "runner"), ("south", "dasher")}
    assert set(graphs[10].edges) == pairs | {(other, one) for one, other in pairs}


def test_a_clear_link_loses_what_the_path_loss_says_and_delivers_the_error_curve(graphs):
    link = graphs[0].edges["west", "east"]
    assert link["state"] == "LOS"
    assert link["distance_m"] == pytest.approx(100.0)
    assert link["loss_db"] == pytest.approx(urban_los_db(100.0), abs=1e-4)
    assert link["shadowing_db"] == 0.0
    assert link["power_dbm"] == pytest.approx(23.0 - urban_los_db(100.0), abs=1e-4)
    # Noise of 10 MHz at 290 K and 9 dB. MCS 2 has 6 Mb/s: Eb/N0 is 2.2 dB above the SNR, 34 dB, where the error rate is 0.12 %.
    assert link["snr_db"] == pytest.approx(link["power_dbm"] + 173.975 - 70.0 - 9.0, abs=0.01)
    assert link["delivery"] == pytest.approx(0.9988, abs=1e-4)


def test_a_truck_ends_a_link_when_its_front_reaches_the_line(graphs):
    # Its front is 5 m before its centre, so 25 m before the line at first: 2.5 s at 10 m/s.
    for tick in range(25):
        assert graphs[tick].edges["west", "east"]["lifetime_s"] == pytest.approx(2.5 - 0.1 * tick, abs=1e-6)
        assert graphs[tick].edges["west", "east"]["state"] == "LOS"
    blocked = graphs[30].edges["west", "east"]
    assert (blocked["state"], blocked["lifetime_s"]) == ("NLOSv", 0.0)
    # A truck of 3 m between antennas of 1.5 m costs more than a van of 2 m, which costs 11.29 dB.
    assert blocked["loss_db"] > urban_los_db(100.0) + 15.0
    # When it has passed, 3.5 s after the start, nothing ends the link any more.
    assert graphs[35].edges["west", "east"]["lifetime_s"] == np.inf


def test_a_link_ends_at_the_range_of_the_radio(graphs):
    # From 100 m to 200 m at 20 m/s.
    for tick in (0, 5, 20):
        assert graphs[tick].edges["north", "runner"]["lifetime_s"] == pytest.approx(5.0 - 0.1 * tick, abs=1e-6)


def test_a_link_ends_at_the_corner_of_a_building_and_is_lost_behind_it(graphs):
    # The line from the mast to the car reaches the corner (60, -290) when the car is 10 m / 60 m x 80 m north of the mast.
    end_s = (20.0 + 10.0 / 60.0 * 80.0) / 10.0
    for tick in (0, 5, 20, 33):
        assert graphs[tick].edges["south", "dasher"]["lifetime_s"] == pytest.approx(end_s - 0.1 * tick, abs=1e-6)
        assert graphs[tick].edges["south", "dasher"]["state"] == "LOS"
    hidden = graphs[34].edges["south", "dasher"]
    assert (hidden["state"], hidden["lifetime_s"]) == ("NLOSb", 0.0)
    assert hidden["loss_db"] == pytest.approx(urban_building_db(hidden["distance_m"]), abs=1e-4)
    assert hidden["delivery"] < graphs[33].edges["south", "dasher"]["delivery"]


def test_what_will_not_be_seen_within_the_horizon_does_not_end_a_link():
    slow = {**SCENE, "run": {"duration_s": 0.1, "step_s": 0.1}}
    slow["traffic"] = {
        "script": [drive("truck", (50, -30), (50, -30 + LOOK_S), 10, kind="truck", size_m=[10.0, 2.5, 3.0])]
    }
    slow["stations"] = {**SCENE["stations"], "include": []}
    with v2xsim.Simulation(Scenario.model_validate(slow)) as sim:
        sim.step()
        assert sim.graph().edges["west", "east"]["lifetime_s"] == np.inf


def test_nothing_is_believed_before_the_first_packet_and_the_snr_after_some(graphs):
    for _, _, link in graphs[0].edges(data=True):
        assert [link[name] for name in BELIEVED] == [0.0, -np.inf]
    for pair in (("west", "east"), ("east", "west")):
        link = graphs[24].edges[pair]
        # In steps of 0.5 dB, on a link that does not change; of ten packets, the first begins at one half.
        assert link["believed_snr_db"] == pytest.approx(link["snr_db"], abs=0.2501)
        assert link["believed_delivery"] > 0.85


def test_a_belief_falls_behind_a_link_that_dies():
    power = {**SCENE, "radio": {**SCENE["radio"], "tx_power_dbm": 5.0}}
    with v2xsim.Simulation(Scenario.model_validate(power)) as sim:
        found = [sim.graph().edges["south", "dasher"] for _ in sim]
    # The building costs 24 dB from tick 34 on; the receivers do not know it yet.
    assert (found[33]["delivery"] > 0.5, found[34]["delivery"]) == (True, 0.0)
    assert found[34]["believed_delivery"] > 0.5
    assert found[34]["believed_snr_db"] > found[34]["snr_db"] + 10.0


# Laws


FADING = [
    "run.duration_s=1.0", "lidars.model=beam16", "record.clouds_every_s=0", "errors.gnss_sigma_m=0.5",
    "radio.propagation.fading=nakagami",
]  # fmt: skip


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    """Return the graphs of a stepped run with fading among buildings, and the folder of the run."""
    folder = tmp_path_factory.mktemp("streets")
    with v2xsim.Simulation(v2xsim.load("urban_grid", FADING), out=folder) as sim:
        found = {instant.time_s: sim.graph() for instant in sim}
        sim.results()
    return found, folder


def test_true_values_are_equal_in_both_directions_and_believed_ones_are_not(streets):
    found, _ = streets
    differs = 0
    for graph in found.values():
        assert graph.number_of_edges() > 100
        for sender, receiver, link in graph.edges(data=True):
            back = graph.edges[receiver, sender]
            assert [link[name] for name in TRUE] == [back[name] for name in TRUE]
            differs += any(link[name] != back[name] for name in BELIEVED)
    assert differs > 100


def test_the_graph_of_the_run_folder_equals_that_of_the_stepped_run_at_every_tick(streets):
    found, folder = streets
    run = v2xsim.open(folder)
    for time_s, graph in found.items():
        again = run.graph(time_s)
        assert again.graph == graph.graph
        assert list(again.nodes(data=True)) == list(graph.nodes(data=True))
        assert list(again.edges(data=True)) == list(graph.edges(data=True))


def test_an_edge_has_what_the_receiver_measured_on_the_sender(streets):
    found, folder = streets
    run = v2xsim.open(folder)
    time_s, graph = max(found.items())
    rows = [row for row in run.tables["heard"].to_pylist() if row["time_us"] == round(time_s * 1e6)]
    assert len(rows) > 20
    for row in rows:
        link = graph.edges[run.names[row["sender"]], run.names[row["station"]]]
        assert [link[name] for name in BELIEVED] == [row["share"], row["snr_db"]]
    assert sum(link["believed_delivery"] > 0 for *_, link in graph.edges(data=True)) == len(rows)


def test_the_order_of_two_ends_changes_no_lifetime(streets, monkeypatch):
    scenes = []
    monkeypatch.setattr(
        "v2xsim.simulate.link_graph", lambda scene, name_of: scenes.append(scene) or link_graph(scene, name_of)
    )
    with v2xsim.Simulation(v2xsim.load("urban_grid", FADING)) as sim:
        sim.step()
        graph = sim.graph()
    scene = scenes[0]
    turned = scene.links._replace(first=scene.links.second, second=scene.links.first)
    names = nx.get_node_attributes(graph, "agent")
    again = link_graph(
        LinkScene(scene.time_us, scene.stations, turned, scene.heard, scene.snapshot, scene.obstacles, scene.scenario),
        {agent: name for name, agent in names.items()}.__getitem__,
    )
    for one, other, link in graph.edges(data=True):
        assert again.edges[one, other]["lifetime_s"] == pytest.approx(link["lifetime_s"], abs=1e-9)
        assert again.edges[one, other]["believed_snr_db"] == link["believed_snr_db"]


def test_what_was_heard_of_a_station_that_has_left_the_range_is_counted():
    flees = {**SCENE, "run": {"duration_s": 3.0, "step_s": 0.1}}
    flees["traffic"] = {"script": [drive("runner", (197, 210), (397, 210), 10)]}
    flees["stations"] = {**SCENE["stations"], "include": ["runner"]}
    with v2xsim.Simulation(Scenario.model_validate(flees)) as sim:
        found = [sim.graph() for _ in sim]
    # It leaves the range after 0.15 s, and is forgotten 0.5 s after its last packet.
    assert ("north", "runner") in found[1].edges
    assert ("north", "runner") not in found[3].edges
    assert [graph.graph["heard_out_of_range"] for graph in (found[1], found[3], found[10])] == [0, 2, 0]


def test_algorithms_of_networkx_find_the_relay(graphs):
    # A car behind the building, a mast that sees neither: the only way goes over the mast at the corner.
    relayed = {**SCENE, "run": {"duration_s": 0.1, "step_s": 0.1}}
    relayed["traffic"] = {
        "script": [{"id": "ego", "waypoints": [[0, 0, -270]]}, {"id": "helper", "waypoints": [[0, 100, -270]]}]
    }
    relayed["stations"] = {"penetration": 1.0, "roadside": [mast("corner", 50, -310, 6.0)]}
    relayed["radio"] = {**SCENE["radio"], "tx_power_dbm": 10.0}
    with v2xsim.Simulation(Scenario.model_validate(relayed)) as sim:
        sim.step()
        graph = sim.graph()
    assert graph.edges["ego", "helper"]["delivery"] < 0.7
    cost = lambda sender, receiver, link: -np.log(link["delivery"]) if link["delivery"] > 0 else None  # noqa: E731
    assert nx.shortest_path(graph, "helper", "ego", weight=cost) == ["helper", "corner", "ego"]
    assert np.exp(-nx.shortest_path_length(graph, "helper", "ego", weight=cost)) >= 0.7


def test_a_graph_can_be_written_and_read_again(streets, tmp_path):
    found, _ = streets
    graph = max(found.items())[1]
    nx.write_graphml(graph, tmp_path / "links.graphml")
    again = nx.read_graphml(tmp_path / "links.graphml")
    assert dict(again.nodes(data=True)) == dict(graph.nodes(data=True))
    assert {(a, b): link for a, b, link in again.edges(data=True)} == {
        (a, b): link for a, b, link in graph.edges(data=True)
    }


@pytest.mark.parametrize(("access", "tx_power_dbm", "fading", "sensitivity_dbm"), [
    ("ieee80211p", -2.0, "none", -110.0), ("random_slot", -2.0, "none", -110.0), ("nr_mode2", -6.0, "none", -110.0),
    ("ieee80211p", -3.5, {"model": "nakagami", "shapes": [[0, 1.5]]}, -90.0), ("nr_mode2", -3.5, "rician", -90.0),
    # A key without effect: this scheme draws no fading.
    ("random_slot", -2.0, "nakagami", -110.0),
])  # fmt: skip
def test_two_stations_alone_deliver_the_share_of_their_edge(access, tx_power_dbm, fading, sensitivity_dbm):
    """Without other stations, nothing that the graph leaves out is there."""
    alone = {
        "name": "alone", "run": {"duration_s": 60.0, "step_s": 0.5},
        "traffic": {"script": [{"id": "aside", "waypoints": [[0, 20, 400]]}]}, "lidars": {"count": 0},
        "stations": {"penetration": 0.0, "roadside": [mast("west", 0, 0, 3.0), mast("east", 100, 0, 3.0)]},
        "radio": {"shadowing": False, "tx_power_dbm": tx_power_dbm, "sensitivity_dbm": sensitivity_dbm, "access": {"scheme": access},
                  "propagation": {"fading": fading}},
    }  # fmt: skip
    if access == "nr_mode2":
        # Packets of every size take the same part of the channel.
        alone["radio"]["access"]["packet_subchannels"] = 2
        alone["radio"]["mtu_bytes"] = 150
    with v2xsim.Simulation(Scenario.model_validate(alone)) as sim:
        sim.step()
        link = sim.graph().edges["west", "east"]
        sim.finish()
        tables = sim.results().tables
    outcomes, delivery = tables["packets"]["outcome"].to_pylist(), link["delivery"]
    # Packets that fade below the sensitivity are counted, and have no rows.
    unheard = sum(row["count"] for row in tables["unheard"].to_pylist())
    heard, lost = outcomes.count("delivered"), outcomes.count("propagation") + outcomes.count("sensing") + unheard
    assert 0.2 < delivery < 0.8
    assert (delivery == link["unfaded_delivery"]) == (fading == "none" or access == "random_slot")
    assert heard + lost > 1000
    assert heard / (heard + lost) == pytest.approx(delivery, abs=0.06)


def test_an_ideal_channel_delivers_everything_in_range():
    ideal = {**SCENE, "radio": {**SCENE["radio"], "access": {"scheme": "ideal"}, "tx_power_dbm": -40.0}}
    with v2xsim.Simulation(Scenario.model_validate(ideal)) as sim:
        graph = [sim.graph() for _ in sim][-1]
    assert {link["delivery"] for *_, link in graph.edges(data=True)} == {1.0}
    assert graph.edges["north", "runner"]["lifetime_s"] == pytest.approx(1.5, abs=1e-6)


def test_a_world_without_stations_has_an_empty_graph():
    empty = {**SCENE, "run": {"duration_s": 0.1, "step_s": 0.1}, "stations": {"penetration": 0.0}}
    with v2xsim.Simulation(Scenario.model_validate(empty)) as sim:
        sim.step()
        assert (len(sim.graph()), sim.graph().number_of_edges()) == (0, 0)


def test_a_graph_before_the_first_tick_is_refused():
    with (
        v2xsim.Simulation(Scenario.model_validate(SCENE)) as sim,
        pytest.raises(v2xsim.simulate.SteppingError, match=r"call step\(\) first"),
    ):
        sim.graph()


def test_networkx_is_imported_with_the_first_graph():
    code = "import sys, v2xsim; v2xsim.Simulation, v2xsim.open; print('networkx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_states_of_links_are_text_for_every_reader(graphs):
    assert {link["state"] for *_, link in graphs[LOS].edges(data=True)} <= {"LOS", "NLOSv", "NLOSb"}
