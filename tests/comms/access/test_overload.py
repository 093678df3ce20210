"""More packets than the channel carries: every one is either sent or reported as not sent, and never both."""

import numpy as np
import pytest

from v2xsim.comms.access.csma import Csma, CsmaParams
from v2xsim.comms.access.packets import Packets, field_of
from v2xsim.comms.access.sidelink import Sidelink, SidelinkParams

STATIONS, EACH, ROOM = 6, 400, 50
KEYS = np.arange(1, STATIONS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def flood():
    """Return what all stations hand over at once, several times."""
    number = np.arange(STATIONS * EACH)
    # Rounding upwards: what is ready at an instant is ready for all stations.
    ready = 20_000 * (number // (STATIONS * 100))
    key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    same = np.ones(len(number), np.int64)
    return Packets(number, number % STATIONS, -same, ready, 190 * same, 2 * same, 0 * same, key)


def layers(queue_packets=ROOM):
    yield Csma(STATIONS, CsmaParams(queue_packets=queue_packets), 0, KEYS)
    for ranked in (True, False):
        yield Sidelink(STATIONS, SidelinkParams(ranked=ranked, queue_packets=queue_packets), 0, KEYS)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("leaving", [False, True])
def test_each_packet_is_sent_once_or_reported_as_not_sent(place, leaving):
    layer, field = list(layers())[place], field_of(np.full((STATIONS, STATIONS), -60.0), -120.0)
    sent = flood()
    layer.submit(sent)
    numbers = []
    for until_us in range(5_000, 3_000_000, 5_000):
        found, _ = layer.advance(until_us, field)
        numbers += found.number.tolist()
        if leaving and until_us % 10_000 == 0:
            # Stations come in another order; what they hold stays theirs.
            layer.reindexed(np.arange(STATIONS), KEYS)
    assert len(set(numbers)) == len(numbers)
    assert not set(numbers) & set(layer.dropped)
    assert sorted(numbers + layer.dropped) == sent.number.tolist()
    assert len(layer.dropped) > 0


@pytest.mark.parametrize("place", range(3))
def test_one_call_reports_as_many_packets_as_many_calls(place):
    # 2,400 packets at 5 stations each: more than the arrays of a call have room for at first.
    field, sent = field_of(np.full((STATIONS, STATIONS), -60.0), -120.0), flood()
    whole, parts = list(layers(queue_packets=1000))[place], list(layers(queue_packets=1000))[place]
    whole.submit(sent)
    parts.submit(sent)
    one, busy_us = whole.advance(4_000_000, field)
    numbers, outcomes, busy_parts_us = [], [], 0
    for until_us in range(20_000, 4_000_001, 20_000):
        found, busy = parts.advance(until_us, field)
        numbers += found.number.tolist()
        outcomes += found.outcome.tolist()
        busy_parts_us = busy_parts_us + busy
    assert one.number.tolist() == numbers
    assert one.outcome.tolist() == outcomes
    np.testing.assert_allclose(busy_us, busy_parts_us, atol=200)
    assert sorted(numbers + whole.dropped) == sent.number.tolist()
