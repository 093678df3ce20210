"""Studies that nobody simulated: folders as a sweep leaves them, with numbers that a test chooses."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import v2xsim
from tests.study.small_sweeps import planned
from v2xsim.scenario import resolved
from v2xsim.study.store import opened

BINS = [f"{low}-{low + 50} m" for low in range(0, 500, 50)]
WITHIN = [f"{bound} ms" for bound in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)]
WHOLE = {
    "prr": "1", "ap_0.5_ego": "1", "ap_0.5_fused": "1", "coverage_before": "1", "coverage_after": "1",
    "channel_busy_ratio": "1", "channel_busy_ratio_p95": "1", "age_of_fused_data": "ms", "awareness_latency": "ms",
    "on_air": "B/s",
}  # fmt: skip


@pytest.fixture
def plan():
    """A plan of two settings and two seeds."""
    return planned()


@pytest.fixture
def store(tmp_path, plan):
    """The folder of a sweep that begins with this plan."""
    with opened(tmp_path / "s", plan, resume=False) as lent:
        yield lent


@pytest.fixture(scope="session")
def made_sweep():
    """A function that writes a sweep's folder."""
    return _made_sweep


def _made_sweep(folder, settings, seeds, value, more=0, others=None, **said):
    """Write a sweep's folder.

    Args:
        folder: To make.
        settings: Values of the varied keys.
        seeds: How many.
        value: Takes metric name, setting number and an array of seeds; returns their values.
        more: Further metrics, called extra_0 and so on.
        others: Unit of other metrics, by name.
    """
    folder.mkdir(parents=True)
    rows = [(name, "", unit) for name, unit in (WHOLE | (others or {})).items()] + [("prr", part, "1") for part in BINS]
    rows += [("awareness_latency_within", part, "1") for part in WITHIN]
    rows += [(f"extra_{n}", "", "1") for n in range(more)]
    seed = np.arange(1, seeds + 1)
    values = np.stack([
        np.stack([np.broadcast_to(value(name if not part else f"{name} {part}", s, seed), seeds) for name, part, _ in rows])
        for s in range(len(settings))
    ])  # fmt: skip
    # Settings, then seeds, then metrics.
    flat = values.transpose(0, 2, 1).ravel()
    points = len(settings) * seeds
    setting = np.repeat(np.repeat(np.arange(len(settings), dtype=np.int32), seeds), len(rows))

    def words(column):
        distinct = list(dict.fromkeys(row[column] for row in rows))
        codes = np.tile(np.array([distinct.index(row[column]) for row in rows], np.int32), points)
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(distinct))

    pq.write_table(
        pa.table({
            "point": np.repeat(np.arange(points, dtype=np.int32), len(rows)), "setting": setting,
            "seed": np.tile(np.repeat(seed.astype(np.int64), len(rows)), len(settings)), "metric": words(0),
            "bin": words(1), "value": flat.astype(np.float64), "unit": words(2), "count": np.full(len(flat), 100, np.int64),
        }),
        folder / "results.parquet",
    )  # fmt: skip
    plan = {
        "format": 1, "kind": "sweep", "name": "made", "question": "What is so?", "source": "demo",
        "scenario": resolved(v2xsim.load("demo")), "keys": list(settings[0]), "settings": settings, "seeds": seed.tolist(),
        "baseline": 0, "keep": "metrics", "versions": {"v2xsim": "0.1.0"},
        "points": [{"setting": p // seeds, "seed": p % seeds + 1, "key": f"{p:x}"} for p in range(points)], **said,
    }  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(plan))
    (folder / "failures.json").write_text("[]")
    return folder
