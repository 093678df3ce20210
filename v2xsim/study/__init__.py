"""Studies: many runs of one scenario with some keys varied, and their comparison."""
