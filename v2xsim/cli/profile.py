"""The table of `v2xsim run --profile`: how long each stage of a run took."""

from typing import TYPE_CHECKING

import typer

from v2xsim.cli.layout import Column, print_columns, print_text, terminal_width

if TYPE_CHECKING:
    from v2xsim.results import Results


def print_profile(results: "Results") -> None:
    """Print the stages of a run with their times, the longest first."""
    # Imported here, so that --help does not wait for the engine.
    from v2xsim.engine.stages import STAGES

    timing, run = results.timing, results.scenario.run
    ticks = max(round(run.duration_s / run.step_s), 1)
    times_s = {name: timing[f"stage_{name}_s"] for name in STAGES}
    whole_s = max(sum(times_s.values()), 1e-9)
    order = sorted(times_s, key=lambda name: -times_s[name])
    width = terminal_width()
    typer.echo()
    print_columns(
        [
            Column("stage", order, left=True),
            Column("s", [f"{times_s[name]:.3f}" for name in order]),
            Column("%", [f"{100 * times_s[name] / whole_s:.1f}" for name in order]),
            Column("ms per tick", [f"{1e3 * times_s[name] / ticks:.3f}" for name in order]),
            Column("contains", [STAGES[name] for name in order], left=True, rank=1),
        ],
        width,
    )
    print_text(
        f"{ticks:,} ticks of {run.step_s:g} s in {whole_s:.2f} s of wall-clock time; processor time of the main thread {timing['main_cpu_s']:.2f} s, of the "
        f"other threads (lidars, scores, files) {timing['threads_cpu_s']:.2f} s",
        width,
    )
