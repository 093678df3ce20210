"""The commands of `v2xsim`, and what an error of the user's looks like."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from v2xsim.cli import (
    bench,
    check,
    compare,
    corpus,
    demo,
    import_osm,
    run,
    schema,
    study_report,
    sweep,
    train,
    validate,
    view,
)
from v2xsim.errors import UserError
from v2xsim.version import __version__

USAGE_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count


class _Group(TyperGroup):
    """Turns what a user can act on into one message and an exit code; the rest stays a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            typer.secho(f"error: {error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(USAGE_ERROR) from None
        except KeyboardInterrupt:
            typer.secho("stopped; nothing was left half written", fg=typer.colors.YELLOW, err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Group,
    help="Simulate what connected vehicles see, say to each other by radio, and fuse.",
    epilog="Example: v2xsim demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"v2xsim {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


for _module in (
    run,
    check,
    schema,
    import_osm,
    view,
    demo,
    sweep,
    compare,
    study_report,
    validate,
    bench,
    corpus,
    train,
):
    app.command(name=_module.NAME, epilog=_module.EXAMPLE)(_module.command)
