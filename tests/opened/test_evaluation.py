"""A finished run evaluated again, from its tables alone."""

from functools import partial

import numpy as np
import pytest
from small_runs import finished, same

import v2xsim
from v2xsim.opened import NotRecordedError, OpenError
from v2xsim.perception.tracking.tracker import TrackerParams, step
from v2xsim.scenario.describe import all_keys

KINDS = ["early", "late", "raw", "cpm", "matrices", "none"]
EVALUATED = ["metrics", "awareness", "episodes", "fusion"]


def of(fusion):
    return finished(f"cooperation.fusion={fusion}")


@pytest.mark.parametrize("table", EVALUATED)
@pytest.mark.parametrize("fusion", KINDS)
def test_with_its_own_settings_a_run_gives_its_own_tables_to_the_last_bit(fusion, table):
    results, folder = of(fusion)
    again = v2xsim.open(folder).evaluate().tables[table]
    assert again.schema.equals(results.tables[table].schema)
    assert same(again, results.tables[table])


def test_the_metrics_by_name_are_those_of_the_run():
    results, folder = of("early")
    run = v2xsim.open(folder)
    assert repr(dict(run.evaluate().metrics)) == repr(dict(run.metrics)) == repr(dict(results.metrics))


def test_hidden_road_users_that_helpers_made_known_are_the_same_ones_from_the_tables():
    """With radios in half of the cars, helpers see some of the others for the egos."""
    results, folder = finished("cooperation.fusion=early", "stations.penetration=0.5")
    again = v2xsim.open(folder).evaluate()
    for table in EVALUATED:
        assert same(again.tables[table], results.tables[table]), table
    alone, fused = (again.metrics[f"hidden_known_{mode}"] for mode in ("ego", "fused"))
    assert (alone, fused) == (results.metrics["hidden_known_ego"], results.metrics["hidden_known_fused"])
    assert 0.0 == alone.value < fused.value < 1.0
    assert alone.count == fused.count > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", v2xsim.scenario.packaged())
def test_packaged_scenarios_give_their_own_metrics(name, tmp_path):
    results = v2xsim.run(v2xsim.load(name, ["run.duration_s=1", "lidars.model=beam16"]), out=tmp_path / name)
    assert same(v2xsim.open(tmp_path / name).evaluate().tables["metrics"], results.tables["metrics"])


def test_the_small_run_has_all_that_makes_the_evaluation_hard():
    """An ego that leaves and comes back, a roadside unit as ego, a hidden conflict, and road users out of range."""
    tables = of("early")[0].tables
    number = dict(zip(tables["agents"]["name"].to_pylist(), tables["agents"]["agent"].to_pylist(), strict=True))
    frames = [
        us // 100_000
        for us, ego in zip(*columns(tables["fusion"], "frame_us", "ego"), strict=True)
        if ego == number["leaver"]
    ]
    assert frames == [5, 6, 7, 8, 11, 12, 13, 14]
    assert number["pole"] in tables["fusion"]["ego"].to_pylist()
    assert tables["episodes"].num_rows > 0
    assert of("early")[0].metrics["false_tracks_fused"].value > 0
    # Some road users are beyond the range of the evaluation and detected all the same.
    in_range = set(zip(*columns(tables["awareness"], "frame_us", "ego", "agent"), strict=True))
    detected = set(zip(*columns(tables["detections"], "frame_us", "ego", "truth"), strict=True))
    assert any(truth >= 0 and truth != ego for _, ego, truth in detected - in_range)
    assert (np.array(tables["stations"]["believed_x_m"]) != np.array(tables["stations"]["x_m"])).any()


def columns(table, *names):
    return [table[name].to_pylist() for name in names]


# Other settings


def test_a_larger_range_scores_more_road_users():
    run = v2xsim.open(of("early")[1])
    wide, own = run.evaluate(range_m=120), run.evaluate()
    assert wide.tables["awareness"].num_rows > own.tables["awareness"].num_rows
    assert max(wide.tables["awareness"]["distance_m"].to_pylist()) > 45


@pytest.mark.parametrize(("keys", "given"), [
    ("record.evaluation_range_m=25", {"range_m": 25}),
    ("record.evaluation_range_m=100", {"range_m": 100.0}),
    ("record.prr_range_m=30", {"prr_range_m": 30}),
])  # fmt: skip
def test_another_range_gives_what_a_run_with_that_range_gives(keys, given):
    wanted, _ = finished("cooperation.fusion=early", keys)
    again = v2xsim.open(of("early")[1]).evaluate(**given)
    for table in EVALUATED:
        assert same(again.tables[table], wanted.tables[table]), table


def test_average_precision_at_other_thresholds_has_their_names():
    found = v2xsim.open(of("early")[1]).evaluate(thresholds=(0.25, 0.5)).metrics
    assert [name for name in found if name.startswith("ap_")] == [
        f"ap_{threshold}_{mode}" for mode in ("ego", "ego_unannounced", "fused", "fused_unannounced") for threshold in ("0.25", "0.5")
    ]  # fmt: skip
    assert found["ap_0.5_fused"] == v2xsim.open(of("early")[1]).metrics["ap_0.5_fused"]


def test_a_tracker_that_confirms_later_knows_of_fewer_road_users():
    run = v2xsim.open(of("early")[1])
    patient = TrackerParams(confirm_hits=5, confirm_steps=6)
    by_parameters = run.evaluate(tracker=patient)
    for mode in ("ego", "fused"):
        name = f"object_awareness_{mode}"
        assert by_parameters.metrics[name].value < run.metrics[name].value
    assert same(run.evaluate(tracker=partial(step, params=patient)).tables["metrics"], by_parameters.tables["metrics"])


@pytest.mark.parametrize("value", [0, -5, float("nan"), float("inf"), True])
def test_a_range_that_is_no_distance_is_refused(value):
    with pytest.raises(OpenError, match="range_m must be a distance above 0 m"):
        v2xsim.open(of("early")[1]).evaluate(range_m=value)


@pytest.mark.parametrize(
    ("name", "key"), [("range_m", "record.evaluation_range_m"), ("prr_range_m", "record.prr_range_m")]
)
def test_a_range_has_the_limits_of_its_key_in_a_scenario(name, key):
    run = v2xsim.open(of("early")[1])
    limits = next(info for keys, info in all_keys() if ".".join(keys) == key).metadata
    (farthest_m,) = [item.le for item in limits if hasattr(item, "le")]
    assert run.evaluate(**{name: farthest_m}).tables["metrics"].num_rows > 0
    with pytest.raises(
        OpenError, match=rf"{name} must be a distance above 0 m and at most {farthest_m:g} m, as {key}, got"
    ):
        run.evaluate(**{name: farthest_m + 0.1})


@pytest.mark.parametrize("values", [(), (0.0,), (1.5,), (0.5, 0.5), (float("nan"),)])
def test_thresholds_that_are_no_overlaps_are_refused(values):
    with pytest.raises(OpenError, match="thresholds must be different overlaps above 0 and at most 1"):
        v2xsim.open(of("early")[1]).evaluate(thresholds=values)


@pytest.mark.passes_wrong_types
def test_numbers_of_numpy_are_numbers():
    run = v2xsim.open(of("early")[1])
    again = run.evaluate(range_m=np.int64(45), thresholds=np.array([0.3, 0.5, 0.7]))
    assert same(again.tables["metrics"], run.tables["metrics"])
    assert len(run.frames(np.int64(1), time_s=np.int64(1))) == 1


@pytest.mark.passes_wrong_types
def test_settings_of_another_kind_are_refused():
    run = v2xsim.open(of("early")[1])
    with pytest.raises(OpenError, match="tracker must be TrackerParams or a function"):
        run.evaluate(tracker="kalman")
    with pytest.raises(OpenError, match="thresholds must be different overlaps"):
        run.evaluate(thresholds="0.5")
    assert run.evaluate(thresholds=0.5).thresholds == (0.5,)


# What was not recorded


@pytest.mark.parametrize(("key", "message"), [
    ("record.states=false", r"recorded no states.*run it again with record.states=true"),
    ("record.state_ticks=2", r"the states of one tick in 2.*run it again with record.state_ticks=1"),
])  # fmt: skip
def test_a_run_that_did_not_record_the_truth_is_not_evaluated(key, message):
    _, folder = finished("cooperation.fusion=early", key)
    with pytest.raises(NotRecordedError, match=message):
        v2xsim.open(folder).evaluate()


def test_a_run_that_records_no_states_has_the_same_metrics():
    without, _ = finished("cooperation.fusion=early", "record.states=false")
    assert same(without.tables["metrics"], of("early")[0].tables["metrics"])


# Runs in which little happens


@pytest.mark.parametrize("keys", [
    ("cooperation.egos=[]",),
    ("stations.penetration=0", "stations.roadside=[]", "lidars.include=[]", "cooperation.egos=all"),
    ("cooperation.fusion=none", "radio.tx_power_dbm=-30"),
    ("detector.half_points=10000", "detector.false_per_frame=0"),
    ("run.duration_s=0.1",),
])  # fmt: skip
def test_a_run_without_egos_messages_or_detections_gives_its_own_tables(keys):
    results, folder = finished(*keys)
    again = v2xsim.open(folder).evaluate()
    for table in EVALUATED:
        assert same(again.tables[table], results.tables[table]), table
    assert len(v2xsim.open(folder).frames()) == results.tables["fusion"].num_rows


@pytest.mark.parametrize("radio", ["radio.tx_power_dbm=-30", "radio.access=ideal"])
def test_what_counts_as_truth_does_not_depend_on_what_the_radio_delivers(radio):
    """Over a dead channel and over a perfect one, the same road users are expected, and the same conflicts are hidden."""
    usual, other = (finished("cooperation.fusion=early", *keys)[0] for keys in ((), (radio,)))
    for table, names in (
        ("fusion", ("frame_us", "ego", "objects", "unannounced")),
        ("awareness", ("frame_us", "ego", "agent", "conflict", "occluded")),
        ("episodes", ("ego", "agent", "start_us", "end_us", "announces")),
    ):
        assert usual.tables[table].num_rows > 0
        assert columns(usual.tables[table], *names) == columns(other.tables[table], *names), table
    for name in ("ap_0.5_ego", "ap_0.5_fused", "ap_0.5_fused_unannounced"):
        assert usual.metrics[name].count == other.metrics[name].count > 0
