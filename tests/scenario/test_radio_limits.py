"""Radio settings that cannot be: one error that says where, what and what is allowed, and exit code 2."""

import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.comms.access.schemes.nr_mode2 import NR_CODING
from v2xsim.scenario.errors import ScenarioError
from v2xsim.scenario.load import load


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("radio.mcs=12", "radio.mcs: must be at least 0 and at most 7, got 12"),
        ("radio.tx_power_dbm=-50", "at least -40"),
        (
            "cooperation.awareness_rule.rate_hz=0",
            "cooperation.awareness_rule.rate_hz: must be at least 0.001 and at most 100 Hz, got 0",
        ),
        (
            "radio.access={scheme: nr_mode2, nr_mcs: 29}",
            "radio.access.nr_mcs: must be at least 0 and at most 28, got 29",
        ),
        ("radio.access={scheme: lte_mode4, nr_mcs: 5}", "it is a parameter of nr_mode2"),
        ("cooperation.retelling={rule: unheard, share: 0.5}", "relevant, better; it is a parameter of random_told"),
        (
            "cooperation.retelling={rule: none, hops: 2}",
            "it is a parameter of flooding, random_told, unheard and unseen",
        ),
        ("radio.propagation.states=boban_hihg", "did you mean 'boban_high'?"),
        ("radio.propagation.gain_by_kind_dbi={truk: 3}", "truk"),
        ("radio.propagation.gain_by_kind_dbi={truck: 99}", "-20 to 30"),
        ("radio.propagation.fading={model: nakagami, shapes: [[50, 1.5], [0, 3]]}", "distances rise"),
    ],
)
def test_a_run_is_refused(setting, said, tmp_path):
    found = CliRunner().invoke(app, ["run", "demo", "--set", setting, "--out", str(tmp_path / "run")])
    assert found.exit_code == 2
    assert said in found.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("access: ieee80211p\nreceiver: {mcs: 9}", "radio.mcs: must be at least 0 and at most 7, got 9"),
        ("access: lte_mode4\nmessages: {size_bytes: 3000}", "a packet must fit into a slot: 3000 B"),
        ("access: {scheme: lte_mode4, nr_mcs: 3}", "it is a parameter of nr_mode2"),
        ("access: ieee80211p\nmessages: {rate_hz: 0}", "messages.rate_hz: must be above 0"),
    ],
)
def test_a_set_up_is_refused(text, said, tmp_path):
    (tmp_path / "setup.yaml").write_text(text + "\nroad: {density_per_km: 60}\n")
    found = CliRunner().invoke(app, ["validate", "radio", "--config", str(tmp_path / "setup.yaml")])
    assert found.exit_code == 2
    assert said in found.stderr


def test_nr_indices_carry_more_and_more():
    carried = [bits * rate for bits, rate in NR_CODING]
    assert len(carried) == 29
    # The step from 16-QAM to 64-QAM alone is not up.
    assert [n for n in range(28) if carried[n + 1] < carried[n]] == [16]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["radio.access=lte_mode4", "radio.retries=2"], "radio.retries: must be 0 with access scheme lte_mode4, got 2"),
        (
            ["radio.access=nr_mode2", "radio.retries=2", "radio.access.psfch_period_slots=0"],
            "radio.access.psfch_period_slots: must be above 0 with radio.retries 2",
        ),
    ],
)
def test_retries_without_acknowledgements_are_refused(changes, told):
    with pytest.raises(ScenarioError, match=told):
        load("demo", changes)


def test_with_retries_mode_2_has_a_feedback_channel_and_smaller_packets():
    assert load("demo", ["radio.access=nr_mode2"]).radio.access.psfch_period_slots == 0
    radio = load("demo", ["radio.access=nr_mode2", "radio.retries=1"]).radio
    assert (radio.access.psfch_period_slots, radio.mtu_bytes) == (4, 4 * 176 + 1 - 200)
