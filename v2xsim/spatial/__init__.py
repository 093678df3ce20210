"""Geometry that all packages use: a grid index over rectangles, upright boxes and their overlap, rigid transforms."""
