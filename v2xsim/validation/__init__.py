"""Checks against closed forms, test vectors and published curves."""
