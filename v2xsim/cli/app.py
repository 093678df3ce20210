"""The commands of `v2xsim`, and how errors are reported to the user."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from inspect import cleandoc
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from v2xsim.cli import (
    bench,
    check,
    claim,
    compare,
    corpus,
    demo,
    import_osm,
    parts,
    report,
    run,
    schema,
    study,
    sweep,
    train,
    validate,
    view,
)
from v2xsim.cli.file_errors import sentence_of
from v2xsim.cli.layout import error_width, print_text
from v2xsim.errors import UserError
from v2xsim.signals import exit_code, ignore_signals, name_of
from v2xsim.version import __version__

# The exit code that shells and click use for wrong arguments.
USAGE_ERROR = 2


class _Group(TyperGroup):
    """Reports an error that a user can act on as one message with an exit code; any other error keeps its traceback."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _stop_reported(), _file_error_reported():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _stop_reported(), _file_error_reported():
            try:
                return super().invoke(ctx)
            except UserError as error:
                notes: list[str] = getattr(error, "__notes__", [])
                for line in "\n".join([f"error: {error}", *notes]).splitlines():
                    print_text(line, error_width(), color=typer.colors.RED, err=True)
                raise typer.Exit(USAGE_ERROR) from None


@contextmanager
def _file_error_reported() -> Iterator[None]:
    """Report an error of the system about a file, or about the place to which the output goes, as one line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        sentence = sentence_of(error)
        with suppress(OSError):
            print_text(f"error: {sentence}", error_width(), color=typer.colors.RED, err=True)
        raise typer.Exit(USAGE_ERROR) from None


@contextmanager
def _stop_reported() -> Iterator[None]:
    """Report a signal that stopped the command as one message with an exit code."""
    try:
        yield
    except KeyboardInterrupt as stop:
        ignore_signals()
        kept = "; ".join(getattr(stop, "__notes__", ["no half-written files are left"]))
        with suppress(OSError):  # Whoever read the messages may have gone.
            typer.secho(f"stopped by {name_of(stop)}: {kept}", fg=typer.colors.YELLOW, err=True)
        raise typer.Exit(exit_code(stop)) from None


app = typer.Typer(
    cls=_Group,
    help="Simulate connected vehicles that perceive with lidars, exchange data by V2X radio, and fuse the data.",
    epilog="Example: v2xsim demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"v2xsim {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _help_of(module: ModuleType) -> str:
    """Return the docstring of a command with one line for each paragraph, so that a terminal of any width can wrap it."""
    paragraphs = cleandoc(module.command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _family(package: ModuleType) -> typer.Typer:
    """Return a command whose sub-commands are the modules of a package. Without a sub-command it prints its help."""
    family = typer.Typer(help=package.HELP, epilog=package.EXAMPLE, no_args_is_help=True, rich_markup_mode="rich")
    for module in package.COMMANDS:
        family.command(name=module.NAME, help=_help_of(module), epilog=module.EXAMPLE)(module.command)
    return family


for _module in (run, check, parts, schema, import_osm, view, demo, sweep, compare, report, corpus):
    app.command(name=_module.NAME, help=_help_of(_module), epilog=_module.EXAMPLE)(_module.command)
for _package in (study, train, validate, claim, bench):
    app.add_typer(_family(_package), name=_package.NAME)
