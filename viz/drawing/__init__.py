"""Shared by all pictures: style, labels, legends, outlines, perspective."""
