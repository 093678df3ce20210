"""One experiment for each claim of the documentation about a model or a method."""
