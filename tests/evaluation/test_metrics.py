"""Metrics against tables small enough to count by hand, and sums that must come out."""

import numpy as np
import pytest

import v2xsim
from v2xsim.evaluation.metrics import all_metrics
from v2xsim.results.tables import COLUMNS, Columns

CAUSES = ("half_duplex", "sensing", "receiver_busy", "propagation", "collision")


def tables(**rows):
    made = {name: Columns(name) for name in COLUMNS}
    for name, block in rows.items():
        made[name].add(**block)
    return {name: columns.finished() for name, columns in made.items()}


def packets(outcome, distance_m, **other):
    count = len(outcome)
    block = {
        "queued_us": np.zeros(count, np.int64), "start_us": np.zeros(count, np.int64), "end_us": np.full(count, 1000),
        "message": 1, "kind": "awareness", "hop": 1, "fragment": 0, "fragments": 1, "size_bytes": 300, "tx": 7,
        "rx": np.arange(count), "addressed": True, "distance_m": np.array(distance_m, float), "link_state": "LOS",
        "power_dbm": -70.0, "sinr_db": 20.0, "outcome": np.array(outcome, object),
    }  # fmt: skip
    return {**block, **other}


def measured(made, prr_range_m=150.0, duration_s=1.0):
    rows = all_metrics(made, {}, 0, duration_s, prr_range_m)
    return {(name, part): metric for name, part, metric in rows}


def test_reception_ratio_counts_all_in_range_and_none_beyond():
    found = measured(tables(packets=packets(["delivered", "collision", "delivered", "delivered"], [10, 20, 140, 160])))
    assert found["prr", ""].value == pytest.approx(2 / 3)
    assert found["prr", ""].count == 3
    assert found["lost_to_collision", ""].value == pytest.approx(1 / 3)
    assert found["prr", "0-50 m"].value == 0.5
    assert found["prr", "150-200 m"].value == 1.0


def test_stations_that_a_packet_was_too_weak_for_count_as_lost():
    weak = {
        "bin_m": np.array([100, 300]),
        "link_state": np.array(["NLOSb", "NLOSb"], object),
        "count": np.array([3, 50]),
    }
    found = measured(tables(packets=packets(["delivered"], [110.0]), unheard=weak))
    assert found["prr", ""].value == 0.25
    assert found["lost_to_sensing", ""].value == 0.75
    assert found["prr", "100-150 m"].value == 0.25
    assert found["prr", "NLOSb"].value == 0.0


def test_a_relayed_copy_is_not_a_broadcast_of_its_own():
    found = measured(tables(packets=packets(["delivered", "collision"], [10, 10], hop=np.array([1, 2]))))
    assert found["prr", ""].value == 1.0


def test_gap_and_age_of_a_regular_sender():
    # Every 100 ms, 20 ms under way: the age climbs from 20 to 120 ms and is 70 ms on average.
    queued = np.arange(11) * 100_000
    rows = packets(["delivered"] * 11, [10.0] * 11, queued_us=queued, start_us=queued, end_us=queued + 20_000,
                   rx=np.full(11, 3), message=np.arange(11))  # fmt: skip
    found = measured(tables(packets=rows))
    assert found["inter_packet_gap", ""].value == pytest.approx(100.0)
    assert found["age_of_information", ""].value == pytest.approx(70.0)
    assert found["awareness_latency", ""].value == pytest.approx(20.0)


def test_bytes_on_the_air_count_each_packet_once():
    found = measured(tables(packets=packets(["delivered", "collision", "delivered"], [1, 2, 3])), duration_s=2.0)
    assert found["on_air", ""].value == 150.0


def test_nothing_measured_is_not_a_number_and_no_error():
    found = measured(tables())
    assert np.isnan(found["prr", ""].value)
    assert found["hidden_conflicts", ""].value == 0


@pytest.fixture(scope="module")
def weak_demo():
    return v2xsim.run(v2xsim.load("demo", ["run.duration_s=2", "lidars.model=beam16", "radio.tx_power_dbm=-20"]))


def test_reception_and_losses_sum_to_one(weak_demo):
    metrics = weak_demo.metrics
    assert metrics["prr"].value + sum(metrics[f"lost_to_{c}"].value for c in CAUSES) == pytest.approx(1.0)


def test_every_station_in_range_is_accounted_for(weak_demo):
    # Six stations, each broadcast meant for five; packets cut off by the end of the run apart.
    kind = np.array(weak_demo.tables["packets"].column("kind").to_pylist())
    hop = weak_demo.tables["packets"].column("hop").to_numpy()
    first = (kind == "awareness") & (hop == 1)
    reported = int(first.sum())
    unheard = int(weak_demo.tables["unheard"].column("count").to_numpy().sum())
    assert unheard > 0
    assert (reported + unheard) % 5 == 0
    assert (reported + unheard) / 5 == pytest.approx(6 * 20, abs=6)
