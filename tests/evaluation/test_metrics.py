"""Metrics of perception and cooperation against tables small enough to count by hand, and sums that must come out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_tables import broadcasts, counts, read, table, values

import v2xsim
from v2xsim.evaluation.cycles import FAILURES
from v2xsim.evaluation.metric import Metric
from v2xsim.evaluation.metrics import all_metrics

CAUSES = ("half_duplex", "sensing", "receiver_busy", "propagation", "collision")


def rows_of(precision=None, **tables):
    return all_metrics(read(tables), precision or {}, 1.0, 150.0)


def measured(precision=None, **tables):
    return values(rows_of(precision, **tables))


def test_precision_is_named_by_threshold_and_mode_and_counts_road_users():
    precision = {"ego": [(0.5, 0.4), (0.7, 0.2)], "fused": [(0.5, 0.6)], "fused_unannounced": [(0.5, 0.3)]}
    rows = rows_of(precision, fusion=table("fusion", objects=[4, 0, 5], unannounced=[1, 0, 2]))
    assert rows[:4] == [
        ("ap_0.5_ego", "", Metric(0.4, "1", 9)),
        ("ap_0.7_ego", "", Metric(0.2, "1", 9)),
        ("ap_0.5_fused", "", Metric(0.6, "1", 9)),
        ("ap_0.5_fused_unannounced", "", Metric(0.3, "1", 3)),
    ]


@pytest.mark.parametrize("name", ["coverage_before", "coverage_after", "blind_covered", "blind_told", "blind_beyond"])
def test_coverage_is_the_mean_over_frames_that_have_one(name):
    rows = rows_of(fusion=table("fusion", **{name: [0.25, float("nan"), 0.75]}))
    assert (values(rows)[name, ""], counts(rows)[name, ""]) == (0.5, 2)


def test_awareness_is_the_share_of_road_users_with_a_track_alone_and_after_fusion():
    awareness = table("awareness", tracked_ego=[True, False, False, False], tracked_fused=[True, True, True, False])
    found = measured(awareness=awareness)
    assert [found[f"object_awareness_{mode}", ""] for mode in ("ego", "fused")] == [0.25, 0.75]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("helpers_used", "used"),
        ("helpers_used_by_relay", "used_by_relay"),
        ("requested_per_frame", "requested_bytes"),
        ("received_per_frame", "received_bytes"),
    ],
)
def test_helpers_and_bytes_are_means_over_all_frames(name, column):
    rows = rows_of(fusion=table("fusion", **{column: [0, 3, 6]}))
    assert (values(rows)[name, ""], counts(rows)[name, ""]) == (3.0, 3)


def test_the_age_of_fused_data_is_over_frames_that_fused_some():
    """20 and 60 ms; a frame that fused nothing says -1. Data of the frame's own instant is 0 ms old."""
    rows = rows_of(fusion=table("fusion", age_us=[20_000, -1, 60_000, 0]))
    assert (values(rows)["age_of_fused_data", ""], counts(rows)["age_of_fused_data", ""]) == (pytest.approx(80 / 3), 3)


def transfers(*rows):
    """Return transfers of kind, relay, queue and arrival in microseconds, and outcome."""
    kind, relay, queue_us, arrive_us, outcome = (list(column) for column in zip(*rows, strict=True))
    return table("transfers", kind=kind, relay=relay, queue_us=queue_us, arrive_us=arrive_us, outcome=outcome)


SOME = transfers(
    ("request", -1, 0, 9_000, "answered"),
    ("request", 4, 0, -1, "lost"),
    ("request", -1, 0, 1_000, "lost"),
    ("request", -1, 0, 1_000, "answered"),
    ("data", -1, 1_000, 11_000, "used"),
    ("data", -1, 1_000, 21_000, "late"),
    ("data", -1, 1_000, -1, "partial"),
    ("data", 0, 1_000, 51_000, "used"),
    ("data", 5, 1_000, -1, "lost"),
)


def test_requests_answered_are_a_share_of_requests():
    rows = rows_of(transfers=SOME)
    assert (values(rows)["requests_answered", ""], counts(rows)["requests_answered", ""]) == (0.5, 4)


def test_data_that_arrived_whole_is_a_share_of_data():
    rows = rows_of(transfers=SOME)
    assert (values(rows)["data_arrived_whole", ""], counts(rows)["data_arrived_whole", ""]) == (0.6, 5)


def test_direct_and_relayed_data_have_latencies_of_their_own():
    """Direct 10 and 20 ms; by a relay, which may have number 0, 50 ms; what did not arrive has none."""
    rows = rows_of(transfers=SOME)
    assert [values(rows)[f"data_latency_{way}", ""] for way in ("direct", "relayed")] == [15.0, 50.0]
    assert [counts(rows)[f"data_latency_{way}", ""] for way in ("direct", "relayed")] == [2, 1]


def test_the_distribution_of_latency_is_of_all_data_and_lost_data_is_within_no_bound():
    rows = rows_of(transfers=SOME)
    found = [values(rows)["data_latency_within", f"{bound} ms"] for bound in (5, 10, 20, 50)]
    assert found == pytest.approx([0.0, 0.2, 0.4, 0.6])
    assert counts(rows)["data_latency_within", "5 ms"] == 5


def test_data_that_arrives_at_instant_zero_has_arrived():
    rows = rows_of(transfers=transfers(("data", -1, 0, 0, "used")))
    assert values(rows)["data_latency_direct", ""] == 0.0
    assert values(rows)["data_latency_within", "1 ms"] == 1.0


def test_every_metric_is_there_without_any_row_and_in_a_fixed_order():
    bounds = [f"{bound} ms" for bound in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)]
    assert [(name, part) for name, part, _ in rows_of()] == [
        ("coverage_before", ""), ("coverage_after", ""), ("blind_covered", ""), ("blind_told", ""),
        ("blind_beyond", ""), ("object_awareness_ego", ""),
        ("object_awareness_fused", ""), ("hidden_known_ego", ""), ("hidden_known_fused", ""),
        ("hidden_known_settled_ego", ""), ("hidden_known_settled_fused", ""), ("false_tracks_ego", ""),
        ("false_tracks_fused", ""), ("hidden_conflicts", ""), *((name, "") for mode in ("ego", "fused") for name in (
            *(f"time_to_awareness_{mode}{group}" for group in ("", "_announced", "_unannounced", "_p90")), f"never_aware_{mode}",
        )), ("helpers_used", ""), ("helpers_used_by_relay", ""),
        ("age_of_fused_data", ""), ("requested_per_frame", ""), ("received_per_frame", ""), ("cycle_success", ""),
        ("cycle_any_answer", ""), *((f"cycle_{word}", "") for word in FAILURES),
        ("cycle_latency_p50", ""), ("cycle_latency_p90", ""), ("requests_answered", ""),
        ("data_arrived_whole", ""), ("data_latency_direct", ""), ("data_latency_relayed", ""), ("data_latency_p50", ""),
        ("data_latency_p90", ""),
        *(("data_latency_within", bound) for bound in bounds), ("prr", ""), ("prr", "LOS"), ("prr", "NLOSv"),
        ("prr", "NLOSb"), *((f"lost_to_{cause}", "") for cause in CAUSES), ("awareness_latency", ""),
        *(("awareness_latency_within", bound) for bound in bounds), ("inter_packet_gap", ""), ("age_of_information", ""),
        ("age_of_information_in_range", ""), ("silent_encounters", ""),
        ("channel_busy_ratio", ""), ("channel_busy_ratio_p95", ""), ("packets_not_sent", ""), ("on_air", ""),
        ("links_LOS", ""), ("links_NLOSv", ""), ("links_NLOSb", ""), ("deaths_foreseen_building", ""), ("deaths_foreseen_body", ""),
        ("alarms_false", ""), ("warning_time", ""), ("seen_by_nobody", ""), ("seen_by_one", ""), ("seen_by_several", ""),
        ("seen_redundancy", ""), ("first_seen_delay", ""), ("first_seen_delay_p90", ""), ("never_seen", ""),
    ]  # fmt: skip


def test_every_metric_has_its_unit():
    units = {name: metric.unit for name, _, metric in rows_of({"ego": [(0.5, 0.4)]})}
    assert {name for name, unit in units.items() if unit == "ms"} == {
        "age_of_fused_data", "data_latency_direct", "data_latency_relayed", "awareness_latency", "inter_packet_gap",
        "age_of_information", "age_of_information_in_range", "cycle_latency_p50", "cycle_latency_p90", "data_latency_p50", "data_latency_p90",
    }  # fmt: skip
    assert {name for name, unit in units.items() if unit == "s"} == {
        f"time_to_awareness_{mode}{group}"
        for mode in ("ego", "fused")
        for group in ("", "_announced", "_unannounced", "_p90")
    } | {"warning_time", "first_seen_delay", "first_seen_delay_p90"}
    assert {name for name, unit in units.items() if unit == "B"} == {"requested_per_frame", "received_per_frame"}
    assert {name for name, unit in units.items() if unit == "helpers/frame"} == {
        "helpers_used",
        "helpers_used_by_relay",
    }
    assert {name for name, unit in units.items() if unit == "conflicts"} == {
        "hidden_conflicts", "never_aware_ego", "never_aware_fused",
    }  # fmt: skip
    assert units["on_air"] == "B/s"


def test_nothing_measured_is_not_a_number_and_no_error():
    some = {"hidden_conflicts", "never_aware_ego", "never_aware_fused", "on_air"}
    assert {name for (name, _), value in measured().items() if not np.isnan(value)} == some


def test_the_metrics_of_the_radio_go_by_the_range_and_the_share_asked_for():
    tables = {"packets": broadcasts(["delivered", "collision"], distance_m=[10.0, 60.0], size_bytes=100)}
    found = values(all_metrics(read(tables), {}, 4.0, 50.0, 0.5))
    assert (found["prr", ""], found["on_air", ""]) == (1.0, 50.0)


@pytest.fixture(scope="module")
def weak_demo():
    return v2xsim.run(v2xsim.load("demo", ["run.duration_s=2", "lidars.model=beam16", "radio.tx_power_dbm=-20"]))


def test_reception_and_losses_of_a_run_sum_to_one(weak_demo):
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


KINDS = ("awareness", "awareness", "awareness", "data")
OUTCOMES = ("delivered", "delivered", *CAUSES, "not_sent")


def drawn_tables(seed, rows):
    """Return tables with rows in the order of a run and drawn values."""
    draw = np.random.default_rng(seed)

    def some(high, low=0):
        return draw.integers(low, high, rows)

    def words(texts):
        return np.array(texts, object)[draw.integers(0, len(texts), rows)]

    end_us = np.sort(some(10**6))
    return {
        "fusion": table(
            "fusion", coverage_before=draw.random(rows, np.float32), coverage_after=draw.random(rows, np.float32),
            blind_covered=np.where(draw.random(rows) < 0.5, np.nan, draw.random(rows)),
            blind_told=draw.random(rows, np.float32), blind_beyond=draw.random(rows, np.float32), used=some(4), used_by_relay=some(2),
            age_us=some(10**5, -1), requested_bytes=some(10**4), received_bytes=some(10**4),
        ),
        "awareness": table("awareness", tracked_ego=some(2).astype(bool), tracked_fused=some(2).astype(bool)),
        "episodes": table(
            "episodes", start_us=some(10**5), end_us=10**6 + some(10**5), aware_ego_us=10**5 + some(10**6, -(10**6)),
            aware_fused_us=10**5 + some(10**6, -(10**6)), announces=some(2).astype(bool),
        ),
        "transfers": table(
            "transfers", kind=words(["request", "data"]), relay=some(2, -1), queue_us=some(10**6), arrive_us=some(3 * 10**6, -(10**6)),
            outcome=words(["answered", "lost"]),
        ),
        "cycles": table(
            "cycles", outcome=words(["complete", *FAILURES]), complete=some(3), ask_us=some(10**6), complete_us=10**6 + some(10**5),
        ),
        "packets": table(
            "packets", kind=words(KINDS), hop=some(3, 1), outcome=words(OUTCOMES), tx=some(3), rx=some(3), message=np.sort(some(rows)),
            size_bytes=some(900), queued_us=end_us - some(10**5), end_us=end_us, distance_m=draw.random(rows) * 400,
            link_state=words(["LOS", "NLOSv", "NLOSb"]),
        ),
        "unheard": table("unheard", bin_m=5 * some(80), count=some(9), link_state=words(["LOS", "NLOSv", "NLOSb"])),
        "channel": table("channel", busy_share=draw.integers(0, 20, rows) / 20),
        "links": table("links", state=words(["LOS", "NLOSv", "NLOSb"])),
    }  # fmt: skip


# Sums of floating-point numbers: their last digits depend on the row groups.
SUMS = {
    "blind_covered", "blind_told", "blind_beyond", "coverage_before", "coverage_after", "age_of_fused_data",
    "data_latency_direct", "data_latency_relayed", "awareness_latency", "inter_packet_gap", "age_of_information", "channel_busy_ratio", "on_air",
}  # fmt: skip


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 60))
def test_metrics_are_the_same_in_any_row_groups(seed, rows, length):
    tables = drawn_tables(seed, rows)
    whole, parts = (all_metrics(read(tables, n), {}, 2.0, 150.0, 0.3) for n in (rows, length))
    assert [(name, part, metric.count) for name, part, metric in whole] == [
        (name, part, metric.count) for name, part, metric in parts
    ]
    for (name, part, one), (_, _, other) in zip(whole, parts, strict=True):
        # The mean of columns of 32 bits has 32 bits in one row group, and 64 in several.
        is_short = name.startswith(("coverage_", "blind_")) or name == "channel_busy_ratio"
        digits = 1e-6 if is_short else 1e-12
        least = digits if name in SUMS else 0
        assert other.value == pytest.approx(one.value, rel=least, abs=0, nan_ok=True), (name, part)
