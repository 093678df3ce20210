"""Geometry that every library shares: a grid index over rectangles, upright boxes and their overlap, rigid transforms."""
