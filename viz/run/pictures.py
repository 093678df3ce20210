"""The function that draws all pictures of a run into the run's own folder."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from matplotlib.figure import Figure

from v2xsim.errors import UserError, reason_of
from v2xsim.opened import Run
from v2xsim.staging import added
from v2xsim.viz.drawing.style import in_style, save
from v2xsim.viz.export.cloud_file import Cloud, write_pcd, write_ply
from v2xsim.viz.run.bird_view import draw_fused_frame
from v2xsim.viz.run.coverage import draw_coverage
from v2xsim.viz.run.delays import draw_delays
from v2xsim.viz.run.delivery import draw_delivery
from v2xsim.viz.run.folder import NothingToShowError, RunFolder, ViewError, open_run
from v2xsim.viz.run.frame_choice import chosen_frame
from v2xsim.viz.run.kept_frame import KeptFrame, load_frame
from v2xsim.viz.run.oblique_view import draw_fused_cloud, point_colors
from v2xsim.viz.run.visibility import draw_visibility

_OF_FRAME: dict[str, Callable[[KeptFrame, str], Figure]] = {
    "fused_frame.png": draw_fused_frame,
    "fused_cloud.png": draw_fused_cloud,
}
_OF_RUN: dict[str, Callable[[RunFolder], Figure]] = {
    "prr_by_distance.png": draw_delivery,
    "coverage.png": draw_coverage,
    "latency.png": draw_delays,
}


def render_visibility(run_dir: Path, *, station: str | None = None) -> Path:
    """Draw what the lidars of a run saw of its ground, and return the written file, in its folder `pictures`.

    It is not among the pictures of `render`, because lidars are cast again for it, which takes 5 to 60 s.

    Args:
        run_dir: Folder of a finished run.
        station: Name of the only station whose lidars count; None for all stations.

    Raises:
        UserError: If the folder is not a finished run, its lidars cannot be cast again, or it has no such station.
    """
    folder = open_run(Path(run_dir))
    view = Run(folder.path).visibility(station)
    pictures = folder.path / "pictures"
    name = "visibility.png" if station is None else f"visibility_{re.sub('[^A-Za-z0-9.-]', '_', station)}.png"
    with added(pictures, ViewError) as draft:
        try:
            with in_style():
                save(draw_visibility(folder, view, station), draft / name)
        except OSError as error:
            raise ViewError(f"{pictures}: cannot be written: {reason_of(error)}") from error
    return pictures / name


def render(run_dir: Path, *, frame: int | None = None, on_skip: Callable[[str, str], None] | None = None) -> list[Path]:
    """Draw a run and return the written files, all in its folder `pictures`.

    Args:
        run_dir: Folder of a finished run.
        frame: Kept frame to draw; None for the one that shows most (`v2xsim.viz.run.frame_choice`).
        on_skip: Function called with the name of each picture for which the run has no data, and the missing data.

    Raises:
        ViewError: If the folder is not a finished run, it did not keep that frame, or it cannot be written.
    """
    folder = open_run(Path(run_dir))
    pictures = folder.path / "pictures"
    left_out: list[str] = []

    def skipped(name: str, reason: str) -> None:
        left_out.append(name)
        if on_skip is not None:
            on_skip(name, reason)

    with added(pictures, ViewError) as draft:
        try:
            (draft / "clouds").mkdir()
            with in_style():
                written = _drawn_frame(folder, frame, draft, skipped) + _drawn_run(folder, draft, skipped)
        except OSError as error:
            raise ViewError(f"{pictures}: cannot be written: {reason_of(error)}") from error
    for name in left_out:
        # Remove the old file, because a picture of an earlier drawing would look like one of this drawing.
        if (pictures / name).is_file():
            (pictures / name).unlink()
    return [pictures / path.relative_to(draft) for path in written]


def _drawn_frame(
    folder: RunFolder, requested: int | None, pictures: Path, skipped: Callable[[str, str], None]
) -> list[Path]:
    try:
        kept = load_frame(folder, chosen_frame(folder, requested))
    except NothingToShowError as reason:
        for name in (*_OF_FRAME, "clouds"):
            skipped(name, str(reason))
        return []
    written = [save(draw(kept, folder.name), pictures / name) for name, draw in _OF_FRAME.items()]
    time_s = np.where(kept.captured_us >= 0, kept.captured_us / 1e6, np.nan)
    intensity = _intensity(folder, kept)
    cloud = Cloud(kept.points_m, point_colors(kept), kept.source, kept.hit, time_s, intensity, kept.names)
    stem = pictures / "clouds" / f"frame_{kept.number}"
    return [*written, write_ply(stem.with_suffix(".ply"), cloud), write_pcd(stem.with_suffix(".pcd"), cloud)]


def _intensity(folder: RunFolder, kept: KeptFrame) -> Float32[np.ndarray, " points"]:
    """Return the intensity of each point of a frame's cloud; NaN for a run whose lidars cannot be cast again here."""
    try:
        return Run(folder.path).fused_intensity(kept.ego, kept.time_us, len(kept.points_m))
    except UserError:
        return np.full(len(kept.points_m), np.nan, np.float32)


def _drawn_run(folder: RunFolder, pictures: Path, skipped: Callable[[str, str], None]) -> list[Path]:
    written = []
    for name, draw in _OF_RUN.items():
        try:
            written.append(save(draw(folder), pictures / name))
        except NothingToShowError as reason:
            skipped(name, str(reason))
    return written
