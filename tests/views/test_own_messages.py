"""A program sends messages of its own over the radio of a run."""

import pytest

import v2xsim
from v2xsim.errors import UserError
from v2xsim.run_arguments import SteppingError


def arrivals(scenario, payload=b"brake", to=None, steps=2):
    """Return the names and messages of the arrivals of a message that the truck sends at the second tick."""
    arrived = []
    with v2xsim.Simulation(scenario) as sim:
        sim.step()
        sim.step()
        number = sim.send("truck", payload, to=to, on_arrival=lambda name, message: arrived.append((name, message)))
        for _ in range(steps):
            sim.step()
            inbox = [message for message in sim.knowledge("ego").inbox if message.kind == "application"]
            if "ego" in dict(arrived) and inbox:
                assert inbox == [dict(arrived)["ego"]]
        sim.finish()
        return arrived, number, sim.results()


def test_a_broadcast_arrives_at_all_stations_that_receive_it(demo):
    arrived, number, results = arrivals(demo)
    assert {message.payload for _, message in arrived} == {b"brake"}
    assert all(0.1 < message.time_s < 0.15 and message.sender == "truck" for _, message in arrived)
    packets = [row for row in results.tables["packets"].to_pylist() if row["message"] == number]
    assert {row["kind"] for row in packets} == {"application"}
    assert len(arrived) == sum(row["outcome"] == "delivered" for row in packets) > 1


def test_a_message_to_one_station_arrives_there_only(demo):
    arrived, _, _ = arrivals(demo, to="ego")
    assert [name for name, _ in arrived] == ["ego"]


def test_a_large_message_arrives_once_all_its_fragments_have(demo):
    arrived, number, results = arrivals(demo, payload=bytes(range(200)) * 20, to="ego")
    packets = [row for row in results.tables["packets"].to_pylist() if row["message"] == number]
    assert len({row["fragment"] for row in packets}) == 3
    assert len(arrived) == 1
    assert arrived[0][1].payload == bytes(range(200)) * 20
    assert arrived[0][1].time_s == pytest.approx(max(row["end_us"] for row in packets) / 1e6)


@pytest.mark.parametrize("changes", [{"radio.access": "ideal"}, {"cooperation.transport": "synchronous"}])
def test_without_delay_and_loss_a_message_arrives_at_its_own_instant_and_changes_nothing_else(demo, changes):
    scenario = demo.with_(changes)
    arrived, _, results = arrivals(scenario)
    assert {message.time_s for _, message in arrived} == {0.1}
    assert len(arrived) == 5
    alone = v2xsim.run(scenario)
    for name in ("detections", "fusion", "awareness", "transfers", "states"):
        assert results.tables[name].equals(alone.tables[name]), name


@pytest.mark.parametrize("access", ["ieee80211p", "lte_mode4", "nr_mode2"])
def test_messages_travel_over_every_access_scheme(demo, access):
    arrived, _, _ = arrivals(demo.with_({"radio.access": access}), payload=b"x" * 300, steps=4)
    assert len(arrived) > 0


def test_a_station_may_answer_when_a_message_arrives(demo):
    answers = []
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        sim.step()

        def answer(name, message):
            sim.send(name, b"yes, " + message.payload, to=message.sender, on_arrival=lambda *it: answers.append(it))

        sim.send("follower", b"there?", to="ego", on_arrival=answer)
        sim.step()
        sim.step()
    assert [(name, message.payload, message.sender) for name, message in answers] == [
        ("follower", b"yes, there?", "ego")
    ]


def test_a_run_that_was_steered_says_so(demo):
    _, _, results = arrivals(demo)
    (notice,) = results.notices
    assert (notice.subject, notice.count) == ("run.steered", 1)
    assert "sent 1 message " in notice.text


@pytest.mark.passes_wrong_types
@pytest.mark.parametrize(("arguments", "says"), [
    (("truk", b"x"), "'truk' must be the name of a station.*did you mean 'truck'"),
    (("cyclist", b"x"), "'cyclist' must be the name of a station"),
    (("truck", b""), "payload must be 1 to 1,000,000 bytes, got 0 bytes"),
    (("truck", b"x" * 1_000_001), "got 1,000,001 bytes"),
    (("truck", "text"), "payload must be .* bytes, got str"),
])  # fmt: skip
def test_a_message_that_cannot_be_sent_is_refused(demo, arguments, says):
    with v2xsim.Simulation(demo) as sim:
        sim.step()
        with pytest.raises(UserError, match=says):
            sim.send(*arguments)
        with pytest.raises(UserError, match="to must be another station"):
            sim.send("truck", b"x", to="truck")
        with pytest.raises(UserError, match="'nobody' must be the name of a station"):
            sim.send("truck", b"x", to="nobody")
        list(sim)
        with pytest.raises(SteppingError, match="the run has ended"):
            sim.send("truck", b"x")


def test_an_error_where_a_message_arrives_ends_the_simulation(demo):
    def fail(name, message):
        raise RuntimeError("mine")

    with v2xsim.Simulation(demo) as sim:
        sim.step()
        sim.send("truck", b"x", on_arrival=fail)
        with pytest.raises(RuntimeError, match="mine"):
            list(sim)
