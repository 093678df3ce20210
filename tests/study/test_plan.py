"""Plans of sweeps: which settings, in which order, and what is said of those that make no sense."""

import hashlib
import math
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v2xsim.errors import UserError
from v2xsim.scenario.errors import ScenarioError
from v2xsim.study.plan import content_of, grouped, plan_of
from v2xsim.study.sweepfile import SweepFile

BASE = {"scenario": "demo"}


def test_a_grid_is_every_combination_and_the_last_key_varies_fastest():
    plan = plan_of(
        {**BASE, "grid": {"radio.tx_power_dbm": [10, 20], "cooperation.relay": ["none", "hybrid"]}, "seeds": [7, 3]}
    )
    assert [tuple(s.values()) for s in plan.settings] == [(10, "none"), (10, "hybrid"), (20, "none"), (20, "hybrid")]
    assert [(p.setting, p.seed) for p in plan.points[:3]] == [(0, 7), (0, 3), (1, 7)]


def test_every_setting_runs_with_the_same_seeds():
    plan = plan_of({**BASE, "grid": {"radio.tx_power_dbm": [10, 20, 23]}, "seeds": 4})
    assert [[p.seed for p in plan.points if p.setting == s] for s in range(3)] == 3 * [[1, 2, 3, 4]]


def test_blocks_are_combined():
    plan = plan_of({
        **BASE, "grid": {"cooperation.relay": ["none", "hybrid"]},
        "list": [{"radio.mcs": 0, "radio.tx_power_dbm": 10}, {"radio.mcs": 2, "radio.tx_power_dbm": 20}],
    })  # fmt: skip
    assert len(plan.settings) == 4
    assert set(plan.keys) == {"cooperation.relay", "radio.mcs", "radio.tx_power_dbm"}


@pytest.mark.parametrize("block", ["random", "sobol"])
@settings(max_examples=8)
@given(points=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_draws_lie_in_their_ranges_and_a_longer_draw_begins_with_the_shorter(block, points, seed):
    keys = {
        "radio.tx_power_dbm": {"from": 10, "to": 23},
        "radio.range_m": {"from": 100, "to": 1000, "scale": "log"},
        "cooperation.max_helpers": {"from": 1, "to": 4, "integer": True},
        "cooperation.relay": ["none", "hybrid"],
    }
    short = plan_of({**BASE, block: {"points": points, "seed": seed, "keys": keys}})
    for setting in short.settings:
        assert 10 <= setting["radio.tx_power_dbm"] <= 23
        assert 100 <= setting["radio.range_m"] <= 1000 * (1 + 1e-12)
        assert setting["cooperation.max_helpers"] in (1, 2, 3, 4)
        assert isinstance(setting["cooperation.max_helpers"], int)
    longer = plan_of({**BASE, block: {"points": points + 5, "seed": seed, "keys": keys}})
    assert longer.settings[:points] == short.settings


def test_a_sobol_sequence_fills_every_part_of_the_range_once():
    plan = plan_of({**BASE, "sobol": {"points": 16, "keys": {"radio.tx_power_dbm": {"from": 0, "to": 16}}}})
    assert sorted(int(s["radio.tx_power_dbm"]) for s in plan.settings) == list(range(16))


def test_a_log_range_spreads_ratios():
    plan = plan_of(
        {**BASE, "sobol": {"points": 8, "keys": {"radio.range_m": {"from": 10, "to": 1000, "scale": "log"}}}}
    )
    assert sum(s["radio.range_m"] < 100 for s in plan.settings) == 4
    assert math.isclose(min(p["radio.range_m"] for p in plan.settings), 10, rel_tol=0.8)


def test_a_point_is_known_by_what_it_runs_and_not_by_its_plan():
    one = plan_of({**BASE, "grid": {"radio.tx_power_dbm": [10, 20]}, "seeds": [5]})
    two = plan_of({**BASE, "name": "other", "list": [{"radio.tx_power_dbm": 20}], "seeds": [4, 5]})
    assert one.points[1].key == two.points[1].key
    assert len({p.key for p in (*one.points, *two.points)}) == 3


def test_paths_of_a_sweep_file_count_from_its_folder(tmp_path, monkeypatch):
    (tmp_path / "town").mkdir()
    (tmp_path / "town" / "own.yaml").write_text("traffic: {highway: {length_m: 500}}\n")
    (tmp_path / "town" / "sweep.yaml").write_text("scenario: own.yaml\nseeds: 2\n")
    monkeypatch.chdir(tmp_path)
    assert plan_of("town/sweep.yaml").scenario.traffic.highway.length_m == 500


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"gird": {"radio.mcs": [1]}}, ["gird", "did you mean 'grid'"]),
        ({"grid": {"radio.tx_powr_dbm": [1]}}, ["radio.tx_powr_dbm", "did you mean 'tx_power_dbm'"]),
        ({"grid": {"radio.mcs": []}}, ["grid.radio.mcs", "at least 1"]),
        ({"grid": {"run.seed": [1, 2]}}, ["run.seed", "use seeds"]),
        ({"grid": {"radio.mcs": [1]}, "set": {"radio.mcs": 2}}, ["radio.mcs", "one place"]),
        ({"grid": {"radio": [{}], "radio.mcs": [1]}}, ["radio.mcs lies within radio"]),
        ({"list": [{"radio.mcs": 1}, {"radio.range_m": 1}]}, ["list.0", "same keys"]),
        ({"random": {"points": 3, "keys": {"radio.mcs": {"from": 3, "to": 1}}}}, ["to (1) must be above from (3)"]),
        ({"random": {"points": 3, "keys": {"radio.range_m": {"from": 0, "to": 1, "scale": "log"}}}}, ["above 0"]),
        ({"seeds": [1, 1]}, ["seeds must differ"]),
        ({"seeds": 0}, ["seeds"]),
        ({"threads": "2"}, ["threads"]),
        ({"grid": {"radio.mcs": [1, 1]}}, ["2 points", "1 point would", "values must differ"]),
        ({"grid": {"radio.mcs": [1]}, "baseline": {"radio.mcs": 2}}, ["baseline", "no setting"]),
        ({"grid": {"radio.mcs": [1]}, "baseline": {"radio.range_m": 2}}, ["baseline", "not varied"]),
        ({"scenario": "dmo"}, ["dmo", "did you mean 'demo'"]),
        ({"grid": {"radio.mcs": [f"{i}" for i in range(9000)]}, "seeds": 5000}, ["at most 1,000,000 points"]),
    ],
)  # fmt: skip
def test_a_plan_that_makes_no_sense_is_one_clear_error(said, words):
    with pytest.raises(UserError) as found:
        plan_of({**BASE, **said})
    assert any(word in str(found.value) for word in words), str(found.value)
    assert len(str(found.value).splitlines()) <= 2


def test_a_plan_without_blocks_is_one_setting():
    plan = plan_of({**BASE, "seeds": 3})
    assert (plan.settings, plan.keys, len(plan.points)) == (({},), (), 3)


def test_points_are_numbered_settings_first_then_seeds():
    plan = plan_of({**BASE, "grid": {"radio.mcs": [0, 1]}, "seeds": 2})
    assert [(p.index, p.setting, p.seed) for p in plan.points] == [(0, 0, 1), (1, 0, 2), (2, 1, 1), (3, 1, 2)]


def test_the_baseline_is_the_first_setting_unless_another_is_named():
    grid = {"radio.mcs": [0, 1], "cooperation.relay": ["none", "hybrid"]}
    rows = [
        plan_of({**BASE, "grid": grid, "baseline": baseline}).baseline
        for baseline in ({}, {"radio.mcs": 1}, {"cooperation.relay": "hybrid"}, {"radio.mcs": 1, "cooperation.relay": "hybrid"})
    ]  # fmt: skip
    assert rows == [0, 2, 1, 3]


def test_a_plan_of_which_no_setting_can_be_run_is_refused():
    with pytest.raises(UserError, match="at most 40 dBm, got 500"):
        plan_of({**BASE, "grid": {"radio.tx_power_dbm": [500, 600]}})


def test_all_settings_that_cannot_be_run_are_refused_with_each_reason_once():
    grid = {"radio.tx_power_dbm": [20, 500], "stations.penetration": [0.5, 2]}
    with pytest.raises(ScenarioError) as refused:
        plan_of({**BASE, "grid": grid, "seeds": 2})
    first, *reasons = str(refused.value).splitlines()
    assert first.startswith("sweep: 3 of 4 settings cannot be run, so the sweep does not start; ")
    assert reasons == [
        "  sweep: settings 1, 3: stations.penetration: must be at least 0 and at most 1, got 2",
        "  sweep: settings 2, 3: radio.tx_power_dbm: must be at least -40 and at most 40 dBm, got 500",
    ]


def test_a_note_about_several_settings_is_given_once_with_their_numbers():
    grid = {"radio.access": ["ieee80211p", "nr_mode2"], "radio.mcs": [0, 3]}
    (note,) = plan_of({**BASE, "grid": grid}).notes()
    assert note == "sweep: settings 2, 3: radio.mcs has no effect: access scheme nr_mode2 does not use it"


def test_of_many_settings_a_message_names_the_first():
    (text,) = grouped("sweep", 30, {row: [f"sweep: setting {row}: it is wrong"] for row in range(20)})
    assert text == "sweep: settings 0, 1, 2, 3, 4, 5, 6, 7 and 12 more: it is wrong"


def test_what_concerns_all_settings_does_not_name_each():
    texts = {row: [f"sweep: setting {row}: it is wrong", "town.xml: is empty"] for row in range(3)}
    by_rule = {row: [f"sweep: setting {row}: it is wrong"] for row in (2, 3, 5)}
    assert grouped("sweep", 6, by_rule, ["a", "a", "b", "b", "c", "c"]) == ["sweep: settings 2, 3, 5: it is wrong"]
    assert grouped("sweep", 6, {row: by_rule[row] for row in (2, 3)}, ["a", "a", "b", "b", "c", "c"]) == [
        "sweep: b: it is wrong"
    ]
    assert grouped("sweep", 3, texts) == ["sweep: all 3 settings: it is wrong", "town.xml: is empty"]


def test_a_point_runs_its_setting_with_its_seed():
    plan = plan_of({**BASE, "grid": {"radio.tx_power_dbm": [10, 20]}, "seeds": [4, 7]})
    scenario = plan.scenario_of(plan.points[3])
    assert (scenario.radio.tx_power_dbm, scenario.run.seed) == (20, 7)


def test_what_holds_for_all_points_is_set_before_what_varies():
    plan = plan_of({**BASE, "set": {"radio.mcs": 3}, "grid": {"radio.tx_power_dbm": [10, 20]}})
    assert {plan.scenario_of(point).radio.mcs for point in plan.points} == {3}
    assert plan.scenario.radio.mcs == 3


def test_a_name_and_a_description_do_not_make_another_point(tmp_path):
    keys = set()
    for name in ("one", "two"):
        text = f"name: {name}\ndescription: of {name}\ntraffic: {{highway: {{length_m: 500}}}}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
        keys |= {point.key for point in plan_of({"scenario": str(tmp_path / f"{name}.yaml")}).points}
    assert len(keys) == 1


@pytest.mark.parametrize("said", [{"seeds": [2]}, {"set": {"radio.mcs": 3}}, {"set": {"run.duration_s": 3}}])
def test_what_a_point_runs_makes_its_key(said):
    assert plan_of({**BASE, **said}).points[0].key != plan_of(BASE).points[0].key


def test_the_seed_of_the_scenario_itself_does_not_count(tmp_path):
    keys = set()
    for seed in (1, 2):
        (tmp_path / "own.yaml").write_text(f"run: {{seed: {seed}}}\ntraffic: {{highway: {{length_m: 500}}}}\n")
        keys |= {point.key for point in plan_of({"scenario": str(tmp_path / "own.yaml")}).points}
    assert len(keys) == 1


def test_the_order_in_which_shares_are_written_does_not_make_another_point(tmp_path):
    keys = set()
    for mix in ("passenger: 0.5, truck: 0.5", "truck: 0.5, passenger: 0.5"):
        (tmp_path / "own.yaml").write_text(f"traffic: {{highway: {{length_m: 500, mix: {{{mix}}}}}}}\n")
        keys |= {point.key for point in plan_of({"scenario": str(tmp_path / "own.yaml")}).points}
    assert len(keys) == 1


TRACE = (
    '<fcd-export><timestep time="0.00"><vehicle id="{}" x="0" y="0" angle="90" speed="5"/></timestep></fcd-export>\n'
)


def trace_plan(folder, name):
    (folder / "trace.xml").write_text(TRACE.format(name))
    (folder / "own.yaml").write_text("traffic: {fcd: trace.xml}\n")
    return plan_of({"scenario": str(folder / "own.yaml")})


def test_the_content_of_files_that_a_scenario_names_makes_its_key(tmp_path):
    assert trace_plan(tmp_path, "a").points[0].key != trace_plan(tmp_path, "b").points[0].key


def test_the_date_of_a_small_file_does_not_make_its_key(tmp_path):
    before = trace_plan(tmp_path, "a").points[0].key
    os.utime(tmp_path / "trace.xml", (1, 1))
    assert plan_of({"scenario": str(tmp_path / "own.yaml")}).points[0].key == before


def test_of_a_large_file_size_and_date_make_the_key(tmp_path, monkeypatch):
    monkeypatch.setattr("v2xsim.study.plan._READ_BYTES", 10)
    before = trace_plan(tmp_path, "a").points[0].key
    os.utime(tmp_path / "trace.xml", (1, 1))
    assert plan_of({"scenario": str(tmp_path / "own.yaml")}).points[0].key != before


@pytest.mark.parametrize(("size_bytes", "read"), [(10, True), (11, False)])
def test_a_file_is_read_up_to_the_limit(tmp_path, monkeypatch, size_bytes, read):
    monkeypatch.setattr("v2xsim.study.plan._READ_BYTES", 10)
    (tmp_path / "trace.xml").write_bytes(b"x" * size_bytes)
    digest = hashlib.sha256(b"x" * size_bytes).hexdigest()
    date_ns = (tmp_path / "trace.xml").stat().st_mtime_ns
    assert content_of(tmp_path / "trace.xml") == (digest if read else f"{size_bytes} {date_ns}")


def test_a_file_larger_than_64_mb_is_not_read(tmp_path):
    with (tmp_path / "trace.xml").open("wb") as stream:
        stream.truncate(64_000_001)
    assert content_of(tmp_path / "trace.xml").startswith("64000001 ")


def test_a_key_has_24_hexadecimal_digits():
    (point,) = plan_of(BASE).points
    assert len(f"{int(point.key, 16):024x}") == len(point.key) == 24


def test_a_note_on_one_of_two_settings_is_given():
    plan = plan_of({**BASE, "grid": {"cooperation.redundancy": ["none", "frequency"]}})
    (note,) = plan.notes()
    assert "setting 1: cooperation.redundancy has no effect" in note


def test_a_long_file_name_gives_a_name_of_80_letters(tmp_path):
    (tmp_path / f"{'x' * 90}.yaml").write_text("scenario: demo\n")
    assert plan_of(tmp_path / f"{'x' * 90}.yaml").file.name == "x" * 80


def test_a_sweep_file_without_a_name_is_called_like_its_file(tmp_path):
    (tmp_path / "relays.yaml").write_text("scenario: demo\n")
    (tmp_path / "named.yaml").write_text("scenario: demo\nname: other\n")
    assert [plan_of(tmp_path / f"{name}.yaml").file.name for name in ("relays", "named")] == ["relays", "other"]


def test_a_scenario_beside_the_sweep_file_comes_before_a_packaged_one(tmp_path):
    (tmp_path / "demo").write_text("traffic: {highway: {length_m: 500}}\n")
    (tmp_path / "sweep.yaml").write_text("scenario: demo\n")
    assert plan_of(tmp_path / "sweep.yaml").scenario.traffic.highway.length_m == 500


def test_a_plan_may_come_as_a_sweep_file_that_is_read_already():
    file = SweepFile.model_validate({**BASE, "name": "mine", "seeds": 2})
    plan = plan_of(file)
    assert (plan.file, plan.source, len(plan.points)) == (file, "mine", 2)


def test_the_plan_as_data_holds_what_a_reader_needs():
    plan = plan_of(
        {**BASE, "name": "mine", "question": "Why?", "grid": {"radio.mcs": [0, 1]}, "baseline": {"radio.mcs": 1}}
    )
    said = plan.manifest()
    assert (said["format"], said["kind"], said["name"], said["question"]) == (1, "sweep", "mine", "Why?")
    assert (said["source"], said["keys"], said["settings"]) == (
        "demo",
        ["radio.mcs"],
        [{"radio.mcs": 0}, {"radio.mcs": 1}],
    )
    assert (said["seeds"], said["baseline"], said["keep"], said["plugins"]) == ([1], 1, "metrics", {})
    assert said["points"] == [{"setting": p.setting, "seed": p.seed, "key": p.key} for p in plan.points]


def test_a_million_points_are_a_plan_and_one_more_is_not(monkeypatch):
    monkeypatch.setattr("v2xsim.study.plan.MOST_POINTS", 4)
    assert len(plan_of({**BASE, "grid": {"radio.mcs": [0, 1]}, "seeds": 2}).points) == 4
    with pytest.raises(UserError, match="must have at most 4 points, got 6"):
        plan_of({**BASE, "grid": {"radio.mcs": [0, 1]}, "seeds": 3})


@pytest.mark.parametrize(
    ("blocks", "count"),
    [
        ({"grid": {f"k{n}": list(range(10)) for n in range(9)}}, "1,000,000,000"),
        ({"grid": {f"k{n}": list(range(10)) for n in range(300)}}, "about 10^300"),
        ({"random": {"points": 100_000, "keys": {"a": [1]}}, "sobol": {"points": 1_000, "keys": {"b": [1]}}}, "100,000,000"),
        ({"list": [{"a": n} for n in range(1001)], "seeds": 1000}, "1,001,000"),
    ],
)  # fmt: skip
def test_settings_are_counted_before_they_are_made(blocks, count, monkeypatch):
    monkeypatch.setattr("v2xsim.study.plan.settings_of", lambda file: pytest.fail("made the settings"))
    with pytest.raises(UserError, match=re.escape(f"must have at most 1,000,000 points, got {count}")):
        plan_of({**BASE, **blocks})


def test_data_that_is_not_plain_is_refused():
    with pytest.raises(UserError, match="must be plain data"):
        plan_of({**BASE, "grid": {"radio.mcs": [object()]}})


PLUGIN = '''
from dataclasses import dataclass

from v2xsim.comms.relay.rule import RelayRule
from v2xsim.parts import part


@part("plans_own")
@dataclass(frozen=True)
class PlansOwn(RelayRule):
    """Takes the first station."""

    def score(self, view):
        """Return one number for each pair of stations and each station."""
        return view.weaker_delivery
'''


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(PLUGIN)
    return {**BASE, "set": {"plugins": [str(tmp_path / "own.py")]}}


def test_a_users_file_that_one_setting_uses_is_not_called_unused(own):
    assert plan_of({**own, "grid": {"cooperation.relay": ["none", "plans_own"]}}).notes() == []


def test_a_users_file_that_no_setting_uses_is_called_so_once(own):
    (note,) = plan_of({**own, "grid": {"cooperation.relay": ["none", "hybrid"]}}).notes()
    assert "own.py" in note


def test_a_users_file_is_named_with_its_digest(own, tmp_path):
    plan = plan_of({**own, "grid": {"cooperation.relay": ["none", "plans_own"]}})
    assert plan.plugins == {str(tmp_path / "own.py"): hashlib.sha256(PLUGIN.encode()).hexdigest()}


def test_a_baseline_of_true_is_not_the_number_one():
    """Python counts true and 1 as equal; a comparison of the sweep does not."""
    with pytest.raises(UserError, match="baseline: no setting has"):
        plan_of({**BASE, "grid": {"stations.penetration": [1, 0.5]}, "baseline": {"stations.penetration": True}})


def test_the_plan_stores_the_baseline_and_the_factors_for_comparisons():
    plan = plan_of(
        {**BASE, "grid": {"stations.penetration": [1, 0.5]}, "baseline": {"stations.penetration": 0.5}}
    ).manifest()
    assert (plan["baseline"], plan["baseline_values"]) == (1, {"stations.penetration": 0.5})
    assert plan["factors"] == [{"keys": ["stations.penetration"], "drawn": False}]
