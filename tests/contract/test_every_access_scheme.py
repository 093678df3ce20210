"""What every access scheme among the built-in parts must obey, whatever it computes: laws, not values."""

from dataclasses import replace

import numpy as np
import pytest

from tests.contract.kinds import every
from v2xsim.comms.access.packets import DELIVERED, HALF_DUPLEX, SENSING, Packets, field_of
from v2xsim.comms.access.scheme import AccessScheme, RadioSettings, layer_of
from v2xsim.parts import parts_of

ON_AIR = every(AccessScheme, lambda scheme: not scheme.ideal)
STATIONS = 8


def traffic(rng, stations=STATIONS, count=60):
    """Return packets of streams and single ones, in the order in which they become ready."""
    number = np.arange(count)
    sender = rng.integers(0, stations, count)
    ready_us = np.sort(rng.integers(0, 400_000, count))
    # A station has one stream at most, so a sender's packets are all of its stream or all single.
    period_us = np.where(sender % 2 == 0, 100_000, 0)
    key = (number.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03)
    return Packets(number, sender, np.full(count, -1), ready_us, np.full(count, 150), np.full(count, 2), period_us, key)


def powers(rng, stations=STATIONS):
    square = rng.uniform(-100.0, -55.0, (stations, stations))
    return np.minimum(square, square.T)


def keys(stations):
    return np.arange(1, stations + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def on_air(scheme, packets, square, station_key, until_us=3_000_000):
    layer = layer_of(scheme, RadioSettings(), 0, station_key)
    layer.submit(packets)
    return (*layer.advance(until_us, field_of(square, -110.0)), list(layer.dropped))


def heard(found, station_of):
    """Return packet, receiving station, outcome, begin and SINR of each reception."""
    return zip(
        found.packet.tolist(), station_of[found.receiver].tolist(), found.outcome.tolist(), found.start_us.tolist(),
        np.round(found.sinr_db.astype(float), 3).tolist(), strict=True,
    )  # fmt: skip


def test_schemes_differ_in_who_spreads_periods_draws_fading_and_counts_slots():
    schemes = parts_of(AccessScheme).items()
    assert {name for name, scheme in schemes if scheme.ideal} == {"ideal"}
    assert {name for name, scheme in schemes if scheme.spreads_periods} == {"random_slot"}
    assert {name for name, scheme in schemes if not scheme.draws_fading} == {"ideal", "random_slot"}
    assert {name: scheme.dcc_airtime_us for name, scheme in schemes if scheme.dcc_airtime_us is not None} == {
        "lte_mode4": 1000.0, "nr_mode2": 1000.0
    }  # fmt: skip


@ON_AIR
@pytest.mark.parametrize("seed", range(6))
class TestEveryAccessScheme:
    def test_sends_each_packet_once_and_not_before_it_is_ready(self, part, seed):
        rng = np.random.default_rng(seed)
        packets = traffic(rng)
        found, _, dropped = on_air(part, packets, powers(rng), keys(STATIONS))
        assert sorted([*found.number.tolist(), *dropped]) == packets.number.tolist()
        assert (found.began_us >= packets.ready_us[found.number]).all()
        assert (found.by == packets.sender[found.number]).all()

    def test_lets_no_station_send_two_packets_at_once(self, part, seed):
        rng = np.random.default_rng(seed)
        found, _, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        for station in range(STATIONS):
            rows = np.flatnonzero(found.by == station)
            rows = rows[np.argsort(found.began_us[rows])]
            assert (found.began_us[rows[1:]] >= found.ended_us[rows[:-1]]).all()

    def test_lets_no_station_receive_while_it_sends(self, part, seed):
        rng = np.random.default_rng(seed)
        found, _, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        for reception in range(len(found)):
            own = found.by == found.receiver[reception]
            overlaps = (found.began_us < found.end_us[reception]) & (found.ended_us > found.start_us[reception])
            if (own & overlaps).any():
                assert found.outcome[reception] in (HALF_DUPLEX, SENSING)

    def test_reports_a_sinr_that_is_at_most_the_snr_and_no_reception_by_the_sender(self, part, seed):
        rng = np.random.default_rng(seed)
        found, _, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        assert (found.sinr_db <= found.snr_db + 1e-3).all()
        assert (found.receiver != found.sender).all()

    def test_finds_the_channel_busy_for_no_longer_than_it_ran(self, part, seed):
        rng = np.random.default_rng(seed)
        found, busy_us, _ = on_air(part, traffic(rng), powers(rng), keys(STATIONS))
        own_us = np.bincount(found.by, found.ended_us - found.began_us, STATIONS)
        assert (busy_us <= 3_000_000).all()
        # Its own packets are at least a quarter of a slot's subchannels each.
        assert (busy_us >= 0.24 * own_us).all()

    def test_gives_rows_no_meaning(self, part, seed):
        rng = np.random.default_rng(seed)
        packets, square, order = traffic(rng), powers(rng), rng.permutation(STATIONS)
        place = np.argsort(order)
        one, busy_us, _ = on_air(part, packets, square, keys(STATIONS))
        moved = replace(packets, sender=place[packets.sender])
        other, moved_busy_us, _ = on_air(part, moved, square[np.ix_(order, order)], keys(STATIONS)[order])
        assert sorted(heard(one, np.arange(STATIONS))) == sorted(heard(other, order))
        np.testing.assert_allclose(busy_us[order], moved_busy_us, atol=1)

    def test_carries_what_is_going_on_over_to_other_rows(self, part, seed):
        rng = np.random.default_rng(seed)
        packets, square = traffic(rng), powers(rng)
        straight, moved = (layer_of(part, RadioSettings(), 0, keys(STATIONS)) for _ in range(2))
        straight.submit(packets)
        moved.submit(packets)
        station_of = np.arange(STATIONS)
        for until_us in range(1_700, 600_000, 7_300):
            found, busy_us = straight.advance(until_us, field_of(square, -110.0))
            other, moved_us = moved.advance(until_us, field_of(square[np.ix_(station_of, station_of)], -110.0))
            assert sorted(heard(found, np.arange(STATIONS))) == sorted(heard(other, station_of))
            np.testing.assert_array_equal(busy_us[station_of], moved_us)
            row_of = np.argsort(station_of)
            station_of = rng.permutation(STATIONS)
            moved.reindexed(row_of[station_of], keys(STATIONS)[station_of])
        assert straight.dropped == moved.dropped

    def test_lets_a_station_that_has_left_begin_nothing_and_a_newcomer_hear_nothing_that_had_begun(self, part, seed):
        rng = np.random.default_rng(seed)
        packets, square, left_us, gone = traffic(rng), powers(rng), 150_000, 3
        layer = layer_of(part, RadioSettings(), 0, keys(STATIONS))
        layer.submit(packets)
        layer.advance(left_us, field_of(square, -110.0))
        # The newcomer takes over the last row, those behind the one that left move up.
        stay = np.array([station for station in range(STATIONS) if station != gone])
        layer.reindexed(np.append(stay, -1), np.append(keys(STATIONS)[stay], np.uint64(99)))
        after = np.full((STATIONS, STATIONS), -50.0)
        after[:-1, :-1] = square[np.ix_(stay, stay)]
        found, _ = layer.advance(3_000_000, field_of(after, -110.0))
        assert (found.began_us[packets.sender[found.number] == gone] < left_us).all()
        newcomer = found.receiver == STATIONS - 1
        assert newcomer.any()
        assert ((found.outcome[newcomer] == DELIVERED) <= (found.start_us[newcomer] >= left_us)).all()
