"""Tables of a study's page, made from reports of `v2xsim study`: what the tools of all such pages share.

A table stands between the lines `<!-- table NAME -->` and `<!-- end -->` of a page, and is replaced. The tables of the reports that a page rests on are copied into a folder beside the
page, named like it, so that a test can compare the page with them.
"""

import csv
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

_TABLE = re.compile(r"(<!-- table ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = dict[str, str]
MISSING = "-"
"""Cell of a value that there is not, such as that of a rule that does not reach a load."""


class Report:
    """The tables of a report, as rows of words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._of = {path.stem: _rows(path) for path in sorted(folder.glob("*.csv"))}
        compared = self.rows("differences")
        self.families = list(dict.fromkeys(row["family"] for row in compared))
        self.rules = list(dict.fromkeys(row["rule"] for row in compared))

    def rows(self, table: str, **values: str) -> list[Row]:
        """Return the rows of a table in which the columns have these values, in the order of the table; none if the report lacks the table."""
        return [row for row in self._of.get(table, []) if all(row[key] == value for key, value in values.items())]

    def loads(self, family: str) -> list[str]:
        """Return the loads at which the rules of a family are compared."""
        return list(dict.fromkeys(row["load"] for row in self.rows("differences", family=family)))

    def middle(self, family: str) -> str:
        """Return the middle one of the loads of a family."""
        loads = self.loads(family)
        return loads[len(loads) // 2]


def filled(page: str, made: Callable[[str], Sequence[str]]) -> str:
    """Return a page with its tables made again.

    Args:
        page: Text of the page.
        made: Function that returns the lines of a table by its name.
    """
    return _TABLE.sub(lambda match: match[1] + "\n".join(made(match[2])) + "\n" + match[3], page)


def copy_tables(report: Path, beside: Path, names: Sequence[str]) -> None:
    """Copy files of a report into a folder beside the page, which is made if it does not exist; those that the report lacks are removed there."""
    beside.mkdir(parents=True, exist_ok=True)
    for name in names:
        source, copy = report / name, beside / name
        if not source.exists():
            copy.unlink(missing_ok=True)
        elif source.resolve() != copy.resolve():
            shutil.copyfile(source, copy)


def level(report: Report, family: str, rule: str, load: str, metric: str, digits: int = 3) -> str:
    """Return the mean of a metric of a rule at a load; a dash if the rule does not reach it."""
    found = report.rows("at-loads", family=family, rule=rule, load=load, metric=metric)
    return f"{float(found[0]['mean']):.{digits}f}" if found and found[0]["mean"] else MISSING


def with_verdict(report: Report, family: str, rule: str, load: str) -> str:
    """Return the difference at a load with its interval and its verdict, and the verdict without Holm's method if that is another one."""
    found = report.rows("differences", family=family, rule=rule, load=load)
    if not found or found[0]["verdict"] == "no overlap":
        return "no overlap"
    row = found[0]
    alone = "" if row["verdict_alone"] == row["verdict"] else f" (alone: {row['verdict_alone']})"
    return f"{interval(row)} {row['verdict']}{alone}"


def difference(report: Report, table: str, family: str, rule: str, load: str, **values: str) -> str:
    """Return the difference from a rule in a table with its interval; a dash where there is none."""
    found = report.rows(table, family=family, rule=rule, load=load, **values)
    return interval(found[0]) if found and found[0]["difference"] else MISSING


def interval(row: Row) -> str:
    """Return the difference of a row with its interval, to three digits."""
    ends = f" ({float(row['low']):+.3f} to {float(row['high']):+.3f})" if row["low"] else ""
    return f"{float(row['difference']):+.3f}{ends}"


def head(*cells: str) -> list[str]:
    """Return the first two lines of a table."""
    return [line(*cells), "|" + "---|" * len(cells)]


def line(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def _rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
