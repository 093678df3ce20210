"""`v2xsim compare`: differences between settings, runs or sweeps, and which of them may be noise."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2xsim.cli.arguments import AsJson

if TYPE_CHECKING:
    from rich.console import Console

    from v2xsim.study.compare import Versus

NAME = "compare"
EXAMPLE = "Example: v2xsim compare runs/demo-1 runs/demo-1-relay=none   (or one sweep: v2xsim compare sweeps/relay)"
# Largest number of tables that are printed without --all.
_MOST_TABLES = 8


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
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            "--baseline",
            metavar="KEY=VALUE",
            help="Choose the baseline setting by the value of a varied key, as KEY=VALUE; repeat for several keys. Default: the baseline of the sweep.",
            show_default=False,
        ),
    ] = None,
    confidence: Annotated[
        float,
        typer.Option(
            min=0.5, max=0.999, help="Confidence level of the intervals; a higher level gives wider intervals."
        ),
    ] = 0.95,
    as_json: AsJson = False,
) -> None:
    """Compare the settings of a sweep with its baseline, or runs and sweeps with each other.

    Points with the same seed have the same random draws, so differences are computed for pairs of points. The confidence intervals are computed
    by bootstrap. The effect is the mean difference divided by the standard deviation of the differences.
    """
    from v2xsim.study.compare import against_baseline, baseline_row, between, chosen_metrics
    from v2xsim.study.studies import StudyError, read_study

    studies = [read_study(folder) for folder in folders]
    metrics = chosen_metrics(studies, metric or [], everything)
    if len(studies) == 1:
        (study,) = studies
        if len(study.settings) < 2:
            raise StudyError(f"{folders[0]}: holds a single setting; name another folder to compare it with")
        comparisons = list(against_baseline(study, metrics, baseline_row(study, _values(baseline or [])), confidence))
    elif baseline:
        raise StudyError("--baseline is for one sweep; with several folders the first is the baseline")
    else:
        comparisons = [between(studies[0], other, metrics, confidence) for other in studies[1:]]
    if as_json:
        report = {"confidence": confidence, "rows": [row for one in comparisons for row in one.as_rows()]}
        typer.echo(json.dumps(report, allow_nan=False))
    else:
        _print(comparisons, everything)


def _values(texts: list[str]) -> dict[str, Any]:
    from v2xsim.scenario.errors import ScenarioError
    from v2xsim.scenario.yamltext import read_yaml

    chosen = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ScenarioError(f"--baseline {text}: must be KEY=VALUE")
        chosen[key] = read_yaml(value, f"--baseline {text}").data
    return chosen


def _print(comparisons: "list[Versus]", everything: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    shown = comparisons if everything else comparisons[:_MOST_TABLES]
    for one in shown:
        _print_table(console, one)
    if len(comparisons) > len(shown):
        console.print(
            f"... and {len(comparisons) - len(shown)} more settings: --all prints them, --json gives them, v2xsim report draws them"
        )
    level = 1.0 - comparisons[0].confidence
    compared = sum(int((one.found.pairs >= 2).sum()) for one in comparisons)
    if compared:
        console.print(
            f"noise: the interval holds 0, so the difference is not distinguishable from noise. {compared} differences have an interval; where nothing differs, about 1 in {1 / level:.0f} would still be called higher or "
            "lower. Those marked * hold among all metrics of their table at once (Holm).",
            soft_wrap=True,
        )


def _print_table(console: "Console", one: "Versus") -> None:
    from rich import box
    from rich.table import Table

    from v2xsim.study.compare import IDENTICAL, NO_PAIR, NOISE

    pairs = sorted({int(n) for n in one.found.pairs if n > 0})
    pair_counts = f"{pairs[0]} to {pairs[-1]}" if len(pairs) > 1 else str(pairs[0] if pairs else 0)
    table = Table(
        title=f"{one.other} against {one.base}: {pair_counts} {'pair' if pairs == [1] else 'pairs'}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("metric", no_wrap=True)
    for name in ("against", "mean", "difference", f"{100 * one.confidence:g} % interval", "effect"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row, (name, unit) in enumerate(one.metrics):
        differences = one.found
        interval = (
            f"{_number(differences.low[row])} to {_number(differences.high[row])}"
            if differences.pairs[row] > 1
            else "-"
        )
        if one.verdict(row) in (IDENTICAL, NO_PAIR):
            continue
        verdict = "noise" if one.verdict(row) == NOISE else one.verdict(row)
        verdict += " *" if one.survives[row] and one.verdict(row) in ("higher", "lower") else ""
        table.add_row(
            f"{name} [dim]{unit if unit != '1' else ''}[/dim]", _number(one.base_mean[row]), _number(one.other_mean[row]),
            _number(differences.mean[row]), interval, _number(differences.effect[row]), verdict,
        )  # fmt: skip
    if table.rows:
        console.print(table)
    else:
        console.print(table.title)
    for word, meaning in ((IDENTICAL, "identical in every pair"), (NO_PAIR, "measured on one side only, or on none")):
        names = [name for row, (name, _) in enumerate(one.metrics) if one.verdict(row) == word]
        if names:
            console.print(f"{meaning}: {', '.join(names)}", soft_wrap=True, markup=False)
    if one.differs:
        more = f" ... and {len(one.differs) - 12} more" if len(one.differs) > 12 else ""
        console.print("differ in " + "; ".join(one.differs[:12]) + more, soft_wrap=True, markup=False)
    else:
        console.print("their scenarios are the same", markup=False)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.3g}"
