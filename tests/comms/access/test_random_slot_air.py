"""The medium over arrivals gives the same bits as one over every packet and every station."""

import numpy as np
import pytest
from dense_medium import power_matrix, resolved

from v2xsim.comms.access.packets import Receptions, field_of
from v2xsim.comms.access.random_slot_choice import choose_in_turn, choose_slots, no_intervals
from v2xsim.comms.access.random_slot_medium import Transmissions, advance, levels_of, reindexed, silent, with_waiting
from v2xsim.comms.phy.noise import receiver

STATIONS, END_US = 30, 3_000
EAR = receiver(10, 9.0, -90.0, -94.0)
KEYS = np.arange(1, STATIONS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
CUTS_US = np.array([400, 1_000, 1_003, 2_200])


def traffic(seed):
    """Return packets of a medium under load, and the links of each call: some pairs are out of reach, some are barely heard."""
    rng = np.random.default_rng(seed)
    rows = []
    for sender in range(STATIONS):
        at_us = int(rng.integers(0, 20)) * 20
        while at_us < END_US - 400:
            end_us = at_us + int(rng.integers(20, 300))
            rows.append((sender, int(rng.choice([-1, -1, sender, *range(STATIONS)])), at_us, end_us))
            at_us = -(-end_us // 20) * 20 + int(rng.integers(0, 60)) * 20
    sender, target, start_us, end_us = np.array(rows).T
    number = np.arange(len(rows))
    sent = Transmissions(
        number,
        sender,
        target,
        start_us,
        end_us,
        rng.integers(0, 8, len(rows)),
        rng.permutation(number).astype(np.uint64),
    )
    sent = sent[np.lexsort((sent.key, sent.start_us))]
    fields = []
    for _ in range(len(CUTS_US) + 1):
        power_dbm = rng.uniform(-130.0, -70.0, (STATIONS, STATIONS))
        fields.append(field_of(np.minimum(power_dbm, power_dbm.T), -115.0))
    return sent, fields


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("moves", [False, True], ids=["rows stay", "rows change"])
def test_arrivals_give_the_same_bits_as_all_packets_at_all_stations(seed, moves):
    sent, fields = traffic(seed)
    expected, expected_busy_us = resolved(sent, power_matrix(sent, fields, CUTS_US), KEYS, EAR, END_US)
    assert {outcome for _, _, outcome, _, _ in expected} == set(range(6))
    rng, order = np.random.default_rng(seed), np.arange(STATIONS)
    state, parts, busy_us = silent(STATIONS), [], np.zeros(STATIONS, np.int64)
    for until_us, field in zip([*CUTS_US, END_US], fields, strict=True):
        if moves:
            turned = rng.permutation(STATIONS)
            state, order = reindexed(state, turned), order[turned]
        row_of = np.argsort(order)
        new = sent[np.flatnonzero((sent.start_us >= state.time_us) & (sent.start_us < until_us))]
        moved = Transmissions(
            new.packet, row_of[new.sender], np.where(new.target < 0, -1, row_of[new.target]), new.start_us, new.end_us,
            new.mcs, new.key,
        )  # fmt: skip
        power_dbm = np.full((STATIONS, STATIONS), -np.inf)
        power_dbm[np.repeat(np.arange(STATIONS), np.diff(field.offset)), field.other] = np.arange(len(field.other))
        shuffled = field_of(power_dbm[np.ix_(order, order)], 0.0)
        shuffled.power_mw[:] = field.power_mw[np.round(10.0 * np.log10(shuffled.power_mw)).astype(int)]
        state, receptions, part_us = advance(
            with_waiting(state, moved), int(until_us), shuffled, KEYS[order], levels_of(EAR, 10)
        )
        receptions.receiver[:] = order[receptions.receiver]
        busy_us[order] += part_us
        parts.append(receptions)
    whole = Receptions.joined(parts)
    found = list(zip(whole.packet, whole.receiver, whole.outcome, whole.power_dbm, whole.sinr_db, strict=True))
    # A packet's receivers have the order of their rows.
    assert sorted(found, key=lambda row: row[:2]) == sorted(expected, key=lambda row: row[:2])
    assert whole.number.tolist() == list(dict.fromkeys(packet for packet, *_ in expected))
    assert busy_us.tolist() == expected_busy_us.tolist()


def test_packets_of_many_stations_draw_as_each_station_would_alone():
    rng = np.random.default_rng(3)
    own, alone = no_intervals(5), [([], []) for _ in range(5)]
    for now_us in range(0, 40_000, 4_000):
        sender = rng.integers(0, 5, 12)
        ready_us, window_us = now_us + np.sort(rng.integers(0, 3_000, 12)), rng.integers(500, 6_000, 12)
        airtime_us, uniform = rng.integers(50, 1_500, 12), rng.random(12)
        own, start_us = choose_in_turn(own, sender, ready_us, window_us, airtime_us, uniform, 500)
        for k, s in enumerate(sender):
            begin, end = alone[s]
            expected = choose_slots(
                int(ready_us[k]), int(window_us[k]), 500, airtime_us[k : k + 1], np.array(begin, np.int64), np.array(end, np.int64),
                uniform[k : k + 1],
            )[0]  # fmt: skip
            assert start_us[k] == expected
            begin.append(expected)
            end.append(expected + airtime_us[k])
