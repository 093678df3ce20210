"""Perception in the bird's-eye view (BEV): the fusion schemes."""
