"""What folders of sweeps and runs hold, read back as metrics by setting by seed."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import v2xsim
from v2xsim.evaluation.metric import Metric
from v2xsim.results.results import Results, metrics_table
from v2xsim.study.folders import StudyError
from v2xsim.study.studies import read_study

TWO = [{"cooperation.relay": "none"}, {"cooperation.relay": "hybrid"}]


def by_place(name, setting, seed):
    return 100.0 * setting + seed + (0.5 if name == "on_air" else 0.0)


@pytest.fixture
def folder(tmp_path, made_sweep):
    return made_sweep(tmp_path / "s", TWO, 3, by_place)


def test_values_are_by_setting_and_seed(folder):
    study = read_study(folder)
    assert study.of("prr").tolist() == [[1.0, 2.0, 3.0], [101.0, 102.0, 103.0]]
    assert study.of("on_air").tolist() == [[1.5, 2.5, 3.5], [101.5, 102.5, 103.5]]


def test_the_plan_is_read_with_the_values(folder):
    study = read_study(folder)
    assert (study.name, study.question, study.keys) == ("made", "What is so?", ("cooperation.relay",))
    assert (study.settings, study.seeds, study.baseline) == (tuple(TWO), (1, 2, 3), 0)
    assert (study.planned, study.finished, study.failures) == (6, 6, ())


def test_metrics_are_in_the_order_in_which_they_were_written(folder):
    study = read_study(folder)
    assert [name for name, part, _ in study.metrics if not part][:3] == ["prr", "ap_0.5_ego", "ap_0.5_fused"]


def test_a_metric_knows_its_unit(folder):
    study = read_study(folder)
    assert study.metrics[study.row["on_air", ""]] == ("on_air", "", "B/s")


def test_bins_are_in_order_and_without_the_whole_run(folder):
    assert read_study(folder).bins("prr")[:2] == ["0-50 m", "50-100 m"]


def test_a_metric_of_no_such_name_is_nowhere_a_number(folder):
    values = read_study(folder).of("no_such_metric")
    assert values.shape == (2, 3)
    assert np.isnan(values).all()


def rewritten(folder, change):
    path = folder / "results.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    return read_study(folder)


def test_the_order_of_rows_does_not_matter_to_values(folder):
    before = read_study(folder)
    order = np.random.default_rng(3).permutation(pq.read_table(folder / "results.parquet").num_rows)
    after = rewritten(folder, lambda table: table.take(order))
    for name in ("prr", "on_air"):
        np.testing.assert_array_equal(after.of(name), before.of(name))


def test_a_point_that_is_missing_leaves_a_hole(folder):
    study = rewritten(folder, lambda t: t.filter(pc.invert(pc.and_(pc.equal(t["setting"], 1), pc.equal(t["seed"], 2)))))
    assert study.finished == 5
    np.testing.assert_array_equal(np.isnan(study.of("prr")), [[False, False, False], [False, True, False]])


def test_a_hole_has_no_count(folder):
    study = rewritten(folder, lambda t: t.filter(pc.equal(t["setting"], 0)))
    assert study.counts[study.row["prr", ""]].tolist() == [[100, 100, 100], [-1, -1, -1]]


def test_a_point_in_which_nothing_was_measured_is_finished_all_the_same(tmp_path, made_sweep):
    study = read_study(made_sweep(tmp_path / "s", TWO, 2, lambda n, s, k: np.nan * k))
    assert study.finished == 4


def test_a_point_that_lacks_one_metric_is_finished(folder):
    study = rewritten(
        folder, lambda t: t.filter(pc.invert(pc.and_(pc.equal(t["setting"], 1), pc.equal(t["metric"], "on_air"))))
    )
    assert study.finished == 6


def test_a_point_whose_metrics_have_no_sample_is_finished(folder):
    def without_samples(table):
        return table.set_column(
            table.schema.get_field_index("count"), "count", pa.array([0] * table.num_rows, pa.int64())
        )

    assert rewritten(folder, without_samples).finished == 6


def test_seeds_that_do_not_rise_keep_their_order(folder):
    plan = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps({**plan, "seeds": [3, 1, 2]}))
    study = read_study(folder)
    assert study.seeds == (3, 1, 2)
    assert study.of("prr").tolist() == [[3.0, 1.0, 2.0], [103.0, 101.0, 102.0]]


def test_a_table_of_plain_text_is_read_too(folder):
    before = read_study(folder)

    def plain(table):
        for name in ("metric", "bin", "unit"):
            table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(pa.string()))
        return table

    after = rewritten(folder, plain)
    assert after.metrics == before.metrics
    np.testing.assert_array_equal(after.values, before.values)


def test_a_sweep_of_which_nothing_finished_has_no_metric(folder):
    study = rewritten(folder, lambda table: table.slice(0, 0))
    assert (study.metrics, study.finished) == ((), 0)
    assert study.of("prr").shape == (2, 3)
    assert study.values.shape == study.counts.shape == (0, 2, 3)


def test_failures_are_read_with_their_reasons(folder):
    failure = {"point": 1, "settings": {}, "seed": 2, "reason": "it broke", "log": "logs/k.log"}
    (folder / "failures.json").write_text(json.dumps([failure]))
    assert read_study(folder).failures == (failure,)


def test_a_sweep_without_a_list_of_failures_has_none(folder):
    (folder / "failures.json").unlink()
    assert read_study(folder).failures == ()


def labelled(tmp_path, made_sweep, *settings):
    study = read_study(made_sweep(tmp_path / "s", list(settings), 1, by_place))
    return [study.label(row) for row in range(len(settings))]


def test_a_setting_is_called_by_the_last_part_of_its_keys(tmp_path, made_sweep):
    found = labelled(tmp_path, made_sweep, {"radio.access.t2_slots": 20, "cooperation.relay": "none"})
    assert found == ["t2_slots=20, relay=none"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123456, "0.123456"), (20.0, "20"), (7, "7"), ("text", "text"), (True, "true"), ([1, 2], "[1, 2]"), (None, "null")]
)  # fmt: skip
def test_values_are_shown_briefly(tmp_path, made_sweep, value, shown):
    assert labelled(tmp_path, made_sweep, {"a.k": value}) == [f"k={shown}"]


def test_a_setting_without_keys_is_called_like_the_sweep(tmp_path, made_sweep):
    assert labelled(tmp_path, made_sweep, {}) == ["made"]


@pytest.fixture
def run_folder(tmp_path):
    rows = [("prr", "", Metric(0.5, "1", 8)), ("prr", "0-50 m", Metric(0.75, "1", 4))]
    folder = tmp_path / "run"
    Results(v2xsim.load("demo", [], 6), {"metrics": metrics_table(rows)}, {}).write(folder)
    return folder


def test_a_run_is_a_study_of_one_setting_and_its_seed(run_folder):
    study = read_study(run_folder)
    assert (study.name, study.question, study.keys, study.settings) == ("run", "", (), ({},))
    assert (study.seeds, study.baseline, study.planned, study.finished, study.failures) == ((6,), 0, 1, 1, ())
    assert study.of("prr").tolist() == [[0.5]]
    assert study.of("prr", "0-50 m").tolist() == [[0.75]]


def test_a_run_with_a_single_metric_has_that_metric(run_folder):
    table = pq.read_table(run_folder / "metrics.parquet")
    pq.write_table(table.slice(0, 1), run_folder / "metrics.parquet")
    # As a run of an earlier version, whose manifest has no digests of tables.
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps(manifest | {"tables": {}}))
    assert read_study(run_folder).of("prr").tolist() == [[0.5]]


def test_the_metrics_of_another_run_are_refused(run_folder):
    table = pq.read_table(run_folder / "metrics.parquet")
    pq.write_table(table.slice(0, 1), run_folder / "metrics.parquet")
    with pytest.raises(StudyError, match=r"metrics\.parquet: has changed since the run"):
        read_study(run_folder)


def test_a_run_brings_its_scenario_and_versions(run_folder):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    study = read_study(run_folder)
    assert (study.scenario, study.versions) == (manifest["scenario"], manifest["versions"] | {"run format": "4"})


@pytest.mark.parametrize("lacking", ["scenario", "seed", "format"])
def test_a_manifest_that_lacks_something_is_refused(run_folder, lacking):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    del manifest[lacking]
    (run_folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StudyError, match="is not a manifest of a run"):
        read_study(run_folder)


def test_a_manifest_that_is_a_list_is_refused(run_folder):
    (run_folder / "manifest.json").write_text("[]")
    with pytest.raises(StudyError, match="is not a manifest of a run"):
        read_study(run_folder)


def test_a_run_of_a_newer_version_is_refused(run_folder):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps({**manifest, "format": 5}))
    with pytest.raises(StudyError, match="newer version: format 5, this one reads 4"):
        read_study(run_folder)


def test_a_run_without_its_metrics_is_refused(run_folder):
    (run_folder / "metrics.parquet").unlink()
    with pytest.raises(StudyError, match="cannot be read"):
        read_study(run_folder)


def test_a_run_that_lacks_a_table_is_refused_as_view_refuses_it(run_folder):
    manifest = json.loads((run_folder / "manifest.json").read_text())
    (run_folder / "manifest.json").write_text(json.dumps({**manifest, "tables": {"packets": "0"}}))
    with pytest.raises(
        StudyError,
        match=r"1 of its 1 tables is missing \(packets\), so the folder .* not complete; copy the folder again, or run",
    ):
        read_study(run_folder)


def test_a_sweep_that_is_not_finished_says_how_to_go_on(folder):
    (folder / "results.parquet").unlink()
    with pytest.raises(StudyError, match=r"the sweep is not finished; continue with v2xsim sweep .* --resume"):
        read_study(folder)


def test_a_plan_that_lacks_something_is_damaged(folder):
    plan = json.loads((folder / "sweep.json").read_text())
    del plan["seeds"]
    (folder / "sweep.json").write_text(json.dumps(plan))
    with pytest.raises(StudyError, match=r"sweep\.json: is damaged: it is not a plan as a sweep writes it"):
        read_study(folder)


def test_a_folder_may_be_named_by_text(folder):
    assert read_study(str(folder)).folder == folder


def test_a_table_that_never_held_a_row_has_no_metric(folder):
    study = rewritten(folder, lambda table: table.schema.empty_table())
    assert (study.metrics, study.finished) == ((), 0)


@given(st.permutations([2, 3, 5, 7, 11]))
def test_seeds_in_any_order_keep_their_values(made_sweep, seeds):
    with tempfile.TemporaryDirectory() as place:
        folder = made_sweep(Path(place) / "s", TWO[:1], 5, lambda name, setting, seed: 1.0 * np.array(seeds)[seed - 1])
        plan = json.loads((folder / "sweep.json").read_text())
        (folder / "sweep.json").write_text(json.dumps({**plan, "seeds": seeds}))
        path = folder / "results.parquet"
        table = pq.read_table(path)
        column = pa.array(np.array(seeds)[table["seed"].to_numpy() - 1])
        pq.write_table(table.set_column(table.schema.get_field_index("seed"), "seed", column), path)
        assert read_study(folder).of("prr").tolist() == [[float(seed) for seed in seeds]]
