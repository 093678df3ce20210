"""The choice of the kept frame to draw: one that shows what the run is about."""

import numpy as np

from v2xsim.viz.run.folder import NothingToShowError, RunFolder, ViewError


def chosen_frame(folder: RunFolder, requested: int | None) -> int:
    """Return the number of the kept frame to draw: the requested one, or else the one that shows most.

    A frame shows a point for each road user that fusion adds to those that the ego detected alone, and one for each helper
    whose data came through a relay. Of frames with as many points, the first of these decides: more helpers through relays,
    a larger filled share of the blind zone, fused data at all, more road users in range, the earlier capture.

    Raises:
        NothingToShowError: If the run kept no frame.
        ViewError: If the requested frame was not kept.
    """
    frames = folder.arrays("frames", ["frame", "frame_us", "ego"])
    kept = np.unique(frames["frame"])
    if requested is not None and requested not in kept:
        numbers = f"frames {_ranges(kept)}" if len(kept) else "no frame (record.clouds_every_s, record.cloud_egos)"
        raise ViewError(f"frame must be one that the run kept, got {requested}; {folder.path} kept {numbers}")
    if requested is not None:
        return requested
    if not len(kept):
        raise NothingToShowError(
            "the run kept no frame: no ego fused one, or record.clouds_every_s or record.cloud_egos is 0"
        )
    return int(frames["frame"][np.lexsort(_worth(folder, frames))[-1]])


def _worth(folder: RunFolder, frames: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return what decides between the kept frames, the most important last: larger numbers are better."""
    number, count = frames["frame"].astype(np.int64), int(frames["frame"].max()) + 1
    rows = folder.arrays("frame_boxes", ["frame", "in_range", "seen_ego", "seen_fused"])
    gained = rows["in_range"] & rows["seen_fused"] & ~rows["seen_ego"]
    added, in_range = (np.bincount(rows["frame"][chosen], minlength=count) for chosen in (gained, rows["in_range"]))
    links = folder.arrays("frame_links", ["frame", "a", "b", "role", "used"])
    ego_of = np.full(count, -1, np.int64)
    ego_of[number] = frames["ego"]
    ego = ego_of[links["frame"]]
    relayed = links["used"] & (links["role"] == "relay_hop") & (links["a"] != ego) & (links["b"] != ego)
    pairs = np.unique(np.stack([links["frame"][relayed], links["b"][relayed]], axis=1), axis=0)
    helpers = np.bincount(pairs[:, 0].astype(np.int64), minlength=count)
    fused = np.bincount(links["frame"][links["used"]].astype(np.int64), minlength=count) > 0
    shares = folder.arrays("fusion", ["frame_us", "ego", "blind_covered"])
    filled = dict(
        zip(zip(shares["frame_us"].tolist(), shares["ego"].tolist(), strict=True), shares["blind_covered"], strict=True)
    )
    blind = [filled.get(key, 0.0) for key in zip(frames["frame_us"].tolist(), frames["ego"].tolist(), strict=True)]
    return [
        -number, -frames["frame_us"], in_range[number], fused[number], np.nan_to_num(np.array(blind, float)),
        helpers[number], (added + helpers)[number],
    ]  # fmt: skip


def _ranges(numbers: np.ndarray) -> str:
    whole = len(numbers) == numbers[-1] - numbers[0] + 1 and len(numbers) > 2
    return f"{numbers[0]} to {numbers[-1]}" if whole else ", ".join(str(n) for n in numbers[:20])
