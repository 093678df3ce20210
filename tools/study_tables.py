"""Write the tables of a study's page from its report: `python tools/study_tables.py REPORT docs/study_relay.md [CONDITIONS]`.

REPORT is the report of the study, CONDITIONS that of the study relay_conditions.

A table stands between the lines `<!-- table NAME -->` and `<!-- end -->` of the page, and is replaced. The tables of the report that the page rests on are copied into a folder beside
the page, named like it, so that tests/study/test_study_page.py can compare the page with them.
"""

import csv
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

COPIED = (
    "at-loads.csv", "differences.csv", "within-loads.csv", "other-metrics.csv", "bounds.csv", "curves.csv", "SHA256SUMS", "provenance.md",
)  # fmt: skip
CONDITIONS = ("at-loads.csv", "differences.csv", "bounds.csv")
"""Tables of the study of conditions, copied into the folder `conditions` beside those of the study itself."""

FAMILIES = ("grid_reports", "rural_reports", "grid_asked", "rural_asked")
_TABLE = re.compile(r"(<!-- table ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = dict[str, str]


class Report:
    """The tables of a report of `v2xsim study`, as rows of words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._of = {name: _rows(folder / name) for name in COPIED if name.endswith(".csv")}
        self.families = list(dict.fromkeys(row["family"] for row in self._of["differences.csv"]))
        self.rules = list(dict.fromkeys(row["rule"] for row in self._of["differences.csv"]))

    def rows(self, table: str, **values: str) -> list[Row]:
        """Return the rows of a table in which the columns have these values, in the order of the table."""
        return [row for row in self._of[f"{table}.csv"] if all(row[key] == value for key, value in values.items())]

    def loads(self, family: str) -> list[str]:
        """Return the loads at which the rules of a family are compared."""
        return list(dict.fromkeys(row["load"] for row in self.rows("differences", family=family)))

    def middle(self, family: str) -> str:
        """Return the middle one of the loads of a family."""
        loads = self.loads(family)
        return loads[len(loads) // 2]


def page_tables(metric: str, reference: str, direct: str, bound: str) -> dict[str, Callable[[Report], list[str]]]:
    """Return a function that makes each table of the page, by its name."""

    def levels(report: Report) -> list[str]:
        shown = [direct, reference, "direct_robust", "direct_more_power", bound]
        lines = _head("family, load", *(f"`{rule}`" for rule in shown), "false tracks: " + f"`{direct}`, `{reference}`")
        for family in report.families:
            for load in report.loads(family):
                known = [_level(report, family, rule, load, metric, 3) for rule in shown]
                false = [_level(report, family, rule, load, "false_tracks_fused", 2) for rule in (direct, reference)]
                lines.append(_line(f"`{family}`, {load}", *known, ", ".join(false)))
        return lines

    def differences(family: str) -> Callable[[Report], list[str]]:
        def of_family(report: Report) -> list[str]:
            if family not in report.families:
                return ["Not run yet."]
            loads = report.loads(family)
            lines = _head(f"`{reference}` minus", *(f"load {load}" for load in loads))
            for rule in report.rules:
                lines.append(_line(f"`{rule}`", *(_difference(report, family, rule, load) for load in loads)))
            return lines

        return of_family

    def at_middle(table: str, word: str = "", **values: str) -> Callable[[Report], list[str]]:
        """Return a function that makes a table of the differences at the middle load of each family."""

        def of_report(report: Report) -> list[str]:
            families = report.families
            lines = _head(f"`{reference}` minus", *(f"`{one}`, {word}{report.middle(one)}" for one in families))
            for rule in report.rules:
                found = (
                    report.rows(table, family=one, rule=rule, load=report.middle(one), **values) for one in families
                )
                cells = [_interval(rows[0]) if rows and rows[0]["difference"] else "-" for rows in found]
                lines.append(_line(f"`{rule}`", *cells))
            return lines

        return of_report

    def verdicts(report: Report) -> list[str]:
        words = ("better", "equal", "worse", "undecided", "no overlap")
        lines = _head(f"`{reference}` against", *words)
        for rule in report.rules:
            found = [row["verdict"] for row in report.rows("differences", rule=rule)]
            lines.append(_line(f"`{rule}`", *(str(found.count(word)) for word in words)))
        return lines

    def way(report: Report) -> list[str]:
        lines = _head("family, load", f"`{reference}`", "`random_qualified`", f"`{bound}` minus `{direct}`")
        for family in report.families:
            load = report.middle(family)
            shares = []
            for rule in (reference, "random_qualified"):
                found = report.rows("at-loads", family=family, rule=rule, load=load, metric=metric)
                shares.append(_way(found[0]) if found else "-")
            found = report.rows("bounds", family=family, bound=bound, rule=direct, load=load)
            lines.append(
                _line(f"`{family}`, {load}", *shares, _interval(found[0]) if found and found[0]["difference"] else "-")
            )
        return lines

    def conditions(report: Report) -> list[str]:
        other = Report(report.folder / "conditions")
        lines = _head(
            "condition",
            "load",
            f"`{direct}`",
            f"`{reference}` minus `{direct}`",
            f"`{reference}` minus `random_qualified`",
            f"`{bound}` minus `{direct}`",
        )
        for family in other.families:
            for load in other.loads(family):
                cells = [_plain(other, family, rule, load) for rule in (direct, "random_qualified")]
                found = other.rows("bounds", family=family, bound=bound, rule=direct, load=load)
                ahead = _interval(found[0]) if found and found[0]["difference"] else "-"
                lines.append(_line(f"`{family}`", load, _level(other, family, direct, load, metric, 3), *cells, ahead))
        return lines

    return {
        "levels": levels, "conditions": conditions, **{f"differences-{family.replace('_', '-')}": differences(family) for family in FAMILIES},
        "within": at_middle("within-loads", "at most "), "verdicts": verdicts, "way": way,
        "false-tracks": at_middle("other-metrics", metric="false_tracks_fused"),
        "awareness": at_middle("other-metrics", metric="object_awareness_fused"),
    }  # fmt: skip


MADE = page_tables("hidden_known_settled_fused", "hybrid", "direct", "oracle")


def filled(page: str, report: Report) -> str:
    """Return a page with its tables made anew."""
    return _TABLE.sub(lambda match: match[1] + "\n".join(MADE[match[2]](report)) + "\n" + match[3], page)


def _level(report: Report, family: str, rule: str, load: str, metric: str, digits: int) -> str:
    found = report.rows("at-loads", family=family, rule=rule, load=load, metric=metric)
    return f"{float(found[0]['mean']):.{digits}f}" if found and found[0]["mean"] else "-"


def _difference(report: Report, family: str, rule: str, load: str) -> str:
    """Return the difference at a load with its interval and its verdict, and the verdict without Holm's method if that is another one."""
    found = report.rows("differences", family=family, rule=rule, load=load)
    if not found or found[0]["verdict"] == "no overlap":
        return "no overlap"
    row = found[0]
    alone = "" if row["verdict_alone"] == row["verdict"] else f" (alone: {row['verdict_alone']})"
    return f"{_interval(row)} {row['verdict']}{alone}"


def _plain(report: Report, family: str, rule: str, load: str) -> str:
    """Return the difference from a rule with its interval; a dash where there is none."""
    found = report.rows("differences", family=family, rule=rule, load=load)
    return _interval(found[0]) if found and found[0]["difference"] else "-"


def _interval(row: Row) -> str:
    ends = f" ({float(row['low']):+.3f} to {float(row['high']):+.3f})" if row["low"] else ""
    return f"{float(row['difference']):+.3f}{ends}"


def _way(row: Row) -> str:
    """Return the share of the way from direct to the oracle, or why there is none."""
    if not row["way"]:
        return row["no_way"]
    way, low, high = (100.0 * float(row[name]) for name in ("way", "way_low", "way_high"))
    return f"{way:.0f} % ({low:.0f} to {high:.0f} %)"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), "|" + "---|" * len(cells)]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def main(arguments: Sequence[str]) -> None:
    """Copy the tables of a report beside a page, and make the tables of the page anew."""
    folder, page = Path(arguments[0]), Path(arguments[1])
    beside = page.with_suffix("")
    (beside / "conditions").mkdir(parents=True, exist_ok=True)
    copied = [(folder / name, beside / name) for name in COPIED]
    if len(arguments) > 2:
        copied += [(Path(arguments[2]) / name, beside / "conditions" / name) for name in CONDITIONS]
    for source, copy in copied:
        if source.exists() and source.resolve() != copy.resolve():
            shutil.copyfile(source, copy)
    page.write_text(filled(page.read_text(encoding="utf-8"), Report(beside)), encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
