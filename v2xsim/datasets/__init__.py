"""Training data in and out."""
