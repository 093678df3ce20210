"""Comparisons: what was paired, what is said of it, and what is refused."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from v2xsim.cli.app import app
from v2xsim.study.compare import against_baseline, between, chosen_metrics
from v2xsim.study.studies import StudyError, read_study

TWO = [{"cooperation.relay": "none"}, {"cooperation.relay": "hybrid"}]


def noisy(name, setting, seed):
    """Seeds differ much; the second setting adds 0.05 to delivery with little noise, and noise alone to precision."""
    common = np.random.default_rng(len(name)).normal(0.5, 0.2, 1000)[seed]
    own = np.random.default_rng([len(name), setting]).normal(0, 0.01, 1000)[seed]
    if name == "channel_busy_ratio":
        return common
    return common + own + (0.05 * setting if name == "prr" else 0.0)


def verdicts(folder):
    study = read_study(folder)
    (one,) = against_baseline(study, chosen_metrics([study], [], True), study.baseline)
    return {name: one.verdict(row) for row, (name, _) in enumerate(one.metrics)}


def test_a_small_difference_shows_through_large_common_chance(tmp_path, made_sweep):
    found = verdicts(made_sweep(tmp_path / "s", TWO, 10, noisy))
    assert found["prr"] == "higher"
    assert found["ap_0.5_fused"] == "not distinguishable from noise"
    assert found["channel_busy_ratio"] == "identical"


def test_one_seed_gets_no_interval(tmp_path, made_sweep):
    found = verdicts(made_sweep(tmp_path / "s", TWO, 1, noisy))
    assert found["prr"] == "one pair: no interval"
    assert found["channel_busy_ratio"] == "identical"


def test_what_was_not_measured_has_no_pair(tmp_path, made_sweep):
    folder = made_sweep(tmp_path / "s", TWO, 5, lambda n, s, k: np.where((n == "prr") & (k > 0), np.nan, 1.0 * k))
    assert verdicts(folder)["prr"] == "no pair"


def test_two_sweeps_are_paired_by_seed_and_common_setting(tmp_path, made_sweep):
    power = [{"radio.tx_power_dbm": p} for p in (10, 20)]
    one = made_sweep(tmp_path / "a", power, 5, lambda n, s, k: 1.0 * k + 10 * s)
    two = made_sweep(tmp_path / "b", power[::-1], 4, lambda n, s, k: 2.0 + k + 10 * (1 - s))
    found = between(read_study(one), read_study(two), [("prr", "1")])
    assert found.found.pairs[0] == 8
    assert found.found.mean[0] == 2.0
    assert found.verdict(0) == "higher"


def test_sweeps_without_a_common_seed_are_not_compared(tmp_path, made_sweep):
    one = made_sweep(tmp_path / "a", TWO, 2, noisy)
    plan = json.loads((one / "sweep.json").read_text())
    two = made_sweep(tmp_path / "b", TWO, 2, noisy)
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(two / "results.parquet")
    table = table.set_column(table.schema.get_field_index("seed"), "seed", pc.add(table["seed"], 10))
    pq.write_table(table, two / "results.parquet")
    (two / "sweep.json").write_text(json.dumps(plan | {"seeds": [11, 12]}))
    with pytest.raises(StudyError, match="no seed in common"):
        between(read_study(one), read_study(two), [("prr", "1")])


def test_sweeps_of_different_keys_cannot_be_paired(tmp_path, made_sweep):
    one = made_sweep(tmp_path / "a", TWO, 2, noisy)
    two = made_sweep(tmp_path / "b", [{"radio.mcs": 0}, {"radio.mcs": 2}], 2, noisy)
    with pytest.raises(StudyError, match="cannot be paired"):
        between(read_study(one), read_study(two), [("prr", "1")])


def said(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], env={"COLUMNS": "100"})


def test_the_command_says_noise_and_what_differs(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", TWO, 10, noisy)
    found = said(tmp_path / "s")
    assert found.exit_code == 0
    assert "not distinguishable from noise" in found.stdout
    assert 'cooperation.relay: "none" -> "hybrid"' in found.stdout
    assert all(len(line) <= 100 for line in found.stdout.splitlines() if "│" in line or "prr" in line[:4])


def test_the_command_as_json_gives_every_row(tmp_path, made_sweep):
    made_sweep(tmp_path / "s", TWO, 10, noisy)
    rows = json.loads(said(tmp_path / "s", "--json", "--metric", "prr").stdout)["rows"]
    assert [row["metric"] for row in rows] == ["prr"]
    assert rows[0]["low"] < 0.05 < rows[0]["high"]


@pytest.mark.parametrize(
    ("made", "arguments", "words"),
    [
        ("nothing", [], "no such folder"),
        ("empty", [], "neither sweep.json nor manifest.json"),
        ("newer", [], "newer version: format 9"),
        ("unfinished", [], "--resume"),
        ("damaged", [], "damaged"),
        ("good", ["--metric", "pr"], "did you mean 'prr'"),
        ("good", ["--baseline", "cooperation.relay=height"], "no setting has"),
        ("single", [], "single setting"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(tmp_path, made, arguments, words, made_sweep):
    folder = tmp_path / "s"
    if made == "empty":
        folder.mkdir()
    elif made != "nothing":
        made_sweep(folder, TWO[:1] if made == "single" else TWO, 2, noisy, **({"format": 9} if made == "newer" else {}))
    if made == "unfinished":
        (folder / "results.parquet").unlink()
    if made == "damaged":
        (folder / "results.parquet").write_bytes(b"PAR1 and then nothing")
    found = said(folder, *arguments)
    assert found.exit_code == 2
    assert words in found.output
