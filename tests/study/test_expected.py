"""What the points of a sweep will take, from one of them and the work of all settings."""

from types import SimpleNamespace

import pytest

from v2xsim.errors import UserError
from v2xsim.study import expected as module
from v2xsim.study.expected import _all_done_s, expected
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import plan_of
from v2xsim.study.sweep import points_to_run

SWEEP = {
    "name": "s",
    "scenario": "demo",
    "set": {"run.duration_s": 1},
    "grid": {"run.step_s": [0.1, 0.2, 0.5]},
    "seeds": 2,
}
TRIAL = Outcome("k", "done", "", 4.0, 3.0, 10**9)


def test_a_setting_with_less_to_do_takes_less(monkeypatch):
    found = expected(plan_of({**SWEEP, "keep": "tables"}), 1, TRIAL, 1000)
    assert found.point_wall_s[0] < found.point_wall_s[1] == 4.0
    assert found.wall_s < 6 * 4.0
    assert found.disk_bytes < 6 * 1000
    assert found.counted == 3


def test_the_last_setting_is_counted_before_the_time_for_it_ends(monkeypatch):
    every = expected(plan_of(SWEEP), 1, TRIAL, 1000)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=iter([0.0, 0.0, 30.0]).__next__))
    some = expected(plan_of(SWEEP), 1, TRIAL, 1000)
    assert (some.counted, some.settings) == (2, 3)
    assert some.point_wall_s == every.point_wall_s


def test_metrics_take_the_same_disk_for_every_setting():
    assert expected(plan_of(SWEEP), 1, TRIAL, 1000).disk_bytes == 6 * 1000


def test_only_points_that_will_run_are_counted():
    plan = plan_of(SWEEP)
    found = expected(plan, 9, TRIAL, 1000, points=plan.points[:2])
    assert (found.points, found.disk_bytes, found.peak_bytes) == (2, 2 * 1000, 2 * found.point_peak_bytes[1])
    assert found.wall_s <= found.point_wall_s[1]
    assert expected(plan, 9, TRIAL, 1000, points=[]).wall_s == 0.0


@pytest.mark.parametrize(
    ("options", "numbers"),
    [((False, False), [0, 1, 2, 3, 4, 5]), ((True, False), [2, 3, 4, 5]), ((False, True), [1]), ((True, True), [2, 3, 4, 5, 1])],
)  # fmt: skip
def test_a_sweep_that_goes_on_runs_the_points_that_are_left(tmp_path, options, numbers):
    plan = plan_of(SWEEP)
    for folder, name in (("points", f"{plan.points[0].key}.arrow"), ("failed", f"{plan.points[1].key}.json")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("{}")
    found = points_to_run(plan, tmp_path, resume=options[0], retry_failed=options[1])
    assert found == [plan.points[number] for number in numbers]


@pytest.mark.parametrize(("workers", "end_s"), [(1, 9.0), (2, 6.0), (3, 5.0), (9, 5.0)])
def test_each_point_begins_as_soon_as_a_worker_is_free(workers, end_s):
    assert _all_done_s([1.0, 3.0, 5.0], workers) == end_s


def test_of_many_settings_some_are_counted():
    many = {**SWEEP, "grid": {"radio.tx_power_dbm": [float(n) for n in range(30)]}, "seeds": 1}
    found = expected(plan_of(many), 2, TRIAL, 1000)
    assert found.counted == module._MOST_SETTINGS
    assert found.wall_s == pytest.approx(15 * 4.0)
    assert found.disk_bytes == 30 * 1000


def test_memory_that_this_machine_lacks_is_reported(tmp_path):
    found = expected(plan_of(SWEEP), 2, Outcome("k", "done", "", 4.0, 3.0, 10**15), 1000)
    assert [notice.subject for notice in found.notices(tmp_path)] == ["estimate.memory"]


def test_a_setting_whose_traffic_cannot_be_read_is_named(monkeypatch):
    def fail(*_):
        raise UserError("no traffic")

    monkeypatch.setattr(module, "estimated", fail)
    with pytest.raises(UserError, match="setting 0: no traffic"):
        expected(plan_of(SWEEP), 1, TRIAL, 1000)


@pytest.mark.parametrize(
    ("limit_bytes", "wanted"), [(0, []), (9 * 10**8, ["estimate.memory_per_worker"]), (2 * 10**9, [])]
)
def test_points_that_would_be_stopped_for_their_memory_are_reported(tmp_path, limit_bytes, wanted):
    found = expected(plan_of(SWEEP), 1, TRIAL, 1000, limit_bytes)
    assert [notice.subject for notice in found.notices(tmp_path)] == wanted
