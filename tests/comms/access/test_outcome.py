"""What a compiled access loop reports, however much it is."""

import numpy as np

from v2xsim.comms.access.acknowledged import ACK, DATA, FINISHED, MOST_RETRIES, code_of
from v2xsim.comms.access.outcome import (
    close_outcome,
    has_room,
    longer_outcome,
    no_outcome,
    receptions_of,
    report_drop,
    report_packet,
    report_reception,
)
from v2xsim.comms.access.packets import COLLISION, DELIVERED


def reported(packets, receptions_each, room):
    """Return the outcome of packets with so many receptions each, from arrays that begin with little room."""
    outcome = no_outcome(room, room, 0)
    for number in range(packets):
        while not has_room(outcome, 1, receptions_each):
            outcome = longer_outcome(outcome, 1, receptions_each)
        report_packet(outcome, code_of(number, 0, DATA), number + 1, 10 * number, 10 * number + 5, -95.0)
        for receiver in range(receptions_each):
            report_reception(outcome, receiver, DELIVERED, 1e-9 * (number + 1), 0.0)
    close_outcome(outcome)
    return outcome


def test_an_outcome_that_grows_keeps_all_packets_and_receptions():
    for each in range(4):
        for packets in range(40):
            found = receptions_of(reported(packets, each, room=1))
            assert found.number.tolist() == list(range(packets))
            assert found.by.tolist() == list(range(1, packets + 1))
            assert found.offset.tolist() == list(range(0, each * packets + 1, each)) if each else [0] * (packets + 1)
            assert found.receiver.tolist() == list(range(each)) * packets


def test_all_arrays_of_packets_stay_equally_long_so_that_one_test_of_room_serves_all():
    for packets in range(1, 60):
        outcome = reported(packets, 1, room=2)
        lengths = {len(array) for array in outcome[1:7]}
        assert len(lengths) == 1
        assert lengths.pop() > packets


def test_interference_as_strong_as_the_noise_costs_three_decibels():
    outcome = no_outcome(4, 4, 0)
    report_packet(outcome, 0, 0, 0, 1, -95.0)
    report_reception(outcome, 1, DELIVERED, 1e-8, 1.0)
    close_outcome(outcome)
    found = receptions_of(outcome)
    np.testing.assert_allclose(found.sinr_db, [-80.0 + 95.0 - 10 * np.log10(2.0)], atol=1e-5)


def test_a_new_outcome_is_empty_and_has_the_room_asked_for():
    outcome = no_outcome(4, 5, 6)
    assert outcome.size.tolist() == [0, 0, 0]
    assert {len(outcome.number), len(outcome.sender), len(outcome.offset)} == {4}
    assert {len(outcome.receiver), len(outcome.cause), len(outcome.power_mw), len(outcome.interference_ratio)} == {5}
    assert len(outcome.dropped) == 6


def test_an_outcome_has_room_for_one_packet_fewer_than_offsets_and_for_all_receptions():
    outcome = no_outcome(3, 4, 0)
    assert has_room(outcome, 2, 4)
    assert not has_room(outcome, 3, 4)
    assert not has_room(outcome, 2, 5)


def test_what_is_reported_takes_room():
    outcome = no_outcome(3, 4, 0)
    report_packet(outcome, 0, 0, 0, 1, -95.0)
    report_reception(outcome, 1, DELIVERED, 1e-8, 0.0)
    assert has_room(outcome, 1, 3)
    assert not has_room(outcome, 2, 3)
    assert not has_room(outcome, 1, 4)


def test_dropped_packets_are_listed_in_their_order():
    outcome = no_outcome(1, 1, 3)
    report_drop(outcome, 7)
    report_drop(outcome, 5)
    assert (outcome.size.tolist(), outcome.dropped[:2].tolist()) == ([0, 0, 2], [7, 5])


def test_a_longer_outcome_keeps_its_dropped_packets():
    outcome = no_outcome(1, 1, 2)
    report_drop(outcome, 7)
    assert longer_outcome(outcome, 5, 5).dropped[0] == 7


def test_each_reception_keeps_its_values():
    outcome = no_outcome(4, 4, 0)
    report_packet(outcome, code_of(3, 0, DATA), 2, 10, 20, -90.0)
    report_reception(outcome, 5, COLLISION, 1e-8, 0.0)
    report_reception(outcome, 6, DELIVERED, 1e-7, 9.0)
    close_outcome(outcome)
    found = receptions_of(outcome)
    assert (found.number.tolist(), found.by.tolist()) == ([3], [2])
    assert (found.began_us.tolist(), found.ended_us.tolist(), found.noise_dbm.tolist()) == ([10], [20], [-90.0])
    assert (found.receiver.tolist(), found.outcome.tolist()) == ([5, 6], [COLLISION, DELIVERED])
    np.testing.assert_allclose(found.power_dbm, [-80.0, -70.0], atol=1e-4)
    np.testing.assert_allclose(found.sinr_db, [10.0, 10.0], atol=1e-4)


def test_acknowledgements_and_packets_that_are_over_are_told_from_packets():
    outcome = no_outcome(6, 4, 0)
    for number, repeat, kind in (
        (7, 0, DATA),
        (7, 0, ACK),
        (7, 0, FINISHED),
        (2**40, MOST_RETRIES, DATA),
        (9, 1, FINISHED),
    ):
        report_packet(outcome, code_of(number, repeat, kind), 0, 1, 2, -95.0)
        if kind != FINISHED:
            report_reception(outcome, 3, DELIVERED, 1e-8, 0.0)
    close_outcome(outcome)
    found = receptions_of(outcome)
    assert found.number.tolist() == [7, 7, 2**40]
    assert found.repeat.tolist() == [0, 0, MOST_RETRIES]
    assert found.is_ack.tolist() == [False, True, False]
    assert found.finished.tolist() == [7, 9]
    assert (found.offset.tolist(), found.receiver.tolist()) == ([0, 1, 2, 3], [3, 3, 3])
