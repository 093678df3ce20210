"""Acknowledgements of `random_slot`: transmissions after the packet, which can be lost as any other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comms.access.exchanges import played, unicasts
from tests.comms.access.groups import UNHEARD_DBM, square
from v2xsim.comms.access.schemes.random_slot import RandomSlotAccess

SCHEME = RandomSlotAccess()


def test_an_acknowledgement_follows_its_packet_after_sifs_at_the_base_rate():
    run = played(SCHEME, unicasts((0, 1, 0)), square(2))
    (packet,), (ack,) = run.data(), run.acks()
    # 14 B at 6 Mb/s: a preamble of 40 us and 3 symbols of 8 us.
    assert (ack.sender, ack.began_us, ack.ended_us) == (1, packet.ended_us + 32, packet.ended_us + 32 + 64)
    assert (packet.outcome, ack.outcome, run.finished) == ({1: "delivered"}, {0: "delivered"}, [0])


@pytest.mark.parametrize(("mcs", "airtime_us"), [(0, 88), (1, 88), (3, 64), (7, 56)])
def test_the_rate_of_an_acknowledgement_is_the_highest_mandatory_one_up_to_its_packets(mcs, airtime_us):
    (ack,) = played(SCHEME, unicasts((0, 1, 0), mcs=mcs), square(2)).acks()
    assert ack.ended_us - ack.began_us == airtime_us


def test_an_acknowledgement_counts_as_busy_time_at_everyone_who_hears_it():
    run = played(SCHEME, unicasts((0, 1, 0)), square(3))
    (packet,) = run.data()
    assert run.busy_us == [packet.ended_us - packet.began_us + 64] * 3


def test_no_broadcast_and_no_packet_without_retries_is_acknowledged():
    run = played(SCHEME, unicasts((0, -1, 0), (1, 0, 0)), square(2))
    assert [ack.number for ack in run.acks()] == [1]
    assert played(SCHEME, unicasts((1, 0, 0), retries=0), square(2)).acks() == []


def test_a_lost_acknowledgement_makes_its_sender_repeat_a_packet_that_has_arrived():
    # Station 1 hears station 0, but not the other way round.
    power = square(2)
    power[1, 0] = -91.0
    run = played(SCHEME, unicasts((0, 1, 0), retries=2), power)
    assert [packet.outcome for packet in run.data()] == [{1: "delivered"}] * 3
    assert [ack.outcome[0] for ack in run.acks()] == ["sensing"] * 3
    assert [packet.repeat for packet in run.data()] == [0, 1, 2]
    assert run.finished == [0]


def test_a_packet_that_never_arrives_is_sent_once_more_than_it_may_be_repeated():
    run = played(SCHEME, unicasts((0, 1, 0), retries=4), square(2, p01=-100.0))
    assert (len(run.data()), run.acks(), run.finished) == (5, [], [0])
    starts = np.array([packet.began_us for packet in run.data()])
    # Each repetition waits for the timeout after the end of the packet.
    assert (np.diff(starts) >= 496 + 1000).all()


def test_a_longer_timeout_delays_the_repetition():
    first, second = played(SCHEME, unicasts((0, 1, 0), retries=1), square(2, p01=-100.0), ack_timeout_us=50_000).data()
    assert second.began_us >= first.ended_us + 50_000


def test_an_acknowledgement_collides_with_a_station_that_is_hidden_from_its_sender():
    # 0 hears everyone; 1 and 2 are hidden from each other, and 3 hears 2 alone. The packets of 448 us leave 52 us of their
    # slots, so an acknowledgement is on the air when the next slot begins.
    power = square(4, p12=UNHEARD_DBM, p13=UNHEARD_DBM, p03=UNHEARD_DBM)
    packets = unicasts(
        *[(0, 1, 2000 * k) for k in range(100)], *[(2, 3, 2000 * k) for k in range(100)], size_bytes=260, retries=2
    )
    run = played(SCHEME, packets, power, 600_000, window_us=2000)
    hidden = {packet.began_us for packet in run.data() if packet.sender == 2}
    of_0 = [ack for ack in run.acks() if ack.sender == 1]
    hit = [ack for ack in of_0 if ack.began_us + 20 in hidden]
    assert len(hit) > 10
    assert {ack.outcome[0] for ack in hit} == {"collision"}
    assert {ack.outcome[0] for ack in of_0 if ack not in hit} == {"delivered"}
    repeated = {(packet.number, packet.repeat) for packet in run.data()}
    assert {(ack.number, ack.repeat + 1) for ack in hit if ack.repeat < 2} <= repeated


def test_a_station_that_sends_when_its_acknowledgement_is_due_sends_none():
    # Packets of 496 us fill slots of 500 us, so the next slot begins before the acknowledgement has ended.
    run = played(SCHEME, unicasts((0, 1, 0), (1, -1, 0), retries=5), square(2), window_us=1000)
    ends = {packet.ended_us for packet in run.data(0)}
    beginnings = {packet.began_us for packet in run.data(1)}
    unsent = [ack for ack in run.acks() if ack.outcome == {0: "not_sent"}]
    assert len(unsent) == len([end for end in ends if end + 4 in beginnings]) == 1
    assert run.finished == [0]


def test_the_sender_keeps_the_time_of_an_acknowledgement_free():
    run = played(SCHEME, unicasts(*[(0, 1, 0)] * 10), square(2), window_us=20_000)
    assert [ack.outcome[0] for ack in run.acks()] == ["delivered"] * 10


def test_one_long_call_gives_the_same_as_many_short_ones():
    packets = unicasts(*[(k % 4, (k + 1) % 4, 300 * k) for k in range(60)])
    assert played(SCHEME, packets, square(4)) == played(SCHEME, packets, square(4), pieces=777)


def test_allowing_retries_changes_no_draw_of_the_first_transmissions():
    packets = {
        retries: unicasts(*[(k % 3, (k + 1) % 3, 1000 * k) for k in range(9)], retries=retries) for retries in (0, 3)
    }
    starts = [
        {t.number: t.began_us for t in played(SCHEME, sent, square(3), size).data() if t.repeat == 0}
        for sent, size in zip(packets.values(), (400_000, 400_000), strict=True)
    ]
    # The third packet of a station may meet another reservation of its own, the first cannot.
    assert [starts[0][n] for n in range(3)] == [starts[1][n] for n in range(3)]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 100_000)), min_size=1, max_size=30),
    retries=st.integers(1, 4),
)
def test_every_packet_that_arrives_is_acknowledged_once_or_cannot_be(rows, retries):
    targets = [(sender + step) % 5 for sender, step, _ in rows]
    packets = unicasts(*[(s, t, at) for (s, _, at), t in zip(rows, targets, strict=True)], retries=retries)
    run = played(SCHEME, packets, square(5))
    assert len(run.acks()) == run.got(targets)
    assert sorted(run.finished) == list(range(len(rows)))
    # Whoever received an acknowledgement does not repeat.
    for number in range(len(rows)):
        received = [
            ack.repeat for ack in run.acks(number) if ack.outcome.get(int(packets.sender[number])) == "delivered"
        ]
        assert received in ([], [len(run.data(number)) - 1])


@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.integers(0, 15), min_size=1, max_size=20, unique=True))
def test_without_losses_there_are_as_many_acknowledgements_as_packets(times):
    # One packet in each window of 20 ms.
    packets = unicasts(*[(k % 2, 1 - k % 2, 20_000 * time) for k, time in enumerate(sorted(times))])
    run = played(SCHEME, packets, square(2))
    assert len(run.acks()) == len(run.data()) == len(times)
