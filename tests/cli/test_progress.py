"""Progress where standard error is no terminal: a line every ten seconds, here every few hundredths."""

import time

import pytest
from rich.console import Console

from v2xsim.cli import progress
from v2xsim.cli.progress import LINE_EVERY_S, duration, progress_bar, progress_lines, shows_bars, status, step_lines


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.05)


def lines(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def awaited(capsys, count):
    """Return at least so many lines, however slow the machine is; a test that waits in vain fails after a minute."""
    found = []
    for _ in range(1200):
        found += lines(capsys)
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{len(found)} lines came instead of {count}")


def test_a_line_comes_every_ten_seconds():
    assert LINE_EVERY_S == 10.0


def test_the_latest_text_is_printed_again_and_again_while_nothing_is_reported(often, capsys):
    with progress_lines() as show:
        show("building roads")
        found = awaited(capsys, 3)
    assert {text.split("] ")[1] for text in found} == {"building roads"}


def test_nothing_is_printed_before_the_first_report_and_after_the_last(often, capsys):
    with progress_lines() as show:
        time.sleep(0.15)
        assert lines(capsys) == []
        show("late")
    capsys.readouterr()  # on a busy machine a line may come between the report and the end
    time.sleep(0.15)
    assert lines(capsys) == []


def test_a_command_that_ends_at_once_prints_no_line(capsys):
    with progress_bar() as report:
        report(1.0, 2.0, "simulating")
    assert lines(capsys) == []


def test_the_progress_of_a_run_has_its_phase_its_speed_and_the_time_left(often, capsys):
    with progress_bar() as report:
        report(0.0, 30.0, "simulating")
        time.sleep(0.02)
        report(10.0, 30.0, "simulating")
        capsys.readouterr()
        assert "simulating: 10.0 of 30.0 s, " in awaited(capsys, 2)[-1]
    capsys.readouterr()
    with progress_bar() as report:
        report(0.0, 1.0, "compiling")
        assert awaited(capsys, 1)[-1].endswith(" s] compiling")


def test_a_step_is_printed_when_it_begins_and_while_it_lasts(often, capsys):
    with step_lines() as show:
        show("building roads")
        show("building houses")
        found = [text for text in awaited(capsys, 4) if text != "[0 s] building roads"]
    assert found[:2] == ["building roads", "building houses"]
    assert {text.split("] ")[1] for text in found[2:]} == {"building houses"}


def test_the_step_of_a_measurement_is_printed_too(often, capsys):
    with status() as show:
        show("training hgrn")
        assert awaited(capsys, 2)[-1].endswith(" s] training hgrn")


def test_an_error_ends_the_lines(often, capsys):
    def break_off():
        with progress_lines() as show:
            show("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    capsys.readouterr()
    time.sleep(0.15)
    assert lines(capsys) == []


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12 s"), (89.0, "89 s"), (95.0, "2 min"), (5400.0, "1.5 h")])
def test_a_duration_is_easily_read(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("terminal", "width", "bars"), [(True, 80, True), (True, 40, False), (False, 200, False)])
def test_bars_are_shown_where_their_numbers_fit(terminal, width, bars):
    assert shows_bars(Console(force_terminal=terminal, width=width)) == bars
