"""Two studies compared: what is paired with what, and in which keys their scenarios differ."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.study.comparisons import TWO, between, compared, noisy, study_of
from v2xsim.study.compare import with_first
from v2xsim.study.folders import StudyError
from v2xsim.study.studies import read_study


def test_two_sweeps_are_paired_by_seed_and_common_setting(tmp_path, made_sweep):
    power = [{"radio.tx_power_dbm": p} for p in (10, 20)]
    one = made_sweep(tmp_path / "a", power, 5, lambda n, s, k: 1.0 * k + 10 * s)
    two = made_sweep(tmp_path / "b", power[::-1], 4, lambda n, s, k: 2.0 + k + 10 * (1 - s) + 0.1 * (-1) ** k)
    found = between(read_study(one), read_study(two), [("prr", "1")])
    assert (found.found.pairs[0], found.settings[0]) == (4, 2)
    assert found.found.mean[0] == pytest.approx(2.0)
    assert found.verdict(0) == "higher"


def test_sweeps_without_a_common_seed_are_not_compared(tmp_path, made_sweep):
    one = made_sweep(tmp_path / "a", TWO, 2, noisy)
    plan = json.loads((one / "sweep.json").read_text())
    two = made_sweep(tmp_path / "b", TWO, 2, noisy)
    table = pq.read_table(two / "results.parquet")
    table = table.set_column(table.schema.get_field_index("seed"), "seed", pc.add(table["seed"], 10))
    pq.write_table(table, two / "results.parquet")
    (two / "sweep.json").write_text(json.dumps(plan | {"seeds": [11, 12]}))
    with pytest.raises(StudyError, match="no seed in common"):
        between(read_study(one), read_study(two), [("prr", "1")])


def test_sweeps_of_different_keys_cannot_be_paired(tmp_path, made_sweep):
    one = made_sweep(tmp_path / "a", TWO, 2, noisy)
    two = made_sweep(tmp_path / "b", [{"radio.mcs": 0}, {"radio.mcs": 2}], 2, noisy)
    with pytest.raises(StudyError, match=r"cannot be paired: it varies radio\.mcs, the other cooperation\.relay; "):
        between(read_study(one), read_study(two), [("prr", "1")])


def test_between_two_studies_holm_goes_by_the_confidence(tmp_path, made_sweep):
    grow = np.array([0.2, 1.0, 1.6, 0.4, 1.2, -0.1, 0.9, 0.1, 0.3, 1.4])
    one = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: 0.0 * k, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: grow, "b")
    usual, strict = (between(one, two, [("prr", "1")], confidence) for confidence in (0.95, 0.9999))
    assert 0.0001 < usual.found.p[0] < 0.05
    assert (usual.survives[0], strict.survives[0]) == (True, False)


def test_holm_goes_over_all_folders_that_are_compared_with_the_first(tmp_path, made_sweep):
    grow = np.array([0.4, 1.0, 1.6, 0.4, 1.2, -0.9, 0.9, -0.4, 0.3, 1.4])
    zero = [
        study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k, d=n: np.roll(grow - grow.mean(), d), f"z{n}")
        for n in range(20)
    ]  # fmt: skip
    one = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: 0.0 * k, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 10, lambda n, s, k: grow, "b")
    (alone,) = with_first([one, two], [("prr", "1")])
    among = with_first([one, two, *zero], [("prr", "1")])
    assert (alone.survives[0], among[0].survives[0]) == (True, False)


def test_what_only_one_of_two_studies_has_is_reported(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, [{"radio.mcs": n} for n in (0, 1, 2)], 5, noisy, "a")
    two = study_of(tmp_path, made_sweep, [{"radio.mcs": n} for n in (1, 2)], 3, noisy, "b")
    assert between(one, two, [("prr", "1")]).notes == (
        f"1 of 3 settings of {one.folder} have no partner and are left out",
        f"2 of 5 seeds of {one.folder} have no partner and are left out",
    )


def test_pairs_of_two_studies_go_by_seed_and_not_by_place(tmp_path, made_sweep):
    """The second study has seeds 4, 2 and 9 in this order; values are ten times the seed, and one more in the second."""
    one = study_of(tmp_path, made_sweep, TWO[:1], 4, lambda n, s, k: 10.0 * k, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 3, lambda n, s, k: 0.0 * k, "b")
    two = replace(two, seeds=(4, 2, 9), values=np.broadcast_to(np.array([41.0, 21.0, 91.0]), two.values.shape))
    found = between(one, two, [("prr", "1")])
    assert (found.found.pairs[0], found.base_mean[0], found.other_mean[0]) == (2, 30.0, 31.0)


def test_a_metric_that_one_study_lacks_has_no_pair(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy, "b", more=1)
    for first, second in ((one, two), (two, one)):
        assert between(first, second, [("extra_0", "1")]).verdict(0) == "no pair"


def test_studies_that_vary_the_same_keys_without_a_common_value_are_not_compared(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO[1:], 2, noisy, "b")
    with pytest.raises(StudyError, match="no setting in common"):
        between(one, two, [("prr", "1")])


def test_settings_are_paired_only_where_all_common_keys_agree(tmp_path, made_sweep):
    """Of four settings by two keys, each has one partner in a study with the order turned round."""
    four = [{"radio.mcs": m, "cooperation.relay": r} for m in (0, 1) for r in ("none", "hybrid")]
    one = study_of(tmp_path, made_sweep, four, 2, lambda n, s, k: 1.0 * s + 0 * k, "a")
    two = study_of(tmp_path, made_sweep, four[::-1], 2, lambda n, s, k: 3.5 - s + 0 * k, "b")
    found = between(one, two, [("prr", "1")])
    assert (found.found.pairs[0], found.found.mean[0], found.verdict(0)) == (2, 0.5, "no spread")


@pytest.mark.parametrize("turned", [False, True])
def test_a_study_that_varies_one_key_more_cannot_be_paired(tmp_path, made_sweep, turned):
    """Each setting of the one would have two partners in the other, whichever comes first."""
    four = [{"radio.mcs": m, "cooperation.relay": r} for m in (0, 1) for r in ("none", "hybrid")]
    pair = [
        study_of(tmp_path, made_sweep, TWO, 2, noisy, "a"),
        study_of(tmp_path, made_sweep, four, 2, noisy, "b"),
    ]
    with pytest.raises(StudyError, match="cannot be paired"):
        between(*(pair[::-1] if turned else pair), [("prr", "1")])


def scenario(study, *, seed=1, power=23.0, name="s", text=""):
    return replace(
        study, scenario={"name": name, "description": text, "run": {"seed": seed}, "radio": {"tx_power_dbm": power}}
    )


def test_seed_name_and_description_are_no_differences_between_studies(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = scenario(study), scenario(study, seed=2, name="t", text="other")
    assert between(one, two, [("prr", "1")]).differs == ()


def test_differences_between_studies_name_key_and_both_values(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = scenario(study, power=23.0), scenario(study, power=10.0)
    assert [change.text for change in between(one, two, [("prr", "1")]).differs] == ["radio.tx_power_dbm: 23.0 -> 10.0"]


def test_a_key_that_one_scenario_lacks_is_a_difference(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = replace(study, scenario={"a": {"b": 1}}), replace(study, scenario={"a": {"b": 1, "c": 2}, "d": 3})
    assert [change.text for change in between(one, two, [("prr", "1")]).differs] == ["a.c: null -> 2", "d: null -> 3"]


def test_a_section_that_one_scenario_lacks_is_one_difference(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy)
    one, two = replace(study, scenario={"a": {"b": 1}}), replace(study, scenario={})
    assert [change.text for change in between(one, two, [("prr", "1")]).differs] == ['a: {"b": 1} -> null']
    assert [change.text for change in between(two, one, [("prr", "1")]).differs] == ['a: null -> {"b": 1}']


def test_studies_are_called_by_their_folders(tmp_path, made_sweep):
    one = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "a")
    two = study_of(tmp_path, made_sweep, TWO[:1], 2, noisy, "b")
    found = between(one, two, [("prr", "1")])
    assert (found.base, found.other) == (str(tmp_path / "a"), str(tmp_path / "b"))


def test_seeds_that_do_not_meet_are_listed(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy)
    with pytest.raises(
        StudyError, match=r"it has 7, 8, 9, the other 1, 2, 3; .* run one of them again with the seeds of the other"
    ):
        between(study, replace(study, seeds=(7, 8, 9)), [("prr", "1")])


def test_studies_without_a_common_metric_are_not_compared(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy)
    other = replace(study, metrics=tuple((f"new_{name}", part, unit) for name, part, unit in study.metrics))
    with pytest.raises(StudyError, match="has no metric in common with"):
        between(study, other, [("prr", "1")])


def test_a_plug_in_that_was_edited_is_a_difference(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy)
    one, two = (replace(study, files={"/own.py": letter * 64, "/town.net.xml": "c" * 64}) for letter in "ab")
    (change,) = between(one, two, [("prr", "1")]).differs
    assert change.text == '/own.py: "sha256 aaaaaaaaaaaa" -> "sha256 bbbbbbbbbbbb"'


def test_other_versions_are_reported(tmp_path, made_sweep):
    study = study_of(tmp_path, made_sweep, TWO[:1], 3, noisy)
    other = replace(study, versions={"v2xsim": "0.2.0", "run format": "5"})
    (note,) = between(study, other, [("prr", "1")]).notes
    assert note.endswith("from which differences may come: v2xsim 0.1.0 and 0.2.0")


@pytest.mark.parametrize(
    ("base", "other", "why"),
    [
        ([np.nan] * 3, [np.nan] * 3, "measured on neither side"),
        ([1.0, 2.0, 3.0], [np.nan] * 3, "measured only with relay=none"),
        ([np.nan] * 3, [1.0, np.nan, 3.0], "measured only with relay=hybrid"),
        ([1.0, np.nan, np.nan], [np.nan, 2.0, 3.0], "never measured on both sides with one seed"),
    ],
)
def test_why_a_metric_has_no_pair_is_told(tmp_path, made_sweep, base, other, why):
    (one,) = compared(study_of(tmp_path, made_sweep, TWO, 3, lambda n, s, k: np.array(other if s else base)))
    assert (one.verdict(0), one.why_no_pair(0)) == ("no pair", why)
