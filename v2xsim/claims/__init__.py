"""One experiment for each claim that the documentation makes about a model or a method."""
