"""`v2xsim schema`: what an editor needs to know about scenarios."""

import json

import typer

NAME = "schema"
EXAMPLE = "Example: v2xsim schema > v2xsim.schema.json"


def command() -> None:
    """Print the JSON Schema of scenarios, for editors that complete and check YAML.

    In VS Code with its YAML extension, begin a scenario with the line `# yaml-language-server: $schema=v2xsim.schema.json`.
    """
    from v2xsim.scenario import Scenario

    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}
    typer.echo(json.dumps(described, indent=2))
