"""The report of a study at equal load: a summary in Markdown, tables as CSV, and figures as SVG and PNG, to the same bytes each time.

`SHA256SUMS` has the digests of these files. `provenance.md` has what is not the same when the study is run again: times, commits, versions.
"""

import hashlib
import io
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import matplotlib as mpl

from v2xsim.atomic import write_atomically
from v2xsim.errors import reason_of
from v2xsim.runfolder import REPORT_MARK, files_of_report
from v2xsim.scenario.explain import nearest
from v2xsim.staging import staged
from v2xsim.study.csvtext import csv_text
from v2xsim.study.folders import StudyError
from v2xsim.study.study_findings import Findings
from v2xsim.study.study_folder import Provenance
from v2xsim.study.study_provenance import provenance_lines
from v2xsim.study.study_tables import (
    bound_rows,
    cost_rows,
    curve_rows,
    difference_rows,
    level_rows,
    other_rows,
    summary,
    within_rows,
)
from v2xsim.viz.drawing import style
from v2xsim.viz.study.figures import Picture
from v2xsim.viz.study.load_figures import figure_makers
from v2xsim.viz.study.page import check_replaceable

SUMMARY, PROVENANCE, DIGESTS = "summary.md", "provenance.md", "SHA256SUMS"


def write_report(findings: Findings, known: Provenance, folder: Path) -> Path:
    """Write the report of a study; return the path of its summary.

    Args:
        findings: What the study found.
        known: With which study file it was run.
        folder: Folder of the report; an earlier report in it is replaced when the new one is complete.

    Raises:
        StudyError: If the folder holds other files, or cannot be written.
    """
    tables = {
        "curves.csv": curve_rows(findings), "at-loads.csv": level_rows(findings), "differences.csv": difference_rows(findings), "other-metrics.csv": other_rows(findings), "bounds.csv": bound_rows(findings),
        "within-loads.csv": within_rows(findings), "costs.csv": cost_rows(findings),
    }  # fmt: skip
    with staged(folder, lambda target: check_replaceable(target, folder), StudyError) as draft:
        try:
            (draft / "figures").mkdir()
            drawn = []
            for make in figure_makers(findings).values():
                picture, files = _drawn(make)
                drawn.append(picture)
                for name, content in files.items():
                    (draft / "figures" / name).write_bytes(content)
            for name, rows in tables.items():
                if rows:
                    (draft / name).write_text(csv_text(rows), encoding="utf-8")
            (draft / SUMMARY).write_text(summary(findings, known) + _figure_text(drawn), encoding="utf-8")
            (draft / DIGESTS).write_text(_digests(draft), encoding="utf-8")
            purpose = "the test" if known.purpose == "test" else "development runs"
            lines = provenance_lines(f"{findings.file.name}: {purpose}", known.sha256, known.begun, known.calls)
            (draft / PROVENANCE).write_text("\n".join(lines) + "\n", encoding="utf-8")
            written = [path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file()]
            (draft / REPORT_MARK).write_text(_mark(written), encoding="utf-8")
        except OSError as error:
            raise StudyError(f"{folder}: cannot be written: {reason_of(error)}") from None
    return folder / SUMMARY


def write_figure(findings: Findings, name: str, folder: Path) -> list[Path]:
    """Make one figure of a study again; return the paths of its files.

    Args:
        findings: What the study found.
        name: Name of the figure, such as curves-FAMILY.
        folder: Folder of the report; its other files stay.

    Raises:
        StudyError: If there is no such figure, the folder holds other files, or it cannot be written.
    """
    makers = figure_makers(findings)
    if name not in makers:
        raise StudyError(f"--figure: must be one of {', '.join(makers)}, got {name!r}{nearest(name, makers)}")
    check_replaceable(folder, folder)
    _, files = _drawn(makers[name])
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        written = files_of_report(folder) - {REPORT_MARK} | {f"figures/{each}" for each in files}
        # The mark first: a kill must leave no figure that the next report would not replace.
        write_atomically(folder / REPORT_MARK, _mark(written).encode())
        for each, content in files.items():
            write_atomically(folder / "figures" / each, content)
    except OSError as error:
        raise StudyError(f"{folder}: cannot be written: {reason_of(error)}") from None
    return [folder / "figures" / each for each in files]


def _drawn(make: Callable[[], Picture]) -> tuple[Picture, dict[str, bytes]]:
    """Return a figure, and the content of its files by name."""
    with style.in_style(), mpl.rc_context({"svg.hashsalt": "v2xsim"}):
        picture = make()
        svg, png = io.BytesIO(), io.BytesIO()
        picture.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "v2xsim"})
        picture.figure.savefig(png, format="png", metadata={"Software": "v2xsim"})
    return picture, {f"{picture.name}.svg": svg.getvalue(), f"{picture.name}.png": png.getvalue()}


def _figure_text(drawn: Sequence[Picture]) -> str:
    """Return the part of the summary that shows the figures."""
    lines = ["", "## Figures"]
    for picture in drawn:
        lines += ["", f"### {picture.title}", "", f"![{picture.title}](figures/{picture.name}.svg)", "", picture.says]
    return "\n".join(lines) + "\n"


def _digests(folder: Path) -> str:
    """Return the SHA-256 digests of all files in a folder, in the form that `sha256sum -c` checks."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return "".join(f"{hashlib.sha256((folder / file).read_bytes()).hexdigest()}  {file}\n" for file in files)


def _mark(files: Collection[str]) -> str:
    return json.dumps({"v2xsim": "report", "files": sorted(files)}) + "\n"
