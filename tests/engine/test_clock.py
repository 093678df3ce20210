"""Simulated time and the order of events."""

import gc

import pytest

from v2xsim.engine.clock import Clock, Order


def noted(clock, log, label, *waits):
    """A process that notes its label and the time after each wait."""
    for time_us, order in waits:
        yield clock.at(time_us, order)
        log.append((label, clock.now_us))


def test_arrivals_come_before_a_tick_and_fusion_comes_last_at_one_instant():
    clock, log = Clock(0), []
    for order in (Order.FUSE, Order.MATCH, Order.ANNOUNCE, Order.TICK, Order.ARRIVAL):
        clock.call(10, order, lambda order=order: log.append(order))
    clock.run_until(11)
    assert log == [Order.ARRIVAL, Order.TICK, Order.ANNOUNCE, Order.MATCH, Order.FUSE]


def test_every_order_has_a_value_of_its_own_above_the_two_of_simpy():
    assert [int(order) for order in Order] == [2, 3, 4, 5, 6]


def test_a_process_starts_before_any_event_of_that_instant():
    clock, log = Clock(10), []
    clock.call(10, Order.ARRIVAL, lambda: log.append("arrival"))

    def process():
        log.append("start")
        yield clock.at(10, Order.ARRIVAL)
        log.append("goes on")

    clock.start(process())
    clock.run_until(11)
    assert log == ["start", "arrival", "goes on"]


def test_a_run_through_an_instant_runs_all_its_events_and_stays_there():
    clock, log = Clock(0), []
    for order in (Order.FUSE, Order.TICK):
        clock.call(10, order, lambda order=order: log.append(order))
    clock.call(11, Order.ARRIVAL, lambda: log.append("later"))
    clock.run_through(10)
    assert (log, clock.now_us) == ([Order.TICK, Order.FUSE], 10)
    clock.run_through(11)
    assert log[2:] == ["later"]


def test_a_failure_on_the_way_through_an_instant_is_raised_unchanged():
    clock, failure = Clock(0), KeyError("mine")

    def process():
        yield clock.at(5, Order.TICK)
        raise failure

    clock.start(process())
    with pytest.raises(KeyError) as caught:
        clock.run_through(10)
    assert caught.value is failure


def test_a_run_can_go_on_where_it_stopped():
    clock, log = Clock(0), []
    clock.call(10, Order.TICK, lambda: log.append(clock.now_us))
    clock.run_until(10)
    assert (clock.now_us, log) == (10, [])
    clock.run_until(11)
    assert log == [10]


def test_a_process_that_still_waits_at_the_end_ends_quietly():
    clock, log = Clock(0), []

    def process():
        try:
            yield clock.at(50, Order.TICK)
        finally:
            log.append("ended")

    clock.start(process())
    clock.run_until(10)
    del clock
    gc.collect()
    assert log == ["ended"]


def test_events_of_one_time_and_order_happen_as_they_were_asked_for():
    clock, log = Clock(0), []
    for number in range(5):
        clock.call(7, Order.ARRIVAL, lambda number=number: log.append(number))
    clock.run_until(8)
    assert log == [0, 1, 2, 3, 4]


def test_processes_take_turns_by_time():
    clock, log = Clock(100), []
    clock.start(noted(clock, log, "a", (100, Order.TICK), (300, Order.TICK)))
    clock.start(noted(clock, log, "b", (200, Order.TICK)))
    clock.run_until(1000)
    assert log == [("a", 100), ("b", 200), ("a", 300)]


def test_after_counts_from_now():
    clock, log = Clock(50), []

    def process():
        yield clock.after(5, Order.TICK)
        yield clock.after(5, Order.TICK)
        log.append(clock.now_us)

    clock.start(process())
    clock.run_until(100)
    assert log == [60]


def test_a_process_gets_no_value_from_the_events_of_the_clock():
    clock, values = Clock(0), []

    def process():
        values.append((yield clock.at(5, Order.TICK)))
        values.append((yield clock.after(5, Order.TICK)))

    clock.start(process())
    clock.run_until(11)
    assert values == [None, None]


def test_a_run_stops_before_the_events_of_its_end():
    clock, log = Clock(0), []
    clock.call(9, Order.TICK, lambda: log.append(9))
    clock.call(10, Order.ARRIVAL, lambda: log.append(10))
    clock.run_until(10)
    assert log == [9]


class TwoReasonsError(Exception):
    """An exception that cannot be made again from its arguments, as users' own may be."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_an_exception_in_a_process_leaves_the_run_unchanged():
    clock, failure = Clock(0), TwoReasonsError("one", "two")

    def process():
        yield clock.at(5, Order.TICK)
        raise failure

    clock.start(process())
    with pytest.raises(TwoReasonsError) as caught:
        clock.run_until(10)
    assert caught.value is failure


def test_nothing_happens_after_a_process_has_failed():
    clock, log = Clock(0), []

    def process():
        yield clock.at(5, Order.TICK)
        clock.call(5, Order.ARRIVAL, lambda: log.append("later"))
        raise TwoReasonsError(1, 2)

    clock.start(process())
    with pytest.raises(TwoReasonsError):
        clock.run_until(10)
    assert log == []


def test_an_event_wakes_the_process_that_waits_for_it_at_once():
    clock, log = Clock(0), []
    event = clock.event()

    def waiting():
        yield event
        log.append(clock.now_us)

    clock.start(waiting())
    clock.call(40, Order.FUSE, event.succeed)
    clock.run_until(100)
    assert log == [40]
