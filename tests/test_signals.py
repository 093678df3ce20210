"""Signals that ask a process to end."""

import signal
import subprocess
import sys

import pytest

from v2xsim.signals import Stopped, exit_code, name_of

WAITS = """
import signal, time
from v2xsim.signals import Stopped, exit_code, name_of, stop_at_signals, undisturbed
{before}
stop_at_signals()
try:
    {block}
except KeyboardInterrupt as stop:
    print(name_of(stop), exit_code(stop))
"""
SEND = "import os; os.kill(os.getpid(), signal.{name}); time.sleep(0.2); print('went on')"


def said_by(block, before=""):
    code = WAITS.format(block=block, before=before)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ).stdout.split()  # fmt: skip


@pytest.mark.parametrize("name", [
    "SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGPWR", "SIGRTMIN",
])  # fmt: skip
def test_a_signal_stops_with_its_name_and_a_shells_exit_code(name):
    assert said_by(SEND.format(name=name)) == [name, str(128 + getattr(signal, name))]


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_a_signal_that_the_starter_ignores_stays_ignored(name):
    """As nohup does with SIGHUP, and a shell with SIGINT of jobs in the background."""
    assert said_by(SEND.format(name=name), f"signal.signal(signal.{name}, signal.SIG_IGN)") == ["went", "on"]


def test_a_block_that_cleans_up_is_not_disturbed():
    block = """
    with undisturbed():
        import os; os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.2); print('cleaned')
    print('not reached')
    """
    assert said_by(block) == ["cleaned", "SIGTERM", "143"]


def test_a_block_inside_a_block_does_not_end_the_outer_one():
    block = """
    import os
    with undisturbed():
        with undisturbed():
            os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.1)
        print('cleaned')
    print('not reached')
    """
    assert said_by(block) == ["cleaned", "SIGTERM", "143"]


def test_of_two_signals_in_a_block_the_first_one_counts():
    block = """
    import os
    with undisturbed():
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number); time.sleep(0.1)
    """
    assert said_by(block, NO_GRACE) == ["SIGTERM", "143"]


TWICE = """
    import os
    try:
        os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.2)
    finally:
        os.kill(os.getpid(), signal.SIGINT); time.sleep(0.2); print('cleaned')
    """
NO_GRACE = "import v2xsim.signals; v2xsim.signals._GRACE_S = 0.0"


def test_a_second_signal_right_after_the_first_is_part_of_it():
    """A terminal and the process above may both send one."""
    assert said_by(TWICE) == ["cleaned", "SIGTERM", "143"]


def test_a_second_signal_later_stops_the_cleaning_up():
    assert said_by(TWICE, NO_GRACE) == ["SIGINT", "130"]


def test_a_block_in_another_thread_holds_nothing_up():
    block = """
    import os, threading
    begun, goes_on = threading.Event(), threading.Event()
    def clean():
        with undisturbed():
            begun.set(); goes_on.wait(5); print('cleaned')
    thread = threading.Thread(target=clean)
    thread.start(); begun.wait(5)
    try:
        os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.2); print('went on')
    finally:
        goes_on.set(); thread.join()
    """
    assert said_by(block) == ["cleaned", "SIGTERM", "143"]


def test_a_plain_interrupt_counts_as_sigint():
    assert (exit_code(KeyboardInterrupt()), name_of(KeyboardInterrupt())) == (130, "SIGINT")


def test_a_copy_of_the_exception_keeps_the_signal():
    """SimPy raises copies of the exceptions of its processes."""
    stop = Stopped(signal.SIGTERM)
    assert exit_code(type(stop)(*stop.args)) == 143


def test_importing_v2xsim_changes_no_handler():
    code = "import signal, v2xsim; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"
