"""Acknowledgements of IEEE 802.11p: when they are sent, how they are lost, and what their senders do then."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comms.access.exchanges import played, unicasts
from tests.comms.access.groups import UNHEARD_DBM, keys, square
from v2xsim.comms.access.packets import field_of
from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.ieee80211p import Ieee80211p

SCHEME = Ieee80211p()
AIRTIME_US, ACK_US, SIFS_US, AIFS_US, SLOT_US = 496, 64, 32, 110, 13
# An acknowledgement that has not begun this long after its packet is missed: SIFS, a slot and 49 us.
TIMEOUT_US = 94


def test_an_acknowledgement_follows_its_packet_after_sifs_and_frees_the_queue():
    run = played(SCHEME, unicasts((0, 1, 0), (0, 1, 0)), square(2))
    first, second = run.data()
    ack = run.acks()[0]
    assert (ack.sender, ack.began_us - first.ended_us, ack.ended_us - ack.began_us) == (1, SIFS_US, ACK_US)
    waited_us = second.began_us - ack.ended_us - AIFS_US
    assert 0 <= waited_us <= 15 * SLOT_US
    assert waited_us % SLOT_US == 0
    assert (run.finished, [packet.repeat for packet in run.data()]) == ([0, 1], [0, 0])


@pytest.mark.parametrize(("mcs", "airtime_us"), [(0, 88), (1, 88), (2, 64), (3, 64), (4, 56), (7, 56)])
def test_the_rate_of_an_acknowledgement_is_the_highest_mandatory_one_up_to_its_packets(mcs, airtime_us):
    (ack,) = played(SCHEME, unicasts((0, 1, 0), mcs=mcs), square(2)).acks()
    assert ack.ended_us - ack.began_us == airtime_us


def test_a_lost_acknowledgement_makes_its_sender_repeat_a_packet_that_has_arrived():
    # Station 1 hears station 0, but not the other way round.
    power = square(2)
    power[1, 0] = -99.0
    run = played(SCHEME, unicasts((0, 1, 0), retries=2), power)
    assert [packet.outcome for packet in run.data()] == [{1: "delivered"}] * 3
    assert [ack.outcome for ack in run.acks()] == [{0: "sensing"}] * 3
    assert run.finished == [0]


def test_a_packet_that_never_arrives_is_sent_once_more_than_it_may_be_repeated():
    run = played(SCHEME, unicasts((0, 1, 0), retries=4), square(2, p01=-105.0))
    assert (len(run.data()), run.acks(), run.finished) == (5, [], [0])


def test_the_contention_window_doubles_with_each_repetition_and_starts_anew_with_the_next_packet():
    waits = {repeat: [] for repeat in range(6)}
    first = []
    for seed in range(300):
        packets = unicasts((0, 1, seed), (0, 1, seed), retries=5)
        packets = packets[np.array([0, 1])]
        packets.key[:] = packets.key ^ np.uint64(7919 * seed)
        run = played(Ieee80211p(cw_max=127), packets, square(2, p01=-105.0))
        one = run.data(0)
        for before, after in pairwise(one):
            waits[after.repeat].append((after.began_us - before.ended_us - TIMEOUT_US - AIFS_US) / SLOT_US)
        first.append((run.data(1)[0].began_us - one[-1].ended_us - TIMEOUT_US - AIFS_US) / SLOT_US)
    for repeat, window in ((1, 31), (2, 63), (3, 127), (4, 127)):
        slots = np.array(waits[repeat])
        assert (slots == slots.astype(int)).all()
        # 300 draws of 0 to the window: each half is missed with a chance of 2^-300.
        assert window / 2 < slots.max() <= window
        assert slots.min() < window / 2
    assert max(first) <= 15


def test_the_sender_of_an_acknowledgement_begins_no_packet_of_its_own_meanwhile():
    # Station 1 gets a packet of its own ready just before the packet of station 0 ends.
    run = played(SCHEME, unicasts((0, 1, 0), (1, -1, AIRTIME_US - 1)), square(2))
    (ack,), (own,) = run.acks(), run.data(1)
    assert ack.outcome == {0: "delivered"}
    assert own.began_us >= ack.ended_us + AIFS_US


def test_with_an_aifs_below_sifs_a_station_that_sends_cannot_acknowledge():
    run = played(
        Ieee80211p(aifs_us=1, cw=0, cw_max=0), unicasts((0, 1, 0), (1, -1, AIRTIME_US - 1), retries=1), square(2)
    )
    assert run.acks()[0].outcome == {0: "not_sent"}
    assert [packet.repeat for packet in run.data(0)] == [0, 1]
    assert run.finished == [0]


def test_others_that_hear_packet_and_acknowledgement_wait_for_both():
    run = played(SCHEME, unicasts((0, 1, 0), (2, -1, 200)), square(3))
    (ack,), (other,) = run.acks(), run.data(1)
    assert other.began_us >= ack.ended_us + AIFS_US


def test_an_acknowledgement_collides_with_a_station_that_is_hidden_from_its_sender():
    # 1 acknowledges to 0; 2 is heard by 0 alone, and hears neither the packet of 0 nor the acknowledgement.
    power = square(3, p12=UNHEARD_DBM)
    power[0, 2] = UNHEARD_DBM
    # The packet of 2 begins while the acknowledgement is on the air.
    run = played(SCHEME, unicasts((0, 1, 0), (2, -1, AIRTIME_US + SIFS_US + 20), retries=2), power)
    assert run.data(0)[0].outcome == {1: "delivered"}
    assert run.acks()[0].outcome == {0: "collision"}
    assert [packet.repeat for packet in run.data(0)] == [0, 1]
    assert run.data(0)[1].outcome[1] == "delivered"
    assert run.finished == [0]


def test_an_acknowledgement_counts_as_busy_time_at_everyone_who_hears_it():
    run = played(SCHEME, unicasts((0, 1, 0)), square(3))
    assert run.busy_us == [AIRTIME_US + ACK_US] * 3


def test_no_broadcast_and_no_packet_without_retries_is_acknowledged():
    run = played(SCHEME, unicasts((0, -1, 0), (1, 0, 0)), square(2))
    assert {ack.number for ack in run.acks()} == {1}
    assert played(SCHEME, unicasts((1, 0, 0), retries=0), square(2)).acks() == []


def test_a_full_queue_never_drops_a_packet_that_is_being_repeated():
    field = field_of(square(2, p01=-105.0), -150.0)
    layer = layer_of(SCHEME, RadioSettings(queue_packets=2), 0, keys(2))
    layer.submit(unicasts((0, 1, 0), *[(0, -1, 600 + k) for k in range(4)], retries=6))
    found, _ = layer.advance(100_000, field)
    assert layer.dropped == [1, 2, 3]
    assert (found.finished.tolist(), found.number.tolist()) == ([0], [0] * 7 + [4])


def test_a_queue_of_one_packet_drops_the_new_packet_while_the_old_one_is_repeated():
    field = field_of(square(2, p01=-105.0), -150.0)
    layer = layer_of(SCHEME, RadioSettings(queue_packets=1), 0, keys(2))
    layer.submit(unicasts((0, 1, 0), (0, -1, 600), retries=3))
    found, _ = layer.advance(100_000, field)
    assert (layer.dropped, found.number.tolist()) == ([1], [0] * 4)


def test_one_long_call_gives_the_same_as_many_short_ones():
    packets = unicasts(*[(k % 4, (k + 1) % 4, 300 * k) for k in range(60)])
    assert played(SCHEME, packets, square(4)) == played(SCHEME, packets, square(4), pieces=777)


def moved(stops, row):
    """Return what comes of two packets between stations whose rows change at an instant."""
    field = field_of(square(4), -150.0)
    layer = layer_of(SCHEME, RadioSettings(), 0, keys(4))
    layer.submit(unicasts((0, 1, 0), (0, 1, 0), retries=2))
    found = [layer.advance(stops, field)[0]]
    layer.reindexed(np.array(row), keys(4))
    found.append(layer.advance(100_000, field)[0])
    return [
        (int(n), bool(a), int(s), r.receiver[o:e][r.outcome[o:e] == 0].tolist())
        for r in found
        for n, a, s, o, e in zip(r.number, r.is_ack, r.by, r.offset[:-1], r.offset[1:], strict=True)
    ]


@pytest.mark.parametrize("stop_us", [300, AIRTIME_US, AIRTIME_US + 20, AIRTIME_US + 60, AIRTIME_US + 200])
def test_a_target_that_changes_its_row_still_acknowledges(stop_us):
    found = moved(stop_us, [3, 2, 1, 0])
    assert [number for number, is_ack, _, _ in found if not is_ack] == [0, 1]
    assert [number for number, is_ack, _, _ in found if is_ack] == [0, 1]
    assert found[-1][1:3] == (True, 2)
    assert 3 in found[-1][3]


def test_a_target_that_leaves_acknowledges_no_more():
    found = moved(AIRTIME_US + 20, [0, -1, 2, 3])
    assert [number for number, is_ack, _, _ in found if not is_ack] == [0] * 3 + [1] * 3
    assert not any(is_ack for _, is_ack, _, _ in found)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 50_000)), min_size=1, max_size=30),
    retries=st.integers(1, 4),
)
def test_every_packet_that_arrives_is_acknowledged_and_every_packet_ends(rows, retries):
    targets = [(sender + step) % 5 for sender, step, _ in rows]
    packets = unicasts(*[(s, t, at) for (s, _, at), t in zip(rows, targets, strict=True)], retries=retries)
    run = played(SCHEME, packets, square(5))
    assert len(run.acks()) == run.got(targets)
    assert sorted(run.finished) == list(range(len(rows)))
    for number in range(len(rows)):
        received = [
            ack.repeat for ack in run.acks(number) if ack.outcome.get(int(packets.sender[number])) == "delivered"
        ]
        assert received in ([], [len(run.data(number)) - 1])


@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.integers(0, 15), min_size=1, max_size=15, unique=True))
def test_without_losses_there_are_as_many_acknowledgements_as_packets(times):
    packets = unicasts(*[(k % 2, 1 - k % 2, 20_000 * time) for k, time in enumerate(sorted(times))])
    run = played(SCHEME, packets, square(2))
    assert len(run.acks()) == len(run.data()) == len(times)
