"""The report of a study: one self-contained HTML file, and its figures as SVG and PDF."""

import base64
import html
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from v2xsim.errors import reason_of
from v2xsim.evaluation.never import never_word
from v2xsim.runfolder import REPORT_MARK, files_of_report
from v2xsim.staging import staged
from v2xsim.study.compare import (
    IDENTICAL,
    NO_PAIR,
    Versus,
    against_baseline,
    chosen_metrics,
    mean_interval,
    significance,
)  # fmt: skip
from v2xsim.study.contrasts import contrasts_of
from v2xsim.study.csvtext import csv_text
from v2xsim.study.folders import StudyError
from v2xsim.study.labels import counted, value_text
from v2xsim.study.studies import Study
from v2xsim.viz.drawing import style
from v2xsim.viz.study.figures import Picture, pictures

PAGE, MEANS, COMPARISONS = "report.html", "means.csv", "comparisons.csv"
# Limits on the size of the page's tables, so that the page stays readable for thousands of settings.
_MOST_COLUMNS = 6
_MOST_ROWS = 20
_MOST_COMPARED = 8
_MOST_FAILURES = 50
_LONGEST_VALUE = 300

_CSS = """
body{font:16px/1.5 system-ui,sans-serif;color:#222;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
h3{font-size:1rem;margin-bottom:.3rem}p.question{font-size:1.15rem;margin-top:.4rem}
table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #eee;white-space:nowrap}
th:first-child,td:first-child,td.word,th.word{text-align:left}th{background:#f6f6f6;vertical-align:bottom}
td.wrap{white-space:normal;text-align:left;min-width:18rem}
.figures{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0;width:27rem}figure img{width:100%}
figcaption{font-size:.8rem;color:#555}code{background:#f4f4f4;padding:0 .2rem}.dim{color:#666}
@media print{body{max-width:none}figure{break-inside:avoid;width:45%}}
"""


def write_study_report(study: Study, folder: Path, made_of: Mapping[str, Any], unit_of: Callable[[str], str]) -> Path:
    """Write the report of a study and its figures; return the path of the page.

    Args:
        study: Study to report.
        folder: Folder of the report; an earlier report in it is replaced when the new one is complete.
        made_of: Keys of the scenario that differ from their defaults, with their values.
        unit_of: Function that returns the unit of a scenario's key, or an empty text for none.

    Raises:
        StudyError: If the folder holds other files, or cannot be written.
    """
    with staged(folder, lambda target: check_replaceable(target, folder), StudyError) as draft:
        try:
            with style.in_style(), mpl.rc_context({"svg.hashsalt": "v2xsim", "pdf.fonttype": 42}):
                drawn = list(pictures(study, unit_of))
                (draft / "figures").mkdir()
                images = [_saved(picture, draft / "figures") for picture in drawn]
            comparisons, rule = _comparisons(study)
            page = "".join(_page(study, made_of, drawn, images, comparisons, rule))
            (draft / PAGE).write_text(page, encoding="utf-8")
            (draft / MEANS).write_text(csv_text(_means_rows(study)), encoding="utf-8")
            compared = [row for one in comparisons for row in one.as_rows()]
            if compared:
                (draft / COMPARISONS).write_text(csv_text(compared), encoding="utf-8")
            files = sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file())
            (draft / REPORT_MARK).write_text(json.dumps({"v2xsim": "report", "files": files}) + "\n", encoding="utf-8")
        except OSError as error:
            raise StudyError(f"{folder}: cannot be written: {reason_of(error)}") from None
    return folder / PAGE


def check_replaceable(target: Path, folder: Path) -> None:
    """Raise an error if a folder holds anything but an earlier report."""
    try:
        if not os.path.lexists(target):
            return
        if not target.is_dir():
            raise StudyError(f"{folder}: must be a folder, got a file; name another with --out")
        own = files_of_report(target)
        paths = (path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
        foreign = sorted(name for path in paths if (name := path.relative_to(target).as_posix()) not in own)
    except OSError as error:
        raise StudyError(f"{folder}: cannot be read: {reason_of(error)}") from None
    if foreign:
        raise StudyError(
            f"{folder}: holds something else than a report: {foreign[0]!r}; move it away, or name another folder with --out"
        )


def _saved(picture: Picture, folder: Path) -> bytes:
    """Write a figure as SVG and as PDF, and return the bytes of the SVG."""
    content = io.BytesIO()
    picture.figure.savefig(content, format="svg", metadata={"Date": None, "Creator": "v2xsim"})
    (folder / f"{picture.name}.svg").write_bytes(content.getvalue())
    picture.figure.savefig(folder / f"{picture.name}.pdf", metadata={"CreationDate": None, "Creator": "v2xsim"})
    return content.getvalue()


def _page(
    study: Study,
    made_of: Mapping[str, Any],
    drawn: Sequence[Picture],
    images: Sequence[bytes],
    comparisons: Sequence[Versus],
    rule: str,
) -> Iterator[str]:
    title = html.escape(study.name)
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title><style>{_CSS}</style>'
    yield f"<h1>{title}</h1>"
    if study.question:
        yield f'<p class="question">{html.escape(study.question)}</p>'
    yield from _what(study, made_of)
    yield from _noticed(study)
    yield from _failed(study)
    yield '<h2>Figures</h2><div class="figures">'
    for picture, image in zip(drawn, images, strict=True):
        coded = base64.b64encode(image).decode()
        yield f'<figure><h3>{html.escape(picture.title)}</h3><img alt="{html.escape(picture.title)}" src="data:image/svg+xml;base64,{coded}">'
        yield f'<figcaption>{html.escape(picture.says)} <a href="figures/{picture.name}.pdf">PDF</a>, <a href="figures/{picture.name}.svg">SVG</a></figcaption></figure>'
    yield "</div>" if drawn else "</div><p>There are no measurements to draw.</p>"
    yield from _means(study)
    yield from _compared(comparisons, rule)
    yield from _how(study, comparisons)


def _comparisons(study: Study) -> tuple[list[Versus], str]:
    """Return the comparisons of a study, and the rule by which they were chosen or the reason why there are none."""
    metrics = chosen_metrics([study], [], False)
    if len(study.settings) < 2 or not metrics:
        return [], ""
    try:
        contrasts = contrasts_of(study)
    except StudyError as error:
        return [], str(error)
    return against_baseline(study, metrics, contrasts), ". ".join(
        [contrasts.rule.rstrip("."), *study.missing(), *contrasts.notes(study)]
    ) + "."


def _means_rows(study: Study) -> list[dict[str, Any]]:
    """Return the mean of every metric in every setting, with its interval, as rows of a table."""
    rows: list[dict[str, Any]] = []
    for name, unit in chosen_metrics([study], [], True):
        means = mean_interval(name, study.of(name))
        for setting, values in enumerate(study.settings):
            numbers = {"mean": means.mean[setting], "low": means.low[setting], "high": means.high[setting]}
            plain = {key: None if np.isnan(value) else float(value) for key, value in numbers.items()}
            shown = {key: v if isinstance(v, str | int | float) else json.dumps(v) for key, v in values.items()}
            rows.append(
                {
                    "setting": setting,
                    **shown,
                    "metric": name,
                    "unit": unit,
                    "seeds": int(means.seeds[setting]),
                    **plain,
                    "n_gt": int(study.samples_of(name)[setting].sum()) if name.startswith("ap_") else None,
                }
            )
    return rows


def _noticed(study: Study) -> Iterator[str]:
    if study.notices:
        yield "<h2>Notices</h2><ul>"
        yield from (f"<li>{html.escape(notice.sentence(study.finished))}</li>" for notice in study.notices)
        yield "</ul>"


def _what(study: Study, made_of: Mapping[str, Any]) -> Iterator[str]:
    yield "<h2>What was run</h2>"
    seeds = ", ".join(map(str, study.seeds[:12])) + (", ..." if len(study.seeds) > 12 else "")
    yield f"<p>{counted(len(study.settings), 'setting')} with {counted(len(study.seeds), 'seed')} ({seeds}): {study.finished:,} of {study.planned:,} points finished, {len(study.failures):,} failed.</p>"
    if study.keys:
        yield '<table><tr><th>varied</th><th class="word">values</th></tr>'
        for key in study.keys:
            values = list(dict.fromkeys(value_text(setting[key]) for setting in study.settings))
            shown = ", ".join(values[:12]) + (f", ... {len(values) - 12:,} more" if len(values) > 12 else "")
            yield f'<tr><td><code>{html.escape(key)}</code></td><td class="wrap">{html.escape(shown)}</td></tr>'
        yield "</table>"
    yield "<h3>Keys of the scenario that differ from their defaults</h3><table>"
    for key, value in made_of.items():
        yield f'<tr><td><code>{html.escape(key)}</code></td><td class="wrap">{html.escape(value_text(value, _LONGEST_VALUE))}</td></tr>'
    yield "</table>"


def _failed(study: Study) -> Iterator[str]:
    if not study.failures:
        return
    yield '<h2>Failed points</h2><table><tr><th>setting</th><th>seed</th><th class="word">reason</th><th class="word">log</th></tr>'
    for failure in study.failures[:_MOST_FAILURES]:
        setting = ", ".join(f"{key}={value_text(value)}" for key, value in failure["settings"].items())
        yield (
            f'<tr><td class="wrap">{html.escape(setting)}</td><td>{html.escape(str(failure["seed"]))}</td><td class="wrap">{html.escape(str(failure["reason"]))}</td>'
            f'<td class="word">{html.escape(str(failure["log"]))}</td></tr>'
        )
    yield "</table>"
    if len(study.failures) > _MOST_FAILURES:
        yield f"<p>... and {len(study.failures) - _MOST_FAILURES:,} more in failures.json.</p>"


def _means(study: Study) -> Iterator[str]:
    yield "<h2>Means</h2>"
    interval = ", with the 95 % interval of the mean over seeds in brackets" if len(study.seeds) > 1 else ""
    yield f'<p>All metrics of all settings: <a href="{MEANS}">{MEANS}</a>.</p>'
    if len(study.settings) <= _MOST_COLUMNS:
        yield f"<p>Headline metrics{interval}.</p>"
        yield from _by_metric(study, chosen_metrics([study], [], False))
        yield "<details><summary>All metrics</summary>"
        yield from _by_metric(study, chosen_metrics([study], [], True))
        yield "</details>"
        return
    metrics = [m for m in chosen_metrics([study], [], False) if not np.isnan(study.of(m[0])).all()]
    order = [study.baseline, *(s for s in range(len(study.settings)) if s != study.baseline)][:_MOST_ROWS]
    rest = len(study.settings) - len(order)
    left_out = (
        f" The first {_MOST_ROWS} settings, the baseline before all; {rest:,} more are in results.parquet."
        if rest
        else ""
    )
    yield f"<p>Headline metrics{interval}.{left_out}</p><table><tr><th>setting</th>"
    yield "".join(f"<th>{html.escape(name)}{_unit(unit)}</th>" for name, unit in metrics) + "</tr>"
    intervals = [mean_interval(name, study.of(name)[order]) for name, _ in metrics]
    for n, setting in enumerate(order):
        cells = "".join(
            f"<td>{_with_interval(one.mean[n], one.low[n], one.high[n])}{_objects(study, name, setting)}</td>"
            for one, (name, _) in zip(intervals, metrics, strict=True)
        )
        yield f"<tr><td>{html.escape(study.label(setting))}</td>{cells}</tr>"
    yield "</table>"


def _by_metric(study: Study, metrics: Sequence[tuple[str, str]]) -> Iterator[str]:
    heads = "".join(f"<th>{html.escape(study.label(s))}</th>" for s in range(len(study.settings)))
    yield f"<table><tr><th>metric</th>{heads}</tr>"
    for name, unit in metrics:
        intervals = mean_interval(name, study.of(name))
        cells = "".join(
            f"<td>{_with_interval(*row)}{_objects(study, name, setting)}</td>"
            for setting, row in enumerate(zip(intervals.mean, intervals.low, intervals.high, strict=True))
        )
        yield f"<tr><td>{html.escape(name)}{_unit(unit)}</td>{cells}</tr>"
    yield "</table>"


def _compared(comparisons: Sequence[Versus], rule: str) -> Iterator[str]:
    if not rule:
        return
    yield f"<h2>Differences</h2><p>{html.escape(rule)}</p>"
    if not comparisons:
        return
    left_out = len(comparisons) - _MOST_COMPARED
    first = f"The first {_MOST_COMPARED} of {len(comparisons):,} comparisons. " if left_out > 0 else ""
    yield f'<p>{first}All comparisons: <a href="{COMPARISONS}">{COMPARISONS}</a>.</p>'
    for one in comparisons[:_MOST_COMPARED]:
        yield from _versus(one)


def _versus(one: Versus) -> Iterator[str]:
    yield f"<h3>{html.escape(one.title)}</h3>"
    rows = [row for row in range(len(one.metrics)) if one.verdict(row) not in (IDENTICAL, NO_PAIR)]
    if rows:
        yield '<table><tr><th>metric</th><th>pairs</th><th>against</th><th>mean</th><th>difference</th><th>95 % interval</th><th>effect</th><th class="word">verdict</th></tr>'
        for row in rows:
            differences, (name, unit) = one.found, one.metrics[row]
            star = " *" if one.survives[row] and one.verdict(row) in ("higher", "lower") else ""
            interval = (
                f"{_number(differences.low[row])} to {_number(differences.high[row])}"
                if math.isfinite(differences.low[row])
                else "-"
            )
            yield (
                f"<tr><td>{html.escape(name)}{_unit(unit)}</td><td>{differences.pairs[row]}</td><td>{_number(one.base_mean[row])}{_of(int(one.base_objects[row]))}</td>"
                f"<td>{_number(one.other_mean[row])}{_of(int(one.other_objects[row]))}</td><td>{_number(differences.mean[row])}</td><td>{interval}</td>"
                f'<td>{_number(differences.effect[row])}</td><td class="word">{one.verdict(row)}{star}</td></tr>'
            )
        yield "</table>"
    without: dict[str, list[str]] = {}
    for row, (name, _) in enumerate(one.metrics):
        if (word := one.verdict(row)) in (IDENTICAL, NO_PAIR):
            meaning = "Identical in every pair" if word == IDENTICAL else one.why_no_pair(row).capitalize()
            without.setdefault(meaning, []).append(name)
    for meaning, names in sorted(without.items()):
        yield f'<p class="dim">{html.escape(meaning)}: {html.escape(", ".join(names))}.</p>'


def _how(study: Study, comparisons: Sequence[Versus]) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in study.versions.items())
    yield (
        "<h2>How this was computed</h2><p>Points of one seed have the same random draws (common random numbers), so differences are taken pair "
        "by pair, and the verdict is that of a paired t test. The interval of a difference is Student's; it contains 0 exactly if the verdict is noise. The "
        "interval of a mean is Student's, too; for values with bounds, its half width is transformed so that the interval stays within them. Effect is Cohen's d<sub>z</sub> with Hedges' correction. "
        f"{html.escape(significance(comparisons)) if comparisons else ''} Average precision comes from a visibility detection model "
        f"and is not comparable to benchmark tables.</p><p class='dim'>Made by {html.escape(versions)}.</p></html>"
    )


def _with_interval(mean: float, low: float, high: float) -> str:
    if not math.isfinite(mean):
        return _number(mean)
    return f"{_number(mean)} ({_number(low)} to {_number(high)})" if high > low else _number(mean)


def _objects(study: Study, metric: str, setting: int) -> str:
    """Return the number of road users that could be detected, for the cell of an average precision."""
    return _of(int(study.samples_of(metric)[setting].sum())) if metric.startswith("ap_") else ""


def _of(objects: int) -> str:
    return f' <span class="dim">n_gt {objects:,}</span>' if objects else ""


def _unit(unit: str) -> str:
    return f' <span class="dim">{"share" if unit == "1" else html.escape(unit)}</span>'


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return never_word(value)
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.3g}"
