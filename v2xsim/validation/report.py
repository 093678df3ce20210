"""The results of the radio validation as a Markdown report with figures, and as text for the terminal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from v2xsim.comms.access.packets import OUTCOME_NAMES
from v2xsim.errors import UserError
from v2xsim.staging import added
from v2xsim.validation.blockage import measured
from v2xsim.validation.compare import Comparison
from v2xsim.validation.vectors import TOLERANCE_DB, Vector

_TITLE = "# Validation of the radio"
BLOCKAGE_NOTE = (
    "Both blockage models compared with measurements; errors are model minus measurement. Nothing is tuned to a row. What a source "
    "does not give is assumed as the last column states. The value of TR 37.885 is the mean of its random loss."
)
_COLOR = {
    "delivered": "#000000", "half_duplex": "#CC79A7", "sensing": "#56B4E9", "receiver_busy": "#009E73",
    "propagation": "#D55E00", "collision": "#E69F00",
}  # fmt: skip


class ReportError(UserError):
    """A validation report cannot be written into a folder."""


def write_report(
    out: Path, vectors: Sequence[Vector], comparisons: Sequence[Comparison], absent: Sequence[str]
) -> list[Path]:
    """Write `report.md` and one figure per configuration; return their paths.

    Raises:
        ReportError: If the folder cannot be written, or holds a `report.md` that is no validation report.
    """
    report = out / "report.md"
    if report.exists() and not report.read_text(encoding="utf-8", errors="replace").startswith(_TITLE):
        raise ReportError(f"{report}: is not a report of this command; move it away, or name another folder with --out")
    with added(out, ReportError) as draft:
        figures = [_figure(draft / f"{_slug(c.reference.name)}.png", c) for c in comparisons]
        text = markdown(vectors, comparisons, absent, [f.name for f in figures])
        (draft / report.name).write_text(text, encoding="utf-8")
    return [report, *(out / figure.name for figure in figures)]


def markdown(
    vectors: Sequence[Vector], comparisons: Sequence[Comparison], absent: Sequence[str], figures: Sequence[str] = ()
) -> str:
    """Return the text of the validation report, in Markdown."""
    lines = [_TITLE, "", "## Test vectors", ""]
    wrong = [v for v in vectors if not v.agrees]
    lines += [f"{len(vectors) - len(wrong)} of {len(vectors)} within {TOLERANCE_DB} dB.", ""]
    lines += ["| model | at | expected [dB] | found [dB] | source |", "|---|---|---|---|---|"]
    lines += [f"| {v.model} | {v.at} | {v.expected_db:.4f} | {v.found_db:.4f} | {v.source} |" for v in vectors]
    lines += ["", "## Measured losses behind a vehicle", "", BLOCKAGE_NOTE, ""]
    lines += ["| source | blocker | measured [dB] | TR 37.885 [dB] | error | knife edges [dB] | error | assumed |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    lines += [
        f"| {m.source} | {m.what} | {m.measured_db:.1f} | {m.tr37885_db:.1f} | {m.tr37885_db - m.measured_db:+.1f} | "
        f"{m.knife_edges_db:.1f} | {m.knife_edges_db - m.measured_db:+.1f} | {m.assumed} |"
        for m in measured()
    ]
    lines += ["", "## Published curves", ""]
    if absent:
        lines += [f"Absent, so not compared: {', '.join(absent)}.", ""]
    if comparisons:
        lines += [
            "Mean absolute deviation over distance, in percentage points; the limit holds for delivery and for each cause.",
            "",
            "| configuration | delivered | limit | " + " | ".join(OUTCOME_NAMES[1:]) + " | CBR | CBR there | verdict |",
            "|---" * (len(OUTCOME_NAMES) + 5) + "|",
        ]
        lines += [_row(c) for c in comparisons]
    for index, comparison in enumerate(comparisons):
        reference = comparison.reference
        lines += ["", f"### {reference.name}", "", f"Source: {reference.source}. {reference.assumes}".rstrip()]
        if index < len(figures):
            lines += ["", f"![{reference.name}]({figures[index]})"]
    return "\n".join(lines) + "\n"


def _row(comparison: Comparison) -> str:
    known = comparison.reference.share
    cells = [f"{comparison.deviation_pp(n):.2f}" if n in known else "-" for n in OUTCOME_NAMES]
    verdict = {True: "agrees", False: "**deviates**", None: "reported"}[comparison.agrees]
    there = comparison.reference.busy_share
    limit = comparison.reference.limit_pp
    return (
        f"| {comparison.reference.name} | {cells[0]} | {f'{limit:g}' if np.isfinite(limit) else '-'} | "
        + " | ".join(cells[1:])
        + f" | {comparison.busy_share:.3f} | {f'{there:.3f}' if np.isfinite(there) else '-'} | {verdict} |"
    )


def _figure(path: Path, comparison: Comparison) -> Path:
    """Draw the outcomes of a configuration over distance: lines are simulated, dots are published values."""
    # Imported here, because a validation that only prints needs no drawing library.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    reference = comparison.reference
    figure = Figure(figsize=(6.4, 3.9), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name in reference.share:
        simulated = comparison.share[OUTCOME_NAMES.index(name)]
        axes.plot(reference.distance_m, simulated, color=_COLOR[name], label=f"{name.replace('_', ' ')}")
        axes.plot(reference.distance_m, reference.share[name], "o", color=_COLOR[name], markersize=3.5, mfc="none")
    axes.set(xlabel="distance [m]", ylabel="share of packets", ylim=(-0.02, 1.02), title=reference.name)
    axes.set_xlim(0, reference.distance_m[-1])
    axes.grid(True, linewidth=0.4, alpha=0.5)
    axes.legend(title="line: v2xsim, circle: published", fontsize=8, title_fontsize=8, loc="upper left",
                bbox_to_anchor=(1.01, 1.0))  # fmt: skip
    figure.savefig(path, metadata={"Software": None})
    return path


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name).strip("_").lower()
