"""Write the tables of a study's page from its report: `python tools/study_tables.py REPORT docs/study_relay.md [CONDITIONS]`.

REPORT is the report of the study, CONDITIONS that of the study relay_conditions. tests/study/test_study_page.py compares the page with the tables that are copied beside it.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from page_tables import MISSING, Report, Row, copy_tables, difference, head, level, line, with_verdict
from page_tables import filled as with_tables

COPIED = (
    "at-loads.csv", "differences.csv", "within-loads.csv", "other-metrics.csv", "bounds.csv", "curves.csv", "SHA256SUMS", "provenance.md",
)  # fmt: skip
CONDITIONS = ("at-loads.csv", "differences.csv", "bounds.csv")
"""Tables of the study of conditions, copied into the folder `conditions` beside those of the study itself."""

FAMILIES = ("grid_reports", "rural_reports", "grid_asked", "rural_asked")


def page_tables(metric: str, reference: str, direct: str, bound: str) -> dict[str, Callable[[Report], list[str]]]:
    """Return a function that makes each table of the page, by its name."""

    def levels(report: Report) -> list[str]:
        shown = [direct, reference, "direct_robust", "direct_more_power", bound]
        lines = head("family, load", *(f"`{rule}`" for rule in shown), "false tracks: " + f"`{direct}`, `{reference}`")
        for family in report.families:
            for load in report.loads(family):
                known = [level(report, family, rule, load, metric, 3) for rule in shown]
                false = [level(report, family, rule, load, "false_tracks_fused", 2) for rule in (direct, reference)]
                lines.append(line(f"`{family}`, {load}", *known, ", ".join(false)))
        return lines

    def differences(family: str) -> Callable[[Report], list[str]]:
        def of_family(report: Report) -> list[str]:
            if family not in report.families:
                return ["Not run yet."]
            loads = report.loads(family)
            lines = head(f"`{reference}` minus", *(f"load {load}" for load in loads))
            for rule in report.rules:
                lines.append(line(f"`{rule}`", *(with_verdict(report, family, rule, load) for load in loads)))
            return lines

        return of_family

    def at_middle(table: str, word: str = "", **values: str) -> Callable[[Report], list[str]]:
        """Return a function that makes a table of the differences at the middle load of each family."""

        def of_report(report: Report) -> list[str]:
            families = report.families
            lines = head(f"`{reference}` minus", *(f"`{one}`, {word}{report.middle(one)}" for one in families))
            for rule in report.rules:
                cells = [difference(report, table, one, rule, report.middle(one), **values) for one in families]
                lines.append(line(f"`{rule}`", *cells))
            return lines

        return of_report

    def verdicts(report: Report) -> list[str]:
        words = ("better", "equal", "worse", "undecided", "no overlap")
        lines = head(f"`{reference}` against", *words)
        for rule in report.rules:
            found = [row["verdict"] for row in report.rows("differences", rule=rule)]
            lines.append(line(f"`{rule}`", *(str(found.count(word)) for word in words)))
        return lines

    def way(report: Report) -> list[str]:
        lines = head("family, load", f"`{reference}`", "`random_qualified`", f"`{bound}` minus `{direct}`")
        for family in report.families:
            load = report.middle(family)
            shares = []
            for rule in (reference, "random_qualified"):
                found = report.rows("at-loads", family=family, rule=rule, load=load, metric=metric)
                shares.append(_way(found[0]) if found else MISSING)
            ahead = difference(report, "bounds", family, direct, load, bound=bound)
            lines.append(line(f"`{family}`, {load}", *shares, ahead))
        return lines

    def conditions(report: Report) -> list[str]:
        other = Report(report.folder / "conditions")
        lines = head(
            "condition",
            "load",
            f"`{direct}`",
            f"`{reference}` minus `{direct}`",
            f"`{reference}` minus `random_qualified`",
            f"`{bound}` minus `{direct}`",
        )
        for family in other.families:
            for load in other.loads(family):
                cells = [difference(other, "differences", family, rule, load) for rule in (direct, "random_qualified")]
                ahead = difference(other, "bounds", family, direct, load, bound=bound)
                lines.append(line(f"`{family}`", load, level(other, family, direct, load, metric, 3), *cells, ahead))
        return lines

    return {
        "levels": levels, "conditions": conditions, **{f"differences-{family.replace('_', '-')}": differences(family) for family in FAMILIES},
        "within": at_middle("within-loads", "at most "), "verdicts": verdicts, "way": way,
        "false-tracks": at_middle("other-metrics", metric="false_tracks_fused"),
        "awareness": at_middle("other-metrics", metric="object_awareness_fused"),
    }  # fmt: skip


MADE = page_tables("hidden_known_settled_fused", "hybrid", "direct", "oracle")


def filled(page: str, report: Report) -> str:
    """Return a page with its tables made again."""
    return with_tables(page, lambda name: MADE[name](report))


def _way(row: Row) -> str:
    """Return the share of the way from direct to the oracle, or why there is none."""
    if not row["way"]:
        return row["no_way"]
    way, low, high = (100.0 * float(row[name]) for name in ("way", "way_low", "way_high"))
    return f"{way:.0f} % ({low:.0f} to {high:.0f} %)"


def main(arguments: Sequence[str]) -> None:
    """Copy the tables of a report beside a page, and make the tables of the page again."""
    page = Path(arguments[1])
    beside = page.with_suffix("")
    copy_tables(Path(arguments[0]), beside, COPIED)
    if len(arguments) > 2:
        copy_tables(Path(arguments[2]), beside / "conditions", CONDITIONS)
    page.write_text(filled(page.read_text(encoding="utf-8"), Report(beside)), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
