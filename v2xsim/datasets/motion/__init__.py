"""Tokenised traffic for sequence models: SUMO runs on many networks become training, validation and test sequences.

`make.make` makes a corpus. Nothing is imported here, so that the process of each run loads only what it needs.
"""
