"""Notices about the time step of a scenario."""

import pytest
from typer.testing import CliRunner

import v2xsim
from v2xsim.cli.app import app
from v2xsim.scenario.times import time_notices


def notices(step_s, duration_s):
    demo = v2xsim.load("demo")
    return time_notices(demo.with_({"run.step_s": step_s, "run.duration_s": duration_s}))


@pytest.mark.parametrize(("step_s", "duration_s"), [(0.1, 10.0), (0.1, 0.7), (0.05, 1.0), (1.0, 3.0), (0.25, 0.5)])
def test_whole_steps_of_usual_lidars_need_no_notice(step_s, duration_s):
    assert notices(step_s, duration_s) == ()


def test_a_rounded_duration_is_reported():
    (notice,) = notices(1.0, 2.5)
    assert notice.subject == "run.duration_rounded"
    assert "run.duration_s (2.5 s) is not a whole number of steps of 1 s; 2 s are simulated" in notice.text


def test_lidars_that_are_faster_than_real_ones_are_reported():
    (notice,) = notices(0.01, 1.0)
    assert notice.subject == "run.many_frames"
    assert "each lidar captures 100 frames a second" in notice.text


def test_check_reports_them_too():
    ran = CliRunner().invoke(app, ["check", "demo", "--set", "run.step_s=0.01"])
    assert ran.exit_code == 0
    assert "each lidar captures 100 frames a second" in ran.stderr
