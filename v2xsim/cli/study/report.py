"""`v2xsim study report`: tables, figures and summary of a study."""

from pathlib import Path
from typing import Annotated

import typer

NAME = "report"
EXAMPLE = "Example: v2xsim study report studies/relay/development"


def command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder of a study, as v2xsim study run printed it.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder to write the report into. Default: DIR/report.", show_default=False
        ),
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Make only this figure again, such as curves-FAMILY or differences-FAMILY.",
            show_default=False,
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Compare the others with this rule instead of the plan's reference; without a claim.",
            show_default=False,
        ),
    ] = None,
    load_metric: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="Compare at equal values of this metric instead of the plan's load_metric, such as channel_busy_ratio: at those that the plan's reference has at the loads of the plan; without a claim.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write what a study found: a summary in Markdown with all verdicts, tables as CSV, figures as SVG and PNG.

    The same runs give the same bytes, and so does the same study when it is run again; SHA256SUMS has the digests of all files. Only provenance.md is not the same: it has the time of the first
    run, the commits of the code and of the study file, and the versions.
    """
    from v2xsim.study.other_reading import other_reading
    from v2xsim.study.study_findings import read_findings
    from v2xsim.study.study_folder import provenance_in, study_file_in
    from v2xsim.study.study_tables import headline
    from v2xsim.viz.study.study_report import write_figure, write_report

    known = provenance_in(folder)
    findings = other_reading(read_findings(folder, study_file_in(folder)), reference, load_metric)
    place = out if out is not None else folder / "-".join(["report", *filter(None, [reference, load_metric])])
    typer.echo(f"study file: SHA-256 {known.sha256}, first {known.purpose} run with it began {known.begun}")
    typer.echo(f"plan: {known.age_of_plan}")
    for note in findings.reading:
        typer.echo(f"reading: {note}")
    for earlier in known.earlier:
        typer.echo(f"earlier study file: SHA-256 {earlier['sha256']}, since {earlier['begun']}")
    if figure is not None:
        for path in write_figure(findings, figure, place):
            typer.echo(f"figure: {path}")
        return
    typer.echo(f"report: {write_report(findings, known, place)}")
    typer.echo(f"figures: {place / 'figures'}")
    for line in headline(findings):
        typer.echo(line)
