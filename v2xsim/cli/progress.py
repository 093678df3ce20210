"""Progress display on standard error: bars and spinners on a wide terminal, otherwise a line every ten seconds."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import typer
from rich.console import Console

Report = Callable[[float, float, str], None]
"""Function called with the simulated seconds done, all simulated seconds, and the name of the present phase."""

LINE_EVERY_S = 10.0
"""Time between two lines of progress where standard error is not a terminal."""


# Number of characters of a line from which a progress bar stands beside its numbers without cutting them.
_BAR_WIDTH = 72


def shows_bars(console: Console) -> bool:
    """Return whether progress is shown as bars: on a terminal that is wide enough."""
    return console.is_terminal and console.width >= _BAR_WIDTH


@contextmanager
def progress_lines() -> Iterator[Callable[[str], None]]:
    """Yield a function that takes a text about the present state; every ten seconds the latest text is printed on standard error."""
    begun_s, latest, ended = time.monotonic(), [""], threading.Event()

    def print_lines() -> None:
        while not ended.wait(LINE_EVERY_S):
            if latest[0]:
                with suppress(OSError, ValueError):  # Whoever read the lines has gone.
                    typer.echo(f"[{duration(time.monotonic() - begun_s)}] {latest[0]}", err=True)

    def show(text: str) -> None:
        latest[0] = text

    thread = threading.Thread(target=print_lines, name="progress lines", daemon=True)
    thread.start()
    try:
        yield show
    finally:
        ended.set()
        thread.join(1.0)


def duration(seconds: float) -> str:
    """Return a duration with a unit in which it is easily read."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Show the progress of a run on standard error, as a bar for each phase, or in lines if it is not a terminal."""
    console = Console(stderr=True)
    if not shows_bars(console):
        with progress_lines() as show:
            yield _in_lines(show)
        return
    # Imported here, so that --help does not wait for it.
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:7.1f} / {task.total:.1f} s"),
        TextColumn("{task.fields[speed]:>16}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=5) as bar:
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
def step_lines() -> Iterator[Callable[[str], None]]:
    """Yield a function that prints the name of a step on standard error when it begins, and again every ten seconds while it lasts."""
    if Console(stderr=True).is_terminal:
        yield lambda text: typer.echo(text, err=True)
        return
    with progress_lines() as show:

        def begin(text: str) -> None:
            typer.echo(text, err=True)
            show(text)

        yield begin


def _in_lines(show: Callable[[str], None]) -> Report:
    """Return a function that reports the progress of a run as a text."""
    begun: dict[str, float] = {}

    def report(done_s: float, total_s: float, phase: str) -> None:
        wall_s = time.monotonic() - begun.setdefault(phase, time.monotonic())
        text = f"{phase}: {done_s:.1f} of {total_s:.1f} s"
        if done_s > 0 and wall_s > 0:
            left_s = wall_s * max(0.0, total_s - done_s) / done_s
            text += f", {done_s / wall_s:.2f} x real time, about {duration(left_s)} left"
        show(phase if total_s == 1.0 and phase == "compiling" else text)

    return report


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a text on standard error, with a spinner, or in lines if that is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        with progress_lines() as show:
            yield show
        return
    with console.status("building") as spinner:
        yield spinner.update
