"""Commands that receive their options as one record."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from v2xsim.cli.options import takes_fields_of

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name.")]
Count = Annotated[int, typer.Option(min=1, help="A number.")]
Files = Annotated[list[Path] | None, typer.Option("--file", help="A file; repeatable.", show_default=False)]


@dataclass(frozen=True)
class Options:
    name: Name
    count: Count = 3
    files: Files = None


def app_of(command):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(command)
    return app


@pytest.fixture
def received():
    return []


@pytest.fixture
def app(received):
    @takes_fields_of(Options)
    def command(options: Options) -> None:
        """Do something."""
        received.append(options)

    return app_of(command)


def test_a_command_receives_its_options_as_one_record(app, received):
    assert CliRunner().invoke(app, ["one", "--file", "a", "--file", "b"]).exit_code == 0
    assert received == [Options("one", 3, [Path("a"), Path("b")])]


@pytest.mark.parametrize("arguments", [["--help"], [], ["one", "--count", "0"], ["one", "--number", "2"]])
def test_the_user_sees_the_options_of_a_command_with_these_parameters(app, received, arguments):
    def command(name: Name, count: Count = 3, files: Files = None) -> None:
        """Do something."""

    shown, expected = (CliRunner().invoke(each, arguments) for each in (app, app_of(command)))
    assert (shown.exit_code, shown.stdout, shown.stderr) == (expected.exit_code, expected.stdout, expected.stderr)
    assert received == []


def test_a_command_keeps_its_name_and_its_description():
    def command(options: Options) -> None:
        """Do something."""

    callback = takes_fields_of(Options)(command)
    assert (callback.__name__, inspect.getdoc(callback)) == ("command", "Do something.")
    assert list(inspect.signature(callback).parameters) == ["name", "count", "files"]
