"""Simulated lidars: beam patterns, ray casting, and conversion of scans to points."""
