"""Other readings of the runs of a study: another reference, another metric as the load, and the load that the same costs."""

import numpy as np
import pytest

from tests.study.made_studies import TEXT, found, made, usual
from v2xsim.study.cost import costs, least_loads
from v2xsim.study.folders import StudyError
from v2xsim.study.other_reading import other_reading
from v2xsim.study.study_tables import cost_rows, headline
from v2xsim.study.verdicts import Verdict

BYTES = TEXT.replace("metric: blind_covered", "metric: blind_covered\nload_metric: on_air").replace(
    "loads: [0.2, 0.25], recommended: [0.2]", "loads: [2000, 2500], recommended: [2000]"
)


def in_bytes(metric, family, rule, load, seed):
    """Return the usual world, in which a busy ratio of 0.1 is 1000 bytes per second; the busy ratio of `height` is a fifth higher for its bytes."""
    if metric == "on_air":
        return 1e4 * usual("channel_busy_ratio", family, rule, load, seed)
    if metric == "channel_busy_ratio":
        return usual(metric, family, rule, load, seed) * (1.2 if rule == "height" else 1.0)
    return usual(metric, family, rule, load, seed)


def with_busy(folder_text):
    return folder_text.replace("also: [cycle_success]", "also: [cycle_success, channel_busy_ratio]")


def test_another_reference_turns_the_difference_round(tmp_path):
    findings = found(made(tmp_path, usual))
    other = other_reading(findings, reference="direct")
    before = {
        (one.rule, one.load): mean
        for one, mean in zip(findings.comparisons, findings.differences.mean.tolist(), strict=True)
    }
    after = {
        (one.rule, one.load): mean for one, mean in zip(other.comparisons, other.differences.mean.tolist(), strict=True)
    }
    assert after["hybrid", 0.2] == pytest.approx(-before["direct", 0.2])
    assert set(after) == {("hybrid", 0.2), ("hybrid", 0.25), ("height", 0.2), ("height", 0.25)}


def test_what_the_plan_did_not_ask_has_no_claim(tmp_path):
    other = other_reading(found(made(tmp_path, usual)), reference="direct")
    assert (other.claims, other.supported()) == ((), None)
    assert not any("claim" in line for line in headline(other))
    assert other.reading == ("The reference is direct; the plan has hybrid.",)


def test_the_reading_of_the_plan_is_left_as_it_is(tmp_path):
    findings = found(made(tmp_path, usual))
    assert other_reading(findings, "hybrid", "channel_busy_ratio") is findings


def test_loads_in_another_metric_are_those_of_the_reference(tmp_path):
    findings = found(made(tmp_path, in_bytes, with_busy(BYTES)))
    other = other_reading(findings, load_metric="channel_busy_ratio")
    assert other.families[0].member.loads == pytest.approx((0.2, 0.25))
    assert (other.load_metric, findings.load_metric) == ("channel_busy_ratio", "on_air")


def test_a_rule_that_keeps_the_channel_busy_for_its_bytes_is_equal_in_bytes_and_worse_in_busy_ratio(tmp_path):
    findings = found(made(tmp_path, in_bytes, with_busy(BYTES)))
    other = other_reading(findings, load_metric="channel_busy_ratio")
    words = [
        {one.rule: word for one, word in zip(each.comparisons, each.differences.verdict, strict=True)}
        for each in (findings, other)
    ]
    assert words[0]["height"] is Verdict.EQUAL
    assert other.differences.mean[[one.rule for one in other.comparisons].index("height")] > 0.02


def test_a_load_that_the_reference_does_not_reach_is_left_out_and_named(tmp_path):
    text = with_busy(BYTES).replace("[2000, 2500]", "[2000, 9000]")
    other = other_reading(found(made(tmp_path, in_bytes, text)), load_metric="channel_busy_ratio")
    assert other.families[0].member.loads == pytest.approx((0.2,))
    assert "town at 9000" in other.reading[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": "hybird"}, "--reference: must be a rule that is no bound.*did you mean 'hybrid'"),
        ({"reference": "oracle"}, "--reference: must be a rule that is no bound"),
        ({"load_metric": "onair"}, "--load-metric: must be a metric, got 'onair'; did you mean 'on_air'"),
        ({"load_metric": "blind_covered"}, "--load-metric: must not be the metric, blind_covered"),
    ],
)
def test_a_reading_that_cannot_be_is_refused(tmp_path, options, message):
    with pytest.raises(StudyError, match=message):
        other_reading(found(made(tmp_path, usual)), **options)


def test_a_load_that_no_run_measured_is_refused(tmp_path):
    def value(metric, family, rule, load, seed):
        return np.nan if metric == "cycle_success" else usual(metric, family, rule, load, seed)

    with pytest.raises(StudyError, match="hybrid has no cycle_success at the loads of town"):
        other_reading(found(made(tmp_path, value)), load_metric="cycle_success")


def flat(metric, family, rule, load, seed):
    """Return a world in which all rules know the same at every load, but direct, which never knows as much, and `height` sends twice as much."""
    step = 0.1 * (1 + [500, 2000, 8000].index(load))
    if metric == "channel_busy_ratio":
        return step * (2.0 if rule == "height" else 1.0)
    return 0.5 - (0.3 if rule == "direct" else 0.0) + 0.001 * seed


def test_equal_rules_differ_in_what_the_same_costs(tmp_path):
    found_costs = {one.rule: one for one in costs(found(made(tmp_path, flat)))}
    assert found_costs["hybrid"].ratio == 1.0
    assert found_costs["height"].ratio == pytest.approx(2.0)
    assert (found_costs["height"].low, found_costs["height"].high) == pytest.approx((2.0, 2.0))
    assert np.isnan(found_costs["direct"].load)
    assert found_costs["direct"].low == np.inf


def test_a_cost_that_is_never_reached_is_empty_in_the_table(tmp_path):
    (row,) = [row for row in cost_rows(found(made(tmp_path, flat))) if row["rule"] == "direct"]
    assert (row["least_load"], row["ratio"], row["low"], row["high"], row["reached"]) == (None, None, None, None, False)


@pytest.mark.parametrize(
    ("metric", "level", "load"),
    [
        ([0.0, 1.0, 2.0], 1.5, 25.0),
        ([0.0, 1.0, 2.0], 0.0, 10.0),
        ([0.0, 1.0, 2.0], 2.5, np.inf),
        ([0.0, 3.0, 0.0], 1.5, 15.0),
        ([2.0, 0.0, 2.0], 1.0, 10.0),
    ],
)
def test_the_least_load_is_where_the_line_first_reaches_the_level(metric, level, load):
    loads = np.array([[10.0, 20.0, 30.0]])
    assert least_loads(loads, np.array([metric]), np.array([level]))[0] == load
    # In any order of the points.
    assert least_loads(loads[:, [2, 0, 1]], np.array([metric])[:, [2, 0, 1]], np.array([level]))[0] == load
