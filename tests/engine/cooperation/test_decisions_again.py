"""Every decision of a station follows from what this station received, sensed and has on its map."""

import pytest

import v2xsim
from tests.engine.cooperation.witness import watched


@pytest.fixture
def witness(monkeypatch):
    """Return what watches the inboxes of the next run."""
    return watched(monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["hybrid", "random_qualified", "tallest_antenna"])
def test_each_decision_of_a_run_in_a_street_grid_follows_from_one_inbox(witness, rule):
    settings = [
        "stations.count=40",
        "lidars.count=12",
        "radio.tx_power_dbm=6",
        "radio.range_m=600",
        "run.begin_s=30",
        "run.duration_s=3.0",
        "cooperation.min_delivery=0.7",
        f"cooperation.relay={rule}",
    ]
    v2xsim.run(v2xsim.load("urban_grid", settings))
    assert not witness.differences, witness.differences[:3]
    for kind, least in {
        "relayed": 20,
        "nominations": 20,
        "asks": 150,
        "passed on": 20,
        "forwarded": 20,
        "announcements": 800,
    }.items():
        assert witness.compared[kind] > least, (kind, witness.compared)


@pytest.mark.slow
def test_each_alarm_of_the_forecast_that_learns_follows_from_one_inbox(witness):
    settings = ["cooperation.foresight=sampled", "lidars.model=beam16", "lidars.count=12", "run.duration_s=2.5"]
    v2xsim.run(v2xsim.load("nlos_grid", settings))
    assert not witness.differences, witness.differences[:3]
    assert witness.compared["alarms"] > 4


ERRORS = ["errors.gnss_sigma_m=2", "errors.clock_sigma_ms=100"]
DENSE = ["stations.count=90", "lidars.count=30", "cooperation.relay=none"]
RETELLING = {
    "unheard": ["cooperation.retelling={rule: unheard, least_gain: 0.05}", *DENSE],
    "unseen, rare matrices": ["cooperation.retelling=unseen", "cooperation.matrix.interval_ms=500", *DENSE],
    "unseen, errors": ["cooperation.retelling={rule: unseen, least_gain: 0.05}", *ERRORS, *DENSE],
    "unheard, relays, errors": ["cooperation.retelling={rule: unheard, least_gain: 0.05}", *ERRORS],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RETELLING)
def test_what_each_station_of_a_street_grid_tells_on_follows_from_one_inbox(witness, name):
    settings = ["cooperation.fusion=cpm", "cooperation.min_delivery=0.5", "run.duration_s=1.2", *RETELLING[name]]
    v2xsim.run(v2xsim.load("hidden_grid", settings))
    assert not witness.differences, witness.differences[:3]
    for kind, least in {"looks": 600, "usable": 3000, "told on": 10}.items():
        assert witness.compared[kind] >= least, (kind, witness.compared)
