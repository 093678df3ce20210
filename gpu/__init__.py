"""Numerical work on arrays: lidar, point fusion; importable with nothing but numpy, numba and torch."""
