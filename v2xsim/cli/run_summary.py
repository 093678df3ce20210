"""The summary that a command prints at its end: sentences and tables for people, or one JSON object for programs."""

import ctypes
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from v2xsim.cli.headline import headline
from v2xsim.cli.layout import Column, print_columns, print_text, terminal_width

if TYPE_CHECKING:
    from v2xsim.results import Results


# Mean channel busy ratio above which additional traffic reduces the number of delivered packets. At a ratio of 0.78, the
# published curves of 802.11p have lost half of their range.
SATURATED = 0.75


def as_object(results: "Results", folder: Path) -> dict[str, Any]:
    """Return the results of a run as data for JSON; a metric without samples is null, an infinite one is the word never."""
    from v2xsim.evaluation.never import json_number

    return {
        "scenario": results.scenario.name,
        "run_dir": str(folder),
        "headline": list(headline(results.metrics, _fills_matrix(results), _retells(results))),
        "metrics": {
            name: {"value": json_number(m.value), "unit": m.unit, "count": m.count}
            for name, m in results.metrics.items()
        },
        "timing": dict(results.timing),
        "warnings": warnings_of(results),
        "notices": [notice.as_object() for notice in results.notices],
    }


def as_rows(results: "Results") -> list[dict[str, Any]]:
    """Return the metrics of a run as rows of a table; a metric without samples has no value, and one may be infinite."""
    # Imported here, because importing the evaluation takes longer than `v2xsim --help` may.
    from v2xsim.evaluation.catalogue import kind_of

    return [
        {
            "metric": name, "group": kind_of(name).group, "value": None if math.isnan(metric.value) else metric.value, "unit": metric.unit,
            "count": metric.count, "meaning": kind_of(name).meaning,
        }
        for name, metric in results.metrics.items()
    ]  # fmt: skip


def print_summary(results: "Results", folder: Path) -> None:
    """Print the result of a run in two sentences, its metrics in groups, and its folder."""
    width = terminal_width()
    print_text(f"{results.scenario.name}, seed {results.scenario.run.seed}", width, bold=True)
    for sentence in headline(results.metrics, _fills_matrix(results), _retells(results)):
        print_text(sentence, width)
    typer.echo()
    print_columns(_columns(results), width)
    typer.echo()
    for warning in warnings_of(results):
        print_text(warning, width, color=typer.colors.YELLOW)
    timing = results.timing
    print_text(
        f"{timing['simulated_s']:g} s simulated in {timing['measured_s']:.1f} s ({timing['real_time_factor']:.2f} x real "
        f"time); before that {timing['compile_s']:.1f} s for compiling and {timing['warm_up_s']:.1f} s for warm-up",
        width,
    )
    print_text(f"run: {folder}", width)


def _fills_matrix(results: "Results") -> bool:
    return results.scenario.cooperation.fusion.shares.fills_matrix


def _retells(results: "Results") -> bool:
    # Loaded with every scenario.
    from v2xsim.gpu.bev.fusion.scheme import Share

    work = results.scenario.cooperation
    return work.retelling.retells and work.fusion.shares is Share.REPORTS


def _columns(results: "Results") -> list[Column]:
    """Return the metrics of a run as the columns of a table in groups; shares are given in percent."""
    # Imported here, because importing the evaluation takes longer than `v2xsim --help` may.
    from v2xsim.evaluation.catalogue import GROUPS, kind_of

    rows: list[tuple[str, str, str, str]] = []
    for group in GROUPS:
        rows.append((group, "", "", ""))
        for name, metric in results.metrics.items():
            if (kind := kind_of(name)).group == group:
                value, unit = (_percent(metric.value), "%") if kind.unit == "1" else (_text(metric.value), kind.unit)
                # A precision says nothing without the number of road users that could be detected.
                unit += f", n_gt {metric.count:,}" * name.startswith("ap_")
                rows.append((f"  {name}", value, unit, kind.meaning))
    names, values, units, meanings = ([row[n] for row in rows] for n in range(4))
    return [
        Column("metric", names, left=True),
        Column("value", values),
        Column("unit", units, left=True),
        Column("meaning", meanings, left=True, rank=1),
    ]


def warnings_of(results: "Results") -> list[str]:
    """Return warnings that a reader of the metrics should see first."""
    busy = results.metrics.get("channel_busy_ratio")
    if busy is not None and math.isfinite(busy.value) and busy.value > SATURATED:
        return [f"channel saturated: CBR {busy.value:.2f}; stations send more than the channel carries"]
    return []


def print_paths(label: str, paths: Sequence[Path]) -> None:
    """Print the paths of written files, one per line, with a label before the first."""
    typer.echo(f"{label}:")
    for path in paths:
        typer.echo(f"  {path}")


@contextmanager
def stdout_kept_free() -> Iterator[None]:
    """Redirect standard output to standard error during a block, so that standard output gets one JSON object only.

    SUMO prints from C++, past `sys.stdout`, so the file descriptor itself is redirected.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    usual, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = usual
        # C code may still hold output in its own buffer, which would reach the restored standard output at exit:
        # flush it now.
        ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100.0 * share:.1f}"


def _text(value: float) -> str:
    from v2xsim.evaluation.never import never_word

    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return never_word(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 or value == int(value) else f"{value:.4g}"
