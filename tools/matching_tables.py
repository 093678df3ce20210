"""Write the tables of docs/study_matching.md: `python tools/matching_tables.py docs/study_matching.md PART=REPORT ...`.

PART is one of `PARTS`, REPORT a folder that `v2xsim study report` wrote. The tables of parts that are not given are made again from what lies beside the page; a table whose report is not
there reads "Not run yet." tests/study/test_matching_page.py compares the page with the tables that are copied beside it.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from page_tables import MISSING, Report, copy_tables, difference, filled, head, level, line, with_verdict

METRIC = "hidden_known_settled_fused"
REFERENCE = "unheard"
NOT_RUN = "Not run yet."


@dataclass(frozen=True)
class Part:
    """A report that the page rests on.

    Attributes:
        study: Name of the study.
        reference: Rule that the report compares the others with.
        copied: Files of the report that lie beside the page.
    """

    study: str
    reference: str
    copied: Sequence[str]


_WHOLE = ("differences.csv", "within-loads.csv", "costs.csv", "SHA256SUMS", "provenance.md")
PARTS: Mapping[str, Part] = {
    "worth": Part("matching_worth", REFERENCE, (*_WHOLE, "at-loads.csv", "other-metrics.csv", "curves.csv")),
    "asked": Part("matching_worth", "asked_bodies", ("differences.csv", "within-loads.csv")),
    "busy": Part("matching_worth", REFERENCE, ("differences.csv",)),
    "ablations": Part("matching_ablations", REFERENCE, _WHOLE),
    "power": Part("matching_ablations", "unheard_power", ("differences.csv", "within-loads.csv")),
    "conditions": Part("matching_conditions", "unseen", ("differences.csv", "curves.csv")),
}


def levels(report: Report) -> list[str]:
    """Return the known share of each rule at the loads for which the plan recommends the reference."""
    places = [(family, load) for family in report.families for load in compared_loads(report, family)]
    lines = head("rule", *(_place(*place) for place in places))
    for rule in _all_rules(report, "at-loads"):
        lines.append(line(f"`{rule}`", *(level(report, family, rule, load, METRIC) for family, load in places)))
    return lines


def differences(report: Report) -> list[str]:
    """Return the differences from the reference at equal load, with their verdicts."""
    return _verdicts(report, [(family, load) for family in report.families for load in compared_loads(report, family)])


def within_most(report: Report) -> list[str]:
    """Return the differences of the rules' best at no more than the largest load."""
    return _within(report, REFERENCE, report.rules, [(family, report.loads(family)[-1]) for family in report.families])


def within_ends(report: Report) -> list[str]:
    """Return the differences of the rules' best at no more than the least and the largest load."""
    return _within(report, REFERENCE, report.rules, _ends(report))


def costs(report: Report) -> list[str]:
    """Return the least load at which each rule has what the reference has at its best, and its ratio to that of the reference."""
    families = report.families
    lines = head("rule", *(cell for family in families for cell in (f"`{family}`, kB/s", "ratio")))
    for rule in _all_rules(report, "costs"):
        lines.append(line(f"`{rule}`", *(cell for family in families for cell in _cost(report, family, rule))))
    return lines


def asked(report: Report) -> list[str]:
    """Return what asking by matrices has over asking others: at equal load with verdicts, and at best up to the largest load."""
    shown = [rule for rule in ("asked_nearest", "asked_random", "asked_blind_cells") if rule in report.rules]
    lines = head("`asked_bodies` minus", *(f"`{rule}`" for rule in shown))
    for family in report.families:
        for load in report.loads(family):
            cells = [with_verdict(report, family, rule, load) for rule in shown]
            lines.append(line(_place(family, load), *cells))
        most = report.loads(family)[-1]
        cells = [difference(report, "within-loads", family, rule, most) for rule in shown]
        lines.append(line(_place(family, most, "at most "), *cells))
    return lines


def busy(report: Report) -> list[str]:
    """Return the differences from the reference at equal busy ratio, with their verdicts."""
    places = [(family, load) for family in report.families for load in report.loads(family)]
    return _verdicts(report, places, lambda family, load: f"`{family}`, busy {load}")


def power(report: Report) -> list[str]:
    """Return what retelling with more power has over reports with more power, at best up to the least and the largest load."""
    return _within(report, PARTS["power"].reference, ["cpm_power"], _ends(report))


def conditions(report: Report) -> list[str]:
    """Return the best measured share of each rule in each family at no more than its largest load, and the load of that point."""
    rules = _all_rules(report, "curves")
    lines = head("family", "at most", *(f"`{rule}` (kB/s)" for rule in rules))
    for family in report.families:
        most = report.loads(family)[-1]
        cells = [_best(report, family, rule, float(most)) for rule in rules]
        lines.append(line(f"`{family}`", f"{_kilobytes(most)} kB/s", *cells))
    return lines


def other(metric: str) -> Callable[[Report], list[str]]:
    """Return a function that makes the table of another metric at the second of the compared loads: its mean, and the reference minus the rule."""

    def of_report(report: Report) -> list[str]:
        places = [(family, compared_loads(report, family)[:2][-1]) for family in report.families]
        lines = head("rule", *(cell for place in places for cell in (_place(*place), f"`{REFERENCE}` minus")))
        for rule in _all_rules(report, "at-loads"):
            cells = []
            for family, load in places:
                cells.append(level(report, family, rule, load, metric))
                cells.append(difference(report, "other-metrics", family, rule, load, metric=metric))
            lines.append(line(f"`{rule}`", *cells))
        return lines

    return of_report


MADE: Mapping[str, tuple[str, Callable[[Report], list[str]]]] = {
    "levels": ("worth", levels),
    "differences": ("worth", differences),
    "within": ("worth", within_most),
    "costs": ("worth", costs),
    "asked": ("asked", asked),
    "busy": ("busy", busy),
    "false-tracks": ("worth", other("false_tracks_fused")),
    "precision": ("worth", other("ap_0.5_fused")),
    "awareness": ("worth", other("object_awareness_fused")),
    "ablation-costs": ("ablations", costs),
    "ablation-differences": ("ablations", differences),
    "ablation-within": ("ablations", within_ends),
    "ablation-power": ("power", power),
    "conditions": ("conditions", conditions),
}
"""Part and maker of each table of the page."""


def with_tables(page: str, beside: Path) -> str:
    """Return the page with its tables made again from the reports beside it."""
    reports = {part: Report(beside / part) for part in PARTS}

    def made(name: str) -> list[str]:
        part, make = MADE[name]
        return make(reports[part]) if reports[part].families else [NOT_RUN]

    return filled(page, made)


def compared_loads(report: Report, family: str) -> list[str]:
    """Return the loads for which the plan recommends the reference; all but the largest if it recommends it nowhere."""
    chosen = [row["load"] for row in report.rows("differences", family=family, recommended="true")]
    return list(dict.fromkeys(chosen)) or report.loads(family)[:-1] or report.loads(family)


def _ends(report: Report) -> list[tuple[str, str]]:
    """Return the least and the largest load of each family."""
    loads = {family: report.loads(family) for family in report.families}
    return [(family, load) for family, some in loads.items() for load in dict.fromkeys((some[0], some[-1]))]


def _verdicts(
    report: Report, places: Sequence[tuple[str, str]], named: Callable[[str, str], str] | None = None
) -> list[str]:
    lines = head(f"`{REFERENCE}` minus", *((named or _place)(*place) for place in places))
    for rule in report.rules:
        lines.append(line(f"`{rule}`", *(with_verdict(report, family, rule, load) for family, load in places)))
    return lines


def _within(report: Report, reference: str, rules: Sequence[str], places: Sequence[tuple[str, str]]) -> list[str]:
    lines = head(f"`{reference}` minus", *(_place(*place, "at most ") for place in places))
    for rule in rules:
        cells = [difference(report, "within-loads", family, rule, load) for family, load in places]
        lines.append(line(f"`{rule}`", *cells))
    return lines


def _cost(report: Report, family: str, rule: str) -> tuple[str, str]:
    """Return the least load of a rule and its ratio; a star marks the least load of the rule's curve, below which nothing was run."""
    found = report.rows("costs", family=family, rule=rule, reached="true")
    if not found:
        return MISSING, MISSING
    row = found[0]
    low, high = (f"{float(row[end]):.2f}" if row[end] else "" for end in ("low", "high"))
    ends = f" ({low} to {high or 'not reached'})" if low else ""
    star = " *" if row["at_end_of_curve"] == "true" else ""
    return _kilobytes(row["least_load"]) + star, f"{float(row['ratio']):.2f}{ends}"


def _best(report: Report, family: str, rule: str, most: float) -> str:
    points = [row for row in report.rows("curves", family=family, rule=rule, metric=METRIC) if row["mean"]]
    reached = [(float(row["mean"]), -float(row["load"])) for row in points if float(row["load"]) <= most]
    if not reached:
        return MISSING
    mean, load = max(reached)
    return f"{mean:.3f} ({_kilobytes(-load)})"


def _all_rules(report: Report, table: str) -> list[str]:
    """Return the rules of a table, the reference and bounds included, in the order of the study file, in which the reference stands first."""
    return list(dict.fromkeys(row["rule"] for row in report.rows(table)))


def _place(family: str, load: str, word: str = "") -> str:
    return f"`{family}`, {word}{_kilobytes(load)} kB/s"


def _kilobytes(load: str | float) -> str:
    return f"{float(load) / 1000:.0f}"


def _checked(part: str, report: Path) -> None:
    """Check that a folder is the report of a part.

    Raises:
        ValueError: If it is no report, that of another study, or one with another reference.
    """
    if part not in PARTS:
        raise ValueError(f"PART must be one of {', '.join(PARTS)}, got {part!r}")
    expected, page = PARTS[part], report / "provenance.md"
    title = page.read_text(encoding="utf-8").split("\n")[0] if page.is_file() else ""
    if not title.startswith(f"# Provenance of {expected.study}:"):
        raise ValueError(f"{part}: must be a report of {expected.study}, got {report} ({title or 'no provenance.md'})")
    read = Report(report)
    if expected.reference in read.rules or not read.rules:
        raise ValueError(
            f"{part}: must be a report with the reference {expected.reference}, got {report}; see v2xsim study report --reference"
        )
    if any((float(load) <= 1.0) != (part == "busy") for family in read.families for load in read.loads(family)):
        word = "channel_busy_ratio" if part == "busy" else "on_air"
        raise ValueError(
            f"{part}: must be a report at equal {word}, got {report}; see v2xsim study report --load-metric"
        )


def main(arguments: Sequence[str]) -> None:
    """Copy the tables of reports beside the page, and make the tables of the page again."""
    page, given = Path(arguments[0]), [argument.partition("=") for argument in arguments[1:]]
    beside = page.with_suffix("")
    try:
        for part, _, report in given:
            _checked(part, Path(report))
    except ValueError as error:
        sys.exit(str(error))
    for part, _, report in given:
        copy_tables(Path(report), beside / part, PARTS[part].copied)
    page.write_text(with_tables(page.read_text(encoding="utf-8"), beside), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
