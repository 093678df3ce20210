"""Studies: many runs of one scenario with some of its keys varied, and what can be said of them."""
