"""Perception in the bird's-eye view."""
