"""Metrics of the radio against tables small enough to count by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_tables import broadcasts, counts, read, table, values

from v2xsim.evaluation.ages import Ages
from v2xsim.evaluation.packet_rows import RECEIVED
from v2xsim.evaluation.radio_metrics import ChannelLoad, LinkStates, RadioMetrics
from v2xsim.results.columns import schema_of

RANGE_M = 150.0


def radio_rows(groups, duration_s, packet_share=1.0):
    """Return the metrics of tables that are read by row group."""
    metrics = RadioMetrics(RANGE_M, packet_share)
    for name, add in (
        ("packets", metrics.add_packets),
        ("unheard", metrics.add_unheard),
        ("channel", metrics.add_channel),
    ):
        for group in groups(name, schema_of(name).names):
            add(group)
    return metrics.rows(duration_s, lambda: groups("packets", RECEIVED), Ages(RANGE_M, packet_share, 100_000, 2**62))


def delivery_rows(**tables):
    """Return the reception ratios and the causes of loss."""
    return [row for row in radio_rows(read(tables), 1.0) if row[0].startswith(("prr", "lost_to_"))]


def delivery(packets, **tables):
    return values(delivery_rows(packets=packets, **tables))


def load(duration_s=1.0, packet_share=1.0, **tables):
    """Return the other metrics of packets and of the channel."""
    rows = radio_rows(read(tables), duration_s, packet_share)
    return [row for row in rows if not row[0].startswith(("prr", "lost_to_"))]


def test_reception_ratio_counts_all_in_range_and_none_beyond():
    packets = broadcasts(["delivered", "collision", "delivered", "delivered"], distance_m=[10.0, 20.0, 140.0, 160.0])
    rows = delivery_rows(packets=packets)
    assert values(rows)["prr", ""] == pytest.approx(2 / 3)
    assert counts(rows)["prr", ""] == 3


def test_a_receiver_exactly_at_the_range_is_beyond_it():
    assert delivery(broadcasts(["delivered", "collision"], distance_m=[149.9, 150.0]))["prr", ""] == 1.0


def test_receivers_beyond_the_range_have_a_bin_all_the_same():
    assert delivery(broadcasts(["delivered", "collision"], distance_m=[160.0, 199.0]))["prr", "150-200 m"] == 0.5


def test_a_bin_holds_its_lower_edge_and_not_its_upper_one():
    found = delivery(broadcasts(["delivered", "collision", "delivered"], distance_m=[49.9, 50.0, 99.9]))
    assert (found["prr", "0-50 m"], found["prr", "50-100 m"]) == (1.0, 0.5)


def test_a_distance_without_stations_has_no_bin():
    found = delivery(broadcasts(["delivered", "delivered"], distance_m=[10.0, 110.0]))
    assert [part for name, part in found if part.endswith(" m")] == ["0-50 m", "100-150 m"]


def test_reception_ratio_by_link_state_counts_that_state_in_range_alone():
    found = delivery(
        broadcasts(
            ["delivered", "collision", "delivered", "delivered"],
            distance_m=[10.0, 20.0, 30.0, 160.0],
            link_state=["LOS", "NLOSv", "NLOSv", "NLOSb"],
        )
    )
    assert [found["prr", state] for state in ("LOS", "NLOSv")] == [1.0, 0.5]
    assert np.isnan(found["prr", "NLOSb"])


@pytest.mark.parametrize("other", [{"hop": [1, 2]}, {"kind": ["awareness", "data"]}, {"kind": ["awareness", "cpm"]}])
def test_relayed_copies_and_other_messages_are_no_awareness_broadcasts(other):
    assert delivery(broadcasts(["delivered", "collision"], **other))["prr", ""] == 1.0


def test_a_packet_without_a_distance_does_not_count():
    assert delivery(broadcasts(["delivered", "not_sent"], distance_m=[10.0, float("nan")]))["prr", ""] == 1.0


def weak(bin_m, count, link_state="NLOSb"):
    return table("unheard", bin_m=bin_m, count=count, link_state=link_state)


def test_stations_that_a_packet_was_too_weak_for_count_as_not_reached():
    assert delivery(broadcasts(["delivered"], distance_m=[110.0]), unheard=weak([100], [3]))["prr", ""] == 0.25


def test_stations_too_far_for_the_range_that_a_packet_was_too_weak_for_do_not_count():
    assert delivery(broadcasts(["delivered"], distance_m=[110.0]), unheard=weak([145, 150], [1, 50]))["prr", ""] == 0.5


def test_stations_that_a_packet_was_too_weak_for_count_in_the_bin_of_their_distance():
    found = delivery(broadcasts(["delivered"], distance_m=[110.0]), unheard=weak([145, 300], [3, 50]))
    assert (found["prr", "100-150 m"], found["prr", "300-350 m"]) == (0.25, 0.0)


def test_stations_that_a_packet_was_too_weak_for_count_under_their_link_state():
    found = delivery(
        broadcasts(["delivered", "delivered"]), unheard=weak([100, 100, 300], [1, 2, 9], ["LOS", "NLOSb", "LOS"])
    )
    assert (found["prr", "LOS"], found["prr", "NLOSb"]) == (pytest.approx(2 / 3), 0.0)


CAUSES = ("half_duplex", "sensing", "receiver_busy", "propagation", "collision")


def test_each_cause_has_its_share_of_all_in_range():
    """Of 20 in range 1, 2, 3, 4 and 5 are lost to the five causes; the one beyond does not count."""
    lost = [cause for number, cause in enumerate(CAUSES, 1) for _ in range(number)]
    found = delivery(broadcasts([*lost, *["delivered"] * 5, "collision"], distance_m=[10.0] * 20 + [200.0]))
    assert [found[f"lost_to_{cause}", ""] for cause in CAUSES] == [0.05, 0.1, 0.15, 0.2, 0.25]


def test_a_packet_too_weak_is_lost_to_sensing_and_to_nothing_else():
    found = delivery(broadcasts(["delivered", "sensing"]), unheard=weak([100, 300], [2, 50]))
    assert [found[f"lost_to_{cause}", ""] for cause in CAUSES] == [0.0, 0.75, 0.0, 0.0, 0.0]


def test_losses_have_as_many_samples_as_the_reception_ratio():
    found = counts(delivery_rows(packets=broadcasts(["delivered", "sensing"]), unheard=weak([100, 300], [2, 50])))
    assert {found[f"lost_to_{cause}", ""] for cause in CAUSES} == {found["prr", ""]} == {4}


def test_without_packets_there_is_no_reception_ratio():
    found = delivery(table("packets"))
    assert all(np.isnan(value) for value in found.values())


@given(st.lists(st.sampled_from(["delivered", *CAUSES]), min_size=1, max_size=20))
def test_reception_and_losses_sum_to_one(outcome):
    found = delivery(broadcasts(outcome), unheard=weak([100], [2]))
    assert found["prr", ""] + sum(found[f"lost_to_{cause}", ""] for cause in CAUSES) == pytest.approx(1.0)


@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order):
    outcome = ["delivered", "delivered", "collision", "sensing", "delivered", "propagation"]
    distance_m = [10.0, 60.0, 60.0, 120.0, 149.0, 160.0]
    state = ["LOS", "NLOSv", "NLOSb", "LOS", "NLOSb", "LOS"]
    plain = delivery(broadcasts(outcome, distance_m=distance_m, link_state=state))
    mixed = delivery(
        broadcasts([outcome[n] for n in order], distance_m=[distance_m[n] for n in order], link_state=[state[n] for n in order])
    )  # fmt: skip
    assert mixed == pytest.approx(plain)


def test_latency_is_from_the_queue_to_the_last_bit_of_what_arrived():
    packets = broadcasts(
        ["delivered", "delivered", "collision"], queued_us=[1000, 2000, 0], end_us=[11_000, 32_000, 900_000]
    )
    assert values(load(packets=packets))["awareness_latency", ""] == 20.0


@pytest.mark.parametrize("other", [{"hop": [1, 2]}, {"kind": ["awareness", "data"]}])
def test_latency_is_of_awareness_messages_from_their_origin(other):
    packets = broadcasts(["delivered", "delivered"], end_us=[4000, 80_000], **other)
    assert values(load(packets=packets))["awareness_latency", ""] == 4.0


def test_the_distribution_of_latency_is_of_the_same_packets():
    packets = broadcasts(
        ["delivered", "delivered", "collision", "delivered"], hop=[1, 1, 1, 2], queued_us=[0, 1000, 0, 0],
        end_us=[5000, 7000, 400, 400],
    )  # fmt: skip
    found = values(load(packets=packets))
    assert [found["awareness_latency_within", f"{bound} ms"] for bound in (2, 5, 10)] == [0.0, 0.5, 1.0]


def test_gaps_are_of_awareness_messages_that_arrived_from_their_origin():
    """Every 100 ms. A lost, a relayed and a data packet lie between."""
    queued = [0, 30_000, 40_000, 50_000, 100_000, 200_000]
    packets = broadcasts(
        ["delivered", "collision", "delivered", "delivered", "delivered", "delivered"], rx=3, queued_us=queued,
        end_us=[time + 20_000 for time in queued], hop=[1, 1, 2, 1, 1, 1],
        kind=["awareness", "awareness", "awareness", "data", "awareness", "awareness"],
    )  # fmt: skip
    found = values(load(packets=packets))
    assert found["inter_packet_gap", ""] == 100.0


def test_busy_ratio_is_the_mean_and_the_95th_percentile_over_stations_and_windows():
    channel = table("channel", busy_share=[n / 20 for n in range(21)])
    found = values(load(channel=channel))
    assert (found["channel_busy_ratio", ""], found["channel_busy_ratio_p95", ""]) == pytest.approx((0.5, 0.95))


def test_both_busy_ratios_have_as_many_samples_as_there_are_windows():
    found = counts(load(channel=table("channel", busy_share=[0.1, 0.2, 0.3])))
    assert (found["channel_busy_ratio", ""], found["channel_busy_ratio_p95", ""]) == (3, 3)


def test_packets_not_sent_are_a_share_of_packets_and_not_of_receptions():
    """One packet to three receivers, two packets that gave way: two of three packets."""
    packets = broadcasts(["delivered", "collision", "delivered", "not_sent", "not_sent"], message=[1, 1, 1, 2, 3])
    rows = load(packets=packets)
    assert values(rows)["packets_not_sent", ""] == pytest.approx(2 / 3)
    assert counts(rows)["packets_not_sent", ""] == 3


def test_an_acknowledgement_that_was_not_sent_was_dropped_by_no_queue():
    kinds = ["data", "ack", "data", "ack"]
    packets = broadcasts(
        ["delivered", "not_sent", "not_sent", "delivered"], kind=kinds, message=[1, 1, 2, 3], tx=[7, 8, 7, 8]
    )
    rows = load(packets=packets)
    assert values(rows)["packets_not_sent", ""] == pytest.approx(1 / 3)
    assert counts(rows)["packets_not_sent", ""] == 3


def test_bytes_on_the_air_count_each_packet_once_and_a_second_of_two_by_half():
    packets = broadcasts(["delivered", "collision", "delivered"], size_bytes=300)
    assert values(load(packets=packets, duration_s=2.0))["on_air", ""] == 150.0


def test_bytes_of_a_packet_that_was_not_sent_are_not_on_the_air():
    packets = broadcasts(["delivered", "not_sent"], message=[1, 2], size_bytes=[300, 500])
    rows = load(packets=packets)
    assert (values(rows)["on_air", ""], counts(rows)["on_air", ""]) == (300.0, 1)


@pytest.mark.parametrize("other", ["message", "fragment", "hop", "tx", "start_us"])
def test_packets_that_differ_in_one_thing_are_two_packets(other):
    """Fragments of a message, its second hop, another sender, and a retry are each on the air of their own."""
    packets = broadcasts(["delivered", "delivered", "delivered"], size_bytes=[100, 100, 200], **{other: [1, 1, 2]})
    assert values(load(packets=packets))["on_air", ""] == 300.0


def test_listed_awareness_messages_stand_for_those_that_are_not_listed():
    """A quarter of the stations is listed: 100 B of awareness stand for 400 B, 50 B of data for themselves."""
    packets = broadcasts(["delivered", "delivered"], message=[1, 2], kind=["awareness", "data"], size_bytes=[100, 50])
    assert values(load(packets=packets, packet_share=0.25))["on_air", ""] == 450.0


def test_an_idle_radio_has_nothing_on_the_air():
    assert values(load())["on_air", ""] == 0.0


def test_an_idle_radio_has_no_other_number():
    assert all(np.isnan(value) for (name, _), value in values(load()).items() if name != "on_air")


def test_links_are_counted_by_state():
    links = LinkStates()
    links.add(table("links", state=["LOS", "NLOSb", "LOS", "NLOSv", "LOS"]))
    found = values(links.rows())
    assert [found[f"links_{state}", ""] for state in ("LOS", "NLOSv", "NLOSb")] == [0.6, 0.2, 0.2]


def test_a_transmission_whose_rows_lie_in_two_row_groups_counts_once():
    packets = broadcasts(["delivered"] * 3 + ["not_sent"], message=[1, 1, 1, 2], size_bytes=300)
    for rows in (1, 2, 3):
        found = values(radio_rows(read({"packets": packets}, rows), 1.0))
        assert (found["on_air", ""], found["packets_not_sent", ""]) == (300.0, 0.5)


@given(arrays(np.float32, st.integers(1, 60), elements=st.sampled_from([0.0, 0.01, 0.3, 0.31, 0.8])), st.integers(1, 9))
def test_the_95th_percentile_is_that_of_numpy_to_the_last_bit_in_any_row_groups(busy_share, rows):
    channel = ChannelLoad()
    for first in range(0, len(busy_share), rows):
        channel.add(table("channel", busy_share=busy_share[first : first + rows]))
    assert values(channel.rows())["channel_busy_ratio_p95", ""] == float(np.quantile(busy_share, 0.95))


def test_the_load_of_the_channel_holds_each_distinct_share_once():
    channel = ChannelLoad()
    for _ in range(50):
        channel.add(table("channel", busy_share=np.array([0.25, 0.5, 0.25, 0.125], np.float32)))
    assert len(channel) == 3


def test_packets_that_a_user_s_scheme_reports_out_of_order_have_the_gaps_of_the_right_order():
    """The last of four rows is the first reception in time: gaps of 100, 200 and 300 ms."""
    end_us = [100_000, 300_000, 600_000, 0]
    packets = broadcasts(["delivered"] * 4, rx=3, message=[1, 2, 3, 4], queued_us=end_us, end_us=end_us)
    for rows in (1, 2, 3, 4):
        found = values(radio_rows(read({"packets": packets}, rows), 1.0))
        assert found["inter_packet_gap", ""] == pytest.approx(200.0)


@pytest.mark.parametrize("late", [False, True])
def test_latency_and_gap_are_those_of_whole_messages_not_of_their_fragments(late):
    """Receiver 1 gets both fragments of the messages made at 0 and 100 ms, receiver 2 only the first ones."""
    end_us = [10_000, 20_000, 110_000, 160_000, 10_000, 110_000]
    if late:
        # Out of the order of time, the packets are read again.
        end_us = [110_000, 160_000, 10_000, 20_000, 10_000, 110_000]
    found = load(packets=broadcasts(
        ["delivered"] * 6, rx=[1, 1, 1, 1, 2, 2], fragment=[0, 1, 0, 1, 0, 0], fragments=2, message=[5, 5, 6, 6, 5, 6],
        queued_us=[us // 100_000 * 100_000 for us in end_us], end_us=end_us,
    ))  # fmt: skip
    assert values(found)["awareness_latency", ""] == pytest.approx(40.0)
    assert counts(found)["awareness_latency", ""] == 2
    assert values(found)["inter_packet_gap", ""] == pytest.approx(140.0)
