"""Bounds in a run: relays over the true channel, seen in the manifest, and no peeking without them."""

import json

import numpy as np
import pytest

import v2xsim

# A house hides the helper from the ego. `mast` sees both; `far` sees neither. The ego hears nobody before the first announcement.
SCENE = {
    "name": "corner", "run": {"duration_s": 0.8},
    "world": {
        "buildings": [{"footprint_m": [[10, 10], [120, 10], [120, 120], [10, 120]], "height_m": 20}],
        "roads": [{"center_m": [[-150, 0], [150, 0]]}, {"center_m": [[0, -150], [0, 150]]}],
    },
    "traffic": {
        "script": [
            {"id": "ego", "waypoints": [[0, 90, -2]]}, {"id": "helper", "heading_deg": 90, "waypoints": [[0, 2, 90]]},
            {"id": "mast", "waypoints": [[0, -2, 2]]}, {"id": "walker", "kind": "pedestrian", "waypoints": [[0, 4, 70]]},
        ],
    },
    "stations": {"include": ["ego", "helper", "mast"]},
    "lidars": {"include": ["ego", "helper"], "model": "beam16"},
    "radio": {
        "access": "ieee80211p", "retries": 2, "shadowing": False,
        "propagation": {"vehicle_blockage": "none", "building_loss": "corner", "fading": "none"}, "tx_power_dbm": 0.0,
    },
    "cooperation": {"egos": ["ego"], "relay": "none", "fusion": "late", "matrix": {"extent_m": 100, "cell_m": 4}},
    "record": {"clouds_every_s": 0},
}  # fmt: skip


def run(**changes):
    return v2xsim.run(
        v2xsim.load(SCENE).with_({f"cooperation.{key}": value for key, value in changes.items()}), threads=1
    )


def relays_of(results):
    """Return the stations that forwarded requests of the ego, and the number of its requests."""
    rows = [row for row in results.tables["transfers"].to_pylist() if row["kind"] == "request"]
    names = dict(zip(*(results.tables["agents"][column].to_pylist() for column in ("agent", "name")), strict=True))
    return {names.get(row["relay"]) for row in rows}, len(rows)


def test_the_oracle_relays_over_the_corner_where_no_rule_does():
    direct, oracle = run(), run(bound="oracle")
    # The helper's own announcement does not reach the ego either, so without relays it is not asked at all.
    assert relays_of(direct) == (set(), 0)
    who, count = relays_of(oracle)
    assert who == {"mast"}
    assert count >= 4
    assert oracle.metrics["cycle_any_answer"].value > 0.4


def test_a_run_with_a_bound_says_so_in_its_manifest_and_in_a_notice(tmp_path):
    manifests = {}
    for bound in ("oracle", "none"):
        run(bound=bound).write(tmp_path / bound)
        manifests[bound] = json.loads((tmp_path / bound / "manifest.json").read_text())
    assert manifests["oracle"]["sees_truth"] == ["cooperation.bound: oracle"]
    assert "relay.bound" in [notice["subject"] for notice in manifests["oracle"]["notices"]]
    assert manifests["none"]["sees_truth"] == []


def test_with_a_deadline_of_one_step_the_clairvoyant_is_the_oracle():
    tables = [run(bound=bound).tables for bound in ("oracle", "clairvoyant")]
    for name in tables[0]:
        assert repr(tables[0][name].to_pydict()) == repr(tables[1][name].to_pydict()), name


def test_the_clairvoyant_refuses_to_look_further_than_one_tick():
    with pytest.raises(v2xsim.ScenarioError, match="clairvoyant sees one tick ahead"):
        v2xsim.load(SCENE).with_({"cooperation.bound": "clairvoyant", "cooperation.deadline_ms": 250.0})


def test_the_clairvoyant_uses_no_relay_that_drives_behind_the_house_before_the_deadline():
    # The mast drives into the street of the ego at 25 m/s, so after 0.85 s the house is between it and the helper.
    moving = v2xsim.load(SCENE).with_({
        "traffic.script": [{"id": "ego", "waypoints": [[0, 90, -2]]}, {"id": "helper", "heading_deg": 90, "waypoints": [[0, 2, 90]]},
                           {"id": "mast", "waypoints": [[0, -10, 2], [1.6, 30, 2]]}],
        "cooperation.deadline_ms": 200.0, "run.duration_s": 1.6,
    })  # fmt: skip
    used = {}
    for bound in ("oracle", "clairvoyant"):
        rows = v2xsim.run(moving.with_({"cooperation.bound": bound}), threads=1).tables["relays"].to_pylist()
        used[bound] = np.count_nonzero([row["relay"] >= 0 for row in rows])
    assert used["clairvoyant"] < used["oracle"]


def test_direct_with_retries_sends_twice_as_often_and_is_acknowledged_without_radio_retries():
    # The helper's link is weak: the house stands between, and the power just does.
    weak = v2xsim.load(SCENE).with_(
        {"radio.tx_power_dbm": 31.0, "radio.propagation.fading": "nakagami", "run.duration_s": 2.0}
    )
    sent = {}
    for relay, retries in (("none", 0), ("none", 1), ("direct_with_retries", 0)):
        results = v2xsim.run(weak.with_({"cooperation.relay": relay, "radio.retries": retries}), threads=1)
        rows = [row for row in results.tables["packets"].to_pylist() if row["kind"] in ("request", "data", "ack")]
        sent[relay, retries] = {kind: sum(row["kind"] == kind for row in rows) for kind in ("request", "data", "ack")}
    assert sent["none", 0]["ack"] == 0 < sent["direct_with_retries", 0]["ack"]
    assert sent["direct_with_retries", 0]["request"] > sent["none", 0]["request"]


def test_a_helper_repeats_its_own_reports_over_a_weak_link_and_nothing_counts_as_relayed():
    weak = v2xsim.load(SCENE).with_({
        "radio.tx_power_dbm": 31.0, "radio.propagation.fading": "nakagami", "run.duration_s": 2.0, "cooperation.fusion": "cpm",
    })  # fmt: skip
    repeats, reports = {}, {}
    for relay in ("none", "direct_with_retries"):
        results = v2xsim.run(weak.with_({"cooperation.relay": relay}), threads=1)
        names = dict(zip(*(results.tables["agents"][column].to_pylist() for column in ("agent", "name")), strict=True))
        rows = results.tables["packets"].to_pylist()
        repeats[relay] = {(names[row["tx"]], row["kind"]) for row in rows if row["hop"] == 2}
        reports[relay] = len(
            {(row["message"], row["hop"]) for row in rows if row["kind"] == "cpm" and names[row["tx"]] == "helper"}
        )
        assert results.metrics["helpers_used_by_relay"].value == 0.0
    assert repeats["none"] == set()
    assert (
        ("helper", "cpm")
        in repeats["direct_with_retries"]
        <= {(name, kind) for name in ("ego", "helper") for kind in ("cpm", "awareness")}
    )
    assert reports["direct_with_retries"] > 1.5 * reports["none"]
