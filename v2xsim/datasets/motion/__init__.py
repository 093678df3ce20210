"""Tokenised traffic for sequence models: SUMO runs on many networks, made into training, validation and test sequences.

`make.make` makes a corpus; nothing is imported here, since each run's process loads only what it needs.
"""
