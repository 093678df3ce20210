"""Phases of the compiled access loops that have a meaning of their own."""

import numpy as np
import pytest

from v2xsim.comms.access import csma_tables as csma
from v2xsim.comms.access.csma_air import notice
from v2xsim.comms.access.decoding import decoded
from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, RECEIVER_BUSY, SENSING
from v2xsim.comms.access.sidelink_air import combine, disturbance
from v2xsim.comms.access.sidelink_selection import deaf_phases, resource_request
from v2xsim.comms.access.sidelink_slots import forget
from v2xsim.comms.access.sidelink_tables import MEMORY, NONE, Senses
from v2xsim.comms.phy.error_rate import curve_for_kernels

CURVE = curve_for_kernels(np.array([0.0, 10.0]), np.array([1.0, 0.0]))
RULES = csma.Rules(110, 13, 15, 10, 0.0, 1)
THRESHOLDS = csma.Thresholds(1e-10, -100.0, 1e-9, 1e-9, 1e-7, 1e-9)


def full_senses(next_row_slot=0):
    """Return the memories of one station, with something in every row."""
    memory = np.ones((MEMORY, 1, 2), np.float32)
    return Senses(
        np.zeros(1, np.int64), memory, memory.copy(), memory.astype(np.int16), np.full((1, MEMORY), NONE),
        np.array([next_row_slot]), np.zeros(1, np.int64), np.zeros((0, 0), np.int64),
    )  # fmt: skip


def test_the_rows_of_slots_reached_are_emptied_and_no_others():
    senses = full_senses(next_row_slot=10)
    forget(senses, 12)
    emptied = np.flatnonzero((senses.reserved == 0).all(axis=(1, 2)))
    assert emptied.tolist() == [10, 11, 12]
    assert np.array_equal(np.flatnonzero((senses.rssi_mw == 0).all(axis=(1, 2))), emptied)
    assert senses.next_row_slot[0] == 13


def test_a_slot_empties_the_row_that_the_slot_one_round_before_filled():
    senses = full_senses(next_row_slot=MEMORY)
    forget(senses, MEMORY + 1)
    assert np.flatnonzero((senses.reserved == 0).all(axis=(1, 2))).tolist() == [0, 1]


def test_a_station_is_deaf_in_the_phase_of_each_slot_in_which_it_sent_within_the_window():
    sent_slot = np.full((1, MEMORY), NONE)
    for slot in (1995, 1450, 900):
        sent_slot[0, slot % MEMORY] = slot
    request = resource_request(0, 2000, 1, 100, 1, 2001, 2100, np.uint64(1), 20)
    # Slot 900 lies before the window of 1,000 slots, though its row lies within.
    assert np.flatnonzero(deaf_phases(request, sent_slot, 1000)).tolist() == [50, 95]


def test_a_single_packet_counts_as_sent_every_100_slots():
    assert resource_request(0, 0, 1, 0, 1, 1, 100, np.uint64(1), 20).step == 100
    assert resource_request(0, 0, 1, 20, 1, 1, 100, np.uint64(1), 20).step == 20


@pytest.mark.parametrize(
    ("luck", "interference_mw", "cause"),
    [(0.4, 0.0, PROPAGATION), (0.6, 0.0, DELIVERED), (0.6, 1.0, COLLISION), (0.4, 1.0, PROPAGATION), (0.6, 0.1, DELIVERED)],
)  # fmt: skip
def test_interference_is_to_blame_only_where_the_packet_would_have_arrived_without_it(luck, interference_mw, cause):
    # 5 dB above the noise half of the packets are lost; with as much interference as noise, four in five.
    assert decoded(luck, 10**0.5, 1.0, interference_mw, CURVE) == cause


def test_power_in_a_packets_own_subchannels_disturbs_by_its_share_and_its_own_power_does_not():
    present_mw = np.array([[5.0, 3.0, 7.0]])
    no_leak = np.zeros(4)
    assert disturbance(present_mw, 0, 6.0, 0, 2, 1.0, 0.5, no_leak) == pytest.approx(0.5 * (8.0 - 6.0))
    # The subchannel beside the packet leaks a tenth into each of its two.
    leak = np.array([0.0, 0.1, 0.01, 0.001])
    assert disturbance(present_mw, 0, 6.0, 0, 2, 1.0, 0.5, leak) == pytest.approx(1.0 + 0.1 * 7.0 * 2)


def test_what_rounding_leaves_of_a_sum_is_no_interference():
    present_mw = np.array([[1.0 + 1e-9]])
    assert disturbance(present_mw, 0, 1.0, 0, 1, 1.0, 1.0, np.zeros(2)) == 0.0


def test_a_packet_with_repetitions_arrives_if_any_of_its_transmissions_did():
    decoded_number = np.zeros((2, 2), np.int64)
    assert combine(DELIVERED, decoded_number, 0, 1, 7, False) == DELIVERED
    assert combine(COLLISION, decoded_number, 0, 1, 7, True) == DELIVERED
    assert combine(COLLISION, decoded_number, 0, 1, 8, True) == COLLISION
    assert combine(COLLISION, decoded_number, 1, 0, 7, True) == COLLISION


def noticed(power_mw, *, locked_on, locked_mw=np.inf, now_us=1000, locked_at_us=0.0, capture=0.0):
    """Let station 2 notice a packet of station 1; return the verdicts on the packets of 0 and 1, and what it is locked on."""
    level, state = np.zeros((3, csma.FLOATS)), np.zeros((3, csma.INTEGERS), np.int64)
    level[2, csma.LOCKED_ON], level[2, csma.LOCKED_MW], level[2, csma.LOCKED_AT_US] = locked_on, locked_mw, locked_at_us
    verdict = np.full((3, 1), DELIVERED, np.int8)
    verdict[1, 0] = -1
    stations = csma.Stations(state, level, np.zeros((3, 2)), np.zeros(3, np.uint64))
    notice(now_us, 1, 0, 2, power_mw, power_mw, stations, verdict, RULES._replace(capture=capture), THRESHOLDS)
    return verdict[0, 0], verdict[1, 0], level[2, csma.LOCKED_ON]


def test_an_idle_receiver_locks_on_what_it_notices():
    assert noticed(1e-8, locked_on=csma.NOTHING) == (DELIVERED, DELIVERED, 1.0)
    assert noticed(1e-10, locked_on=csma.NOTHING)[1:] == (SENSING, csma.NOTHING)


def test_a_station_that_sends_hears_nothing():
    assert noticed(1e-3, locked_on=csma.ITSELF)[1:] == (HALF_DUPLEX, csma.ITSELF)


def test_within_a_slot_the_receiver_turns_to_the_stronger_packet():
    held = {"locked_on": 0.0, "locked_mw": 1e-8, "locked_at_us": 1000 - 12.0}
    assert noticed(2e-8, **held) == (RECEIVER_BUSY, DELIVERED, 1.0)
    assert noticed(0.5e-8, **held) == (DELIVERED, RECEIVER_BUSY, 0.0)


def test_after_a_slot_only_capture_takes_the_receiver_over_and_the_first_packet_collides():
    held = {"locked_on": 0.0, "locked_mw": 1e-8, "locked_at_us": 1000 - 13.0}
    assert noticed(2e-8, **held) == (DELIVERED, RECEIVER_BUSY, 0.0)
    assert noticed(2e-8, capture=10.0, **held) == (DELIVERED, RECEIVER_BUSY, 0.0)
    assert noticed(2e-7, capture=10.0, **held) == (COLLISION, DELIVERED, 1.0)
