"""A study file is read strictly: what is wrong is refused with file, line, key and what is allowed."""

import pytest

from tests.study.made_studies import TEXT, planned, written
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import PACKAGED
from v2xsim.study.studyfile import members_of, read_study_file, rules_of


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reference: hybrid", "refrence: hybrid", r"plan\.yaml:13: refrence: unknown key, .*did you mean 'reference'\?"),
        ("metric: blind_covered", "metric: blind_coverd", r"plan\.yaml:3: metric: must be a metric, got 'blind_coverd'; did you mean 'blind_covered'"),
        ("metric: blind_covered", "metric: blind_covered\nload_metric: blind_covered", r"plan\.yaml:4: load_metric: must not be the metric, blind_covered: rules at"),
        ("also: [cycle_success]", "also: [cycle_succes]", r"plan\.yaml:4: also: must be a metric, .*did you mean 'cycle_success'"),
        ("reference: hybrid", "reference: hybird", r"plan\.yaml:13: reference: must be the name of a rule, got 'hybird'; did you mean 'hybrid'"),
        ("beats: [direct]", "beats: [drect]", r"plan\.yaml:14: beats: must be the name of a rule, .*rules are hybrid, height, direct, oracle"),
        ("recommended: [0.2]", "recommended: [0.3]", r"plan\.yaml:7: families\.town\.recommended: must be one of loads of town, got 0\.3"),
        ("test: [11,", "test: [2,", r"plan\.yaml:18: seeds: test: must have no development seed, got 2"),
        ("test: [11, 12", "test: [11, 11", r"plan\.yaml:18: seeds: test: seeds must differ"),
        ("- height", "- hybrid", r"plan\.yaml:10: rules: hybrid is given twice"),
        ("direct: direct", "", r"plan\.yaml:\d+: oracle: needs direct"),
        ("bounds: [oracle]", "bounds: []", r"plan\.yaml:17: oracle: must be one of bounds, got 'oracle'"),
        ("[500, 2000, 8000]", "[500, 8000, 2000]", r"plan\.yaml:5: load: values: must rise or fall throughout"),
        ("{cooperation.relay: none}", "{cooperation.relay: none, load: {key: radio.retries, values: [1, 1]}}", r"plan\.yaml:11: direct: load: values: must rise or fall"),
        ("bounds: [oracle]", "bounds: [hybrid]", r"bounds: must not have the reference, hybrid"),
        ("{cooperation.relay: none}", "{cooperation.relay: none, load: {key: radio.retries}}", r"plan\.yaml:11: direct: load: must be a load axis"),
        ("loads: [0.2, 0.25]", "loads: {towm: [0.2]}", r"plan\.yaml:7: families\.town\.loads: must have the names of its families, town, got 'towm'; did you mean 'town'"),
        ("loads: [0.2, 0.25]", "loads: {}", r"plan\.yaml:7: families\.town\.loads: must have a list of loads for town"),
        ("loads: [0.2, 0.25]", "loads: []", r"plan\.yaml:7: families\.town\.loads: must have .*at least 1 entry, got 0"),
        ("loads: [0.2, 0.25]", "loads: [0.2, 0.2]", r"plan\.yaml:7: families\.town\.loads: must differ, got 0\.2 twice"),
        ("- direct: {cooperation.relay: none}", "- ../x: {cooperation.relay: none}", r"rules: must have names of letters, .*got '\.\./x'"),
        ("loads: [0.2, 0.25]", "loads: 0.2", r"plan\.yaml:7: families\.town\.loads: must be .*list.*, got 0\.2"),
        ("loads: [0.2, 0.25]", "loads: [20, 25]", r"plan\.yaml:7: families\.town\.loads\.0: must be below 1, as a channel busy ratio is, got 20"),
        ("loads: [0.2, 0.25]", "loads: [0.2, 0]", r"plan\.yaml:7: families\.town\.loads\.1: must be .*(greater than|above) 0"),
    ],
)  # fmt: skip
def test_a_wrong_study_file_is_refused_with_place_and_repair(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(ScenarioError, match=message):
        read_study_file(written(tmp_path, TEXT.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- height", "- heigt", r"plan\.yaml:10: heigt: .*cooperation\.relay: must be .*did you mean 'height'"),
        ("scenario: demo", "scenario: dmo", r"plan\.yaml:7: scenario: dmo: must be an existing file.*did you mean 'demo'"),
        ("key: cooperation.budget_bytes", "key: cooperation.budget_byts", r"plan\.yaml:5: cooperation\.budget_byts: .*did you mean 'budget_bytes'"),
        ("{cooperation.relay: none}", "{cooperation.rely: none}", r"plan\.yaml:11: direct: cooperation\.rely: .*did you mean 'relay'"),
        ("- height", "- height: {cooperation.relay: {rule: hybrid, weight: 2}}", r"plan\.yaml:10: height: .*weight: must be .*at most 1, got 2"),
        ("{cooperation.relay: none}", "{cooperation.bound: clairvoyant}", r"plan\.yaml:11: direct must be listed under bounds, since it runs with cooperation\.bound clairvoyant"),
        ("scenario: demo,", "scenario: demo, set: {cooperation.transport: synchronous},", r"plan\.yaml:9: hybrid must be listed under bounds, since it runs with cooperation\.transport"),
        ("scenario: demo,", "scenario: demo, vary: {cooperation.relay: [none]},", r"plan\.yaml:9: hybrid: cooperation\.relay must be set in one place, but .*plan\.yaml:7 sets it for town-relay-none, too; remove one"),
        ("scenario: demo,", "scenario: demo, vary: {cooperation.budget_bytes: [1, 2]},", r"plan\.yaml:5: cooperation\.budget_bytes must be set in one place, but .*plan\.yaml:7 sets it for town-budget_bytes-1, too"),
        ("scenario: demo,", "scenario: demo, set: {radio.tx_powr_dbm: 3},", r"plan\.yaml:7: set: radio\.tx_powr_dbm: unknown key"),
    ],
)  # fmt: skip
def test_values_that_a_scenario_refuses_are_refused_where_the_study_file_has_them(tmp_path, old, new, message):
    assert old in TEXT
    with pytest.raises(ScenarioError, match=message):
        planned(written(tmp_path, TEXT.replace(old, new)))


def test_each_family_of_a_varied_key_may_have_loads_of_its_own(tmp_path):
    text = TEXT.replace(
        "loads: [0.2, 0.25], recommended: [0.2]",
        "vary: {stations.penetration: [0.1, 1.0]}, loads: {town-penetration-0.1: [0.05], town-penetration-1: [0.2, 0.3]}, recommended: {town-penetration-1: [0.3]}",
    )
    few, many = members_of(read_study_file(written(tmp_path, text))[0])
    assert (few.loads, few.recommended) == ([0.05], ())
    assert (many.loads, many.recommended) == ([0.2, 0.3], [0.3])
    for old, new, message in (
        ("town-penetration-0.1: [0.05], ", "", "must have a list of loads for town-penetration-0.1"),
        ("-1: [0.3]", "-1: [0.05]", r"recommended: must be one of loads of town-penetration-1, got 0\.05"),
    ):
        with pytest.raises(ScenarioError, match=r"plan\.yaml:7: families\.town\..*" + message):
            read_study_file(written(tmp_path, text.replace(old, new)))


def test_another_kind_of_file_is_named(tmp_path):
    with pytest.raises(ScenarioError, match="must be a study file, got a sweep file"):
        read_study_file(PACKAGED / "sweeps" / "motorway_trucks.yaml")
    with pytest.raises(
        ScenarioError,
        match="packaged study; these are matching_ablations, matching_conditions, matching_worth, relay, relay_conditions, relay_short, relay_worth; did you mean 'relay'",
    ):
        read_study_file("rely")


def test_a_rule_is_a_name_or_a_name_with_the_keys_that_it_sets(tmp_path):
    file, _, _ = read_study_file(
        written(tmp_path, TEXT + "").parent / "plan.yaml",
    )
    assert [(rule.name, rule.values) for rule in rules_of(file)][:3] == [
        ("hybrid", {"cooperation.relay": "hybrid"}),
        ("height", {"cooperation.relay": "height"}),
        ("direct", {"cooperation.relay": "none"}),
    ]
    assert file.compared() == ["height", "direct"]


def test_every_family_has_all_rules_with_all_loads_and_seeds(tmp_path):
    _, (town,) = planned(written(tmp_path), "test")
    assert (len(town.plan.settings), town.plan.seeds) == (4 * 3, (11, 12, 13, 14, 15))
    assert town.plan.settings[4] == {"cooperation.relay": "height", "cooperation.budget_bytes": 2000}


def test_what_a_rule_does_not_set_is_the_scenarios_own(tmp_path):
    text = TEXT.replace("{cooperation.relay: none}", "{cooperation.relay: none, radio.retries: 4}")
    _, (town,) = planned(written(tmp_path, text))
    own = planned(written(tmp_path))[1][0].plan.scenario.radio.retries
    assert own != 4
    assert [scenario.radio.retries for scenario in town.plan.scenarios] == [own] * 6 + [4] * 3 + [own] * 3


def test_a_rule_may_set_what_stands_under_set_for_all_others(tmp_path):
    text = TEXT.replace("{cooperation.relay: none}", "{cooperation.relay: none, radio.retries: 4}")
    _, (town,) = planned(written(tmp_path, text.replace("reference:", "set: {radio.retries: 2}\nreference:")))
    assert [scenario.radio.retries for scenario in town.plan.scenarios] == [2] * 6 + [4] * 3 + [2] * 3


@pytest.mark.parametrize("block", ["set: {cooperation.budget_bytes: 9}\nload:", "load:"])
def test_a_key_of_the_load_axis_or_of_varied_families_stands_in_one_place(tmp_path, block):
    text = TEXT.replace("load:", block, 1).replace(
        "{cooperation.relay: none}", "{cooperation.relay: none, radio.retries: 4}"
    )
    if "set" not in block:
        text = text.replace("scenario: demo,", "scenario: demo, vary: {radio.retries: [1, 2]},")
    with pytest.raises(ScenarioError, match="must be set in one place"):
        planned(written(tmp_path, text))


def test_a_rule_can_have_a_load_axis_of_its_own(tmp_path):
    text = TEXT.replace(
        "{cooperation.relay: none}", "{cooperation.relay: none, load: {key: run.step_s, values: [0.2, 0.1]}}"
    )
    _, (town,) = planned(written(tmp_path, text))
    assert len(town.plan.settings) == 3 + 3 + 2 + 3
    assert [setting["run.step_s"] for setting in town.plan.settings[5:9]] == [0.1, 0.2, 0.1, 0.1]
    assert len({setting["cooperation.budget_bytes"] for setting in town.plan.settings[6:8]}) == 1


def test_varied_keys_make_families_of_their_own(tmp_path):
    text = TEXT.replace("scenario: demo,", "scenario: demo, vary: {radio.tx_power_dbm: [10, 20]},")
    file, plans = planned(written(tmp_path, text))
    assert (
        [family.name for family in plans]
        == [member.name for member in members_of(file)]
        == ["town-tx_power_dbm-10", "town-tx_power_dbm-20"]
    )
    assert [family.plan.scenario.radio.tx_power_dbm for family in plans] == [10.0, 20.0]


def test_a_family_can_run_alone_and_an_unknown_one_is_refused(tmp_path):
    assert [family.name for family in planned(written(tmp_path), families=["town"])[1]] == ["town"]
    with pytest.raises(
        ScenarioError,
        match=r"--family: must be one of the families of .*plan\.yaml, town, got 'twon'; did you mean 'town'",
    ):
        planned(written(tmp_path), families=["twon"])


def test_a_scenario_beside_the_study_file_is_found(tmp_path):
    written(tmp_path / "deep", TEXT.replace("scenario: demo", "scenario: own.yaml"))
    (tmp_path / "deep" / "own.yaml").write_text(
        (PACKAGED / "demo.yaml").read_text().replace("tx_power_dbm: 14.0", "tx_power_dbm: 9.0")
    )
    _, (town,) = planned(tmp_path / "deep" / "plan.yaml")
    assert town.plan.scenario.radio.tx_power_dbm == 9.0


def test_a_users_rule_joins_by_its_name_in_the_list(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom v2xsim.comms.relay.rule import RelayRule\nfrom v2xsim.parts import part\n\n\n"
        '@part("mine")\n@dataclass(frozen=True)\nclass Mine(RelayRule):\n    """Prefer long hops."""\n\n'
        "    def score(self, view):\n        return view.mobility\n"
    )
    text = TEXT.replace("- height", "- mine").replace("scenario: demo,", "scenario: demo, set: {plugins: [mine.py]},")
    _, (town,) = planned(written(tmp_path, text))
    assert {type(scenario.cooperation.relay).__name__ for scenario in town.plan.scenarios} >= {"Mine", "Hybrid"}


@pytest.mark.parametrize(
    ("name", "families", "settings", "seeds"),
    [
        ("matching_conditions", 21, 6 * 2, 3),
        ("matching_ablations", 3, 35, 12),
        ("matching_worth", 3, 30, 40),
        ("relay", 2, 3 * 3, 3),
        ("relay_conditions", 40, 4 * 2, 3),
        ("relay_short", 2, 5 * 3, 3),
        ("relay_worth", 4, 18 * 3 + 4, 40),
    ],
)
def test_the_packaged_studies_can_be_planned(name, families, settings, seeds):
    file, plans = planned(name, "test")
    assert [len(family.plan.points) for family in plans] == families * [settings * seeds]
    assert file.reference == (
        "hybrid" if name.startswith("relay") else "unseen" if name == "matching_conditions" else "unheard"
    )


def test_a_rule_of_a_users_file_joins_with_one_entry_and_leaves_the_points_of_the_others(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom v2xsim.comms.relay.rule import RelayRule\nfrom v2xsim.parts import part\n\n\n"
        '@part(\'joins\')\n@dataclass(frozen=True)\nclass Joins(RelayRule):\n    """Takes any."""\n\n'
        "    def score(self, view):\n        return view.weaker_delivery\n"
    )
    _, (before,) = planned(written(tmp_path))
    _, (after,) = planned(
        written(
            tmp_path,
            TEXT.replace("  - height\n", "  - height\n  - mine: {cooperation.relay: joins, plugins: [mine.py]}\n"),
        )
    )
    old, new = ({point.key for point in one.plan.points} for one in (before, after))
    assert old < new
    assert len(new - old) == 3 * 3
    own = next(row for row, name in enumerate(after.plan.owners) if name == "mine")
    assert type(after.plan.scenarios[own].cooperation.relay).__name__ == "Joins"
