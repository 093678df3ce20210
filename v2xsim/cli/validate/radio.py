"""`v2xsim validate radio`: compare the radio with test vectors, measurements and published curves."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, check_one_format
from v2xsim.cli.layout import Column, print_csv, print_markdown, print_stacked, terminal_width
from v2xsim.cli.notes import print_warnings
from v2xsim.errors import UserError

if TYPE_CHECKING:
    from v2xsim.validation.compare import Comparison
    from v2xsim.validation.vectors import Vector

NAME = "radio"
EXAMPLE = "Example: v2xsim validate radio --reference curves --out validation"


def command(
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder with the published curves. Default: ../shared/reference/radio if it exists.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to write a report with figures into. Without --out, no report is written.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Run your own set-up (a YAML file) instead, and print its curves; cannot be used with --reference, --out or --seed.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of all random draws. Default: 1.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Run the radio in the set-ups of published studies and report how far its curves are from the published ones.

    The command also checks test vectors of the path-loss models, and compares the modelled loss behind vehicles with measurements.
    """
    check_one_format(as_json, as_csv)
    if config is not None:
        _refuse_beside_config({"--reference": reference, "--out": out, "--seed": seed})
        _run_setup(config, as_json, as_csv)
        return
    from v2xsim.validation.radio import absent, runs
    from v2xsim.validation.report import markdown, write_report
    from v2xsim.validation.vectors import vectors

    if reference is not None and not reference.is_dir():
        raise UserError(f"{reference}: must be a folder of published curves; there is no such folder")
    folder = reference if reference is not None else _usual_place()
    checked, missing = vectors(), absent(folder)
    compared: list[Comparison] = []
    for name, simulated in runs(folder, 1 if seed is None else seed):
        typer.echo(f"simulating {name}", err=True)
        compared.append(simulated())
    if as_json:
        typer.echo(json.dumps(_as_object(checked, compared, missing), allow_nan=False))
    if as_csv:
        if missing:
            typer.echo(f"absent, so not compared: {', '.join(missing)}", err=True)
        print_csv([comparison.row for comparison in compared])
    if out is not None:
        for path in write_report(out, checked, compared, missing):
            typer.echo(str(path), err=as_json or as_csv)
    elif not as_json and not as_csv:
        print_markdown(markdown(checked, compared, missing), terminal_width())


def _refuse_beside_config(given: dict[str, object]) -> None:
    """Raise an error if options were given that cannot be used together with --config."""
    why = {
        "--reference": "a set-up of your own is not compared with published curves",
        "--out": "a set-up of your own has no report; its curves go to standard output",
        "--seed": "a set-up has its own seed; set the key seed in its file",
    }
    for option, value in given.items():
        if value is not None:
            raise UserError(f"{option} must not be given with --config: {why[option]}")


def _as_object(checked: "list[Vector]", compared: "list[Comparison]", missing: list[str]) -> dict[str, Any]:
    """Return the results of a validation as data for JSON."""
    from v2xsim.validation.blockage import measured

    return {
        "configurations": [comparison.row for comparison in compared],
        "vectors": {"within": sum(vector.agrees for vector in checked), "of": len(checked)},
        "blockage": [
            {
                "source": loss.source,
                "what": loss.what,
                "measured_db": loss.measured_db,
                "tr37885_db": round(loss.tr37885_db, 2),
                "knife_edges_db": round(loss.knife_edges_db, 2),
                "tr37885_error_db": round(loss.tr37885_db - loss.measured_db, 2),
                "knife_edges_error_db": round(loss.knife_edges_db - loss.measured_db, 2),
            }
            for loss in measured()
        ],
        "absent": missing,
    }


def _usual_place() -> Path | None:
    folder = Path("..") / "shared" / "reference" / "radio"
    return folder if folder.is_dir() else None


def _run_setup(config: Path, as_json: bool, as_csv: bool) -> None:
    import numpy as np

    from v2xsim.comms.access.packets import OUTCOME_NAMES
    from v2xsim.validation.build import run
    from v2xsim.validation.setup import load_setup

    setup = load_setup(config)
    print_warnings(setup.notes)
    edge_m, outcomes = run(setup)
    rows: list[dict[str, Any]] = []
    for bin_, sent in enumerate(outcomes.count.sum(axis=0).tolist()):
        if sent == 0:
            continue
        gap = float(outcomes.gap_ms[bin_])
        rows.append(
            {
                "from_m": float(edge_m[bin_]), "to_m": float(edge_m[bin_ + 1]), "sent": int(sent),
                **{name: round(float(outcomes.share[k, bin_]), 5) for k, name in enumerate(OUTCOME_NAMES)},
                "inter_packet_gap_ms": round(gap, 2) if np.isfinite(gap) else None,
            }
        )  # fmt: skip
    if as_json:
        typer.echo(
            json.dumps({"name": setup.name, "cbr": round(outcomes.busy_share, 5), "bins": rows}, allow_nan=False)
        )
        return
    title = f"{setup.name}: {setup.radio.access.name}, CBR {outcomes.busy_share:.3f}"
    if as_csv:
        typer.echo(title, err=True)
        print_csv(rows)
        return
    typer.echo(f"{title}; the outcomes are shares of the packets sent")
    if not rows:
        typer.echo("no packet had a receiver, so there is nothing to show")
        return
    gaps = [row["inter_packet_gap_ms"] for row in rows]
    print_stacked(
        [
            Column("distance [m]", [f"{row['from_m']:g}-{row['to_m']:g}" for row in rows]),
            Column("sent", [f"{row['sent']:,}" for row in rows], rank=1),
            *(Column(name.replace("_", " "), [f"{row[name]:.3f}" for row in rows], rank=1) for name in OUTCOME_NAMES),
            Column("gap [ms]", ["-" if gap_ms is None else f"{gap_ms:.1f}" for gap_ms in gaps], rank=1),
        ],
        terminal_width(),
    )
