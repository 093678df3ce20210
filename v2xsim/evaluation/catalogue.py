"""What each metric of a run is: its group, its unit, the values that it can take, and its meaning in one line.

The definitions are in docs/models.md, "Metrics".
"""

import math
from dataclasses import dataclass
from typing import Literal

from v2xsim.evaluation.cycles import FAILURES

Group = Literal["Perception of the egos", "Cooperation", "Radio", "Links"]
GROUPS: tuple[Group, ...] = ("Perception of the egos", "Cooperation", "Radio", "Links")
"""The groups of metrics, in the order in which a summary shows them."""


_NEVER = "infinite for a frame that asked nobody or lost an answer"
_LOST = "infinite for a lost answer"
_CENSORED = "conflicts that ended before are censored (Kaplan-Meier)"
_GONE = "road users that were never seen are censored (Kaplan-Meier)"
_STATES = {
    "ego": "alone",
    "ego_unannounced": "alone, without road users that announce themselves",
    "fused": "after fusion",
    "fused_unannounced": "after fusion, without road users that announce themselves",
}


@dataclass(frozen=True)
class MetricKind:
    """A metric without its value.

    Attributes:
        group: Group under which a summary shows it.
        unit: Unit of the value; "1" for a share.
        meaning: One line for a reader of a summary.
        high: Largest possible value; the smallest one is 0 for every metric.
    """

    group: Group
    unit: str
    meaning: str
    high: float = math.inf


def _share(group: Group, meaning: str) -> MetricKind:
    return MetricKind(group, "1", meaning, 1.0)


def _precision(overlap: str, mode: str) -> MetricKind:
    return _share(GROUPS[0], f"average precision at an overlap of {overlap}, {_STATES[mode]}")


def _kinds() -> dict[str, MetricKind]:
    seen, work, radio, links = GROUPS
    kinds: dict[str, MetricKind] = {}
    for mode in _STATES:
        for overlap in ("0.3", "0.5", "0.7"):
            kinds[f"ap_{overlap}_{mode}"] = _precision(overlap, mode)
    kinds |= {
        "coverage_before": _share(seen, "share of an ego's matrix that is observed, alone"),
        "coverage_after": _share(seen, "share of an ego's matrix that is observed, after fusion"),
        "blind_covered": _share(seen, "share of the blind zone that shared cells filled, weighted by relevance"),
        "blind_told": _share(
            seen, "share of the blind zone that announced matrices show that the ego holds at its fusion, by relevance"
        ),
        "blind_beyond": _share(
            seen, "share of the blind zone that shared cells filled and none of these matrices shows, by relevance"
        ),
        "object_awareness_ego": _share(seen, "share of the road users in range that egos know of, alone"),
        "object_awareness_fused": _share(
            seen, "share of the road users in range that egos know of, after fusion, announcements included"
        ),
        **{
            f"hidden_known_{mode}": _share(
                seen,
                f"share of the relevant road users in range, unseen by the ego and without a radio, that egos know of, {state}",
            )
            for mode, state in (("ego", "alone"), ("fused", "after fusion"))
        },
        **{
            f"hidden_known_settled_{mode}": _share(
                seen, f"as hidden_known_{mode}, without the frames of the first second of the run"
            )
            for mode in ("ego", "fused")
        },
        **{
            f"false_tracks_{mode}": MetricKind(
                seen, "1/s", f"new tracks of an ego that belong to no road user, in a second, {state}"
            )
            for mode, state in (("ego", "alone"), ("fused", "after fusion"))
        },
        "hidden_conflicts": MetricKind(seen, "conflicts", "hidden road users on a collision course with an ego"),
        **{
            name: kind
            for mode, state in (("ego", "alone"), ("fused", "after fusion, announcements included"))
            for name, kind in (
                (
                    f"time_to_awareness_{mode}",
                    MetricKind(seen, "s", f"time until an ego knew of a hidden conflict {state}, median; {_CENSORED}"),
                ),
                (
                    f"time_to_awareness_{mode}_announced",
                    MetricKind(
                        seen,
                        "s",
                        f"time until an ego knew of a hidden road user that announces itself, {state}, median; {_CENSORED}",
                    ),
                ),
                (
                    f"time_to_awareness_{mode}_unannounced",
                    MetricKind(
                        seen,
                        "s",
                        f"time until an ego knew of a hidden road user that does not announce itself, {state}, median; {_CENSORED}",
                    ),
                ),
                (
                    f"time_to_awareness_{mode}_p90",
                    MetricKind(
                        seen, "s", f"time until an ego knew of a hidden conflict {state}, 90th percentile; {_CENSORED}"
                    ),
                ),
                (f"never_aware_{mode}", MetricKind(seen, "conflicts", f"conflicts of which an ego never knew {state}")),
            )
        },
        **{
            f"seen_by_{number}": _share(
                seen,
                f"share of the road users in range of a lidar of another station from which {meaning} a lidar return, over all listed ticks",
            )
            for number, meaning in (
                ("nobody", "no station has"),
                ("one", "exactly one station has"),
                ("several", "two or more stations have"),
            )
        },
        "seen_redundancy": MetricKind(
            seen,
            "stations",
            "stations with a lidar return from a road user, mean over the road users and ticks with at least one",
        ),
        "first_seen_delay": MetricKind(
            seen,
            "s",
            f"time from the first tick in range of a lidar of another station until one has a return from the road user, median; {_GONE}",
        ),
        "first_seen_delay_p90": MetricKind(seen, "s", f"the same time, 90th percentile; {_GONE}"),
        "never_seen": MetricKind(
            seen, "road users", "road users that came in range of a lidar and of which no lidar ever had a return"
        ),
        "cycle_success": _share(
            work,
            "share of the frames with a blind zone for which all data asked for arrived by the deadline; a frame that asked nobody counts as failed",
        ),
        "cycle_any_answer": _share(
            work, "share of the frames with a blind zone for which at least one complete answer arrived by the deadline"
        ),
        **{
            f"cycle_{word}": _share(work, f"share of the frames with a blind zone that failed because {meaning}")
            for word, meaning in FAILURES.items()
        },
        "cycle_latency_p50": MetricKind(work, "ms", f"time until all data asked for had arrived, median; {_NEVER}"),
        "cycle_latency_p90": MetricKind(
            work, "ms", f"time until all data asked for had arrived, 90th percentile; {_NEVER}"
        ),
        "helpers_used": MetricKind(work, "helpers/frame", "helpers whose data was fused"),
        "helpers_used_by_relay": MetricKind(
            work,
            "helpers/frame",
            "helpers some of whose data a relay brought, or whose newest report another station told on; not those that the ego overheard",
        ),
        "age_of_fused_data": MetricKind(
            work, "ms", "age of a frame's fused data at its capture: mean over its helpers, then over the frames"
        ),
        "requested_per_frame": MetricKind(work, "B", "payload that an ego requested for a frame"),
        "received_per_frame": MetricKind(work, "B", "payload that arrived for a frame and was fused"),
        "requests_answered": _share(work, "share of the requests that were answered"),
        "data_arrived_whole": _share(work, "share of the answers of which all parts arrived"),
        "data_latency_direct": MetricKind(
            work, "ms", "time from the creation of an answer to its arrival, directly; mean over those that arrived"
        ),
        "data_latency_relayed": MetricKind(
            work,
            "ms",
            "time from the creation of an answer to its arrival, if a relay must forward it, overheard ones included; mean over those that arrived",
        ),
        "data_latency_p50": MetricKind(
            work, "ms", f"time from the creation of an answer to its arrival, median; {_LOST}"
        ),
        "data_latency_p90": MetricKind(
            work, "ms", f"time from the creation of an answer to its arrival, 90th percentile; {_LOST}"
        ),
        "data_latency_within": _share(
            work, "share of all answers, lost ones included, whose latency is within the bound"
        ),
        "prr": _share(radio, "packet reception ratio of awareness messages within record.prr_range_m"),
        "lost_to_half_duplex": _share(radio, "share lost because the receiver was sending"),
        "lost_to_sensing": _share(radio, "share lost because the power was below the sensitivity"),
        "lost_to_receiver_busy": _share(radio, "share lost because the receiver was locked on another packet"),
        "lost_to_propagation": _share(radio, "share lost to noise, which includes the floor of the error curve"),
        "lost_to_collision": _share(radio, "share lost to interference"),
        "awareness_latency": MetricKind(
            radio,
            "ms",
            "time from the creation of an awareness message to its direct reception; mean over those received",
        ),
        "awareness_latency_within": _share(
            radio, "share of the awareness messages received directly whose latency is within the bound"
        ),
        "inter_packet_gap": MetricKind(
            radio, "ms", "time between two awareness messages that a receiver got directly from one sender, mean"
        ),
        "age_of_information": MetricKind(
            radio,
            "ms",
            "age of the newest awareness message of a sender at a receiver that has heard it, directly or by relay",
        ),
        "age_of_information_in_range": MetricKind(
            radio,
            "ms",
            "age of the newest awareness message of a sender within record.prr_range_m; if nothing was heard, it grows from the meeting on",
        ),
        "silent_encounters": _share(
            radio,
            "share of the encounters of at least 1 s within record.prr_range_m in which the receiver heard nothing of the sender",
        ),
        "channel_busy_ratio": _share(radio, "share of time for which the channel is busy, mean"),
        "channel_busy_ratio_p95": _share(radio, "share of time for which the channel is busy, 95th percentile"),
        "packets_not_sent": _share(radio, "share of the packets that a full queue dropped"),
        "on_air": MetricKind(radio, "B/s", "bytes sent per second with headers, all stations together"),
        "links_LOS": _share(links, "share of the links with line of sight"),
        "links_NLOSv": _share(links, "share of the links that a vehicle blocks"),
        "links_NLOSb": _share(links, "share of the links that a building blocks"),
        "deaths_foreseen_building": _share(
            links,
            "links of egos that died because of a building: share of these deaths that was foretold at least 0.3 s ahead",
        ),
        "deaths_foreseen_body": _share(
            links,
            "links of egos that died because of a vehicle that the ego knew: share of these deaths that was foretold at least 0.3 s ahead",
        ),
        "alarms_false": _share(links, "share of the alarms whose link did not die within 0.5 s of the time foretold"),
        "warning_time": MetricKind(
            links, "s", "time from the first alarm to the death, median over the deaths that were foreseen"
        ),
    }
    return kinds


KINDS = _kinds()
"""Every metric of a run, by name."""


def kind_of(metric: str) -> MetricKind:
    """Return the kind of a metric; average precision may be at any overlap, such as `ap_0.6_fused`.

    Raises:
        KeyError: If there is no such metric.
    """
    if metric.startswith("ap_") and metric not in KINDS:
        _, overlap, mode = metric.split("_", 2)
        return _precision(overlap, mode)
    return KINDS[metric]
