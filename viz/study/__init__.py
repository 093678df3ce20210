"""Figures and the page of a sweep."""
