"""Benchmarks: computing times measured on the user's machine."""
