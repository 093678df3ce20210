"""Recording of a run into its result tables.

The recording reads the truth and every station's knowledge, and changes neither.
"""
