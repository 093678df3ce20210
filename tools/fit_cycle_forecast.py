"""Fit the weights of the forecast of cycles, or measure the forecast: python tools/fit_cycle_forecast.py [fit|measure] [SEEDS].

`fit` runs street grids and motorways at several loads with seeds that no test uses, and prints the weights of
v2xsim/engine/cooperation/cycle_weights.py. `measure` runs the same settings with other seeds, and prints for each load how well the
predictions of the egos, made in the run, agree with what happened.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import Bounds, minimize

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
    "highway, 60 stations, 14 lidars": ("highway", "stations.count=60", "lidars.count=14", *WIDE),
    "nlos_grid": ("nlos_grid",),
    "motorway": ("motorway",),
}
RADIOS = {
    "random slot": ("radio.access=random_slot",),
    "random slot, 2 retries": ("radio.access=random_slot", "radio.retries=2"),
    "802.11p": ("radio.access=ieee80211p",),
    "802.11p, 2 retries": ("radio.access=ieee80211p", "radio.retries=2"),
    "NR mode 2": ("radio.access=nr_mode2",),
    "NR mode 2, 2 retries": ("radio.access=nr_mode2", "radio.retries=2"),
}


class Watched(CycleForecast):
    """A forecast that keeps the features of each path; its predictions are those of the forecast itself."""

    def __init__(self, access, retries, mtu_bytes):
        super().__init__(access, retries, mtu_bytes)
        # By ego and helper: the features of the newest prediction.
        self.latest: dict[tuple[int, int], np.ndarray] = {}

    def evidence(self, paths, busy_share):
        """Keep the features of paths."""
        features = self.path_features(paths, busy_share)
        self._of_path = dict(zip(zip(paths.ego.tolist(), paths.helper.tolist(), strict=True), features, strict=True))
        return super().evidence(paths, busy_share)

    def predicted(self, ego, helper, evidence, there, back, request_bytes, answer_bytes):
        """Keep the features of sizes too."""
        sizes = self.size_features(there, back, request_bytes, answer_bytes)
        for ends, size in zip(zip(ego.tolist(), helper.tolist(), strict=True), sizes, strict=True):
            self.latest[ends] = np.concatenate([self._of_path[ends], size])
        return super().predicted(ego, helper, evidence, there, back, request_bytes, answer_bytes)


def cycles(
    place: tuple[str, ...], radio: tuple[str, ...], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return features, predicted and observed success of each request of a run, and the mean busy ratio."""
    features: dict[tuple[int, int, int], np.ndarray] = {}

    class Here(Watched):
        def of(self, ego):
            experience = super().of(ego)
            for frame_us, asked in experience.asked.items():
                for one in asked:
                    features.setdefault((ego, one.helper, frame_us), self.latest.get((ego, one.helper)))
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
    """Print the weights of a logistic regression for each radio, and for all, in which each run counts alike."""
    by_radio: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for name, place, radio in settings():
        access = radio[0].removeprefix("radio.access=")
        key = f"{access}, sent again" if len(radio) > 1 else access
        for seed in seeds:
            x, _, y, _ = cycles(place, radio, seed)
            by_radio.setdefault(key, []).append((x, y))
            print(f"# {name}, seed {seed}: {len(y)} cycles", file=sys.stderr, flush=True)
    by_radio["any"] = [part for parts in by_radio.values() for part in parts]
    for key, parts in by_radio.items():
        print(f'    "{key}": {tuple(np.round(weights(parts), 3).tolist())},')


# Least and largest weight of each feature: what must help never counts against a path, and the other way round.
LEAST = np.array([-np.inf, 0.02, -np.inf, -np.inf, -np.inf, -np.inf, -np.inf, -np.inf, 0.02, 0.02, -np.inf, -np.inf])
MOST = np.array([np.inf, np.inf, np.inf, 0.0, 0.0, -0.01, -0.01, 0.0, np.inf, np.inf, 0.0, 0.0])


def weights(parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the weights fitted to features and outcomes of some runs, with a weak prior that keeps unused ones at 0."""
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    weight = np.concatenate([np.full(len(part[1]), 1000.0 / len(part[1])) for part in parts])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        odds = x @ w
        error = 1.0 / (1.0 + np.exp(-odds)) - y
        value = weight @ (np.logaddexp(0.0, odds) - y * odds) + 1.5 * w @ w
        return float(value), x.T @ (weight * error) + 3.0 * w

    found: np.ndarray = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=Bounds(LEAST, MOST)).x
    return found


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
