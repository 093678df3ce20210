"""The compiled loops of retelling against a plain reading of the documentation, on random scenes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.engine.cooperation.matrix_sight import NO_MATRICES, Bodies
from v2xsim.engine.cooperation.retelling_loops import Around, Usable, compared, told_before, usable
from v2xsim.engine.stations.reports_heard import Held, ReportedRows
from v2xsim.perception.matching.relevance import ATTENTION_S

NOW_US, SAME_M, OWN = 2_000_000, 3.0, 3
STATIONS = 6


def rows_of(chance, messages):
    """Return messages with random objects on a small place, so that many of them are the same object."""
    count = chance.integers(0, 4, messages)
    end, n = np.cumsum(count), int(count.sum())
    sender = np.repeat(chance.integers(0, STATIONS, messages), count)
    hops = chance.integers(0, 3, n)
    origin = np.where(hops == 0, sender, chance.integers(0, STATIONS, n))
    speed = chance.choice([0.0, 3.0, 20.0], n)
    angle = chance.uniform(0, 7, n)
    return ReportedRows(
        end - count, end, sender, origin, chance.integers(0, 3, n), hops, NOW_US - 10_000 * chance.integers(0, 140, n),
        chance.uniform(0, 15, (n, 2)), np.column_stack([speed * np.cos(angle), speed * np.sin(angle)]), np.array([[12.0, 2.0, 2.0]] * n).reshape(-1, 3), np.zeros(n), np.arange(n),
    )  # fmt: skip


def bodies_of(rows, one):
    """Return the objects that a station may tell on, at the present."""
    k = one.offered
    return Bodies(one.offered_m, rows.velocity_mps[k], rows.size_m[k], rows.yaw_rad[k])


def expected_usable(rows, messages, station):
    """Return the rows that are current and those that may be told on, by the documentation."""
    held = [k for m in messages for k in range(rows.begin[m], rows.end[m])]

    def place(k):
        return rows.place_m[k] + rows.velocity_mps[k] * (NOW_US - rows.stamp_us[k]) * 1e-6

    def renewed_us(k):
        return min(1_000_000, 4e6 / max(np.hypot(*rows.velocity_mps[k]), 1e-3))

    current = [k for k in held if NOW_US - rows.stamp_us[k] <= renewed_us(k)]
    own = [place(k) for k in current if rows.origin[k] == station]
    arrived = [
        k for k in held
        if station not in (rows.origin[k], rows.sender[k]) and NOW_US - rows.stamp_us[k] <= renewed_us(k) + 100_000
    ]  # fmt: skip
    offered, newer = [], set()
    for k in sorted(arrived, key=lambda k: (-rows.stamp_us[k], rows.hops[k], rows.sender[k], arrived.index(k))):
        identity, before = (rows.origin[k], rows.number[k]), set(newer)
        newer.add(identity)
        others = own + [place(other) for other in offered]
        if all(np.hypot(*(place(k) - other)) >= SAME_M for other in others) and identity not in before:
            offered.append(k)
    return current if offered else [], offered


def around_of(chance):
    """Return what a station knows of all others, with lists of random shares."""
    agent = np.array([n for n in range(STATIONS) if n != OWN and chance.random() < 0.9], np.int64)
    lists = [np.sort(chance.choice(STATIONS, chance.integers(0, STATIONS), replace=False)) for _ in agent]
    heard = np.sort(chance.choice(STATIONS, 4, replace=False))
    listed = np.concatenate([[0], np.cumsum([len(one) for one in lists])]).astype(np.int64)
    entries = np.concatenate([np.zeros(0, np.int64), *lists]).astype(np.int64)
    known = len(agent)
    return Around(
        np.array([OWN]), np.array([[7.0, 7.0]]), np.array([0, known]), agent, chance.uniform(0, 15, (known, 2)), chance.uniform(-10, 10, (known, 2)), chance.random(known) < 0.8,
        chance.random(known) < 0.6, np.full(known, -1), np.zeros(known), np.arange(known), listed, entries, chance.choice([0.2, 0.5, 0.9], len(entries)),
        np.array([0, 4]), heard, chance.choice([0.2, 0.5, 0.9], 4),
    )  # fmt: skip


def share(around, receiver, sender):
    """Return the share of a sender's announcements that arrive at a receiver, as this station knows it."""
    if receiver == OWN:
        found = dict(zip(around.own_heard.tolist(), around.own_share.tolist(), strict=True))
    else:
        (at,) = np.flatnonzero(around.agent == receiver)
        entries = slice(around.listed[at], around.listed[at + 1])
        found = dict(zip(around.heard_agent[entries].tolist(), around.heard_share[entries].tolist(), strict=True))
    return found.get(sender, 0.0)


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1))
def test_what_may_be_told_on_is_the_newest_valid_report_of_each_object_of_others(seed):
    chance = np.random.default_rng(seed)
    rows = rows_of(chance, 12)
    stations, held = np.array([1, OWN, 5]), [np.flatnonzero(chance.random(12) < 0.7) for _ in range(3)]
    offset = np.cumsum([0, *map(len, held)])
    found = usable(rows, Held(offset, np.concatenate(held)), stations, np.full(3, NOW_US), 100_000, SAME_M)
    for a, (station, messages) in enumerate(zip(stations.tolist(), held, strict=True)):
        current, offered = expected_usable(rows, messages.tolist(), station)
        assert found.current[found.current_offset[a] : found.current_offset[a + 1]].tolist() == current
        assert found.offered[found.offset[a] : found.offset[a + 1]].tolist() == offered


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_what_was_told_on_before_is_in_the_messages_that_the_station_holds(seed):
    chance = np.random.default_rng(seed)
    rows = rows_of(chance, 14)
    stations, held = np.array([1, OWN]), [np.flatnonzero(chance.random(14) < 0.7) for _ in range(2)]
    one = usable(
        rows, Held(np.cumsum([0, *map(len, held)]), np.concatenate(held)), stations, np.full(2, NOW_US), 100_000, SAME_M
    )
    is_mine, tellings = told_before(rows, one, stations, SAME_M)
    for a, station in enumerate(stations.tolist()):
        current = slice(one.current_offset[a], one.current_offset[a + 1])
        near = list(zip(one.current[current].tolist(), one.current_m[current], strict=True))
        for t in range(one.offset[a], one.offset[a + 1]):
            same = [row for row, place in near if np.hypot(*(place - one.offered_m[t])) < SAME_M and rows.hops[row] > 0]
            assert is_mine[t] == any(rows.sender[row] == station for row in same)
            assert tellings[t] == sum(rows.sender[row] != station for row in same)


@settings(max_examples=80)
@given(st.integers(0, 2**32 - 1))
def test_what_neighbours_know_follows_from_what_they_announced(seed):
    chance = np.random.default_rng(seed)
    rows, around = rows_of(chance, 12), around_of(chance)
    held = Held(np.array([0, 12]), np.arange(12))
    one = usable(rows, held, around.own, np.array([NOW_US]), 100_000, SAME_M)
    top_mps = np.full(len(one.offered), 14.0)
    found = compared(rows, one, bodies_of(rows, one), top_mps, around, NO_MATRICES, SAME_M, ATTENTION_S)
    wanting = around.agent[around.wants].tolist()
    assert found.pairs.tolist() == [0, len(one.offered) * len(wanting)]
    told, _, is_itself, hears, _, better = (column.reshape(-1, max(len(wanting), 1)) for column in found[1:7])
    assert not found.sees.any()
    assert found.reached.tolist() == [share(around, agent, OWN) for agent in wanting]
    for t, k in enumerate(one.offered.tolist()):
        same = [
            row for row, place in zip(one.current.tolist(), one.current_m, strict=True)
            if np.hypot(*(place - one.offered_m[t])) < SAME_M
        ]  # fmt: skip
        apart = np.where(around.is_vehicle, np.hypot(*(around.place_m - one.offered_m[t]).T), np.inf)
        body = int(around.agent[np.argmin(apart)]) if len(apart) and apart.min() < SAME_M else None
        for w, agent in enumerate(wanting):
            shares = [
                1.0 if agent in (rows.sender[row], rows.origin[row]) else share(around, agent, rows.sender[row])
                for row in same
            ]
            assert told[t, w] == pytest.approx(1.0 - np.prod([1.0 - one for one in shares]), abs=1e-12)
            offset_m = np.abs(around.place_m[around.agent == agent][0] - one.offered_m[t])
            is_inside = bool(around.is_vehicle[around.agent == agent][0]) and bool(
                (offset_m <= rows.size_m[k, :2] / 2).all()
            )
            assert is_itself[t, w] == (agent == body or is_inside)
            assert hears[t, w] == (share(around, agent, body) if body is not None else 0.0)
            source = rows.sender[k]
            mine = min(share(around, OWN, source), share(around, agent, OWN))
            to_other = [
                np.hypot(*(place - around.place_m[around.agent == agent][0]))
                for place in (around.own_m[0], *around.place_m)
            ]
            placed_better = 0
            for n, third in enumerate(around.agent.tolist()):
                if third in (agent, source, rows.origin[k]):
                    continue
                over = min(share(around, third, source), share(around, agent, third))
                placed_better += over > mine or (over == mine and to_other[n + 1] < to_other[0])
            assert better[t, w] == placed_better


def test_the_relevance_is_that_of_a_hidden_road_user_at_the_place_of_the_object():
    rows = ReportedRows(
        np.array([0]), np.array([1]), np.array([1]), np.array([1]), np.array([0]), np.array([0]), np.array([NOW_US]),
        np.array([[70.0, 0.0]]), np.zeros((1, 2)), np.ones((1, 3)), np.zeros(1), np.zeros(1, np.int64),
    )  # fmt: skip
    around = Around(
        np.array([OWN]), np.zeros((1, 2)), np.array([0, 1]), np.array([2]), np.zeros((1, 2)), np.array([[21.0, 0.0]]), np.ones(1, bool), np.ones(1, bool),
        np.array([-1]), np.zeros(1), np.array([0]), np.array([0, 0]), np.zeros(0, np.int64), np.zeros(0), np.array([0, 0]), np.zeros(0, np.int64), np.zeros(0),
    )  # fmt: skip
    place_m, first = np.array([[70.0, 0.0]]), np.array([0, 1])
    one = Usable(first, np.array([0]), place_m, first, np.array([0]), place_m)
    # A car at 21 m/s and a road user that may drive at 14 m/s towards it meet after 2 s.
    found = compared(rows, one, bodies_of(rows, one), np.array([14.0]), around, NO_MATRICES, SAME_M, ATTENTION_S)
    assert found.relevance[0] == pytest.approx(np.exp(-2 / 4))
