"""Simulated lidars: beam patterns, ray casting, sweeps of points."""
