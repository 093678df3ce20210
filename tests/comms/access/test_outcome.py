"""What a compiled access loop reports, however much it is."""

import numpy as np

from v2xsim.comms.access.outcome import (
    close_outcome,
    has_room,
    longer_outcome,
    no_outcome,
    receptions_of,
    report_packet,
    report_reception,
)
from v2xsim.comms.access.packets import DELIVERED


def reported(packets, receptions_each, room):
    """Return the outcome of packets with so many receptions each, from arrays that begin with little room."""
    outcome = no_outcome(room, room, 0)
    for number in range(packets):
        while not has_room(outcome, 1, receptions_each):
            outcome = longer_outcome(outcome, 1, receptions_each)
        report_packet(outcome, number, number + 1, 10 * number, 10 * number + 5, -95.0)
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
