"""A program learns what became of each message that it sent: it arrived, it was lost, or the run ended before."""

import pytest

import v2xsim
from v2xsim import run_arguments
from v2xsim.run_arguments import SteppingError

ACCESS = ["random_slot", "ieee80211p", "lte_mode4", "nr_mode2", "ideal"]
SCHEMES = [*({"radio.access": name} for name in ACCESS), {"cooperation.transport": "synchronous"}]


def scenario(traffic, changes=(), duration_s=0.6):
    # With this seed, no message of three fragments collides under any access scheme.
    return v2xsim.load(
        {
            "run": {"duration_s": duration_s, "seed": 3},
            "traffic": traffic,
            "stations": {"penetration": 1.0},
            "lidars": {"count": 0},
            "cooperation": {"fusion": "none"},
            "radio": {"shadowing": False},
            "record": {"clouds_every_s": 0},
        }
    ).with_(dict(changes))


def standing(**x_m):
    """Return traffic of cars that stand on the x axis."""
    return {"script": [{"id": name, "waypoints": [[0, x, 0]]} for name, x in x_m.items()]}


def trace(folder, **until_s):
    """Return traffic of cars that stand side by side and leave at some time."""
    lines = []
    for tick in range(40):
        cars = [
            f'<vehicle id="{name}" x="{10 * row}" y="0" angle="90" type="passenger" speed="0" pos="0" lane="a_0" slope="0"/>'
            for row, (name, end_s) in enumerate(until_s.items()) if tick * 0.1 < end_s - 1e-9
        ]  # fmt: skip
        lines.append(f'<timestep time="{tick * 0.1:.1f}">{"".join(cars)}</timestep>')
    file = folder / "trace.xml"
    file.write_text(f"<fcd-export>{''.join(lines)}</fcd-export>")
    return {"fcd": str(file)}


def outcomes(made, payload=b"x", to=None, at_us=100_000, sender="a", times=1):
    """Return the arrivals and losses of messages that a station sends at a tick, and the results."""
    arrived, lost = [], []
    with v2xsim.Simulation(made) as sim:
        for instant in sim:
            for _ in range(times if instant.time_us == at_us else 0):
                sim.send(
                    sender, payload, to=to, on_arrival=lambda *args: arrived.append(args), on_loss=lambda *args: lost.append(args)
                )  # fmt: skip
        return arrived, lost, sim.results()


def only(lost):
    ((name, message),) = lost
    return name, message.reason, message.time_s


@pytest.mark.parametrize("changes", SCHEMES, ids=lambda item: next(iter(item.values())))
def test_a_message_that_arrives_is_not_lost(changes):
    arrived, lost, results = outcomes(scenario(standing(a=0, b=20, c=40), changes), payload=b"x" * 3000)
    assert {name for name, _ in arrived} == {"b", "c"}
    assert lost == []
    assert [notice.subject for notice in results.notices if notice.subject.startswith("run.")] == ["run.steered"]


@pytest.mark.parametrize("to", [None, "b"])
@pytest.mark.parametrize("access", ACCESS)
def test_a_message_is_lost_once_if_nobody_is_in_range(access, to):
    arrived, lost, _ = outcomes(scenario(standing(a=0, b=5000), {"radio.access": access}), payload=b"x" * 3000, to=to)
    assert arrived == []
    assert only(lost) == (to, "not_received", pytest.approx(0.15, abs=0.05))
    assert lost[0][1].payload == b"x" * 3000


@pytest.mark.parametrize("changes", SCHEMES, ids=lambda item: next(iter(item.values())))
def test_a_message_of_the_only_station_is_lost(changes):
    _, lost, _ = outcomes(scenario(standing(a=0), changes))
    assert only(lost)[:2] == (None, "not_received")


def test_a_message_to_all_is_not_lost_if_one_station_receives_it():
    arrived, lost, _ = outcomes(scenario(standing(a=0, b=20, c=5000)))
    assert [name for name, _ in arrived] == ["b"]
    assert lost == []


def test_a_message_is_not_lost_before_its_last_repetition():
    made = scenario(standing(a=0, b=5000), {"radio.retries": 5, "radio.ack_timeout_ms": 20})
    _, lost, _ = outcomes(made, to="b")
    assert only(lost) == ("b", "not_received", pytest.approx(0.25, abs=0.06))


@pytest.mark.parametrize("retries", [0, 3])
def test_a_message_to_a_station_that_leaves_is_lost(tmp_path, retries):
    made = scenario(trace(tmp_path, a=9, b=0.25), {"radio.retries": retries})
    arrived, lost, _ = outcomes(made, to="b", at_us=200_000, payload=b"x" * 90_000)
    assert arrived == []
    assert only(lost)[:2] == ("b", "destination_left")


@pytest.mark.parametrize("access", ACCESS[:4])
def test_a_message_whose_sender_leaves_before_all_is_sent_is_lost(tmp_path, access):
    made = scenario(trace(tmp_path, a=0.25, b=9), {"radio.access": access}, duration_s=2.0)
    arrived, lost, _ = outcomes(made, to="b", at_us=200_000, payload=b"x" * 600_000)
    assert arrived == []
    assert only(lost)[:2] == ("b", "sender_left")
    assert only(lost)[2] < 1.5


def test_a_message_is_lost_if_the_queue_of_its_sender_is_full():
    made = scenario(standing(a=0, b=20), {"radio.access": "ieee80211p", "radio.queue_packets": 2})
    _, lost, _ = outcomes(made, to="b", payload=b"x" * 30_000)
    assert only(lost)[:2] == ("b", "queue_full")


@pytest.mark.parametrize(("traffic", "reason"), [({"a": 9, "b": 9}, "run_ended"), ({"a": 0.45, "b": 9}, "sender_left")])
def test_a_message_under_way_at_the_end_is_reported_then_and_counted(tmp_path, traffic, reason):
    arrived, lost, results = outcomes(
        scenario(trace(tmp_path, **traffic)), to="b", at_us=400_000, payload=b"x" * 800_000
    )
    assert (arrived, [message.reason for _, message in lost]) == ([], [reason])
    (notice,) = [notice for notice in results.notices if notice.subject == "run.messages_under_way"]
    assert notice.count == 1
    assert "1 of 1 messages" in notice.text


def test_every_message_arrives_or_is_lost_exactly_once():
    made = scenario(
        standing(a=0, b=760, c=770),
        {"radio.access": "ieee80211p", "radio.propagation.fading": "nakagami"},
        duration_s=1.0,
    )
    arrived, lost, results = outcomes(made, to="b", times=60, payload=b"x" * 2000)
    numbers = [message.number for _, message in [*arrived, *lost]]
    assert len(arrived) > 5
    assert len(lost) > 5
    assert sorted(numbers) == sorted({row for row in results.tables["packets"]["message"].to_pylist() if row >= 1e9})
    assert len(numbers) == 60
    assert f"{len(arrived)} arrived, {len(lost)} were lost and 0 were under way" in results.notices[-1].text


def test_a_lost_message_may_be_sent_again():
    sent = []
    with v2xsim.Simulation(scenario(standing(a=0, b=5000))) as sim:

        def again(name, message):
            sent.append((message.reason, message.time_s))
            sim.send("a", message.payload, to=name, on_loss=again)

        sim.step()
        sim.send("a", b"x", to="b", on_loss=again)
        sim.finish()
        notices = sim.results().notices
    assert len(sent) > 10
    # The last one is sent at the end, when no time is left for it.
    assert [reason for reason, _ in sent[-2:]] == ["not_received", "run_ended"]
    assert next(n.count for n in notices if n.subject == "run.messages_under_way") == 2


@pytest.mark.parametrize("changes", [{"radio.access": "ideal"}, {"cooperation.transport": "synchronous"}])
def test_sending_without_end_at_one_instant_is_refused(changes, monkeypatch):
    monkeypatch.setattr(run_arguments, "MOST_MESSAGES_AT_ONCE", 200)
    with v2xsim.Simulation(scenario(standing(a=0), changes)) as sim:

        def again(name, message):
            sim.send("a", b"x", on_loss=again)

        sim.step()
        sim.send("a", b"x", on_loss=again)
        with pytest.raises(
            SteppingError, match="at most 200 messages can be sent at one instant, and at 0 s there are more"
        ):
            sim.finish()
