"""Work in the order in which it comes, at once or on other threads."""

import threading
import time
from threading import Lock

import pytest

from v2xsim.engine.recording.in_order import InOrder
from v2xsim.engine.workers import Workers


@pytest.fixture(params=[1, 2, 4])
def workers(request):
    """Return the threads of a run: the main one alone, and with others."""
    made = Workers(request.param)
    yield made
    made.close()


@pytest.fixture
def other():
    """Return one other thread."""
    made = Workers(2)
    yield made
    made.close()


def test_work_is_done_in_its_order_and_never_two_pieces_at_once(workers):
    work, done, at_work = InOrder(workers), [], Lock()

    def piece(number):
        assert at_work.acquire(blocking=False)
        time.sleep(1e-4)
        done.append(number)
        at_work.release()

    for number in range(50):
        work.do(lambda number=number: piece(number))
    work.wait()
    assert done == list(range(50))


def test_work_on_a_thread_does_not_hold_up_who_asks_for_it(other):
    work, go_on = InOrder(other), threading.Event()
    work.do(go_on.wait)
    go_on.set()
    work.wait()


def test_other_work_for_the_threads_comes_between(other):
    """The simulation waits for lidars, and not for scores: these do not keep the lidars waiting longer than one piece takes."""
    work, go_on, done = InOrder(other), threading.Event(), []
    work.do(go_on.wait)
    work.do(lambda: done.append("scores"))
    lidars = other.submit(lambda: done.append("lidars"))
    go_on.set()
    lidars.result()
    work.wait()
    assert done == ["lidars", "scores"]


def test_who_would_wait_for_work_that_no_thread_has_begun_does_it(other):
    work, go_on, done = InOrder(other), threading.Event(), []
    lidars = other.submit(go_on.wait)
    for _ in range(4):
        work.do(lambda: done.append(threading.current_thread()))
    work.wait()
    assert done == [threading.current_thread()] * 4
    go_on.set()
    lidars.result()


def test_an_error_in_the_work_reaches_who_asked_for_it(workers):
    def fail():
        raise KeyError("broken")

    def ask():
        work.do(fail)
        work.wait()

    work = InOrder(workers)
    with pytest.raises(KeyError, match="broken"):
        ask()


def test_after_an_error_no_later_work_is_done(other):
    """Rows are stored after frames are scored: what is noted as written must not lack the rows of a frame that failed."""

    def fail():
        go_on.wait()
        raise KeyError("broken")

    work, go_on, done = InOrder(other), threading.Event(), []
    work.do(fail)
    work.do(lambda: done.append("later"))
    go_on.set()
    for _ in range(2):
        with pytest.raises(KeyError, match="broken"):
            work.wait()
    assert done == []


def test_at_the_end_work_that_has_begun_is_finished_and_other_work_is_left(other):
    work, begun, go_on, done = InOrder(other), threading.Event(), threading.Event(), []

    def first():
        begun.set()
        go_on.wait()
        done.append("begun")

    work.do(first)
    work.do(lambda: done.append("waiting"))
    begun.wait()
    threading.Timer(0.1, go_on.set).start()
    work.close()
    assert done == ["begun"]


def test_after_the_end_work_is_done_at_once(other):
    work, done = InOrder(other), []
    work.close()
    work.do(lambda: done.append(threading.current_thread()))
    assert done == [threading.current_thread()]


def test_little_work_waits_at_a_time(other):
    """Whoever has more to do waits, so that what the work needs does not fill the memory."""
    work, go_on, begun = InOrder(other), threading.Event(), []
    work.do(go_on.wait)
    work.do(lambda: begun.append(1))
    threading.Timer(0.2, go_on.set).start()
    work.do(lambda: begun.append(2))
    assert go_on.is_set()
    work.wait()
    assert begun == [1, 2]


def test_ctrl_c_in_a_piece_of_work_reaches_the_main_thread_and_nothing_hangs(other):
    def stop():
        raise KeyboardInterrupt

    work, go_on, done = InOrder(other), threading.Event(), []
    lidars = other.submit(go_on.wait)
    work.do(stop)
    work.do(lambda: done.append("later"))
    # The other thread is busy, so this one does the work.
    with pytest.raises(KeyboardInterrupt):
        work.do(lambda: done.append("later"))
    go_on.set()
    lidars.result()
    work.close()
    assert done == []


def test_the_end_does_not_wait_for_work_that_ctrl_c_cut_off_here(other):
    """Ctrl-C may come at any instant, also between the end of the work and the note of it."""
    work = InOrder(other)
    work.do(lambda: None)
    work.wait()
    go_on = threading.Event()
    lidars = other.submit(go_on.wait)
    work.do(lambda: None)
    with work._lock:
        _, future = work._queue.popleft()
        work._at_work = threading.current_thread()
    work.close()
    assert not future.done()
    go_on.set()
    lidars.result()


def test_ctrl_c_in_a_piece_of_work_reaches_the_main_thread_that_waits_for_something_else(other):
    """Nobody may ever ask for the result of that piece."""

    def stop():
        raise KeyboardInterrupt

    work, go_on = InOrder(other), threading.Event()
    lidars = other.submit(go_on.wait)
    work.do(stop)
    threading.Timer(5.0, go_on.set).start()
    with pytest.raises(KeyboardInterrupt):
        other.result(lidars)
    go_on.set()
    work.close()
