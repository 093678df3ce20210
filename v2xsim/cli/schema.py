"""`v2xsim schema`: the JSON Schema of the YAML files, for editors, and the reference pages made from it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from v2xsim.errors import UserError

NAME = "schema"
EXAMPLE = "Example: v2xsim schema > v2xsim.schema.json"


class Of(StrEnum):
    """What the schema describes."""

    scenario = "scenario"
    setup = "setup"
    study = "study"
    sweep = "sweep"
    tables = "tables"
    metrics = "metrics"


def command(
    of: Annotated[
        Of,
        typer.Argument(
            help="What to describe: scenario files, set-up files of `validate radio --config`, sweep files, study files, or the tables or metrics of a run."
        ),
    ] = Of.scenario,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Python file with parts of your own to include in the schema; repeatable. This command executes the file, so name only files that you trust.",
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a reference page in Markdown, like those in docs/reference.")
    ] = False,
) -> None:
    """Print the JSON Schema of scenarios, for editors that complete and check YAML, or of other files and of the tables and metrics of a run.

    In VS Code with its YAML extension, begin a scenario with the line `# yaml-language-server: $schema=v2xsim.schema.json`.
    """
    if plugin and of in (Of.tables, Of.metrics):
        raise UserError(f"--plugin: must not be given for {of.value}, which do not depend on parts")
    if of is Of.metrics:
        from v2xsim.evaluation.metrics_page import described
        from v2xsim.evaluation.metrics_page import reference as metrics_reference

        typer.echo(metrics_reference() if markdown else json.dumps(described(), indent=2), nl=not markdown)
        return
    if of is Of.tables:
        from v2xsim.results.columns import COLUMNS, reference

        columns = {
            table: [dict(zip(("name", "type", "meaning"), column, strict=True)) for column in rows]
            for table, rows in COLUMNS.items()
        }
        typer.echo(reference() if markdown else json.dumps(columns, indent=2), nl=not markdown)
        return
    from v2xsim.scenario.plugins import choose_from
    from v2xsim.scenario.reference import Page, as_markdown

    page: Page = _page(of)
    if of not in (Of.sweep, Of.study):
        choose_from(plugin or [], page.section)
    elif plugin:
        raise UserError(f"--plugin: must not be given for {of.value} files, in which no part is chosen")
    if markdown:
        typer.echo(as_markdown(page), nl=False)
        return
    content: dict[str, Any] = page.section.model_json_schema()
    typer.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **content}, indent=2))


def _page(of: Of) -> Any:
    """Return the reference page of a kind of file, with the schema of the file."""
    from v2xsim.scenario import Scenario
    from v2xsim.scenario.former_keys import SCENARIO
    from v2xsim.scenario.reference import Page

    shell = f"v2xsim schema {of.value} --markdown > docs/reference/{of.value}.md"
    if of is Of.setup:
        from v2xsim.validation.setup import FORMER, SetUp

        return Page(
            "Set-up of the radio",
            "The keys of a set-up file for `v2xsim validate radio --config FILE`, which runs vehicles on a straight road and prints\n"
            "reception, losses and channel load by distance. See [validation.md](../validation.md) for an example.",
            SetUp, shell, FORMER,
        )  # fmt: skip
    if of is Of.sweep:
        from v2xsim.study.sweepfile import SweepFile

        return Page(
            "Sweep files",
            "The keys of a sweep file for `v2xsim sweep FILE`. See [studies.md](../studies.md) for an example.",
            SweepFile, shell,
        )  # fmt: skip
    if of is Of.study:
        from v2xsim.study.studyfile import StudyFile

        return Page(
            "Study files",
            "The keys of a study file for `v2xsim study run FILE`, which compares rules at equal channel load. See [studies.md](../studies.md) for an example.",
            StudyFile, shell,
        )  # fmt: skip
    return Page(
        "Scenario files",
        "The keys of a scenario file. [first_scenario.md](../first_scenario.md) explains a first example. A key is written with dots, as in\n"
        "`v2xsim run demo --set radio.tx_power_dbm=20`; `[]` stands for an item of a list (`--set traffic.script.0.kind=van`), `<name>` for a name of your choice.",
        Scenario, shell, SCENARIO,
    )  # fmt: skip
