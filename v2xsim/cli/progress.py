"""Progress display on standard error: a bar for a run (simulated time, speed, time left), or a line with the present step."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Report = Callable[[float, float, str], None]
"""Function called with the simulated seconds done, all simulated seconds, and the name of the present phase."""


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Show progress bars on standard error, one for each phase of a run; show nothing if it is not a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:7.1f} / {task.total:.1f} s"),
        TextColumn("{task.fields[speed]:>16}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, refresh_per_second=5) as bar:
        begun: dict[str, tuple[TaskID, float]] = {}

        def report(done_s: float, total_s: float, phase: str) -> None:
            now = time.perf_counter()
            if phase not in begun:
                begun[phase] = (bar.add_task(phase, total=total_s, speed=""), now)
            task, since = begun[phase]
            wall_s = now - since
            speed = f"{done_s / wall_s:.2f} x real time" if wall_s > 0 and done_s > 0 else ""
            bar.update(task, completed=done_s, total=total_s, speed=speed)

        yield report


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a text with a spinner on standard error; it shows nothing if that is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("building") as spinner:
        yield spinner.update
