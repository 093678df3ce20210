"""Hints in errors: which key, part or list a user probably meant."""

import pytest

import v2xsim
from v2xsim.scenario.errors import ScenarioError


def refusal(*overrides):
    with pytest.raises(ScenarioError) as caught:
        v2xsim.load("demo", overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("duration", "'run.duration_s'"), ("seeds", "'run.seed'"), ("penetration", "'stations.penetration'"),
        ("mcs", "'radio.mcs'"), ("run.duration", "'run.duration_s'"), ("radio.power", "'radio.tx_power_dbm'"),
        ("rlay", "'cooperation.relay'"), ("cooperation.penetration", "'stations.penetration'"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_looked_for_in_all_sections(key, meant):
    assert refusal(f"{key}=1").endswith(f"; did you mean {meant}?")


def test_a_word_of_many_keys_is_no_hint():
    assert "did you mean" not in refusal("m=1")


@pytest.mark.parametrize("word", ["off", "no", "null", "false", "OFF"])
@pytest.mark.parametrize("key", ["cooperation.relay", "cooperation.fusion", "cooperation.matching"])
def test_a_part_that_is_switched_off_is_called_none(key, word):
    assert refusal(f"{key}={word}").endswith("; did you mean 'none'?")


def test_a_part_that_is_switched_on_is_not_called_none():
    assert "did you mean" not in refusal("cooperation.relay=on")


def test_a_key_that_is_set_twice_is_refused_with_both_options():
    assert refusal("run.seed=1", "radio.mcs=2", "run.seed=3") == (
        "--set run.seed=3: run.seed is given twice, first in --set run.seed=1; give one of the values"
    )


def test_an_item_of_a_list_that_is_not_there_cannot_be_changed():
    with pytest.raises(ScenarioError, match=r"must be a list, got a section with 0; there is no list yet .*whole list"):
        v2xsim.load("highway").with_({"traffic.script.0.kind": "van"})
