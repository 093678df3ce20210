"""`v2xsim report`: the figures and tables of a sweep or a run on one page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from v2xsim.cli.compare import Baseline, baseline_of

NAME = "report"
EXAMPLE = "Example: v2xsim report sweeps/relay"


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a sweep or a run.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder to write the report into. Default: DIR/report.", show_default=False
        ),
    ] = None,
    baseline: Baseline = None,
) -> None:
    """Write one HTML page with the tables and figures of a sweep or a run; figures also as SVG and PDF."""
    from v2xsim.study.contrasts import with_baseline
    from v2xsim.study.studies import read_study

    study = read_study(folder)
    if baseline:
        study = with_baseline(study, baseline_of(baseline))
    from v2xsim.scenario.describe import slot
    from v2xsim.viz.study.page import write_study_report

    def unit_of(key: str) -> str:
        key_slot = slot(tuple(key.split(".")))
        return key_slot.unit if key_slot else ""

    # The report lists only keys that differ from the schema's defaults: readers can look up the others. Varied keys have a
    # table of their own, and of keys that follow from others nobody chose a value.
    made_of = {key: value for key, value in chosen(study.scenario) if key not in (*study.keys, *study.automatic)}
    page = write_study_report(study, out if out is not None else folder / "report", made_of, unit_of)
    typer.echo(f"report: {page}")
    typer.echo(f"figures: {page.parent / 'figures'}")


def chosen(scenario: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield keys and values of a resolved scenario that differ from the schema's defaults."""
    from v2xsim.parts import Part
    from v2xsim.scenario.choices import as_data
    from v2xsim.scenario.schema import Scenario

    for name, info in Scenario.model_fields.items():
        if name not in scenario or name in ("name", "description"):
            continue
        default: Any = None if info.is_required() else info.get_default(call_default_factory=True)
        plain = as_data(default) if isinstance(default, Part) else default
        plain = plain.model_dump(mode="json") if hasattr(plain, "model_dump") else plain
        yield from _different(scenario[name], plain, name)


def _different(value: Any, default: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and (isinstance(default, Mapping) or default is None):
        for key, inner in value.items():
            yield from _different(inner, default.get(key) if default else None, f"{name}.{key}")
    elif value != default:
        yield name, value
