"""The threads of a run beside its main thread."""

import threading
from concurrent.futures import CancelledError

import pytest

from v2xsim.engine.workers import Workers


@pytest.fixture
def other():
    """Return one other thread."""
    made = Workers(2)
    yield made
    made.close()


def fail():
    raise KeyError("broken")


def test_work_is_begun_in_the_order_in_which_it_comes(other):
    done = []
    results = [other.submit(done.append, number) for number in range(20)]
    for result in results:
        result.result()
    assert done == list(range(20))


def test_without_other_threads_work_is_done_at_once():
    workers = Workers(1)
    assert workers.submit(threading.current_thread).done()
    assert workers.result(workers.submit(threading.current_thread)) is threading.current_thread()


def test_who_waits_for_a_result_does_other_work_meanwhile(other):
    """Otherwise, a processor would be idle while work waits for the other one."""
    go_on, done = threading.Event(), []
    busy = other.submit(go_on.wait)
    other.submit(lambda: done.append(threading.current_thread()))
    other.submit(go_on.set)
    assert other.result(busy) is True
    assert done == [threading.current_thread()]


def test_who_waits_does_no_more_than_is_needed(other):
    """The result is there: who waited for it goes on."""
    ready = other.submit(lambda: 1)
    ready.result()
    go_on, begun = threading.Event(), threading.Event()
    other.submit(lambda: (begun.set(), go_on.wait()))
    begun.wait()
    left = other.submit(threading.current_thread)
    assert other.result(ready) == 1
    assert not left.done()
    go_on.set()
    assert left.result() is not threading.current_thread()


def test_an_error_reaches_who_asked_for_the_work_whoever_does_it(other):
    go_on = threading.Event()
    busy = other.submit(go_on.wait)
    broken = other.submit(fail)
    other.submit(go_on.set)
    other.result(busy)
    with pytest.raises(KeyError, match="broken"):
        other.result(broken)


def test_work_that_is_cancelled_is_left_undone(other):
    go_on, done = threading.Event(), []
    busy = other.submit(go_on.wait)
    left = other.submit(done.append, 1)
    assert left.cancel()
    go_on.set()
    assert other.result(busy)
    with pytest.raises(CancelledError):
        other.result(left)
    assert done == []


def test_at_the_end_what_has_begun_is_finished_and_the_rest_is_left():
    workers, begun, go_on, done = Workers(2), threading.Event(), threading.Event(), []
    workers.submit(lambda: (begun.set(), go_on.wait(), done.append("begun")))
    left = workers.submit(done.append, "left")
    begun.wait()
    threading.Timer(0.1, go_on.set).start()
    workers.close()
    assert done == ["begun"]
    assert left.cancelled()


def test_ctrl_c_in_other_work_ends_what_the_main_thread_does(other):
    def stop():
        raise KeyboardInterrupt

    go_on = threading.Event()
    busy = other.submit(go_on.wait)
    stopped = other.submit(stop)
    with pytest.raises(KeyboardInterrupt):
        other.result(busy)
    assert isinstance(stopped.exception(), KeyboardInterrupt)
    go_on.set()
