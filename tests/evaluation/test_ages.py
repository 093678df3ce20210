"""Age of information between stations in range: of what arrived, of what came by relay, and of those that never heard each other."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tables import broadcasts, read, table

from v2xsim.evaluation.ages import Ages, add_all
from v2xsim.evaluation.ages_loops import LEAST_ENCOUNTER_US

MS, TICK_MS, END_MS, RANGE_M = 1000, 100, 3000, 100.0


def links(*rows):
    """Return links of tick in ms, two stations and distance."""
    time_ms, a, b, distance_m = (list(column) for column in zip(*rows, strict=True)) if rows else ([],) * 4
    return table("links", time_us=[ms * MS for ms in time_ms], a=a, b=b, distance_m=np.array(distance_m, np.float32))


def together(first_ms=0, end_ms=END_MS, a=1, b=2, distance_m=50.0):
    """Return rows of links of two stations at every tick of a time."""
    return [(ms, a, b, distance_m) for ms in range(first_ms, end_ms, TICK_MS)]


def packets(*rows):
    """Return awareness messages: sender, receiver, making and arrival in ms; then message number, hop and outcome if they matter."""
    full = [(*row, *(number, 1, "delivered")[len(row) - 4 :]) for number, row in enumerate(rows)]
    tx, rx, queued_ms, end_ms, message, hop, outcome = (
        (list(column) for column in zip(*full, strict=True)) if full else ([],) * 7
    )
    return broadcasts(
        outcome, tx=tx, rx=rx, queued_us=[ms * MS for ms in queued_ms], end_us=[ms * MS for ms in end_ms], message=message, hop=hop,
    )  # fmt: skip


def rows_of(packets, links, length=65_536, packet_share=1.0, end_ms=END_MS):
    ages = Ages(RANGE_M, packet_share, TICK_MS * MS, end_ms * MS)
    add_all(ages, read({"packets": packets, "links": links}, length))
    return {name: metric for name, _, metric in ages.rows()}


def value(name, *arguments, **options):
    return rows_of(*arguments, **options)[name].value


def test_the_age_climbs_until_the_next_message_and_then_to_the_end_of_the_run():
    """Made at 0 and 1 s, received 100 ms later: from 0.1 s on, the age climbs from 0.1 to 1.1 s, and then from 0.1 to 2 s until 3 s."""
    found = rows_of(packets((1, 2, 0, 100), (1, 2, 1000, 1100)), links(*together()))["age_of_information"]
    assert found.value == pytest.approx((1.0 * 600 + 1.9 * 1050) / 2.9)
    assert (found.unit, found.count) == ("ms", 1)


def test_the_age_of_a_pair_that_heard_nothing_climbs_from_their_meeting_but_only_in_range():
    """Station 1 hears nothing in 3 s: 1,500 ms. Station 2 hears at once and never again: the same."""
    found = rows_of(packets((1, 2, 0, 0)), links(*together()))
    assert found["age_of_information_in_range"].value == pytest.approx(1500.0)
    assert (found["age_of_information_in_range"].count, found["age_of_information"].count) == (2, 1)


def test_a_pair_that_meets_has_the_age_of_what_was_heard_before():
    """In range from 1 s on. Station 2 heard at 0 s: its age climbs from 1 to 3 s; that of station 1 from 0 to 2 s."""
    rows = [*together(0, 1000, distance_m=150.0), *together(1000)]
    assert value("age_of_information_in_range", packets((1, 2, 0, 0)), links(*rows)) == pytest.approx((2000 + 1000) / 2)


def test_a_relayed_copy_counts_as_a_message_of_its_origin():
    """Station 3 passes on at 1 s what station 1 made at 0.9 s and only station 3 received."""
    heard = packets((1, 3, 900, 950, 7), (3, 2, 900, 1000, 7, 2))
    rows = links(*sorted([*together(), *together(b=3), *together(a=2, b=3)]))
    found = rows_of(heard, rows)["age_of_information"]
    # From the origin to station 3 for 2.05 s, and to station 2 for 2 s.
    assert found.value == pytest.approx((2.05 * (50 + 1025) + 2.0 * (100 + 1000)) / 4.05)
    assert found.count == 2


def in_fragments(*rows):
    """Return fragments of messages of two: sender, receiver, arrival in ms, number, hop and fragment; all are made at 0."""
    tx, rx, end_ms, message, hop, fragment = (list(column) for column in zip(*rows, strict=True))
    return broadcasts(
        ["delivered"] * len(rows), tx=tx, rx=rx, queued_us=0, end_us=[ms * MS for ms in end_ms], message=message, hop=hop, fragment=fragment,
        fragments=2,
    )  # fmt: skip


def test_a_message_of_which_a_fragment_is_missing_tells_nothing():
    """Station 2 has both fragments at 1 s, and the age climbs from 1 to 3 s; a second copy of one fragment completes nothing for station 1."""
    heard = in_fragments((1, 2, 500, 7, 1, 0), (2, 1, 600, 8, 1, 0), (2, 1, 900, 8, 1, 0), (1, 2, 1000, 7, 1, 1))
    for length in (65_536, 1):
        found = rows_of(heard, links(*together()), length)
        assert found["age_of_information"].value == pytest.approx(2000.0)
        assert (found["age_of_information"].count, found["silent_encounters"].value) == (1, 0.5)


def test_fragments_of_one_message_may_come_from_its_origin_and_from_a_relay():
    rows = links(*sorted([*together(), *together(b=3)]))
    direct = in_fragments((1, 3, 100, 7, 1, 0), (1, 2, 500, 7, 1, 0), (1, 3, 600, 7, 1, 1))
    assert rows_of(direct, rows)["age_of_information"].count == 1
    relayed = in_fragments((1, 3, 100, 7, 1, 0), (1, 2, 500, 7, 1, 0), (1, 3, 600, 7, 1, 1), (3, 2, 700, 7, 2, 1))
    assert rows_of(relayed, rows)["age_of_information"].count == 2


def test_an_older_message_that_arrives_later_makes_nobody_younger():
    one = packets((1, 2, 500, 600))
    both = packets((1, 2, 500, 600), (1, 2, 100, 900))
    assert value("age_of_information", both, links(*together())) == value("age_of_information", one, links(*together()))


@pytest.mark.parametrize("outcome", ["collision", "sensing"])
def test_a_lost_message_changes_nothing(outcome):
    lost = packets((1, 2, 0, 0), (1, 2, 1000, 1000, 5, 1, outcome))
    assert value("age_of_information", lost, links(*together())) == value(
        "age_of_information", packets((1, 2, 0, 0)), links(*together())
    )


def test_stations_that_part_are_followed_no_longer():
    """Both leave after 1 s; the tick at 0.9 s stands for the time until 1 s."""
    rows = links(*together(0, 1000), *together(1000, a=3, b=4))
    assert value("age_of_information", packets((1, 2, 0, 0)), rows) == pytest.approx(500.0)


def test_the_last_tick_stands_for_the_time_until_the_next_one_but_not_beyond_the_end_of_the_run():
    heard, rows = packets((1, 2, 0, 0)), links(*together(0, 1000))
    assert value("age_of_information", heard, rows) == pytest.approx(500.0)
    assert value("age_of_information", heard, rows, end_ms=950) == pytest.approx(475.0)


def test_a_message_that_arrives_after_the_end_of_the_run_changes_nothing():
    late, none = packets((1, 2, 0, 0), (1, 2, 1000, 3050)), packets((1, 2, 0, 0))
    assert repr(rows_of(late, links(*together()))) == repr(rows_of(none, links(*together())))


# Silent encounters


def test_a_pair_in_range_that_hears_nothing_is_silent_in_each_direction():
    found = rows_of(packets((1, 2, 0, 0)), links(*together()))["silent_encounters"]
    assert (found.value, found.count, found.unit) == (0.5, 2, "1")


def test_what_was_heard_before_or_after_an_encounter_breaks_no_silence():
    rows = [*together(0, 500, distance_m=150.0), *together(500, 2000), *together(2000, distance_m=150.0)]
    assert value("silent_encounters", packets((1, 2, 0, 0), (1, 2, 2500, 2500)), links(*rows)) == 1.0
    assert value("silent_encounters", packets((1, 2, 0, 0), (1, 2, 1900, 1990)), links(*rows)) == 0.5


@pytest.mark.parametrize(("end_ms", "count"), [(900, 0), (1000, 2)])
def test_a_short_encounter_is_no_silence(end_ms, count):
    rows = links(*together(0, end_ms), *together(end_ms, distance_m=150.0))
    assert LEAST_ENCOUNTER_US == 1000 * MS
    assert rows_of(packets(), rows)["silent_encounters"].count == count


def test_each_meeting_is_an_encounter_of_its_own():
    rows = [*together(0, 1000), *together(1000, 1500, distance_m=150.0), *together(1500)]
    found = rows_of(packets((1, 2, 100, 100), (1, 2, 1600, 1600), (2, 1, 200, 200)), links(*rows))
    assert (found["silent_encounters"].value, found["silent_encounters"].count) == (0.25, 4)
    assert found["age_of_information_in_range"].count == 4


# What cannot be known


def test_without_links_nothing_is_known():
    found = rows_of(packets((1, 2, 0, 0)), links())
    assert {metric.count for metric in found.values()} == {0}
    assert np.isnan([metric.value for metric in found.values()]).all()


def test_a_run_that_records_no_links_holds_no_packets():
    ages = Ages(RANGE_M, 1.0, 0, END_MS * MS)
    ages.add("packets", packets((1, 2, 0, 0)))
    assert ages._heard == []


def test_a_station_whose_messages_are_not_listed_is_not_silent():
    """Of station 2, no message has a row: the pair from 2 to 1 does not count, and that from 1 to 2 from its first message on."""
    heard = packets((1, 2, 500, 500), (1, 2, 1500, 1500))
    found = rows_of(heard, links(*together()), packet_share=0.5)
    assert (found["silent_encounters"].value, found["silent_encounters"].count) == (0.0, 1)


def test_packets_far_out_of_order_have_no_age():
    """The second packet ended 2 s before the first one, and the pairs were followed beyond it."""
    ages = Ages(RANGE_M, 1.0, TICK_MS * MS, END_MS * MS)
    ages.add("links", links(*together()))
    ages.add("packets", packets((1, 2, 2900, 2900)))
    ages.add("packets", packets((1, 2, 500, 500)))
    assert np.isnan(ages.rows()[0][2].value)


# Against a plain loop, and in any pieces


def plainly(heard, rows, end_ms):
    """Return the three metrics by adding up each millisecond's half squares, pair by pair."""
    ticks = sorted({ms for ms, *_ in rows})
    area, time, silent, encounters = [0.0, 0.0], [0, 0], 0, 0
    distance = {(ms, *pair): d for ms, a, b, d in rows for pair in ((a, b), (b, a))}
    last_ms = min(ticks[-1] + TICK_MS, end_ms)
    for pair in sorted({(a, b) for _, a, b in distance}):
        newest = near = None
        was_heard = False
        for tick, until in pairwise([*ticks, max(last_ms, ticks[-1])]):
            d = distance.get((tick, *pair))
            is_near = d is not None and np.float32(d) < RANGE_M
            if not is_near and near is not None:
                encounters, silent = (
                    (encounters + 1, silent + (not was_heard)) if tick - near >= 1000 else (encounters, silent)
                )
                near = None
            if d is None:
                newest = None
                continue
            if is_near and near is None:
                near, was_heard = tick, False
            events = sorted((end, queued) for tx, rx, queued, end in heard if (tx, rx) == pair and tick <= end < until)
            now = tick
            for end, queued in [*events, (until, None)]:
                for n, base in ((0, newest), (1, None if near is None else near if newest is None else newest)):
                    if base is not None:
                        area[n] += ((end - base) ** 2 - (now - base) ** 2) / 2
                        time[n] += end - now
                now = end
                if queued is not None:
                    newest, was_heard = queued if newest is None else max(newest, queued), True
        if near is not None and last_ms - near >= 1000:
            encounters, silent = encounters + 1, silent + (not was_heard)
    return [a / t if t else float("nan") for a, t in zip(area, time, strict=True)] + [
        silent / encounters if encounters else float("nan")
    ]


STATIONS = st.integers(0, 3)
HEARD = st.lists(st.tuples(STATIONS, STATIONS, st.integers(0, 500), st.integers(0, 2999)), max_size=25)
MEETINGS = st.lists(
    st.tuples(STATIONS, STATIONS, st.integers(0, 29), st.integers(1, 29), st.sampled_from([20.0, 99.0, 100.0, 140.0])),
    min_size=1,
    max_size=8,
)


def drawn(heard, meetings):
    """Return receptions in order of arrival, and links in order of tick, each pair once at a tick."""
    rows = {}
    for a, b, first, count, distance_m in meetings:
        for tick in range(first, min(first + count, 30)):
            if a != b:
                rows[tick * TICK_MS, min(a, b), max(a, b)] = distance_m
    # No message is made before the time 0, at which traffic begins.
    made = ((tx, rx, max(end - delay, 0), end) for tx, rx, delay, end in heard if tx != rx)
    received = sorted(made, key=lambda row: row[3])
    return received, [(*key, d) for key, d in sorted(rows.items())]


@settings(max_examples=60)
@given(HEARD, MEETINGS, st.integers(1, 40))
def test_ages_are_those_of_a_plain_loop_in_any_row_groups(heard, meetings, length):
    received, rows = drawn(heard, meetings)
    found = rows_of(packets(*received), links(*rows), length)
    if not rows:
        return
    names = ("age_of_information", "age_of_information_in_range", "silent_encounters")
    assert [found[name].value for name in names] == pytest.approx(
        plainly(received, rows, END_MS), rel=1e-9, nan_ok=True
    )


@settings(max_examples=40)
@given(HEARD, MEETINGS, st.lists(st.integers(0, 29), max_size=6))
def test_pieces_of_any_length_give_the_same_to_the_last_bit(heard, meetings, cuts):
    received, rows = drawn(heard, meetings)
    ages = Ages(RANGE_M, 1.0, TICK_MS * MS, END_MS * MS)
    for first, end in pairwise([0, *sorted(tick * TICK_MS for tick in cuts), 10**6]):
        # As a run does: what has happened before a time, and then the time.
        ages.add("packets", packets(*((*row, n) for n, row in enumerate(received) if first <= row[3] < end)))
        ages.add("links", links(*(row for row in rows if first <= row[0] < end)))
        for name in ("links", "packets"):
            ages.reached(name, end * MS)
    again = {name: metric for name, _, metric in ages.rows()}
    assert repr(again) == repr(rows_of(packets(*received), links(*rows)))


def test_what_is_held_does_not_grow_with_the_run():
    ages, sizes = Ages(RANGE_M, 1.0, TICK_MS * MS, 10**12), []
    for second in range(60):
        pair = {"a": second % 7, "b": 7 + second % 5}
        ages.add("packets", packets((pair["a"], pair["b"], 1000 * second, 1000 * second + 10)))
        ages.add("links", links(*together(1000 * second, 1000 * second + 1000, **pair)))
        for name in ("links", "packets"):
            ages.reached(name, 1000 * (second + 1) * MS)
        sizes.append(
            sum(len(part.time_us) for part in ages._links)
            + sum(len(part.rx) for part in ages._heard)
            + len(ages._pairs.pair)
        )
    assert max(sizes[30:]) <= max(sizes[:30])
