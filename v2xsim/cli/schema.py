"""`v2xsim schema`: the JSON Schema of scenarios, for editors."""

import json
from pathlib import Path
from typing import Annotated

import typer

NAME = "schema"
EXAMPLE = "Example: v2xsim schema > v2xsim.schema.json"


def command(
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Python file with parts of your own to include in the schema; repeatable. This command executes the file, so name only files that you trust.",
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of scenarios, for editors that complete and check YAML.

    In VS Code with its YAML extension, begin a scenario with the line `# yaml-language-server: $schema=v2xsim.schema.json`.
    """
    from v2xsim.scenario import Scenario
    from v2xsim.scenario.plugins import choose_from

    choose_from(plugin or [], Scenario)

    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}
    typer.echo(json.dumps(described, indent=2))
