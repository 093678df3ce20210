"""What a station makes of its points and of other stations' data: functions of arrays, with no clock and no files.

Detections from points (`detection`), the bird's-eye grid of what was observed and whom to ask for the rest (`matching`), tracks
without true identities (`tracking`), figures that judge them (`metrics`), and an index of near neighbours (`hnsw`).
"""

__all__ = ["detection", "hnsw", "matching", "metrics", "tracking"]
