"""`v2xsim run`: simulate a scenario, show its metrics, write its tables."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from v2xsim.cli.arguments import AsCsv, AsJson, OnDevice, Out, Overrides, ScenarioName, Seed, check_one_format
from v2xsim.cli.layout import print_csv
from v2xsim.cli.notes import print_notes, print_notices, print_warnings

if TYPE_CHECKING:
    from v2xsim.results import Results

NAME = "run"
EXAMPLE = "Example: v2xsim run demo --set cooperation.relay=none --seed 7 --profile"


def command(
    scenario: ScenarioName,
    overrides: Overrides = None,
    seed: Seed = None,
    out: Out = None,
    device: OnDevice = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    pictures: Annotated[
        bool, typer.Option("--view", help="After the run, draw the same pictures as `v2xsim view`.")
    ] = False,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile",
            help="Show how long each stage of the run took, such as traffic, lidars and radio; the file timing.json always has these times. "
            "With --json and --csv, the table is printed on standard error.",
        ),
    ] = False,
) -> None:
    """Simulate a scenario and write its tables into a folder.

    Without --out, the folder's name has the scenario, the seed and the values of --set, such as runs/highway-1-access=ieee80211p. An earlier run in the
    folder is replaced once the new run is complete, together with its pictures and its report. The folder is refused if it holds any other file, or if
    another process is writing it.
    """
    from v2xsim.cli.profile import print_profile
    from v2xsim.cli.run_summary import as_object, as_rows, print_paths, print_summary, stdout_kept_free

    check_one_format(as_json, as_csv)
    chosen = [*(overrides or []), *([f"run.device={device}"] if device else [])]
    if as_json or as_csv:
        with stdout_kept_free():
            results, folder = simulate(scenario, chosen, seed, out)
            if pictures:
                draw(folder)
            if profile:
                print_profile(results)
        if as_csv:
            print_csv(as_rows(results))
            typer.echo(f"run: {folder}", err=True)
        else:
            typer.echo(json.dumps(as_object(results, folder), allow_nan=False))
        return
    results, folder = simulate(scenario, chosen, seed, out)
    print_summary(results, folder)
    if profile:
        print_profile(results)
    if pictures:
        print_paths("pictures", draw(folder))


def simulate(scenario: str, overrides: Sequence[str], seed: int | None, out: Path | None) -> "tuple[Results, Path]":
    """Load and run a scenario with a progress bar on standard error; return its results and their folder."""
    from v2xsim import scenario as scenarios
    from v2xsim.cli.progress import progress_bar
    from v2xsim.ownership import left_from_elsewhere
    from v2xsim.runfolder import default_folder, staged

    loaded = scenarios.load(scenario, overrides, seed)
    print_warnings(loaded.notes)
    folder = out if out is not None else default_folder(loaded, _settings(overrides))
    # A part of the user may change the working folder while the run goes on.
    absolute = folder.absolute()
    print_notes(left_from_elsewhere(folder.parent))
    with staged(folder, keeps_rows=True) as staging, progress_bar() as progress:
        # Imported here, so that a wrong scenario or folder is reported before the engine takes seconds to load.
        from v2xsim.simulate import run

        results = run(loaded, out=staging, progress=progress)
    results.moved(absolute)
    print_notices(results.notices)
    return results, folder


def _settings(overrides: Sequence[str]) -> dict[str, str]:
    """Return the values of --set, as written, by dotted key."""
    pairs = (override.partition("=") for override in overrides)
    return {key.strip(): value.strip() for key, _, value in pairs}


def draw(folder: Path, frame: int | None = None) -> list[Path]:
    """Draw the pictures of a run's folder and return their paths; print which pictures have no data on standard error."""
    # Imported here, because drawing loads matplotlib, which a run without pictures does not need.
    from v2xsim.viz import render

    return render(folder, frame=frame, on_skip=lambda name, reason: typer.echo(f"no {name}: {reason}", err=True))
