"""Sweeps whose points nobody runs: plans, folders, and results that a test writes."""

from v2xsim.evaluation.metric import Metric
from v2xsim.results.results import metrics_table
from v2xsim.study.outcome import Outcome
from v2xsim.study.plan import plan_of
from v2xsim.study.point import as_bytes

SMALL = {"name": "small", "scenario": "demo", "grid": {"cooperation.relay": ["none", "hybrid"]}, "seeds": 2}


def planned(**said):
    """Return a plan of two settings and two seeds, but for what is stated."""
    return plan_of({**SMALL, **said})


def finish(store, point, *values):
    """Leave a result of a point as its process would: metrics m0, m1 ... with these values."""
    rows = [(f"m{n}", "", Metric(value, "1", n + 1)) for n, value in enumerate(values)]
    (store.folder / "points" / f"{point.key}.arrow").write_bytes(as_bytes(metrics_table(rows)))
    store.note(done(point))


def done(point, **said):
    """Return the outcome of a point without trouble."""
    return Outcome(
        **{"key": point.key, "kind": "done", "reason": "", "wall_s": 2.0, "cpu_s": 1.5, "peak_bytes": 7, **said}
    )
