"""Which settings of a sweep are compared: those that agree in all keys but the compared ones."""

import pytest

from v2xsim.study.axes import canonical, factors_of
from v2xsim.study.contrasts import contrasts_of
from v2xsim.study.folders import StudyError
from v2xsim.study.studies import read_study
from v2xsim.study.sweepfile import SweepFile

RELAY, SHARE, ACCESS, MCS = "cooperation.relay", "stations.penetration", "radio.access", "radio.mcs"
# Six settings in the order of a grid: relay none at 0.3, 0.6 and 1, then relay hybrid at these.
GRID = [{RELAY: relay, SHARE: share} for relay in ("none", "hybrid") for share in (0.3, 0.6, 1.0)]


@pytest.fixture
def study_of(tmp_path, made_sweep):
    """A function that returns a study of some settings; it has one seed, and values that do not matter."""

    def make(settings, **said):
        return read_study(made_sweep(tmp_path / "s", settings, 1, lambda name, setting, seed: 0.5 + 0.0 * seed, **said))

    return make


def rows(contrasts):
    return [(pair.base, pair.other) for pair in contrasts.pairs]


def test_relays_are_compared_within_each_penetration(study_of):
    contrasts = contrasts_of(study_of(GRID), {RELAY: "none"})
    assert rows(contrasts) == [(0, 3), (1, 4), (2, 5)]
    assert contrasts.rule == "Baseline: cooperation.relay=none, within each combination of stations.penetration."
    assert contrasts.unpaired == ()


def test_penetrations_are_compared_within_each_relay_rule(study_of):
    assert rows(contrasts_of(study_of(GRID), {SHARE: 0.6})) == [(1, 0), (1, 2), (4, 3), (4, 5)]


def test_the_baseline_of_the_sweep_file_is_used_unless_another_is_asked_for(study_of):
    study = study_of(GRID, baseline_values={RELAY: "hybrid"})
    assert rows(contrasts_of(study)) == [(3, 0), (4, 1), (5, 2)]
    assert rows(contrasts_of(study, {RELAY: "none"})) == [(0, 3), (1, 4), (2, 5)]


def test_keys_that_are_named_together_may_differ_together(study_of):
    """All five others are compared with relay none at 0.3, as there is no other key in which to agree."""
    contrasts = contrasts_of(study_of(GRID), {RELAY: "none", SHARE: 0.3})
    assert rows(contrasts) == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]
    assert contrasts.rule == "Baseline: cooperation.relay=none, stations.penetration=0.3."


def test_without_a_baseline_one_key_at_a_time_differs_and_this_is_reported(study_of):
    contrasts = contrasts_of(study_of(GRID))
    assert rows(contrasts) == [(0, 3), (1, 4), (2, 5), (0, 1), (0, 2), (3, 4), (3, 5)]
    assert [pair.keys for pair in contrasts.pairs] == [(RELAY,)] * 3 + [(SHARE,)] * 4
    assert "No baseline is chosen" in contrasts.rule
    assert "cooperation.relay=none; stations.penetration=0.3" in contrasts.rule
    assert "--baseline KEY=VALUE" in contrasts.rule


def test_a_single_key_is_compared_with_its_first_value(study_of):
    contrasts = contrasts_of(study_of([{MCS: 2}, {MCS: 0}, {MCS: 5}]))
    assert rows(contrasts) == [(0, 1), (0, 2)]
    assert contrasts.rule == "Baseline: radio.mcs=2, the first setting."


def test_a_key_with_one_value_is_no_comparison(study_of):
    contrasts = contrasts_of(study_of([{RELAY: "none", MCS: 1}, {RELAY: "hybrid", MCS: 1}]))
    assert rows(contrasts) == [(0, 1)]
    assert MCS not in contrasts.rule


# A list: the access scheme and the modulation vary together, by hand.
LIST = [{ACCESS: "ieee80211p", MCS: 2}, {ACCESS: "nr_mode2", MCS: 7}, {ACCESS: "lte_mode4", MCS: 5}]
OF_A_LIST = [{"keys": [ACCESS, MCS], "drawn": False}]


def test_the_keys_of_a_list_differ_together(study_of):
    contrasts = contrasts_of(study_of(LIST, factors=OF_A_LIST))
    assert rows(contrasts) == [(0, 1), (0, 2)]
    assert contrasts.rule == "Baseline: radio.access=ieee80211p, radio.mcs=2, the first setting."


def test_one_key_of_a_list_has_no_partner_and_the_error_says_what_to_do(study_of):
    with pytest.raises(
        StudyError, match=r"no two settings differ in radio\.access and agree in all other keys; name every key"
    ):
        contrasts_of(study_of(LIST, factors=OF_A_LIST), {ACCESS: "ieee80211p"})


def test_settings_of_a_list_without_a_partner_are_named(study_of):
    settings = [{RELAY: "none", MCS: 0}, {RELAY: "hybrid", MCS: 0}, {RELAY: "hybrid", MCS: 4}]
    study = study_of(settings)
    contrasts = contrasts_of(study, {RELAY: "none"})
    assert (rows(contrasts), contrasts.unpaired) == ([(0, 1)], (2,))
    assert contrasts.notes(study) == (
        "1 of 3 settings are compared with nothing, because no baseline agrees with them in all other keys: relay=hybrid, mcs=4",
    )


def test_a_baseline_with_nothing_to_compare_is_named_too(study_of):
    study = study_of([{RELAY: "none", MCS: 0}, {RELAY: "hybrid", MCS: 0}, {RELAY: "none", MCS: 4}])
    assert contrasts_of(study, {RELAY: "none"}).unpaired == (2,)


DRAWN = [{RELAY: relay, SHARE: share} for relay in ("none", "hybrid") for share in (0.123, 0.77)]


def test_a_grid_key_is_compared_within_each_random_draw(study_of):
    factors = [{"keys": [RELAY], "drawn": False}, {"keys": [SHARE], "drawn": True}]
    contrasts = contrasts_of(study_of(DRAWN, factors=factors))
    assert rows(contrasts) == [(0, 2), (1, 3)]


def test_settings_drawn_at_random_have_no_baseline_of_their_own(study_of):
    study = study_of([{MCS: 1, SHARE: 0.31}, {MCS: 4, SHARE: 0.57}], factors=[{"keys": [MCS, SHARE], "drawn": True}])
    with pytest.raises(StudyError, match="drawn at random, so none of its settings is a baseline"):
        contrasts_of(study)


def test_a_random_draw_that_is_named_in_full_is_a_baseline(study_of):
    study = study_of([{MCS: 1, SHARE: 0.31}, {MCS: 4, SHARE: 0.57}], factors=[{"keys": [MCS, SHARE], "drawn": True}])
    assert rows(contrasts_of(study, {MCS: 4, SHARE: 0.57})) == [(1, 0)]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({MCS: 1}, "radio.mcs is not varied"),
        ({"cooperation.rely": "none"}, "did you mean 'cooperation.relay'"),
        ({RELAY: "height"}, 'no setting has cooperation.relay="height"; its values are "none", "hybrid"'),
        ({SHARE: True}, "its values are 0.3, 0.6, 1.0"),
    ],
)
def test_a_baseline_that_no_setting_has_is_refused(study_of, wanted, words):
    with pytest.raises(StudyError, match=words.replace(".", r"\.")):
        contrasts_of(study_of(GRID), wanted)


def test_values_that_no_setting_has_together_are_refused(study_of):
    with pytest.raises(StudyError, match=r"no setting has radio\.access=ieee80211p, radio\.mcs=7 together"):
        contrasts_of(study_of(LIST), {ACCESS: "ieee80211p", MCS: 7})


def test_a_whole_number_and_the_same_decimal_are_one_value(study_of):
    assert rows(contrasts_of(study_of(GRID), {SHARE: 1})) == [(2, 0), (2, 1), (5, 3), (5, 4)]
    assert canonical({"a": [1, True]}) == canonical({"a": [1.0, True]}) != canonical({"a": [1, 1]})


def test_an_older_sweep_without_factors_has_one_factor_for_each_key(study_of):
    assert study_of(GRID).fixed_factors == ((RELAY,), (SHARE,))


def test_factors_are_the_keys_that_vary_independently():
    file = SweepFile.model_validate(
        {
            "scenario": "demo", "grid": {RELAY: ["none"], SHARE: [1]}, "list": [{ACCESS: "nr_mode2", MCS: 7}],
            "sobol": {"points": 4, "keys": {"radio.tx_power_dbm": {"from": 1.0, "to": 2.0}}},
        }
    )  # fmt: skip
    assert factors_of(file) == [
        {"keys": [RELAY], "drawn": False},
        {"keys": [SHARE], "drawn": False},
        {"keys": [ACCESS, MCS], "drawn": False},
        {"keys": ["radio.tx_power_dbm"], "drawn": True},
    ]


@pytest.mark.parametrize("damage", [{"baseline_values": {"x.y": 1}}, {"baseline_values": []}, {"factors": [1]}])
def test_a_plan_with_damaged_baselines_is_refused(study_of, damage):
    with pytest.raises(StudyError, match="is damaged"):
        study_of(GRID, **damage)


def test_keys_with_the_same_last_part_are_named_in_full(study_of):
    study = study_of([{"radio.range_m": 1, "lidar.range_m": 2, MCS: 3}])
    assert study.label(0) == "radio.range_m=1, lidar.range_m=2, mcs=3"
