"""What a run is worth: scores of ego frames against the truth, hidden conflicts, and all metrics of a run."""
