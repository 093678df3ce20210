"""The reference page of all metrics: meaning, unit, direction and formula of each."""

from fnmatch import fnmatch
from typing import Any

from v2xsim.evaluation.catalogue import GROUPS, KINDS

_WANTED = "wanted cycles (frames of egos with a blind zone)"
_PAIRS = "over time and ordered pairs of stations"
# Of the first pattern that fits a metric: which direction is better ("" if neither is), and how it is computed from the tables.
_COMPUTED: tuple[tuple[str, str, str], ...] = (
    ("ap_*", "higher", "sum over hits of the best precision at this or a higher recall / n_gt; n_gt is the column `count`"),
    ("coverage_*", "higher", "mean over frames of observed cells / cells outside buildings"),
    ("blind_covered", "higher", "mean over frames of relevance of blind cells seen after fusion / relevance of all blind cells"),
    ("blind_told", "higher", "mean over frames of relevance of blind cells observed in an announced matrix / relevance of all blind cells"),
    ("blind_beyond", "higher", "mean over frames of relevance of blind cells seen after fusion and observed in no announced matrix / relevance of all blind cells"),
    ("object_awareness_*", "higher", "road users in range with a confirmed track / road users in range, over all frames"),
    ("hidden_known_settled_*", "higher", "as `hidden_known_*`, of the rows whose `frame_us` is at least 1 s after the beginning of the run"),
    ("hidden_known_*", "higher", "rows of `awareness` with `occluded`, `relevant` and a track, and not `announces` / the same with or without a track; their number is the column `count`"),
    ("false_tracks_*", "lower", "sum of `fusion.new_false_*` / (rows of `fusion` x time step)"),
    ("hidden_conflicts", "", "rows of `episodes`"),
    ("time_to_awareness_*_p90", "lower", "smallest t with S(t) <= 0.1; S(t) = product over times of awareness up to t of (1 - aware / still watched)"),
    ("time_to_awareness_*", "lower", "smallest t with S(t) <= 0.5; S(t) = product over times of awareness up to t of (1 - aware / still watched)"),
    ("never_aware_*", "lower", "rows of `episodes` without a time of awareness"),
    ("seen_by_nobody", "lower", "rows of `seen` with `stations` 0 / rows of `seen`"),
    ("seen_by_one", "", "rows of `seen` with `stations` 1 / rows of `seen`"),
    ("seen_by_several", "higher", "rows of `seen` with `stations` 2 or more / rows of `seen`"),
    ("seen_redundancy", "", "mean of `seen.stations` over the rows with 1 or more"),
    ("first_seen_delay_p90", "lower", "smallest t with S(t) <= 0.1; S(t) = product over delays up to t of (1 - seen / still unseen), from the first row of a road user in `seen`"),
    ("first_seen_delay", "lower", "smallest t with S(t) <= 0.5, likewise"),
    ("never_seen", "lower", "road users of `seen` all of whose rows have `stations` 0"),
    ("cycle_success", "higher", f"cycles with all answers complete by the deadline / {_WANTED}"),
    ("cycle_any_answer", "higher", f"cycles with an answer complete by the deadline / {_WANTED}"),
    ("cycle_latency_p50", "lower", "smallest latency (`complete_us` - `ask_us`) that half of the wanted cycles had"),
    ("cycle_latency_p90", "lower", "smallest latency (`complete_us` - `ask_us`) that nine tenths of the wanted cycles had"),
    ("cycle_*", "lower", f"cycles with this outcome / {_WANTED}"),
    ("helpers_used*", "", "mean over frames of `fusion`"),
    ("age_of_fused_data", "lower", "mean of `fusion.age_us` over frames with such data"),
    ("*_per_frame", "", "mean over frames of `fusion`"),
    ("requests_answered", "higher", "requests with the outcome answered / requests"),
    ("data_arrived_whole", "higher", "answers of which all fragments arrived / answers"),
    ("data_latency_within", "higher", "answers with `arrive_us` - `queue_us` up to the bound / answers"),
    ("data_latency_p50", "lower", "smallest latency (`arrive_us` - `queue_us`) that half of the answers had"),
    ("data_latency_p90", "lower", "smallest latency (`arrive_us` - `queue_us`) that nine tenths of the answers had"),
    ("data_latency_*", "lower", "mean of `arrive_us` - `queue_us` over answers that arrived"),
    ("prr", "higher", "receptions delivered / receptions in range, those of `unheard` included"),
    ("lost_to_*", "lower", "receptions lost to this cause / receptions in range; with `prr`, all sum to 1"),
    ("awareness_latency_within", "higher", "received messages with `end_us` - `queued_us` up to the bound / received messages"),
    ("awareness_latency", "lower", "mean of `end_us` - `queued_us` over received messages"),
    ("inter_packet_gap", "lower", "mean of the time from one reception to the next of each pair"),
    ("age_of_information", "lower", f"integral of (now - creation of the newest message) / time, {_PAIRS} from the first message on"),
    ("age_of_information_in_range", "lower", f"the same {_PAIRS} in range; without a message, (now - begin of the encounter)"),
    ("silent_encounters", "lower", "encounters of at least 1 s without a message / encounters of at least 1 s"),
    ("channel_busy_ratio*", "lower", "mean, or 95th percentile, of `channel.busy_share`"),
    ("packets_not_sent", "lower", "packets that a full queue dropped / packets"),
    ("on_air", "lower", "bytes of all transmissions / simulated time"),
    ("links_*", "", "rows of `links` in this state / rows"),
    ("deaths_foreseen_*", "higher", "deaths with an alarm at least 0.3 s before that foretold them within 0.5 s / deaths of this kind (tables `deaths` and `foretold`)"),
    ("alarms_false", "lower", "alarms without a death within 0.5 s of the time foretold / alarms; without those whose link ended alive first"),
    ("warning_time", "higher", "median of the time from the first alarm for a death to the death, over the deaths of the two rows above"),
)  # fmt: skip


def described() -> list[dict[str, Any]]:
    """Return name, group, unit, better direction, meaning and formula of each metric."""
    return [
        {
            "metric": name, "group": kind.group, "unit": kind.unit, "better": _computed(name)[0] or None, "meaning": kind.meaning,
            "formula": _computed(name)[1],
        }
        for name, kind in KINDS.items()
    ]  # fmt: skip


def reference() -> str:
    """Return the reference page of all metrics in Markdown."""
    lines = [
        "# Metrics", "",
        "The metrics of a run, in the order in which `v2xsim run` prints them. [models.md](../models.md#metrics) defines them in full. A share has the unit \"1\". A value is NaN if there",
        "was nothing to measure, and infinite (`never`) for a percentile that is never reached. \"better\" says which direction is better with all else equal.",
        "This page is generated by `v2xsim schema metrics --markdown > docs/reference/metrics.md`.",
    ]  # fmt: skip
    for group in GROUPS:
        lines += ["", f"## {group}", "", "| metric | unit | better | meaning | formula |", "|---|---|---|---|---|"]
        lines += [
            f"| `{row['metric']}` | {row['unit']} | {row['better'] or '-'} | {row['meaning']} | {row['formula']} |"
            for row in described()
            if row["group"] == group
        ]
    return "\n".join(lines) + "\n"


def _computed(metric: str) -> tuple[str, str]:
    """Return the better direction and the formula of a metric."""
    return next((better, formula) for pattern, better, formula in _COMPUTED if fnmatch(metric, pattern))
