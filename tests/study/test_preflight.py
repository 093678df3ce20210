"""Checks before a sweep: they see what a check of each setting sees, once for equal inputs, and end in time."""

from functools import reduce

import pytest

from v2xsim import load
from v2xsim.errors import UserError
from v2xsim.notices import Notice
from v2xsim.scenario.same_world import FREE_KEYS
from v2xsim.study import preflight as module
from v2xsim.study.plan import plan_of
from v2xsim.study.preflight import preflight
from v2xsim.traffic_preview import previewed

SHORT = {"name": "small", "scenario": "demo", "set": {"run.duration_s": 0.2}, "seeds": 2}

PART = '''
from dataclasses import dataclass

from v2xsim.comms.relay.rule import RelayRule
from v2xsim.parts import part


@part("scores_nobody")
@dataclass(frozen=True)
class ScoresNobody(RelayRule):
    """Returns too few scores."""

    def score(self, view):
        """Return no scores."""
        return view.weaker_delivery[:0]
'''


def previews(monkeypatch):
    """Count the runs of traffic."""
    ran = []
    monkeypatch.setattr("v2xsim.traffic_preview.previewed", lambda scenario: ran.append(scenario) or ())
    return ran


def test_settings_with_the_same_inputs_are_checked_once(monkeypatch):
    ran = previews(monkeypatch)
    preflight(plan_of({**SHORT, "grid": {"record.prr_range_m": [100, 200, 300], "stations.penetration": [0.5, 1.0]}}))
    assert [scenario.stations.penetration for scenario in ran] == [0.5, 1.0]


def test_traffic_runs_once_for_all_settings_that_differ_in_messages_alone(monkeypatch):
    ran = previews(monkeypatch)
    grid = {"cooperation.awareness_rule.rate_hz": [5, 10], "cooperation.relay": ["none", "hybrid", "height"]}
    preflight(plan_of({**SHORT, "grid": grid}))
    assert [scenario.cooperation.relay.relays for scenario in ran] == [False, True]


def test_a_run_of_the_traffic_reads_no_key_that_settings_may_differ_in():
    scenario = load("demo", ["run.duration_s=0.2"])
    scenario = scenario.model_copy(
        update={name: getattr(scenario, name).model_copy() for name in ("radio", "cooperation")}
    )
    read = {
        "radio.access",
        "cooperation.transport",
        "cooperation.relay",
        "cooperation.matching",
        "cooperation.fusion",
        "cooperation.hidden_speed_mps",
    }
    scenario.cooperation.__dict__["matrix"] = scenario.cooperation.matrix.model_copy()
    for key in [each for each in FREE_KEYS - read if each.startswith(("radio.", "cooperation."))]:
        *sections, name = key.split(".")
        del reduce(getattr, sections, scenario).__dict__[name]
    with pytest.raises(AttributeError):
        _ = scenario.cooperation.budget_bytes
    previewed(scenario)


def test_a_notice_that_follows_from_cooperation_names_its_settings_alone():
    """In the demo without relays, stations without a lidar have nothing to share."""
    notices = preflight(plan_of({**SHORT, "grid": {"cooperation.relay": ["none", "hybrid"]}}))
    (text,) = (notice.text for notice in notices if notice.subject == "lidars.none_to_share")
    assert text.startswith("sweep: setting 0: lidars: ")


def test_traffic_that_only_sumo_knows_is_not_run(monkeypatch):
    ran = previews(monkeypatch)
    preflight(plan_of({**SHORT, "scenario": "urban_grid", "grid": {"stations.count": [3, 5]}}))
    assert ran == []


def test_what_takes_too_long_to_check_is_reported(monkeypatch):
    ran = previews(monkeypatch)
    monkeypatch.setattr(module, "_MOST_S", -1.0)
    notices = preflight(plan_of({**SHORT, "grid": {"stations.penetration": [0.2, 0.5, 1.0]}}))
    assert len(ran) == 1
    assert [(notice.subject, notice.count) for notice in notices] == [("sweep.unchecked_traffic", 2)]


def test_a_part_of_ones_own_that_does_not_work_refuses_the_settings_that_choose_it(tmp_path):
    (tmp_path / "own.py").write_text(PART)
    plan = plan_of({**SHORT, "set": {**SHORT["set"], "plugins": [str(tmp_path / "own.py")]}, "grid": {"cooperation.relay": ["none", "scores_nobody"]}})  # fmt: skip
    with pytest.raises(UserError, match=r"1 of 2 settings cannot be run(.|\n)*setting 1: .*own\.py"):
        preflight(plan)


def test_a_notice_names_the_settings_that_it_concerns(monkeypatch):
    previews(monkeypatch)
    monkeypatch.setattr(
        "v2xsim.doubtful.value_notices",
        lambda scenario: (Notice("radio.weak", 1, "too weak"),) * (scenario.radio.tx_power_dbm < 15),
    )
    (notice,) = preflight(plan_of({**SHORT, "grid": {"radio.tx_power_dbm": [5, 10, 20]}}))
    assert notice.text == "sweep: settings 0, 1: too weak"


def test_the_traffic_is_checked_with_the_first_seed_of_the_sweep(monkeypatch):
    seeds = []
    monkeypatch.setattr("v2xsim.traffic_preview.previewed", lambda scenario: seeds.append(scenario.run.seed) or ())
    preflight(plan_of({"scenario": "demo", "grid": {"cooperation.relay": ["none", "hybrid"]}, "seeds": [7, 8]}))
    assert seeds == [7, 7]
