"""The two sentences in which a run reports what cooperation brought and what it cost."""

import math

import pytest

from v2xsim.cli.headline import headline
from v2xsim.evaluation.metric import Metric

MEASURED = {
    "object_awareness_ego": 0.7, "object_awareness_fused": 0.955, "blind_covered": 0.348, "helpers_used": 1.34,
    "helpers_used_by_relay": 1.13, "on_air": 53_794.0, "channel_busy_ratio": 0.073, "age_of_fused_data": 33.3,
}  # fmt: skip


def said(fills_matrix=True, retells=False, **changed):
    metrics = {name: Metric(value, "", 100) for name, value in (MEASURED | changed).items()}
    return headline(metrics, fills_matrix, retells)


def test_the_first_sentence_has_the_benefit_of_announcements_fusion_and_relays():
    assert said()[0] == (
        "Alone, the egos knew 70 % of the road users in range, and with announcements and fusion 96 %; fusion filled 35 % of their blind zones, "
        "with data from 1.3 helpers per frame, 1.1 of them through a relay."
    )


def test_the_first_sentence_says_that_reports_may_have_been_told_on():
    assert said(retells=True)[0].endswith("1.1 of them through a relay or told on by another station.")


def test_the_second_sentence_has_the_cost():
    assert said()[1] == (
        "All stations together sent 53.8 kB/s, and a station found the channel busy for 7 % of the time; the fused data was "
        "captured 33 ms before the ego's frame on average."
    )


def test_a_scheme_that_shares_no_cells_is_neither_praised_nor_blamed_for_blind_zones():
    assert said(helpers_used=0.0)[0].endswith("; the matrices in announcements filled 35 % of their blind zones.")
    assert said(fills_matrix=False, blind_covered=0.0)[0] == (
        "Alone, the egos knew 70 % of the road users in range, and with announcements and fusion 96 %, with data from 1.3 helpers per frame, 1.1 of them "
        "through a relay; the helpers shared boxes but not which cells they observed, so blind zones stay as they are."
    )


def test_without_helpers_nothing_is_claimed_for_fusion():
    benefit, _ = said(helpers_used=0.0, helpers_used_by_relay=0.0, blind_covered=0.0)
    assert benefit == (
        "Alone, the egos knew 70 % of the road users in range, and with announcements 96 %; no data of a helper was fused."
    )


def test_without_helpers_and_announcements_nothing_changed():
    benefit, _ = said(helpers_used=0.0, object_awareness_fused=0.7, blind_covered=0.0)
    assert benefit.endswith("with announcements 70 %; no data of a helper was fused.")


def test_without_relays_that_is_reported():
    assert said(helpers_used_by_relay=0.0)[0].endswith("from 1.3 helpers per frame, none of them through a relay.")


def test_without_an_ego_nothing_was_measured():
    metrics = {name: Metric(value, "", 0) for name, value in MEASURED.items()}
    assert (
        headline(metrics, True)[0] == "No station with a lidar was an ego, so perception and fusion were not measured."
    )


def test_without_anybody_in_range_no_share_is_given():
    benefit, _ = said(object_awareness_ego=math.nan, object_awareness_fused=math.nan)
    assert benefit.startswith("No other road user was ever in range of an ego; fusion filled 35 %")


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.001, "less than 0.5 %"), (0.999, "more than 99.5 %"), (1.0, "100 %")]
)
def test_a_share_close_to_none_or_all_does_not_look_like_it(share, text):
    assert f"busy for {text} of the time" in said(channel_busy_ratio=share)[1]


def test_a_run_in_which_no_packet_reached_anybody_says_so():
    assert (
        said(on_air=math.nan, channel_busy_ratio=math.nan, age_of_fused_data=math.nan)[1]
        == "No packet reached another station."
    )


@pytest.mark.parametrize(
    ("helpers", "text"), [(1.65, "1.7"), (1.649, "1.6"), (0.25, "0.25"), (9.95, "10"), (12.5, "13"), (2.0, "2")]
)
def test_a_half_is_rounded_up_as_a_reader_does(helpers, text):
    assert f"with data from {text} helpers per frame" in said(helpers_used=helpers)[0]


def test_large_numbers_have_no_exponent_and_halves_of_percent_are_rounded_up():
    cost = said(on_air=1_234_500.0, channel_busy_ratio=0.145, age_of_fused_data=12.5)[1]
    assert (
        "sent 1,230 kB/s, and a station found the channel busy for 15 % of the time; the fused data was captured 13 ms"
        in cost
    )
