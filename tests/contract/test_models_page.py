"""docs/models.md: the sizes of messages, the error curves and the noise that it documents are those of a run."""

import re
from pathlib import Path

import numpy as np
import pytest

import v2xsim
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2
from v2xsim.comms.messages import sizes
from v2xsim.comms.phy.error_rate import ieee80211p_points
from v2xsim.comms.phy.noise import noise_dbm
from v2xsim.evaluation.catalogue import KINDS
from v2xsim.perception.metrics.awareness import GAP_US, HORIZON_S, MISS_M, WITHIN_M

PAGE = " ".join((Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text().split())
HEADERS_BYTES = 140


@pytest.fixture(scope="module")
def stepped():
    """Return the messages that the ego got in 0.4 s of the demo, and the tables.

    Beside each message is what the ego knew of its sender at the end of the tick, or None if a later one of this sender came in the same tick.
    """
    arrived = []
    with v2xsim.Simulation(v2xsim.load("demo", ["run.begin_s=7", "run.duration_s=0.4"])) as sim:
        for _ in sim:
            known = sim.knowledge("ego")
            last = {message.sender: message.number for message in known.inbox if message.kind == "awareness"}
            arrived += [
                (message, known.neighbours.get(message.sender) if last.get(message.sender) == message.number else None)
                for message in known.inbox
            ]
        results = sim.results()
    return arrived, results


def test_an_awareness_message_is_as_large_as_the_page_says(stepped):
    arrived, results = stepped
    rows = results.tables["packets"].to_pylist()
    number_of = {name: agent for agent, name in results.names.items()}
    checked = {}
    for message, neighbour in arrived:
        if message.kind != "awareness" or message.relay is not None or neighbour is None:
            continue
        sender = number_of[message.sender]
        (queued_us, on_air) = next((r["queued_us"], r["size_bytes"]) for r in rows if r["message"] == message.number)
        # All of the run is within five pauses of the message rule.
        heard = {
            r["tx"] for r in rows if r["rx"] == sender and r["outcome"] == "delivered" and r["end_us"] <= queued_us
        }
        matrix = 0 if neighbour.matrix is None else sizes.encoded_matrix_bytes(neighbour.matrix.code)
        assert message.size_bytes == 63 + matrix + 6 * len(heard)
        assert on_air == message.size_bytes + HEADERS_BYTES
        checked[message.sender] = (message.size_bytes, matrix, len(heard))
    assert checked["truck"] == (93, 0, 5)
    assert "63 + 30 = 93 B, and 233 B on the air" in PAGE


def test_the_example_of_the_page_is_a_message_of_the_demo(stepped):
    arrived, _ = stepped
    (example,) = re.findall(
        r"announcement has (\d+) \+ (\d+) \+ (\d+) \+ (\d+) = (\d+) B, and its packet (\d+) B", PAGE
    )
    base, head, runs, heard, payload, packet = map(int, example)
    assert (base + head + runs + heard, payload + HEADERS_BYTES) == (payload, packet)
    first = next(message for message, _ in arrived if message.sender == "east_car")
    assert payload == first.size_bytes


def test_a_request_and_its_answer_are_as_large_as_the_page_says():
    # Long enough that the ego knows a relay.
    results = v2xsim.run(v2xsim.load("demo", ["run.begin_s=7", "run.duration_s=1.2", "lidars.model=beam16"]))
    requests = [row for row in results.tables["transfers"].to_pylist() if row["kind"] == "request"]
    assert {row["size_bytes"] for row in requests} == {22 + 313}
    relayed = {row["message"] for row in requests if row["relay"] >= 0}
    on_air = {r["size_bytes"] for r in results.tables["packets"].to_pylist() if r["message"] in relayed}
    assert on_air == {335 + HEADERS_BYTES + 10}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (sizes.awareness_bytes(100, 3), "63 + M + 6 n"),
        (sizes.request_bytes(2500), "22 + C / 8"),
        (sizes.points_bytes(3), "24 + A / 4 + 6 P"),
        (sizes.boxes_bytes(10), "37 + A / 4 + 27.9 O"),
        (sizes.cpm_bytes(10, 3), "37 + 27.9 O + 8.7 L"),
    ],
)
def test_a_formula_of_the_page_gives_the_size_that_the_code_gives(size, text):
    assert f"| {text} |" in PAGE
    values = {"M": 100, "n": 3, "C": 2500, "A": 0, "P": 3, "O": 10, "L": 26 / 8.7}
    formula = re.sub(r"(\d) ([A-Za-z])", r"\1 * \2", text)
    assert size == int(np.ceil(eval(formula, {}, values) - 1e-9))


def test_the_floors_of_the_error_curves_are_those_of_the_page():
    mcs_2, qpsk = ieee80211p_points(2, 10), NrMode2().error_points(2, 10)
    for sinr_db, lost in ((23, 0.003), (28, 0.002), (33, 0.001), (80, 0.001)):
        assert np.interp(sinr_db, *mcs_2) == pytest.approx(lost, abs=1e-4)
    assert [np.interp(db, *qpsk) for db in (16, 20, 21, 80)] == [1e-3, 1e-3, 1e-4, 1e-4]
    assert "loses three at an SINR of 23 dB, two at 28 dB, and one at 33 dB and above" in PAGE
    assert "0.1 % from 16 to 20 dB, 0.01 % from 21 dB on" in PAGE


def test_the_losses_at_the_sensitivity_are_those_of_the_page():
    whole_dbm = noise_dbm(10, 9.0)
    widths = {subchannels: whole_dbm + 10 * np.log10(subchannels / 4) for subchannels in (4, 2, 1)}
    assert [f"{level:.1f}" for level in widths.values()] == ["-95.0", "-98.0", "-101.0"]
    assert "-95.0 dBm for all 4 subchannels, -98.0 dBm for 2, -101.0 dBm for 1" in PAGE
    lost = {n: 100 * np.interp(-90 - level, *LteMode4().error_points(2, 10)) for n, level in widths.items()}
    assert f"{lost[1]:.1f} % in 1 of 4 subchannels, {lost[2]:.0f} % in 2, {lost[4]:.0f} % in all 4" in PAGE
    assert f"{100 * np.interp(-90 - whole_dbm, *ieee80211p_points(2, 10)):.0f} % with MCS 2" in PAGE
    assert (LteMode4().subchannel_bits // 8, NrMode2().subchannel_bits // 8) == (226, 252)


def test_every_metric_of_a_run_is_defined_on_the_page():
    section = PAGE.split("## Metrics", 1)[1].split(" ## ", 1)[0]
    named = set(re.findall(r"`(\w+\*?)`", section))
    families = tuple(name[:-1] for name in named if name.endswith("*"))
    missing = {name for name in KINDS if name not in named and not name.startswith((*families, "ap_"))}
    assert missing == set()


def test_the_collision_course_of_the_page_is_that_of_the_metrics():
    assert f"their centres come closer than {MISS_M:g} m within the next {HORIZON_S:g} s" in PAGE
    assert f"A pause of up to {GAP_US / 1e6:g} s does not end it" in PAGE
    assert f"a confirmed track within {WITHIN_M:g} m" in PAGE


def test_messages_over_an_ideal_channel_have_no_headers_and_list_no_station():
    scenario = v2xsim.load("demo", ["run.duration_s=0.2", "radio.access=ideal", "lidars.count=0", "lidars.include=[]"])
    packets = v2xsim.run(scenario).tables["packets"].to_pylist()
    assert {row["size_bytes"] for row in packets if row["kind"] == "awareness"} == {63}
    assert "stations measure no links, so that n is 0 in announcements" in PAGE
