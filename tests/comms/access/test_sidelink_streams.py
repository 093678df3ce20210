"""How long a sidelink stream keeps its resource, and what becomes of repetitions."""

import numpy as np
import pytest
from groups import keys, packets, played, repeated, square, stream

from v2xsim.comms.access.packets import DELIVERED, PROPAGATION
from v2xsim.comms.access.schemes.lte_mode4 import LteMode4
from v2xsim.comms.access.schemes.nr_mode2 import NrMode2

STREAMS = 60


def runs(period_us, count, scheme=NrMode2, **more):
    """Return for how many packets streams kept each of their resources, the first and last one of each stream left out."""
    sent = packets(stream(0, 0, period_us, count), groups=STREAMS)
    found, _ = played(
        scheme(packet_subchannels=1, **more), sent, repeated(STREAMS, square(1)), period_us * count + 200_000
    )
    place = np.stack([found.began_us[np.argsort(found.number)] % period_us]).reshape(STREAMS, count)
    kept = [np.diff(np.flatnonzero(np.diff(row) != 0)) for row in place]
    return np.concatenate(kept)


def test_a_counter_drawn_from_5_to_15_says_for_how_many_packets_a_resource_is_kept():
    lengths = runs(100_000, 300)
    # A new resource is the old one by chance in one of a hundred; that joins two runs.
    lengths = lengths[lengths <= 15]
    share = np.bincount(lengths, minlength=16) / len(lengths)
    assert share[:5].sum() == 0.0
    np.testing.assert_allclose(share[5:], 1 / 11, atol=5 * np.sqrt(1 / 11 / len(lengths)))


@pytest.mark.parametrize(("period_us", "factor"), [(50_000, 2), (40_000, 3), (20_000, 5), (10_000, 5)])
def test_the_counter_is_longer_by_as_much_as_messages_come_faster_than_every_100_ms(period_us, factor):
    lengths = runs(period_us, 500)
    # A window of 100 slots holds a slot of the same phase, so some runs are joined; the shortest is never longer for it.
    assert lengths.min() == 5 * factor
    assert (lengths % factor == 0).all()


@pytest.mark.parametrize(("keep", "mean"), [(0.0, 10.0), (0.5, 20.0), (0.8, 50.0)])
def test_a_resource_whose_counter_runs_out_is_kept_with_the_keep_probability(keep, mean):
    sent = packets(stream(0, 0, 100_000, 1000), groups=STREAMS)
    found, _ = played(
        LteMode4(packet_subchannels=1, keep_probability=keep), sent, repeated(STREAMS, square(1)), 101_000_000
    )
    phase = (found.began_us[np.argsort(found.number)] % 100_000).reshape(STREAMS, 1000)
    changes = (np.diff(phase, axis=1) != 0).sum() / (1 - 1 / 100)
    # Of about 1,000 to 6,000 changes; five standard errors.
    assert STREAMS * 1000 / changes == pytest.approx(mean, rel=5 / np.sqrt(changes))


def test_a_stream_whose_packets_grow_looks_for_a_wider_resource():
    # 12 blocks carry 120 * 12 * 2 * 0.7 bits = 252 bytes in a slot.
    small = packets(stream(0, 0, 100_000, 2), size_bytes=250)
    large = packets(stream(0, 200_000, 100_000, 1), size_bytes=260)
    rows = {n: np.concatenate([getattr(small, n), getattr(large, n)]) for n in type(small).__dataclass_fields__}
    rows["number"], rows["key"] = np.arange(3), keys(3, 9)
    found, _ = played(NrMode2(), type(small)(**rows), repeated(1, square(2)), 500_000)
    # Noise over two of four subchannels instead of one.
    noise_dbm = found.noise_dbm[np.argsort(found.began_us)]
    np.testing.assert_allclose(noise_dbm, -95.0 + 10 * np.log10([1 / 4, 1 / 4, 2 / 4]))


@pytest.mark.parametrize(("size_bytes", "subchannels"), [(252, 1), (253, 2), (504, 2), (505, 3), (1008, 4)])
def test_a_packet_takes_as_many_subchannels_as_its_bits_need(size_bytes, subchannels):
    # Each carries 252 bytes.
    _, busy_us = played(NrMode2(), packets([(0, 0, 0)], size_bytes=size_bytes), repeated(1, square(2)), 500_000)
    assert busy_us.tolist() == [250 * subchannels] * 2


@pytest.mark.parametrize("repetitions", [0, 1, 3])
def test_a_packet_is_on_the_air_once_and_for_each_repetition(repetitions):
    scheme = NrMode2(subchannels=1, packet_subchannels=1, repetitions=repetitions)
    found, busy_us = played(scheme, packets([(0, 0, 0)], groups=100), repeated(100, square(1)), 500_000)
    assert busy_us.tolist() == [1000 * (1 + repetitions)] * 100
    assert len(found.number) == 100


def test_a_repetition_is_never_in_the_slot_of_another():
    # Two slots for a packet and its repetition: it takes both.
    scheme = NrMode2(subchannels=1, packet_subchannels=1, t1_slots=1, t2_slots=2, repetitions=1)
    found, busy_us = played(scheme, packets([(0, 0, 0)], groups=100), repeated(100, square(1)), 500_000)
    assert busy_us.tolist() == [2000] * 100
    assert set(found.began_us.tolist()) == {2000}


@pytest.mark.parametrize("repetitions", [1, 2])
def test_a_repeated_packet_is_lost_only_if_every_transmission_is(repetitions):
    # At an SNR of 6 dB the curve loses 0.4 of all; chance of the transmissions is independent.
    curve = ((5.9, 0.4), (6.1, 0.4))
    scheme, count = NrMode2(packet_subchannels=1, subchannels=1, repetitions=repetitions), 3000
    sent = packets([(0, 200_000 * k, 0) for k in range(count)])
    found, _ = played(scheme, sent, repeated(1, square(2, p01=-89.0)), 200_000 * count, curve=curve)
    assert set(found.outcome.tolist()) == {DELIVERED, PROPAGATION}
    lost = 0.4 ** (1 + repetitions)
    assert (found.outcome == PROPAGATION).mean() == pytest.approx(lost, abs=5 * np.sqrt(lost / count))


def test_a_packet_of_a_stream_and_its_repetition_take_different_slots():
    scheme = NrMode2(subchannels=1, packet_subchannels=1, t1_slots=1, t2_slots=2, repetitions=1)
    sent = packets(stream(0, 0, 100_000, 4), groups=50)
    _, busy_us = played(scheme, sent, repeated(50, square(1)), 1_000_000)
    assert busy_us.tolist() == [4 * 2 * 1000] * 50
