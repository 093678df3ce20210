"""`v2xsim compare`: differences between settings, runs or sweeps, and which of them may be noise."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, check_one_format
from v2xsim.cli.layout import Column, print_columns, print_csv, print_text, terminal_width
from v2xsim.cli.notes import print_notes

if TYPE_CHECKING:
    from v2xsim.study.compare import Versus
    from v2xsim.study.studies import Study

NAME = "compare"
EXAMPLE = "Example: v2xsim compare runs/demo-1 runs/demo-1-relay=none   (or one sweep: v2xsim compare sweeps/relay)"
Baseline = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="KEY=VALUE",
        help="Value of a varied key in the baseline; repeat for several keys. Each setting is compared with the setting that has these values and agrees with it in all other keys. Default: the baseline of the sweep file; without one, the first value of each key.",
        show_default=False,
    ),
]
# Largest number of tables that are printed on a terminal without --all, and of differing keys below a table.
_MOST_TABLES, _MOST_DIFFERENCES = 8, 12


def command(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR…",
            help="Folders to compare: one sweep, or two or more runs and sweeps; of several folders, the first is the baseline.",
            show_default=False,
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Name of a metric to compare; repeatable.", show_default=False),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Compare all metrics instead of the most important ones, and print all settings."),
    ] = False,
    baseline: Baseline = None,
    confidence: Annotated[
        float,
        typer.Option(
            min=0.5, max=0.999, help="Confidence level of the intervals; a higher level gives wider intervals."
        ),
    ] = 0.95,
    pool: Annotated[
        bool,
        typer.Option(
            "--pool",
            help="Average over the settings of all other keys within each seed, instead of one comparison for each of them.",
        ),
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compare the settings of a sweep with their baselines, or runs and sweeps with each other.

    A setting of a sweep is compared with the baseline that agrees with it in all keys but those of --baseline. Points with the same seed have the
    same random draws, so differences are computed for pairs of points, tested with a paired t test, and given with its interval. The effect is the
    mean difference divided by the standard deviation of the differences.
    """
    from v2xsim.study.compare import against_baseline, chosen_metrics, with_first
    from v2xsim.study.contrasts import contrasts_of
    from v2xsim.study.folders import StudyError
    from v2xsim.study.studies import read_study

    check_one_format(as_json, as_csv)
    studies = [read_study(folder) for folder in folders]
    for study in studies:
        if not study.finished:
            raise StudyError(
                f"{study.folder}: no point has finished, so there is nothing to compare{_first_failure(study)}"
            )
    metrics = chosen_metrics(studies, metric or [], everything)
    if not metrics:
        raise StudyError(f"{folders[0]}: has none of the most important metrics; --all compares those that it has")
    rule, notes = "", []
    if len(studies) == 1:
        (study,) = studies
        contrasts = contrasts_of(study, baseline_of(baseline or []))
        rule, notes = contrasts.rule, [*study.missing(), *contrasts.notes(study)]
        comparisons = against_baseline(study, metrics, contrasts, confidence, pool)
    elif baseline or pool:
        option = "--baseline" if baseline else "--pool"
        raise StudyError(f"{option} is for one sweep; with several folders the first is the baseline")
    else:
        comparisons = with_first(studies, metrics, confidence)
        notes = [f"{study.folder}: {note}" for study in studies for note in study.missing()]
    notes += [note for one in comparisons for note in one.notes]
    rows = [row for one in comparisons for row in one.as_rows()]
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "confidence": confidence, "rule": rule, "notes": notes,
                    "comparisons": [one.as_object() for one in comparisons], "rows": [_for_json(row) for row in rows],
                },
                allow_nan=False,
            )
        )  # fmt: skip
    elif as_csv:
        print_notes([rule, *notes] if rule else notes)
        print_csv(rows)
    else:
        _print(comparisons, rule, notes, everything)


def _first_failure(study: "Study") -> str:
    """Return why the first of the failed points of a study failed, and what the user can do."""
    if not study.failures:
        return "; continue the sweep with --resume"
    return (
        f"; {len(study.failures)} points failed, the first because: {study.failures[0]['reason']} (log: {study.folder / study.failures[0]['log']}); "
        "correct that, and run them again with --retry-failed"
    )


def baseline_of(texts: list[str]) -> dict[str, Any]:
    """Return the keys and values of --baseline.

    Raises:
        ScenarioError: If a text is not KEY=VALUE, or a key is given twice.
    """
    from v2xsim.scenario.errors import ScenarioError
    from v2xsim.scenario.yamltext import read_yaml

    chosen = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ScenarioError(f"--baseline {text}: must be KEY=VALUE")
        if key in chosen:
            raise ScenarioError(f"--baseline {text}: {key} is given twice; a baseline has one value of each key")
        chosen[key] = read_yaml(value, f"--baseline {text}").data
    return chosen


def _print(comparisons: "list[Versus]", rule: str, notes: list[str], everything: bool) -> None:
    from v2xsim.study.compare import significance

    width = terminal_width()
    for text in [rule] * bool(rule) + notes:
        print_text(text, width)
    # A file or a pipe gets everything: it is read by a program, or later.
    shown = comparisons if everything or width is None else comparisons[:_MOST_TABLES]
    for one in shown:
        typer.echo()
        _print_comparison(one, width)
    typer.echo()
    if len(comparisons) > len(shown):
        print_text(
            f"{len(comparisons) - len(shown)} more comparisons are not shown: --all prints them, --csv and --json give them, --pool "
            "averages them, v2xsim report draws them",
            width,
        )
    print_text(significance(comparisons), width)


def _print_comparison(one: "Versus", width: int | None) -> None:
    from v2xsim.study.compare import IDENTICAL, NO_PAIR

    pairs = sorted({int(n) for n in one.found.pairs if n > 0})
    pair_counts = f"{pairs[0]} to {pairs[-1]}" if len(pairs) > 1 else str(pairs[0] if pairs else 0)
    print_text(f"{one.title}: {pair_counts} {'pair' if pairs == [1] else 'pairs'}", width)
    words = [one.verdict(row) for row in range(len(one.metrics))]
    rows = [row for row, word in enumerate(words) if word not in (IDENTICAL, NO_PAIR)]
    if rows and "unit" in print_columns(_columns(one, rows), width):
        names: dict[str, list[str]] = {}
        for row in rows:
            names.setdefault(_unit(one.metrics[row][1]), []).append(one.metrics[row][0])
        print_text("Units: " + "; ".join(f"{unit}: {', '.join(some)}" for unit, some in names.items()), width)
    objects = [
        f"{one.metrics[row][0]} {one.other_objects[row]:,} against {one.base_objects[row]:,}"
        for row in range(len(one.metrics))
        if one.base_objects[row] or one.other_objects[row]
    ]
    if objects:
        print_text(f"n_gt (road users that could be detected, over all points and frames): {'; '.join(objects)}", width)
    without: dict[str, list[str]] = {}
    for row, (name, _) in enumerate(one.metrics):
        if words[row] in (IDENTICAL, NO_PAIR):
            meaning = "identical in every pair" if words[row] == IDENTICAL else one.why_no_pair(row)
            without.setdefault(meaning, []).append(name)
    for meaning, some in sorted(without.items()):
        print_text(f"{meaning}: {', '.join(some)}", width)
    fewer = sorted({int(n) for n in one.settings if 0 < n < one.settings.max()})
    if fewer:
        some = [name for row, (name, _) in enumerate(one.metrics) if int(one.settings[row]) in fewer]
        print_text(
            f"averaged over {fewer[0]} or more of {one.settings.max()} settings, those that measured it: {', '.join(some)}",
            width,
        )
    if one.differs:
        changes = [change.text for change in (one.differs if width is None else one.differs[:_MOST_DIFFERENCES])]
        more = f"; and {len(one.differs) - len(changes)} more keys (--json)" if len(one.differs) > len(changes) else ""
        print_text("differ in " + "; ".join(changes) + more, width)
    else:
        print_text("their scenarios are the same", width)


def _columns(one: "Versus", rows: Sequence[int]) -> list[Column]:
    """Return the columns of a comparison; those of metric, pairs, difference, interval and verdict are never left out."""
    found = one.found
    intervals = [
        f"{_number(found.low[row])} to {_number(found.high[row])}" if math.isfinite(found.low[row]) else "-"
        for row in rows
    ]
    return [
        Column("metric", [one.metrics[row][0] for row in rows], left=True),
        Column("unit", [_unit(one.metrics[row][1]) for row in rows], left=True, rank=1),
        Column("pairs", [str(found.pairs[row]) for row in rows]),
        Column("against", [_number(one.base_mean[row]) for row in rows], rank=3),
        Column("mean", [_number(one.other_mean[row]) for row in rows], rank=2),
        Column("difference", [_number(found.mean[row]) for row in rows]),
        Column(f"{100 * one.confidence:g} % interval", intervals),
        Column("effect", [_number(found.effect[row]) for row in rows], rank=4),
        Column("verdict", [_verdict(one, row) for row in rows], left=True),
    ]


def _verdict(one: "Versus", row: int) -> str:
    """Return a verdict in one or two words, with a star if the difference is significant among all."""
    word = one.verdict(row)
    return word + " *" * bool(one.survives[row] and word in ("higher", "lower"))


def _unit(unit: str) -> str:
    return "share" if unit == "1" else unit


def _for_json(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row in which each infinite number is a word."""
    from v2xsim.evaluation.never import json_number

    return {name: json_number(value) if isinstance(value, float) else value for name, value in row.items()}


def _number(value: float) -> str:
    from v2xsim.evaluation.never import never_word

    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return never_word(value)
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.3g}"
