"""Phases of the compiled access loops that have a meaning of their own."""

import numpy as np
import pytest

from v2xsim.comms.access import csma_tables as csma
from v2xsim.comms.access import sidelink_tables as tables
from v2xsim.comms.access.csma_air import notice
from v2xsim.comms.access.decoding import decoded
from v2xsim.comms.access.events import Agenda
from v2xsim.comms.access.packets import COLLISION, DELIVERED, HALF_DUPLEX, PROPAGATION, RECEIVER_BUSY, SENSING
from v2xsim.comms.access.sidelink_air import combine, disturbance
from v2xsim.comms.access.sidelink_selection import claims_mw, deaf_phases, quietest, resource_request, unclaimed
from v2xsim.comms.access.sidelink_slots import drawn_uses, forget, is_claimed, with_room
from v2xsim.comms.access.sidelink_tables import MEMORY, NONE, Schedule, Senses
from v2xsim.comms.access.sidelink_tables import Rules as SidelinkRules
from v2xsim.comms.phy.error_rate import curve_for_kernels

CURVE = curve_for_kernels(np.array([0.0, 10.0]), np.array([1.0, 0.0]))
RULES = csma.Rules(110, 13, 15, 10, 0.0, 1, 1023, 32, 94)
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


def test_a_station_is_deaf_in_the_very_first_slot_too_if_it_sent_then():
    sent_slot = np.full((1, MEMORY), NONE)
    sent_slot[0, 0] = 0
    request = resource_request(0, 30, 1, 100, 1, 31, 130, np.uint64(1), 20)
    assert np.flatnonzero(deaf_phases(request, sent_slot, 1000)).tolist() == [0]


def test_a_single_packet_counts_as_sent_every_100_slots():
    assert resource_request(0, 0, 1, 0, 1, 1, 100, np.uint64(1), 20).step == 100
    assert resource_request(0, 0, 1, 1, 1, 1, 100, np.uint64(1), 20).step == 1
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


def test_a_packet_exactly_as_strong_as_it_would_have_to_exceed_does_not_take_the_receiver_over():
    later = {"locked_on": 0.0, "locked_mw": 1e-8, "locked_at_us": 1000 - 13.0}
    assert noticed(8 * 1e-8, capture=8.0, **later) == (DELIVERED, RECEIVER_BUSY, 0.0)
    together = {"locked_on": 0.0, "locked_mw": 1e-8, "locked_at_us": 1000 - 12.0}
    assert noticed(1e-8, **together) == (DELIVERED, RECEIVER_BUSY, 0.0)


SIDELINK_RULES = SidelinkRules(2, 1000, 1, 0.5, 1.0, 0, 1000, 0.0, 5, 15, 0, 2, 1000, 0, 2)


def remaining(claims_mw, share=0.5, threshold_mw=1.0):
    """Return which resources remain after exclusion, from the strongest claim on each."""
    free, count = unclaimed(
        np.array([claims_mw], float), SIDELINK_RULES._replace(candidate_share=share, threshold_mw=threshold_mw)
    )
    assert count == free.sum()
    return free[0].tolist()


@pytest.mark.parametrize(
    ("claims_mw", "share", "free"),
    [
        # A claim exactly at the threshold excludes nothing, and the threshold rises no further than needed.
        ([1.0, 1.5], 0.5, [True, False]),
        ([1.5, 1.6, 9.0], 0.5, [True, True, False]),
        # 10 ** 0.3 = 1.995.
        ([1.99, 2.0, 9.0], 0.3, [True, False, False]),
        ([0.0, 0.0, 0.0], 1.0, [True, True, True]),
        ([0.0, 5.0, 7.0], 0.01, [True, False, False]),
        ([3.0, 5.0, 7.0], 0.01, [True, False, False]),
        ([0.5, 5.0, 5.1], 0.34, [True, True, True]),
    ],
)
def test_the_threshold_rises_by_3_db_until_the_share_remains(claims_mw, share, free):
    assert remaining(claims_mw, share) == free


def test_blocked_resources_remain_excluded_unless_all_are_blocked():
    assert remaining([np.inf, 1e5], 1.0) == [False, True]
    assert remaining([np.inf, np.inf]) == [True, True]


def heard_senses(slot, subchannel, period, element_mw):
    """Return the memories of one station that decoded one reservation."""
    senses = full_senses()
    senses.rssi_mw[:], senses.rsrp_mw[:], senses.reserved[:] = 0.0, 0.0, 0
    senses.reserved[slot % MEMORY, 0, subchannel] = period
    senses.rsrp_mw[slot % MEMORY, 0, subchannel] = element_mw
    senses.longest_period[0] = period
    return senses


def planned(slot, subchannel=0, width=1):
    entry = np.zeros(tables.ENTRY_COLUMNS, np.int64)
    entry[tables.SLOT], entry[tables.SUBCHANNEL], entry[tables.WIDTH] = slot, subchannel, width
    return entry


@pytest.mark.parametrize(
    ("entry", "element_mw", "claimed"),
    [
        (planned(1520), 2.0, True),
        # Exactly at the threshold, in another slot, in another subchannel, and in the second of two subchannels.
        (planned(1520), 1.0, False),
        (planned(1521), 2.0, False),
        (planned(1519), 2.0, False),
        (planned(1520, subchannel=1), 2.0, False),
        (planned(1520, width=2), 2.0, True),
    ],
)
def test_a_planned_transmission_is_claimed_by_a_stronger_reservation_of_its_slot_and_subchannel(
    entry, element_mw, claimed
):
    senses = heard_senses(1500, 0, 20, element_mw)
    assert is_claimed(1510, entry, 0, senses, SIDELINK_RULES) == claimed


@pytest.mark.parametrize(("subchannel", "width", "claimed"), [(0, 1, False), (0, 2, True), (1, 1, True)])
def test_a_reservation_of_the_second_subchannel_claims_what_reaches_there(subchannel, width, claimed):
    senses = heard_senses(1500, 1, 20, 2.0)
    assert is_claimed(1510, planned(1520, subchannel, width), 0, senses, SIDELINK_RULES) == claimed


def request_at(now, *, width=1, period=100, uses=1, first=1, last=100):
    return resource_request(0, now, width, period, uses, now + first, now + last, np.uint64(1), 20)


def claims(senses, request, own_slots=(), **rules):
    """Return slot (counted from now), first subchannel and power of every claim."""
    claim_mw = claims_mw(request, np.array(own_slots, np.int64), senses, SIDELINK_RULES._replace(**rules))
    return [(int(i) + request.first - request.now, int(c), float(claim_mw[i, c])) for i, c in np.argwhere(claim_mw)]


def test_a_reservation_claims_its_next_use():
    assert claims(heard_senses(1950, 1, 100, 3.0), request_at(2000)) == [(50, 1, 3.0)]


def test_a_reservation_with_a_shorter_period_than_the_window_claims_all_its_uses():
    assert claims(heard_senses(1990, 0, 40, 3.0), request_at(2000)) == [(30, 0, 3.0), (70, 0, 3.0)]


def test_a_reservation_of_the_present_slot_does_not_return_within_a_window_of_one_period():
    assert claims(heard_senses(1900, 0, 100, 3.0), request_at(2000)) == []
    assert claims(heard_senses(1900, 0, 100, 3.0), request_at(2000, last=101)) == [(100, 0, 3.0)]


def test_a_reservation_claims_resources_whose_later_uses_meet_it():
    # A stream of 20 slots and 3 uses from slot n also takes n + 20 and n + 40.
    senses = heard_senses(1950, 0, 100, 3.0)
    assert claims(senses, request_at(2000, period=20, uses=3, last=60)) == [(10, 0, 3.0), (30, 0, 3.0), (50, 0, 3.0)]


def test_a_wide_packet_meets_a_reservation_from_the_subchannel_before_it_too():
    senses = heard_senses(1950, 1, 100, 3.0)
    assert claims(senses, request_at(2000, width=2)) == [(50, 0, 3.0)]
    assert claims(senses, request_at(2000, width=1)) == [(50, 1, 3.0)]


@pytest.mark.parametrize(("slot", "claimed"), [(1900, True), (1899, False)])
def test_a_reservation_expires_after_the_longest_period(slot, claimed):
    senses = heard_senses(slot, 0, 110, 3.0)
    senses.longest_period[0] = 100
    assert bool(claims(senses, request_at(2000))) == claimed


@pytest.mark.parametrize(("slot", "claimed"), [(1700, True), (1699, False)])
def test_a_reservation_expires_with_the_sensing_window(slot, claimed):
    senses = heard_senses(slot, 0, 310, 3.0)
    assert bool(claims(senses, request_at(2000), window_slots=300)) == claimed


def test_of_two_reservations_of_one_resource_the_stronger_counts():
    senses = heard_senses(1950, 0, 100, 3.0)
    senses.reserved[1990 % MEMORY, 0, 0], senses.rsrp_mw[1990 % MEMORY, 0, 0] = 60, 2.0
    assert claims(senses, request_at(2000)) == [(50, 0, 3.0)]


def test_slots_in_which_the_station_sends_are_blocked_in_all_subchannels():
    senses = heard_senses(1950, 0, 0, 0.0)
    assert claims(senses, request_at(2000), own_slots=[2007]) == [(7, 0, np.inf), (7, 1, np.inf)]


def test_slots_a_period_after_one_in_which_the_station_sent_are_blocked():
    senses = heard_senses(1950, 0, 0, 0.0)
    senses.sent_slot[0, 1987 % MEMORY] = 1987
    assert claims(senses, request_at(2000, period=40, last=60)) == [
        (27, 0, np.inf), (27, 1, np.inf)
    ]  # fmt: skip


def test_the_quietest_resources_have_the_least_mean_power_over_the_sensing_window():
    senses = heard_senses(1950, 0, 0, 0.0)
    # Slots 3 and 4 after now, 100 and 200 slots before: means of 3, 5 in the first and 4, 1 in the second subchannel.
    for slot, subchannel, power_mw in ((3, 0, 6.0), (4, 0, 10.0), (3, 1, 8.0), (4, 1, 2.0)):
        senses.rssi_mw[(2000 + slot - 100) % MEMORY, 0, subchannel] = power_mw
    request = request_at(2000, first=3, last=4)
    free = np.ones((2, 2), np.bool_)
    rules = SIDELINK_RULES._replace(window_slots=200)
    assert sorted(quietest(request, free, 4, 1, senses, rules).tolist()) == [3]
    assert sorted(quietest(request, free, 4, 2, senses, rules).tolist()) == [0, 3]
    assert sorted(quietest(request, free, 4, 3, senses, rules).tolist()) == [0, 1, 3]
    free[1, 1] = False
    assert sorted(quietest(request, free, 3, 1, senses, rules).tolist()) == [0]


def test_a_wide_resource_has_the_power_of_all_its_subchannels():
    senses = heard_senses(1950, 0, 0, 0.0)
    for slot, subchannel, power_mw in ((3, 0, 1.0), (3, 1, 8.0), (4, 0, 4.0), (4, 1, 2.0)):
        senses.rssi_mw[(2000 + slot - 100) % MEMORY, 0, subchannel] = power_mw
    request = request_at(2000, width=2, first=3, last=4)
    assert quietest(request, np.ones((2, 1), np.bool_), 2, 1, senses, SIDELINK_RULES).tolist() == [1]


@pytest.mark.parametrize(("uses", "factor"), [(100, 1), (50, 2), (20, 5), (10, 5), (99, 2), (200, 1)])
def test_a_resource_is_kept_for_5_to_15_packets_times_the_packets_in_100_slots(uses, factor):
    drawn = {drawn_uses(np.uint64(k), np.uint64(3), uses, SIDELINK_RULES, 4) for k in range(300)}
    assert drawn == {factor * n for n in range(5, 16)}


def room_for(packets, repetitions, rows=1024, waiting=0):
    schedule = Schedule(
        np.zeros((0, tables.STATION_COLUMNS), np.int64), np.zeros(0, np.uint64),
        np.arange(rows * tables.ENTRY_COLUMNS).reshape(rows, -1), np.arange(rows, dtype=np.uint64), np.zeros(1, np.int64),
    )  # fmt: skip
    agenda = Agenda(np.zeros((rows, 4), np.int64), np.array([waiting], np.int64))
    return schedule, agenda, *with_room(schedule, agenda, packets, repetitions)


@pytest.mark.parametrize(("packets", "repetitions", "waiting"), [(512, 0, 0), (256, 2, 0), (500, 0, 24)])
def test_a_schedule_with_room_for_an_event_of_each_transmission_and_one_more_is_kept(packets, repetitions, waiting):
    schedule, agenda, same, same_agenda = room_for(packets, repetitions, waiting=waiting)
    assert same is schedule
    assert same_agenda is agenda


@pytest.mark.parametrize(("packets", "repetitions", "waiting"), [(513, 0, 0), (257, 2, 0), (500, 0, 25)])
def test_a_schedule_without_that_room_becomes_twice_as_long_as_needed(packets, repetitions, waiting):
    schedule, _, longer, agenda = room_for(packets, repetitions, waiting=waiting)
    wanted = waiting + packets * (repetitions + 2)
    assert len(longer.entry) == len(longer.entry_key) == len(agenda.rows) == 2 * wanted
    assert np.array_equal(longer.entry[:1024], schedule.entry)
    assert np.array_equal(longer.entry_key[:1024], schedule.entry_key)
    assert not longer.entry[1024:].any()
