"""The validation command, on a short form of the published set-ups where they are at hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.comms.channel.path_loss.winner_b1 import winner_b1_loss_db
from v2xsim.scenario import Scenario
from v2xsim.validation import ieee80211p, sidelink
from v2xsim.validation.compare import Comparison, Reference
from v2xsim.validation.setup import SetUp, load_setup
from v2xsim.validation.vectors import vectors

CURVES = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "radio"
needs_curves = pytest.mark.skipif(not CURVES.is_dir(), reason="the published curves are not beside this checkout")


@pytest.mark.parametrize("vector", vectors(), ids=lambda v: f"{v.model}, {v.at}")
def test_vectors_are_within_five_hundredths_of_a_decibel(vector):
    assert vector.agrees


@pytest.mark.parametrize(
    ("ground_m", "expected"),
    [
        (1.0, (67.8, 88.0, 100.1, 112.1, 119.1, 128.0)),
        (0.5, (67.8, 81.8, 89.6, 101.7, 108.7, 117.6)),
        (0.0, (67.8, 81.8, 87.8, 95.6, 102.6, 111.5)),
    ],
)
def test_winner_b1_with_each_simulators_ground(ground_m, expected):
    found = winner_b1_loss_db(np.array([10.0, 50, 100, 200, 300, 500]), 5.9, 1.5, 1.5, ground_m)
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_deviation_is_the_mean_of_absolute_differences():
    reference = Reference("x", np.array([0.0, 10.0]), {"delivered": np.array([1.0, 0.5])}, 3.0, np.nan, "nobody")
    share = np.zeros((6, 2))
    share[0] = [0.9, 0.6]
    found = Comparison(reference, share, 0.1, np.zeros(2), np.ones(2))
    assert found.deviation_pp("delivered") == pytest.approx(10.0)
    assert found.agrees is False
    assert found.row["cbr_reference"] is None


@needs_curves
def test_a_light_load_of_80211p_lands_on_its_curve():
    found = list(ieee80211p.configurations(CURVES / ieee80211p.FILE))[2]
    short = replace(found, line=replace(found.line, length_m=2500.0, warm_up_s=0.5, measured_s=1.5))
    assert ieee80211p.run(short).agrees


@needs_curves
def test_a_light_load_of_mode_4_lands_on_its_curve():
    found = list(sidelink.lte_configurations(CURVES / sidelink.LTE_FILE))[1]
    short = replace(found, line=replace(found.line, length_m=2500.0, measured_s=2.0))
    assert sidelink.run(short).agrees


def test_without_curves_vectors_are_still_checked(tmp_path):
    result = CliRunner().invoke(app, ["validate", "radio", "--reference", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["configurations"] == []
    assert len(found["absent"]) == 3
    assert found["vectors"]["within"] == found["vectors"]["of"] == 19


@pytest.mark.parametrize("access", ["ieee80211p", "lte_mode4", "nr_mode2", "random_slot"])
def test_a_set_up_of_ones_own_runs_with_every_access_scheme(access, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"radio:\n  access: {access}\n  propagation: {{fading: {{model: nakagami, shapes: [[0, 3], [50, 1.5]]}}}}\n"
        "road: {density_per_km: 40, length_m: 800, shape: ring}\nrun: {begin_s: 0.5, duration_s: 1}\n"
        "reach_m: 200\nmessages: {size_bytes: 190}\n"
    )
    result = CliRunner().invoke(app, ["validate", "radio", "--config", str(file), "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["bins"]
    causes = ("delivered", "half_duplex", "sensing", "receiver_busy", "propagation", "collision")
    for row in rows:
        assert sum(row[name] for name in causes) == pytest.approx(1.0, abs=1e-3)
    assert rows[0]["delivered"] > 0.8


@pytest.mark.parametrize(("line", "words"), [
    ("access: aloha", ["radio.access", "ieee80211p"]),
    ("messages: {rate_hz: 0}", ["messages.rate_hz", "above 0"]),
    ("sidelink: {packet_subchannels: 9}", ["packet_subchannels", "slot"]),
    ("receiver: {mcs: 99}", ["bad.yaml:3: radio.mcs"]),
    ("receiver: {tx_power_dbm: -400}", ["bad.yaml:3: radio.tx_power_dbm"]),
    ("radio: {mcs: 8}", ["at most 7, got 8"]),
    ("radio: {access: ideal}", ["bad.yaml:1: access: is called radio.access now, and the file has both"]),
    ("radio: 3", ["radio: must be a section"]),
    ("run: {begin: 3}", ["run.begin", "did you mean 'run.begin_s'?"]),
    ("receiver: {per_table: [[3, 0.5], [1, 0.2]]}", ["per_table", "rise"]),
    ("channel: {environment_height_m: -1}", ["environment_height_m"]),
])  # fmt: skip
def test_bad_settings_get_one_clear_error(line, words, tmp_path):
    text = "access: ieee80211p\nroad: {density_per_km: 40}\n"
    text = text.replace("access: ieee80211p\n", "") + line + "\n" if line.startswith("access") else text + line + "\n"
    (tmp_path / "bad.yaml").write_text(text)
    result = CliRunner().invoke(app, ["validate", "radio", "--config", str(tmp_path / "bad.yaml")])
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


FORMER = """access: {scheme: nr_mode2, subchannels: 2}
road: {density_per_km: 40, length_m: 800}
channel: {path_loss: log_distance, exponent: 2.4, carrier_ghz: 5.8, antenna_height_m: 2, shadowing_sigma_db: 2, decorrelation_m: 9,
  nakagami: [[0, 2]], antenna_gain_dbi: 1, range_m: 700}
receiver: {tx_power_dbm: 20, bandwidth_mhz: 20, noise_figure_db: 8, sensitivity_dbm: -91, busy_threshold_dbm: -93, mcs: 3, noise_dbm: -94}
warm_up_s: 0.5
measured_s: 1
seed: 7
"""
PRESENT = """radio:
  access: {scheme: nr_mode2, subchannels: 2}
  channel: {model: log_distance, exponent: 2.4}
  propagation: {shadowing_sigma_db: 2, decorrelation_m: 9, fading: {model: nakagami, shapes: [[0, 2]]}}
  carrier_ghz: 5.8
  antenna_gain_dbi: 1
  range_m: 700
  tx_power_dbm: 20
  bandwidth_mhz: 20
  noise_figure_db: 8
  sensitivity_dbm: -91
  busy_threshold_dbm: -93
  mcs: 3
receiver: {noise_dbm: -94}
road: {density_per_km: 40, length_m: 800, antenna_height_m: 2}
run: {begin_s: 0.5, duration_s: 1, seed: 7}
"""


def setup_of(text, tmp_path):
    (tmp_path / "setup.yaml").write_text(text)
    return load_setup(tmp_path / "setup.yaml")


def test_former_words_of_a_set_up_still_work_and_are_noted(tmp_path):
    former, present = setup_of(FORMER, tmp_path), setup_of(PRESENT, tmp_path)
    assert former == present
    assert present.notes == ()
    (note,) = former.notes
    assert "access is radio.access" in note
    assert "seed is run.seed" in note


def test_a_set_up_has_the_keys_of_a_scenario():
    """What a set-up calls radio and run is written in the same way in a scenario, so that either can be copied."""
    for section in ("radio", "run"):
        own, scenarios = (model.model_fields[section].annotation.model_fields for model in (SetUp, Scenario))
        assert set(own) <= set(scenarios)


def test_a_set_up_without_fading_has_none(tmp_path):
    assert not setup_of(FORMER.replace("[[0, 2]]", "[]"), tmp_path).radio.propagation.fading.fades


def test_the_example_of_the_documentation_runs(tmp_path):
    page = (Path(__file__).resolve().parents[2] / "docs" / "validation.md").read_text()
    (tmp_path / "my_radio.yaml").write_text(page.split("```yaml\n", 1)[1].split("```", 1)[0])
    result = CliRunner().invoke(app, ["validate", "radio", "--config", str(tmp_path / "my_radio.yaml")])
    assert result.exit_code == 0, result.output
    assert "note" not in result.stderr
