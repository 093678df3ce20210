"""Results of a run: its tables, and the folder they are written into."""

from v2xsim.evaluation.metric import Metric
from v2xsim.results.errors import ResultsError
from v2xsim.results.results import Results

__all__ = ["Metric", "Results", "ResultsError"]
