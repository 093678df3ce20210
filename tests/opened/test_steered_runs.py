"""A run in which a program acted says what a replay and a repetition have of it."""

import json

import pytest
from small_runs import same, scenario

import v2xsim


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages")
    with v2xsim.Simulation(scenario("run.duration_s=0.4", "cooperation.fusion=none")) as sim:
        for _ in sim:
            sim.send("ego", b"x" * 3000)
        results = sim.results()
    results.write(folder)
    return results, folder


@pytest.fixture(scope="module")
def speeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speeds")
    road = v2xsim.load(
        "highway",
        ["run.duration_s=1", "run.begin_s=3", "traffic.highway.length_m=400", "lidars.count=0", "stations.count=2"],
    )
    with v2xsim.Simulation(road) as sim:
        name = sim.step().road_users.names[0]
        sim.set_speed(name, 0.0)
        sim.finish()
        results = sim.results()
    results.write(folder)
    return results, folder


def notice_of(results, subject):
    (notice,) = [notice for notice in results.notices if notice.subject == subject]
    return notice


def test_the_manifest_counts_what_the_program_did(messages, speeds):
    counts = [json.loads((folder / "manifest.json").read_text())["steered"] for _, folder in (messages, speeds)]
    assert counts == [{"messages_sent": 4, "speeds_set": 0}, {"messages_sent": 0, "speeds_set": 1}]
    assert notice_of(messages[0], "run.steered").count == 4


def test_a_replay_does_not_send_the_messages_again_and_says_so(messages):
    results, folder = messages
    replay = v2xsim.open(folder).replay()
    again = v2xsim.run(replay)
    assert "application" in results.tables["packets"]["kind"].to_pylist()
    assert "application" not in again.tables["packets"]["kind"].to_pylist()
    assert same(again.tables["states"], results.tables["states"])
    assert (
        "sent 4 messages and set 0 speeds; its messages are not sent again" in notice_of(again, "recorded.steered").text
    )
    assert any("its messages are not sent again" in note for note in replay.notes)
    assert not again.steered


def test_a_replay_contains_the_speeds_that_were_set_and_says_so(speeds):
    results, folder = speeds
    again = v2xsim.run(v2xsim.open(folder).replay())
    assert same(again.tables["states"], results.tables["states"])
    assert (
        "set 1 speed; the speeds that it set are in the recorded traffic" in notice_of(again, "recorded.steered").text
    )


def test_the_manifest_of_a_steered_run_runs_again_without_the_program_and_says_so(messages, speeds):
    for _, folder in (messages, speeds):
        (note,) = v2xsim.load(folder / "manifest.json").notes
        assert "its scenario alone repeats none of that" in note


def test_a_run_that_a_program_only_watched_has_no_such_notice(tmp_path):
    with v2xsim.Simulation(scenario("run.duration_s=0.2", "cooperation.fusion=none")) as sim:
        sim.finish()
        sim.results().write(tmp_path)
    assert v2xsim.open(tmp_path).replay().notes == ()
    assert v2xsim.load(tmp_path / "manifest.json").notes == ()
    assert json.loads((tmp_path / "manifest.json").read_text())["steered"] == {"messages_sent": 0, "speeds_set": 0}
