"""The evaluation of a run: scores of ego frames against the truth, hidden conflicts, and all metrics."""
