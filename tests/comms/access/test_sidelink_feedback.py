"""Feedback of NR-V2X mode 2: when it is sent, how it is lost, and what it costs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.comms.access.exchanges import played, unicasts
from tests.comms.access.groups import keys, square
from v2xsim.comms.access.packets import field_of
from v2xsim.comms.access.scheme import RadioSettings, layer_of
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2

SLOT_US, SYMBOL_US = 1000, 1000 / 14


def scheme(period=4, **more):
    return NrMode2(psfch_period_slots=period, packet_subchannels=1, **more)


@pytest.mark.parametrize(("period", "gap"), [(1, 2), (2, 2), (4, 2), (4, 3), (1, 3)])
def test_feedback_is_in_the_first_slot_with_a_feedback_channel_after_the_gap(period, gap):
    for number in range(12):
        run = played(scheme(period, psfch_gap_slots=gap), unicasts((0, 1, 1000 * number)), square(2))
        (packet,), (ack,) = run.data(), run.acks()
        sent_slot, answer_slot = packet.began_us // SLOT_US, ack.began_us // SLOT_US
        assert answer_slot % period == 0
        assert gap <= answer_slot - sent_slot < gap + period
        # The symbols 11 and 12 of the slot.
        assert ack.began_us - SLOT_US * answer_slot == pytest.approx(11 * SYMBOL_US, abs=1)
        assert ack.ended_us - ack.began_us == pytest.approx(2 * SYMBOL_US, abs=1)
        assert (ack.sender, ack.outcome, run.finished) == (1, {0: "delivered"}, [0])


def test_a_lost_acknowledgement_makes_its_sender_repeat_a_packet_that_has_arrived():
    power = square(2)
    power[1, 0] = -120.0
    run = played(scheme(), unicasts((0, 1, 0), retries=2), power)
    assert [packet.outcome for packet in run.data()] == [{1: "delivered"}] * 3
    assert [ack.outcome for ack in run.acks()] == [{0: "sensing"}] * 3
    assert ([packet.repeat for packet in run.data()], run.finished) == ([0, 1, 2], [0])


def test_feedback_in_one_resource_block_needs_less_power_than_a_packet():
    # Noise of -95 dBm over 48 resource blocks: -111.8 dBm over one. The threshold is 6 dB higher.
    for power_dbm, outcome in ((-105.5, "delivered"), (-106.1, "propagation")):
        power = square(2)
        power[1, 0] = power_dbm
        run = played(
            scheme(psfch_snr_db=6.0), unicasts((0, 1, 0), retries=1), power, noise_dbm=-95.0, sensitivity_dbm=-130.0
        )
        assert run.acks()[0].outcome == {0: outcome}


def test_a_station_that_answers_in_a_slot_hears_no_answer_in_it():
    # Both send to each other at once; each period, many answers are due together.
    packets = unicasts(*[(0, 1, 0)] * 10, *[(1, 0, 0)] * 10, retries=5)
    run = played(scheme(period=4), packets, square(2))
    by_slot = {}
    for ack in run.acks():
        by_slot.setdefault(ack.began_us, []).append(ack)
    both = [acks for acks in by_slot.values() if {ack.sender for ack in acks} == {0, 1}]
    one = [acks for acks in by_slot.values() if len({ack.sender for ack in acks}) == 1]
    assert both
    assert one
    assert {outcome for acks in both for ack in acks for outcome in ack.outcome.values()} == {"half_duplex"}
    assert {outcome for acks in one for ack in acks for outcome in ack.outcome.values()} == {"delivered"}
    assert sorted(run.finished) == list(range(20))


def test_a_packet_that_never_arrives_is_sent_once_more_than_it_may_be_repeated():
    run = played(scheme(), unicasts((0, 1, 0), retries=4), square(2, p01=-120.0))
    assert (len(run.data()), run.acks(), run.finished) == (5, [], [0])
    slots = np.array([packet.began_us for packet in run.data()]) // SLOT_US
    # At least the gap, then the next slot at the earliest.
    assert (np.diff(slots) > 2).all()


def test_without_feedback_channel_and_in_mode_4_nothing_is_acknowledged():
    for other in (scheme(0), LteMode4(packet_subchannels=1)):
        run = played(other, unicasts((0, 1, 0), retries=3), square(2))
        assert (len(run.data()), run.acks(), run.finished) == (1, [], [])


def test_a_broadcast_is_not_acknowledged():
    assert played(scheme(), unicasts((0, -1, 0)), square(2)).acks() == []


def test_blind_repetitions_come_first_and_one_answer_follows_the_last():
    run = played(scheme(repetitions=2), unicasts((0, 1, 0), retries=1), square(2))
    assert (len(run.data()), len(run.acks()), run.finished) == (1, 1, [0])


def test_a_feedback_channel_takes_three_symbols_of_the_packets():
    # 12 resource blocks x 120 or 84 resource elements x 2 bits x 0.7, in bytes.
    assert NrMode2(packet_subchannels=1).most_bytes() == 252
    assert {scheme(period).most_bytes() for period in (1, 2, 4)} == {176}


def test_answers_leave_the_busy_ratio_of_the_subchannels_as_it_is():
    packets = unicasts((0, 1, 0))
    assert played(scheme(), packets, square(3)).busy_us == played(scheme(0), packets, square(3)).busy_us == [250] * 3


def test_one_long_call_gives_the_same_as_many_short_ones():
    packets = unicasts(*[(k % 4, (k + 1) % 4, 300 * k) for k in range(60)])
    assert played(scheme(), packets, square(4)) == played(scheme(), packets, square(4), pieces=777)


def moved(stop_us, row):
    """Return transmissions (number, whether an answer, sender, receivers) around a change of the stations' rows."""
    field = field_of(square(4), -150.0)
    layer = layer_of(scheme(), RadioSettings(), 0, keys(4))
    layer.submit(unicasts((0, 1, 0), retries=2))
    found = [layer.advance(stop_us, field)[0]]
    layer.reindexed(np.array(row), keys(4))
    found.append(layer.advance(1_000_000, field)[0])
    return [
        (int(n), bool(a), int(s), r.receiver[o:e][r.outcome[o:e] == 0].tolist())
        for r in found
        for n, a, s, o, e in zip(r.number, r.is_ack, r.by, r.offset[:-1], r.offset[1:], strict=True)
    ], [number for r in found for number in r.finished.tolist()]


def test_a_target_that_changes_its_row_still_answers():
    (packet,), (ack,) = (
        [t for t in played(scheme(), unicasts((0, 1, 0)), square(2)).sent if t.is_ack == kind] for kind in (False, True)
    )
    for stop_us in (0, packet.ended_us + 1000, ack.began_us // SLOT_US * SLOT_US):
        found, finished = moved(stop_us, [3, 2, 1, 0])
        assert [(is_ack, sender) for _, is_ack, sender, _ in found][1] == (True, 2)
        assert (len(found), finished) == (2, [0])


def test_a_target_that_leaves_answers_no_more_and_the_packet_still_ends():
    found, finished = moved(0, [0, -1, 2, 3])
    assert [is_ack for _, is_ack, _, _ in found] == [False] * 3
    assert finished == [0]


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 50_000)), min_size=1, max_size=20),
    retries=st.integers(1, 4),
    period=st.sampled_from([1, 2, 4]),
)
def test_every_packet_that_arrives_is_acknowledged_and_every_packet_ends(rows, retries, period):
    targets = [(sender + step) % 5 for sender, step, _ in rows]
    packets = unicasts(*[(s, t, at) for (s, _, at), t in zip(rows, targets, strict=True)], retries=retries)
    run = played(scheme(period), packets, square(5), 1_500_000)
    assert len(run.acks()) == run.got(targets)
    assert sorted(run.finished) == list(range(len(rows)))
    for number in range(len(rows)):
        received = [
            ack.repeat for ack in run.acks(number) if ack.outcome.get(int(packets.sender[number])) == "delivered"
        ]
        assert received in ([], [len(run.data(number)) - 1])
