"""Fit the weights of the forecast of cycles, or measure the forecast: python tools/fit_cycle_forecast.py [fit|measure] [SEEDS].

`fit` runs street grids and motorways at several loads with seeds that no test uses, and prints PATH_WEIGHTS and SIZE_WEIGHTS of
v2xsim/engine/cooperation/cycle_forecast.py. `measure` runs the same settings with other seeds, and prints for each load how well the
predictions of the egos, made in the run, agree with what happened.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import v2xsim
import v2xsim.engine.simulation as engine
from v2xsim.engine.cooperation.cycle_forecast import CycleForecast

FIT_SEEDS, MEASURE_SEEDS = (901, 902), (11, 12, 13)
WIDE = ("cooperation.matrix.extent_m=100", "cooperation.matrix.cell_m=4")
PLACES = {
    "grid, 20 stations, 8 lidars": ("urban_grid", "stations.count=20", "lidars.count=8"),
    "grid, 50 stations, 14 lidars, 14 dBm": (
        "urban_grid",
        "stations.count=50",
        "lidars.count=14",
        "radio.tx_power_dbm=14",
        *WIDE,
    ),
    "grid, 60 stations, 20 lidars": ("urban_grid", "stations.count=60", "lidars.count=20", *WIDE),
    "motorway, 60 stations, 14 lidars": ("highway", "stations.count=60", "lidars.count=14", *WIDE),
}
RADIOS = {
    "random slot": ("radio.access=random_slot",),
    "random slot, 2 retries": ("radio.access=random_slot", "radio.retries=2"),
    "802.11p": ("radio.access=ieee80211p",),
    "802.11p, 2 retries": ("radio.access=ieee80211p", "radio.retries=2"),
    "NR mode 2": ("radio.access=nr_mode2",),
}


class Watched(CycleForecast):
    """A forecast that keeps the features of each path; its predictions are those of the forecast itself."""

    def __init__(self, retries, mtu_bytes):
        super().__init__(retries, mtu_bytes)
        # By ego and helper: the features of the newest prediction.
        self.latest: dict[tuple[int, int], np.ndarray] = {}

    def evidence(self, paths):
        """Keep the features of paths, in the order of the candidates that matching gets."""
        kept = paths.cycle > 0.0
        self._paths, self._ends = self.path_features(paths)[kept], np.column_stack([paths.ego, paths.helper])[kept]
        return super().evidence(paths)

    def success(self, evidence, there, back, request_bytes, answer_bytes):
        """Keep the features of sizes too."""
        sizes = self.size_features(there, back, request_bytes, answer_bytes)
        for ends, path, size in zip(self._ends.tolist(), self._paths, sizes, strict=True):
            self.latest[ends[0], ends[1]] = np.concatenate([path, size])
        return super().success(evidence, there, back, request_bytes, answer_bytes)


def cycles(
    place: tuple[str, ...], radio: tuple[str, ...], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return features, predicted and observed success of each request of a run, and the mean busy ratio."""
    features: dict[tuple[int, int, int], np.ndarray] = {}

    class Here(Watched):
        def of(self, ego):
            experience = super().of(ego)
            for frame_us, asked in experience.asked.items():
                for helper, _ in asked:
                    features.setdefault((ego, helper, frame_us), self.latest.get((ego, helper)))
            return experience

    engine.CycleForecast = Here
    try:
        tables = v2xsim.run(v2xsim.load(place[0], [*place[1:], *radio, "run.duration_s=8"], seed)).tables
    finally:
        engine.CycleForecast = CycleForecast
    rows = tables["transfers"].to_pylist()
    whole = {
        (row["destination"], row["origin"], row["frame_us"]) for row in rows
        if row["kind"] == "data" and row["outcome"] == "used" and row["arrived"] == row["fragments"]
    }  # fmt: skip
    asked = [
        (row["origin"], row["destination"], row["frame_us"], row["predicted"])
        for row in rows
        if row["kind"] == "request"
    ]
    known = [(features[row[:3]], row[3], row[:3] in whole) for row in asked if features.get(row[:3]) is not None]
    x, predicted, observed = (np.array(column, float) for column in zip(*known, strict=True))
    return x, predicted, observed, float(np.mean(tables["channel"]["busy_share"].to_numpy()))


def settings() -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Yield the name, the place and the radio of each setting."""
    for place, keys in PLACES.items():
        for radio, more in RADIOS.items():
            yield f"{place}; {radio}", keys, more


def fit(seeds: tuple[int, ...]) -> None:
    """Print the weights of a logistic regression in which each run counts alike."""
    parts = [cycles(place, radio, seed) for _, place, radio in settings() for seed in seeds]
    x, y = np.concatenate([part[0] for part in parts]), np.concatenate([part[2] for part in parts])
    weight = np.concatenate([np.full(len(part[2]), 1000.0 / len(part[2])) for part in parts])
    w = np.zeros(x.shape[1])
    for _ in range(40):
        p = 1.0 / (1.0 + np.exp(-x @ w))
        # Newton's method, with a weak prior that keeps weights of unused features at 0.
        curvature = (x * (weight * p * (1.0 - p))[:, None]).T @ x + np.eye(len(w))
        w = w + np.linalg.solve(curvature, x.T @ (weight * (y - p)) - w)
    print("PATH_WEIGHTS", np.round(w[:7], 3).tolist(), "SIZE_WEIGHTS", np.round(w[7:], 3).tolist())


def measure(seeds: tuple[int, ...]) -> None:
    """Print a row of Markdown for each setting."""
    print(
        "| setting | busy ratio | cycles | predicted | observed | worst tenth | Brier score | of the mean | better by |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, place, radio in settings():
        parts = [cycles(place, radio, seed) for seed in seeds]
        p, y = np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
        tenth = np.minimum((p * 10).astype(int), 9)
        errors = [abs(p[tenth == k].mean() - y[tenth == k].mean()) for k in range(10) if (tenth == k).sum() >= 100]
        brier, plain = np.mean((p - y) ** 2), y.mean() * (1.0 - y.mean())
        busy = np.mean([part[3] for part in parts])
        print(
            f"| {name} | {busy:.2f} | {len(y):,} | {p.mean():.3f} | {y.mean():.3f} | {max(errors, default=np.nan):.3f} | {brier:.3f} | "
            f"{plain:.3f} | {1.0 - brier / plain:+.1%} |",
            flush=True,
        )


if __name__ == "__main__":
    chosen = tuple(map(int, sys.argv[2:]))
    if sys.argv[1:2] == ["fit"]:
        fit(chosen or FIT_SEEDS)
    else:
        measure(chosen or MEASURE_SEEDS)
