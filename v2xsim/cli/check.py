"""`v2xsim check`: check whether a scenario can be run, without running it."""

import typer

from v2xsim.cli.arguments import Overrides, ScenarioName, Seed
from v2xsim.cli.notes import print_notes

NAME = "check"
EXAMPLE = "Example: v2xsim check my_town/scenario.yaml --set run.duration_s=30"


def command(scenario: ScenarioName, overrides: Overrides = None, seed: Seed = None) -> None:
    """Check a scenario without running it: its keys, the limits of values, its parts, and the files that it names."""
    from v2xsim.cli.outline import outline
    from v2xsim.scenario import load

    loaded = load(scenario, overrides or [], seed)
    print_notes(loaded.notes)
    if loaded.loaded_plugins:
        # Imported here, so that --help does not wait for the compiled kernels that this loads.
        from v2xsim.part_trials import try_own_parts

        try_own_parts(loaded)
    # Imported here, so that --help does not wait for the compiled kernels that this loads.
    from v2xsim.world.buildings import building_notices, load_prisms

    _, height_sources = load_prisms(loaded.world)
    print_notes(notice.text for notice in building_notices(loaded.world, height_sources))
    typer.echo(f"OK: {scenario}")
    for part, summary in outline(loaded):
        typer.echo(f"  {part:<12} {summary}")
