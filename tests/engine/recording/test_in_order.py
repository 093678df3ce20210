"""Work in the order in which it comes, at once or on a thread."""

import threading

import pytest

from v2xsim.engine.recording.in_order import InOrder


@pytest.mark.parametrize("on_thread", [False, True])
def test_work_is_done_in_its_order(on_thread):
    work, done = InOrder(on_thread), []
    for number in range(50):
        work.do(lambda number=number: done.append(number))
    work.wait()
    work.close()
    assert done == list(range(50))


def test_work_on_a_thread_does_not_hold_up_who_asks_for_it():
    work, go_on = InOrder(True), threading.Event()
    work.do(go_on.wait)
    go_on.set()
    work.wait()
    work.close()


@pytest.mark.parametrize("on_thread", [False, True])
def test_an_error_in_the_work_reaches_who_asked_for_it(on_thread):
    def fail():
        raise KeyError("broken")

    def ask():
        work.do(fail)
        work.wait()

    work = InOrder(on_thread)
    with pytest.raises(KeyError, match="broken"):
        ask()
    work.close()


def test_after_the_end_of_the_thread_work_is_done_at_once():
    work, done = InOrder(True), []
    work.close()
    work.do(lambda: done.append(threading.current_thread()))
    assert done == [threading.current_thread()]


def test_little_work_waits_at_a_time():
    """Whoever has more to do waits, so that what the work needs does not fill the memory."""
    work, go_on, begun = InOrder(True), threading.Event(), []
    work.do(go_on.wait)
    work.do(lambda: begun.append(1))
    threading.Timer(0.2, go_on.set).start()
    work.do(lambda: begun.append(2))
    assert go_on.is_set()
    work.wait()
    work.close()
    assert begun == [1, 2]
