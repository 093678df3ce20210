"""Results of a run: tables, metrics, the folder they are written into."""

from v2xsim.results.results import Metric, Results, ResultsError

__all__ = ["Metric", "Results", "ResultsError"]
