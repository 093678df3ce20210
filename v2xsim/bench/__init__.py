"""Benchmarks: what things cost, measured by the user's own machine."""
