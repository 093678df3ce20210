"""Checks against closed forms, test vectors and other groups' curves."""
