"""`v2xsim validate`: hold the models against closed forms, test vectors and other groups' curves."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from v2xsim.validation.compare import Comparison

NAME = "validate"
EXAMPLE = "Example: v2xsim validate radio --reference curves --out validation"


class Subject(StrEnum):
    """What can be validated."""

    RADIO = "radio"


def command(
    subject: Annotated[Subject, typer.Argument(help="What to validate.", show_default=False)],
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of published curves; ../shared/reference/radio where that is there.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a report with figures there.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Run this set-up (YAML) instead, and print its curves.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all chance.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else there.")
    ] = False,
) -> None:
    """Run the reference set-ups of the radio and say how far their curves are from the published ones."""
    if config is not None:
        _run_setup(config, as_json)
        return
    from v2xsim.errors import UserError
    from v2xsim.validation.blockage import measured
    from v2xsim.validation.radio import absent, runs
    from v2xsim.validation.report import markdown, write_report
    from v2xsim.validation.vectors import vectors

    if reference is not None and not reference.is_dir():
        raise UserError(f"{reference}: must be a folder of published curves; there is no such folder")
    folder = reference if reference is not None else _usual_place()
    checked, missing = vectors(), absent(folder)
    compared: list[Comparison] = []
    for name, simulated in runs(folder, seed):
        typer.echo(f"simulating {name}", err=True)
        compared.append(simulated())
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "configurations": [comparison.row for comparison in compared],
                    "vectors": {"within": sum(v.agrees for v in checked), "of": len(checked)},
                    "blockage": [
                        {
                            "source": m.source,
                            "what": m.what,
                            "measured_db": m.measured_db,
                            "tr37885_db": round(m.tr37885_db, 2),
                            "knife_edges_db": round(m.knife_edges_db, 2),
                            "tr37885_error_db": round(m.tr37885_db - m.measured_db, 2),
                            "knife_edges_error_db": round(m.knife_edges_db - m.measured_db, 2),
                        }
                        for m in measured()
                    ],
                    "absent": missing,
                },
                allow_nan=False,
            )
        )
    if out is not None:
        for path in write_report(out, checked, compared, missing):
            typer.echo(str(path), err=as_json)
    elif not as_json:
        typer.echo(markdown(checked, compared, missing))


def _usual_place() -> Path | None:
    place = Path("..") / "shared" / "reference" / "radio"
    return place if place.is_dir() else None


def _run_setup(config: Path, as_json: bool) -> None:
    import numpy as np

    from v2xsim.comms.access.packets import OUTCOME_NAMES
    from v2xsim.validation.build import run
    from v2xsim.validation.setup import load_setup

    setup = load_setup(config)
    edge_m, found = run(setup)
    rows: list[dict[str, Any]] = []
    for bin_, sent in enumerate(found.count.sum(axis=0).tolist()):
        if sent == 0:
            continue
        gap = float(found.gap_ms[bin_])
        rows.append(
            {
                "from_m": float(edge_m[bin_]), "to_m": float(edge_m[bin_ + 1]), "sent": int(sent),
                **{name: round(float(found.share[k, bin_]), 5) for k, name in enumerate(OUTCOME_NAMES)},
                "inter_packet_gap_ms": round(gap, 2) if np.isfinite(gap) else None,
            }
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"name": setup.name, "cbr": round(found.busy_share, 5), "bins": rows}, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{setup.name}: {setup.access.name}, CBR {found.busy_share:.3f}", title_justify="left")
    for name in ("distance [m]", "sent", *(n.replace("_", " ") for n in OUTCOME_NAMES), "gap [ms]"):
        table.add_column(name, justify="right")
    for row in rows:
        gap_ms = row["inter_packet_gap_ms"]
        table.add_row(
            f"{row['from_m']:g}-{row['to_m']:g}", f"{row['sent']:,}", *(f"{row[n]:.3f}" for n in OUTCOME_NAMES),
            "-" if gap_ms is None else f"{gap_ms:.1f}",
        )  # fmt: skip
    Console(highlight=False).print(table)
