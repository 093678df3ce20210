"""Training data: making and reading corpora."""
