"""The tables of a study as rows, and its summary in Markdown; nothing in them depends on when or where they were made."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from v2xsim.study.compare import mean_interval
from v2xsim.study.cost import costs
from v2xsim.study.study_findings import Findings, rule_names
from v2xsim.study.study_folder import Provenance
from v2xsim.study.studyfile import rules_of
from v2xsim.study.verdicts import Verdict, cautious_spread, seeds_needed

Rows = list[dict[str, Any]]


def curve_rows(findings: Findings) -> Rows:
    """Return the mean of each metric at each setting of each rule, with its interval and the mean channel load."""
    file, rows = findings.file, []
    axes = {rule.name: rule.load for rule in rules_of(file)}
    for family in findings.families:
        used = family.used
        for rule in rule_names(file):
            busy = (
                family.curve(rule, findings.load_metric)[:, used].mean(axis=1)
                if used.any()
                else np.full(len(family.rows[rule]), np.nan)
            )
            for metric in dict.fromkeys([file.metric, findings.load_metric, *file.also]):
                found = mean_interval(metric, family.curve(rule, metric)[:, used], file.confidence)
                rows += [
                    {
                        "family": family.name, "rule": rule, "load_key": axes[rule].key, "load_value": value, "load": _number(busy[n]), "metric": metric,
                        "seeds": int(found.seeds[n]), "mean": _number(found.mean[n]), "low": _number(found.low[n]), "high": _number(found.high[n]),
                    }
                    for n, value in enumerate(axes[rule].values)
                ]  # fmt: skip
    return rows


def level_rows(findings: Findings) -> Rows:
    """Return each rule at each load: its mean, and which share of the way from direct to the oracle it goes."""
    file, rows = findings.file, []
    for family in findings.families:
        for rule in rule_names(file):
            for metric in dict.fromkeys([file.metric, *file.also]):
                level = findings.levels[metric, family.name, rule]
                found = mean_interval(metric, level.value, file.confidence)
                for column, load in enumerate(family.member.loads):
                    way = findings.share_of_way(family.name, rule, column) if metric == file.metric else None
                    rows.append(
                        {
                            "family": family.name, "rule": rule, "load": load, "metric": metric, "reaches_load": bool(np.isfinite(level.value[column]).any()),
                            "lowest_load": _number(level.lowest), "highest_load": _number(level.highest), "pooled_settings": level.pooled,
                            "seeds": int(found.seeds[column]), "mean": _number(found.mean[column]), "low": _number(found.low[column]), "high": _number(found.high[column]),
                            "way": _number(way.value) if way else None, "way_low": _number(way.low) if way else None,
                            "way_high": _number(way.high) if way else None, "no_way": way.reason if way else "",
                        }
                    )  # fmt: skip
    return rows


def difference_rows(findings: Findings) -> Rows:
    """Return all differences of the primary metric with their verdicts; positive where the reference is better."""
    file, found, rows = findings.file, findings.differences, []
    for n, one in enumerate(findings.comparisons):
        wanted, spread = file.wanted_half_width(one.rule), findings.spread(one)
        half, seeds = float(found.half_width[n]), int(found.seeds[n])
        needed = math.isfinite(spread)
        rows.append(
            {
                "family": one.family.name, "rule": one.rule, "load": one.load, "recommended": one.recommended, "seeds": seeds,
                "difference": _number(found.mean[n]), "low": _number(found.low[n]), "high": _number(found.high[n]), "half_width": _number(half),
                "half_width_wanted": wanted, "half_width_reached": bool(half <= wanted), "p": _p_value(found.p[n]), "p_holm": _p_value(found.p_holm[n]),
                "p_equal": _p_value(found.p_equal[n]), "p_equal_holm": _p_value(found.p_equal_holm[n]), "verdict_alone": str(found.alone[n]),
                "verdict": str(found.verdict[n]), "identical": _is_identical(findings, n), "largest_load_gap_in_a_seed": _number(findings.load_gap(one)), "spread": _number(spread),
                "seeds_needed": seeds_needed(spread, wanted, file.confidence) if needed else None,
                "seeds_needed_cautious": seeds_needed(cautious_spread(spread, seeds), wanted, file.confidence) if needed else None,
            }
        )  # fmt: skip
    return rows


def other_rows(findings: Findings) -> Rows:
    """Return the differences of the other metrics, reference minus other rule, without verdicts."""
    rows: Rows = []
    for metric in findings.file.also:
        found = findings.differences_of(metric)
        rows += [
            {
                "family": one.family.name, "rule": one.rule, "load": one.load, "metric": metric, "seeds": int(found.seeds[n]),
                "difference": _number(found.mean[n]), "low": _number(found.low[n]), "high": _number(found.high[n]),
            }
            for n, one in enumerate(findings.comparisons)
        ]  # fmt: skip
    return rows


def within_rows(findings: Findings) -> Rows:
    """Return the differences of the primary metric at the best place of each rule at no more than each load, without verdicts."""
    found = findings.within
    return [
        {
            "family": one.family.name, "rule": one.rule, "load": one.load, "seeds": int(found.pairs[n]), "difference": _number(found.mean[n]),
            "low": _number(found.low[n]), "high": _number(found.high[n]),
        }
        for n, one in enumerate(findings.comparisons)
    ]  # fmt: skip


def cost_rows(findings: Findings) -> Rows:
    """Return the least load at which each rule has what the reference has at its best, without verdicts; infinite ends of intervals are left empty."""
    return [
        {
            "family": one.family, "rule": one.rule, "level": _number(one.level), "least_load": _number(one.load), "ratio": _number(one.ratio), "low": _number(_finite(one.low)),
            "high": _number(_finite(one.high)), "reached": not math.isnan(one.load), "at_end_of_curve": one.at_end,
        }
        for one in costs(findings)
    ]  # fmt: skip


def bound_rows(findings: Findings) -> Rows:
    """Return what bounds have over the reference, and the oracle over direct, at each load; positive where the bound is better."""
    return [
        {
            "family": family.name, "bound": bound, "rule": rule, "load": load, "seeds": int(one.pairs[0]), "difference": _number(one.mean[0]), "low": _number(one.low[0]),
            "high": _number(one.high[0]),
        }
        for family, bound, rule, load, one in findings.headroom()
    ]  # fmt: skip


def _number(value: float) -> float | None:
    """Return a number with nine digits, so that the last bits of a sum do not show; None for NaN."""
    return None if math.isnan(value) else float(f"{value:.9g}")


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan


def _p_value(value: float) -> float | None:
    """Return a p-value with four digits, more than it is worth; None for NaN."""
    return None if math.isnan(value) else float(f"{value:.4g}")


def summary(findings: Findings, known: Provenance) -> str:
    """Return the summary of a study in Markdown."""
    return "\n".join(_lines(findings, known)) + "\n"


def _lines(findings: Findings, known: Provenance) -> Iterator[str]:
    file = findings.file
    yield f"# {file.name}: {'the test' if known.purpose == 'test' else 'development runs, no test'}"
    if file.question:
        yield from ("", file.question)
    yield ""
    yield (
        f"Primary metric: `{file.metric}`, {file.better} is better. Reference: {file.reference}. Differences are positive where the reference is better, at equal "
        f"`{findings.load_metric}`, paired by seed, with {100 * file.confidence:g} % intervals. Better and worse hold for all {_tested(findings)} comparisons together (Holm); equal: the interval is within {file.margin:g}."
    )
    yield ""
    gaps = [findings.load_gap(one) for one in findings.comparisons]
    gap = max((gap for gap in gaps if not math.isnan(gap)), default=0.0)
    yield f"The mean loads of two compared rules are equal. In a single seed they differ by up to {_load(gap)}; each value is corrected for that."
    yield ""
    yield f"Study file: SHA-256 `{known.sha256}`; `provenance.md` has the time of the first run with it, the versions, and the commits."
    if findings.reading:
        yield ""
        yield f"**Not the reading of the plan, so there is no claim.** {' '.join(findings.reading)}"
    yield from _claim_lines(findings)
    yield from _verdict_lines(findings)
    yield from _load_lines(findings)
    for family in findings.families:
        yield from _family_lines(findings, family.name)
    yield from _within_lines(findings)
    yield from _cost_lines(findings)
    yield from _bound_lines(findings)
    yield from _other_lines(findings)
    yield from _seed_lines(findings)
    yield from _missing_lines(findings)


def _is_identical(findings: Findings, row: int) -> bool:
    """Return whether a rule has the same value as the reference in every seed, as rules that always decide alike have."""
    found = findings.differences
    return bool(found.seeds[row] > 1 and found.mean[row] == found.low[row] == found.high[row] == 0.0)


def _tested(findings: Findings) -> int:
    return sum(word is not Verdict.NO_OVERLAP for word in findings.differences.verdict)


def _claim_lines(findings: Findings) -> Iterator[str]:
    file, claims = findings.file, findings.claims
    yield from ("", "## Claim", "")
    if findings.supported() is None:
        yield (
            "The study file recommends the reference nowhere, so there is no claim."
            if not findings.reading
            else "None: this is not the reading of the plan."
        )
        return
    held = sum(not claim.reasons for claim in claims)
    beaten = f"is better than {', '.join(file.beats)}, and " if file.beats else ""
    yield (
        f"Claim: where it is recommended, {file.reference} {beaten}is not worse than any other rule by more than {file.margin:g}. "
        f"{'Supported' if findings.supported() else 'Not supported'}: it holds in {held} of the {len(claims)} cases that were run."
    )
    yield ""
    for claim in claims:
        yield f"- {claim.family} at {claim.load:g}: {'; '.join(claim.reasons) or 'holds'}"


def headline(findings: Findings) -> list[str]:
    """Return the verdicts against each rule and the claim in a line each, for a terminal."""
    lines = []
    for rule, counts in _counts(findings).items():
        words = ", ".join(f"{counts[word]} {word}" for word in Verdict if counts[word])
        lines.append(f"{findings.file.reference} against {rule}: {words}")
    for family in findings.families:
        lowest, highest = findings.common_loads(family.name)
        if not all(lowest <= load <= highest for load in family.member.loads):
            reached = "no load" if not lowest <= highest else f"the loads from {_load(lowest)} to {_load(highest)}"
            lines.append(
                f"{family.name}: all rules reach {reached}, not all of {', '.join(f'{load:g}' for load in family.member.loads)}"
            )
    if findings.absent:
        lines.append(
            f"without {', '.join(findings.absent)}: not run, or removed; v2xsim study run runs what is missing"
        )
    if findings.unfinished:
        lines.append(f"without {', '.join(findings.unfinished)}: not run to the end; v2xsim study run continues it")
    supported = findings.supported()
    lines += [] if supported is None else [f"claim: {'supported' if supported else 'not supported'}"]
    return lines


def _counts(findings: Findings) -> dict[str, Counter[Verdict]]:
    """Return how often each verdict was given, by rule."""
    counts: dict[str, Counter[Verdict]] = {rule: Counter() for rule in findings.file.compared()}
    for one, word in zip(findings.comparisons, findings.differences.verdict, strict=True):
        counts[one.rule][word] += 1
    return counts


def _verdict_lines(findings: Findings) -> Iterator[str]:
    yield from (
        "",
        "## Verdicts",
        "",
        f"| {findings.file.reference} against | {' | '.join(Verdict)} |",
        f"|---|{'---|' * len(Verdict)}",
    )
    for rule, counts in _counts(findings).items():
        yield f"| {rule} | {' | '.join(str(counts[word]) for word in Verdict)} |"


def _load_lines(findings: Findings) -> Iterator[str]:
    """Yield the loads that the curve of each rule covers, and those that all cover: the loads at which rules can be compared."""
    flat: list[str] = []
    yield from ("", "## Loads", "", "| family | rule | lowest | highest | settings pooled |", "|---|---|---|---|---|")
    for family in findings.families:
        levels = {rule: findings.levels[findings.file.metric, family.name, rule] for rule in rule_names(findings.file)}
        for rule, level in levels.items():
            yield f"| {family.name} | {rule} | {_load(level.lowest)} | {_load(level.highest)} | {level.pooled} of {len(family.rows[rule])} |"
        for rule, level in levels.items():
            if 2 * level.pooled >= len(family.rows[rule]):
                flat.append(f"{rule} in {family.name}")
        lowest, highest = findings.common_loads(family.name)
        yield f"| {family.name} | **{'all but bounds' if findings.file.bounds else 'all'}** | {_load(lowest)} | {_load(highest)} | {'no common load' if lowest > highest else ''} |"
    if flat:
        yield ""
        yield (
            f"At least half of the settings are pooled, because the load does not rise along the load axis, for {', '.join(flat)}. List the values from the least load to the most, or choose "
            "another key as the axis."
        )


def _load(load: float, digits: int = 4) -> str:
    """Return an end of a curve; a dash for a curve without a complete seed."""
    return "-" if math.isnan(load) else f"{load:.{digits if load < 1000 else 0}f}"


def _family_lines(findings: Findings, family: str) -> Iterator[str]:
    found = findings.differences
    yield from (
        "",
        f"## {family}",
        "",
        "| rule | load | difference | interval | p (Holm) | verdict | share of the way |",
        "|---|---|---|---|---|---|---|",
    )
    for column, load in enumerate(next(one for one in findings.families if one.name == family).member.loads):
        way = _way(findings, family, findings.file.reference, column)
        yield f"| {findings.file.reference} | {load:g} | | | | | {way} |"
        for n, one in enumerate(findings.comparisons):
            if (one.family.name, one.load) != (family, load):
                continue
            if found.verdict[n] is Verdict.NO_OVERLAP:
                yield f"| {one.rule} | {load:g} | | {_ranges(findings, family, one.rule)} | | {found.verdict[n]} | |"
                continue
            interval = "one seed" if math.isnan(found.low[n]) else f"{found.low[n]:+.4f} to {found.high[n]:+.4f}"
            p = "" if math.isnan(found.p_holm[n]) else f"{found.p_holm[n]:.2g}"
            verdict = f"{found.verdict[n]}{', identical' if _is_identical(findings, n) else ''}"
            yield f"| {one.rule} | {load:g} | {found.mean[n]:+.4f} | {interval} | {p} | {verdict} | {_way(findings, family, one.rule, column)} |"
        for rule in findings.file.bounds:
            yield f"| {rule} (bound) | {load:g} | | | | | {_way(findings, family, rule, column)} |"


def _within_lines(findings: Findings) -> Iterator[str]:
    """Yield the differences at the best place of each rule at no more than the load."""
    yield from (
        "",
        "## Best at no more than the load",
        "",
        f"A rule need not use the whole channel: {findings.file.reference} minus other rule, each at the best place of its curve up to the load. Nothing is tested.",
        "",
        "| family | rule | load | difference | interval |",
        "|---|---|---|---|---|",
    )
    for row in within_rows(findings):
        missing = "not reached |"
        yield f"| {row['family']} | {row['rule']} | {row['load']:g} | {_difference_text(row) if row['difference'] is not None else missing} |"


def _cost_lines(findings: Findings) -> Iterator[str]:
    """Yield the least load at which each rule has what the reference has at its best."""
    file = findings.file
    yield from (
        "",
        "## Load for the same",
        "",
        f"The least `{findings.load_metric}` at which the mean `{file.metric}` of a rule reaches the level: the best mean of {file.reference}, less the margin of {file.margin:g}. "
        f"The ratio is to that load of {file.reference}, with the {100 * file.confidence:g} % percentiles over resampled seeds. Nothing is tested; a star marks the least load of the rule's curve, below which nothing was run.",
        "",
        "| family | rule | level | least load | ratio | interval |",
        "|---|---|---|---|---|---|",
    )
    for one in costs(findings):
        if math.isnan(one.load):
            yield f"| {one.family} | {one.rule} | {one.level:.4f} | not reached | | {_ends(one.low, one.high)} |"
        else:
            star = " *" if one.at_end else ""
            yield f"| {one.family} | {one.rule} | {one.level:.4f} | {_load(one.load)}{star} | {one.ratio:.2f} | {_ends(one.low, one.high)} |"


def _ends(low: float, high: float) -> str:
    """Return the interval of a ratio of loads."""
    if math.isnan(low) or math.isinf(low):
        return ""
    return f"{low:.2f} to {'not reached' if math.isinf(high) else f'{high:.2f}'}"


def _bound_lines(findings: Findings) -> Iterator[str]:
    """Yield how much better the bounds are."""
    rows = bound_rows(findings)
    if rows:
        yield from (
            "",
            "## Bounds",
            "",
            "| family | bound | minus | load | difference | interval |",
            "|---|---|---|---|---|---|",
        )
    for row in rows:
        yield f"| {row['family']} | {row['bound']} | {row['rule']} | {row['load']:g} | {_difference_text(row)} |"


def _difference_text(row: dict[str, Any]) -> str:
    """Return the two cells of a difference and its interval."""
    if row["difference"] is None:
        return "no overlap |"
    interval = "" if row["low"] is None else f"{row['low']:+.4f} to {row['high']:+.4f}"
    return f"{row['difference']:+.4f} | {interval}"


def _other_lines(findings: Findings) -> Iterator[str]:
    """Yield the differences of the other metrics."""
    if not findings.file.also:
        return
    yield from (
        "",
        "## Other metrics at the same loads",
        "",
        "Differences reference minus other rule; nothing is tested.",
        "",
    )
    yield from ("| family | rule | load | metric | difference | interval |", "|---|---|---|---|---|---|")
    for row in other_rows(findings):
        if row["difference"] is not None:
            yield f"| {row['family']} | {row['rule']} | {row['load']:g} | {row['metric']} | {_difference_text(row)} |"


def _way(findings: Findings, family: str, rule: str, column: int) -> str:
    """Return which share of the way from direct to the oracle a rule goes; empty for these two."""
    way = findings.share_of_way(family, rule, column)
    if way is None or rule in (findings.file.direct, findings.file.oracle):
        return ""
    return "none: " + way.reason if way.reason else f"{way.value:.2f} ({way.low:.2f} to {way.high:.2f})"


def _ranges(findings: Findings, family: str, rule: str) -> str:
    """Return the loads that a rule and the reference cover."""
    file = findings.file
    words = []
    for name in (file.reference, rule):
        level = findings.levels[file.metric, family, name]
        no_seed = math.isnan(level.lowest)
        words.append(
            f"{name} has no complete seed"
            if no_seed
            else f"{name} covers {_load(level.lowest, 3)} to {_load(level.highest, 3)}"
        )
    return "; ".join(words)


def _seed_lines(findings: Findings) -> Iterator[str]:
    """Yield how many seeds the wanted half widths take, by rule."""
    yield from (
        "",
        "## Seeds",
        "",
        "| against | half width wanted | reached in | seeds needed | seeds needed, cautious |",
        "|---|---|---|---|---|",
    )
    rows = difference_rows(findings)
    for rule in findings.file.compared():
        own = [row for row in rows if row["rule"] == rule and row["seeds_needed"] is not None]
        if own:
            reached = sum(row["half_width_reached"] for row in own)
            most, cautious = (max(row[name] for row in own) for name in ("seeds_needed", "seeds_needed_cautious"))
            yield f"| {rule} | {own[0]['half_width_wanted']:g} | {reached} of {len(own)} | {most} | {cautious} |"
    yield ""
    yield "Seeds needed are those of the family and load that needs most. The cautious number takes a spread that the true one exceeds with a probability of 0.2."


def _missing_lines(findings: Findings) -> Iterator[str]:
    notes = [f"{name}: not run, or removed; with it, better and worse need more evidence" for name in findings.absent]
    notes += [f"{name}: not run to its end; v2xsim study run continues it" for name in findings.unfinished]
    for family in findings.families:
        notes += [f"{family.name}: {note}" for note in family.study.missing("v2xsim study run")]
        notes += [
            f"{family.name}: {rule} lacks a point in every seed, so the other rules are compared without it"
            for rule in family.lost
            if len(family.lost) < len(family.rows)
        ]
        if family.left_out:
            notes.append(
                f"{family.name}: {len(family.left_out)} of {len(family.study.seeds)} seeds are left out, because a point of a rule is missing or was not measured: "
                f"{', '.join(map(str, family.left_out))}"
            )
    if notes:
        yield from ("", "## What is missing", "")
        yield from (f"- {note}" for note in notes)
