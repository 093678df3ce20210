"""`v2xsim parts`: the parts that a scenario can choose by name, built in or from a user's own files."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, check_one_format
from v2xsim.cli.layout import print_csv, terminal_width
from v2xsim.errors import UserError

if TYPE_CHECKING:
    from v2xsim.scenario.part_list import ListedKind, ListedParameter, ListedPart

NAME = "parts"
EXAMPLE = "Example: v2xsim parts relay --plugin my_relay.py"
# Largest width of the list in characters, and the width from which meanings stand beside the names.
_WIDTH, _BESIDE = 120, 70


def command(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]",
            help="List only this kind of part, such as relay, cooperation.relay or 'relay rule'.",
            show_default=False,
        ),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="FILE",
            help="Also list the parts in this Python file; repeatable. This command executes the file, so name only files that you trust.",
            show_default=False,
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the list as a Markdown page, like docs/reference/parts.md.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the parts that a scenario can choose by name: key in YAML, base class, and every parameter.

    Parts are relay rules, link forecasts, matching rules, fusion schemes, access schemes, models of path loss, blockage and fading,
    detectors, message rules, redundancy rules and retelling rules.
    """
    from v2xsim.scenario.part_list import as_markdown, listed_kinds

    if markdown and (as_json or as_csv):
        raise UserError("--markdown must not be given with --json or --csv: standard output takes one format")
    check_one_format(as_json, as_csv)
    kinds = listed_kinds(kind, [Path(os.path.abspath(file)) for file in plugin or []])
    if as_json:
        typer.echo(json.dumps({"kinds": [asdict(listed) for listed in kinds]}))
    elif as_csv:
        print_csv([row for listed in kinds for row in _rows(listed)])
    elif markdown:
        typer.echo(as_markdown(kinds), nl=False)
    else:
        width = min(terminal_width() or _WIDTH, _WIDTH)
        typer.echo("\n\n".join("\n".join(_lines(listed, width)) for listed in kinds))


def _rows(kind: "ListedKind") -> Iterator[dict[str, object]]:
    """Yield a row for each parameter of each part, and one for a part without parameters."""
    for part in kind.parts:
        own = {"key": kind.key, "kind": kind.kind, "part": part.name, "is_default": part.name == kind.default, "meaning": part.meaning, "file": part.file}  # fmt: skip
        for parameter in part.parameters or (None,):
            about = asdict(parameter) if parameter is not None else {}
            names = ("name", "type", "required", "default", "unit", "limits_text", "meaning")
            yield own | {f"parameter_{name.removesuffix('_text')}": about.get(name) for name in names}


def _lines(kind: "ListedKind", width: int) -> Iterator[str]:
    text = (
        f"{kind.key}: {kind.kind}, written as NAME or {{{kind.word}: NAME, PARAMETER: VALUE}}; default {kind.default}"
    )
    yield _filled(text, width, 2)
    module, _, name = kind.base.rpartition(".")
    yield f"  from {module} import {name}"
    yield _filled(f"  method {' or '.join(kind.methods)}", width, 4)
    for part in kind.parts:
        yield from _part_lines(part, width)


def _part_lines(part: "ListedPart", width: int) -> Iterator[str]:
    description = " ".join(filter(None, [part.meaning, f"({part.file})" if part.file else ""]))
    beside = width >= _BESIDE
    yield _filled(f"    {part.name:<20} {description}".rstrip(), width, 25 if beside else 6)
    for parameter in part.parameters:
        yield _filled(f"      {_assignment(parameter):<28} {_about(parameter)}", width, 35 if beside else 8)


def _filled(text: str, width: int, indent: int) -> str:
    """Return a text in lines that end between words; further lines begin farther to the right."""
    return fill(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def _assignment(parameter: "ListedParameter") -> str:
    from v2xsim.scenario.part_list import as_text

    if parameter.required:
        return f"{parameter.name} (required)"
    return f"{parameter.name} = {as_text(parameter.default)}"


def _about(parameter: "ListedParameter") -> str:
    """Return a text about a parameter: its meaning, then type, unit and limits in brackets."""
    # The text of the limits ends with the unit, so the unit is not printed twice.
    unit = parameter.unit if parameter.unit and not parameter.limits_text else ""
    return f"{parameter.meaning} ({', '.join(filter(None, [parameter.type, parameter.limits_text, unit]))})"
