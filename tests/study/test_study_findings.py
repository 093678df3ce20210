"""What a study finds: differences at equal load with verdicts, the share of the way to the oracle, and whether its claim holds."""

import shutil

import numpy as np
import pytest

from tests.study.made_studies import TEXT, found, made, usual
from v2xsim.study.folders import StudyError
from v2xsim.study.study_findings import read_findings
from v2xsim.study.study_folder import study_file_in
from v2xsim.study.study_tables import headline
from v2xsim.study.verdicts import Verdict


def verdicts(findings):
    return {
        (one.rule, one.load): word for one, word in zip(findings.comparisons, findings.differences.verdict, strict=True)
    }


def test_a_relay_that_helps_is_better_than_direct_and_equal_to_its_like(tmp_path):
    findings = found(made(tmp_path, usual))
    assert verdicts(findings) == {
        ("height", 0.2): Verdict.EQUAL, ("height", 0.25): Verdict.EQUAL, ("direct", 0.2): Verdict.BETTER, ("direct", 0.25): Verdict.BETTER,
    }  # fmt: skip
    assert findings.differences.mean.tolist() == pytest.approx([0, 0, 0.05, 0.05], abs=0.002)


def test_a_rule_that_sends_more_is_not_better_for_that(tmp_path):
    """At the same budget, hybrid has 0.02 more load and so 0.02 more of the metric; at the same load it has nothing more."""

    def value(metric, family, rule, load, seed):
        busy = (0.12 if rule == "hybrid" else 0.1) + 0.1 * [500, 2000, 8000].index(load)
        return busy if metric == "channel_busy_ratio" else 0.2 + 0.01 * seed + busy

    findings = found(made(tmp_path, value))
    assert findings.differences.mean.tolist() == pytest.approx([0.0] * 4, abs=1e-9)
    assert set(findings.differences.verdict) == {Verdict.EQUAL}


def test_bounds_are_no_competitors(tmp_path):
    findings = found(made(tmp_path, usual))
    assert {one.rule for one in findings.comparisons} == {"height", "direct"}


def test_the_share_of_the_way_goes_from_direct_to_the_oracle(tmp_path):
    findings = found(made(tmp_path, usual))
    assert findings.share_of_way("town", "hybrid", 0).value == pytest.approx(0.5, abs=0.03)
    assert findings.share_of_way("town", "oracle", 0).value == pytest.approx(1.0)
    assert findings.share_of_way("town", "direct", 0).value == pytest.approx(0.0)


def test_a_load_that_a_rule_does_not_reach_is_no_overlap(tmp_path):
    text = TEXT.replace("loads: [0.2, 0.25]", "loads: [0.2, 0.11]")
    findings = found(made(tmp_path, usual, text))
    assert verdicts(findings)["direct", 0.11] is Verdict.NO_OVERLAP
    assert verdicts(findings)["direct", 0.2] is Verdict.BETTER


def test_the_claim_holds_where_the_rule_is_recommended_and_beats_what_it_must(tmp_path):
    (claim,) = found(made(tmp_path, usual)).claims
    assert (claim.family, claim.load, claim.reasons) == ("town", 0.2, ())


def test_the_claim_fails_against_a_rule_that_is_not_beaten(tmp_path):
    (claim,) = found(made(tmp_path, usual, TEXT.replace("beats: [direct]", "beats: [direct, height]"))).claims
    assert claim.reasons == ("against height: equal, not better",)


def test_the_claim_fails_against_a_rule_that_may_be_better_by_more_than_the_margin(tmp_path):
    def value(metric, family, rule, load, seed):
        better = 0.02 if rule == "height" and metric == "blind_covered" else 0.0
        return usual(metric, family, rule, load, seed) + better

    (claim,) = found(made(tmp_path, value)).claims
    assert len(claim.reasons) == 1
    assert "against height: may be worse by more than 0.01" in claim.reasons[0]


def test_a_metric_that_is_better_lower_has_the_advantage_on_the_other_side(tmp_path):
    findings = found(made(tmp_path, usual, TEXT.replace("also:", "better: lower\nalso:")))
    assert verdicts(findings)["direct", 0.2] is Verdict.WORSE


def test_a_seed_without_one_of_its_points_is_left_out_of_its_family(tmp_path):
    folder = made(tmp_path, usual, only=lambda point: (point.setting, point.seed) != (7, 12))
    findings = found(folder)
    assert findings.families[0].left_out == (12,)
    assert findings.differences.seeds.tolist() == [4] * 4


def test_another_metric_is_reported_where_it_was_measured(tmp_path):
    def value(metric, family, rule, load, seed):
        return (
            np.nan
            if (metric, rule, seed) == ("cycle_success", "direct", 12)
            else usual(metric, family, rule, load, seed)
        )

    findings = found(made(tmp_path, value))
    assert findings.differences.seeds.tolist() == [5] * 4
    assert findings.differences_of("cycle_success").seeds.tolist() == [4] * 4
    assert findings.differences_of("cycle_success").mean[2] == pytest.approx(0.05)


def test_runs_of_another_study_file_are_refused(tmp_path):
    folder = made(tmp_path, usual)
    file = study_file_in(folder)
    other = file.model_copy(update={"rules": file.rules[1:] + file.rules[:1]})
    with pytest.raises(StudyError, match="is not a sweep of this study: setting 0"):
        read_findings(folder, other)


def test_families_that_were_not_run_are_named(tmp_path):
    folder = made(tmp_path, usual)
    file = study_file_in(folder)
    other = file.model_copy(update={"families": {**file.families, "later": file.families["town"]}})
    assert read_findings(folder, other).absent == ("later",)
    # The claim is also about the family that was not run.
    assert (read_findings(folder, file).supported(), read_findings(folder, other).supported()) == (True, False)
    with pytest.raises(StudyError, match="no family of the study was run"):
        read_findings(tmp_path / "nothing", file)


def test_a_family_whose_runs_have_not_ended_is_named_and_not_used(tmp_path):
    text = TEXT.replace("  town: ", "  village: {scenario: demo, set: {radio.tx_power_dbm: 3}, loads: [0.2]}\n  town: ")
    folder = made(tmp_path, usual, text)
    (folder / "village" / "results.parquet").unlink()
    findings = found(folder)
    assert (findings.unfinished, findings.absent, [family.name for family in findings.families]) == (
        ("village",),
        (),
        ["town"],
    )
    (folder / "town" / "results.parquet").unlink()
    with pytest.raises(StudyError, match="no family of the study was run to its end; run it with v2xsim study run"):
        found(folder)


def test_at_no_more_than_a_load_a_rule_is_read_at_its_best_place(tmp_path):
    """More load makes direct worse here: at equal load that counts against it, at no more than the load it does not."""

    def value(metric, family, rule, load, seed):
        busy = 0.1 + 0.1 * [500, 2000, 8000].index(load)
        return busy if metric == "channel_busy_ratio" else 0.5 + 0.01 * seed - (busy if rule == "direct" else 0.1)

    findings = found(made(tmp_path, value))
    rows = {(one.rule, one.load): row for row, one in enumerate(findings.comparisons)}
    assert findings.differences.mean[rows["direct", 0.25]] == pytest.approx(0.15)
    assert findings.within.mean[rows["direct", 0.25]] == pytest.approx(0.0, abs=1e-12)
    assert findings.within.pairs[rows["direct", 0.25]] == 5


def test_a_family_that_is_missing_is_named_with_the_verdicts(tmp_path):
    two = TEXT.replace("  town: {", "  village: {scenario: demo, loads: [0.2]}\n  town: {")
    folder = made(tmp_path, usual, two)
    assert not any(line.startswith("without") for line in headline(found(folder)))
    shutil.rmtree(folder / "village")
    (line,) = [line for line in headline(found(folder)) if line.startswith("without")]
    assert line == "without village: not run, or removed; v2xsim study run runs what is missing"
    (folder / "town" / "results.parquet").rename(tmp_path / "kept")
    with pytest.raises(StudyError, match="no family of the study was run to its end"):
        found(folder)
