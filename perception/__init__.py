"""What a station computes from its lidar points and from other stations' data, as functions of arrays.

Detections from points (`detection`), the bird's-eye grid of observed cells and the choice of helpers for the rest
(`matching`), tracks (`tracking`), metrics (`metrics`), and an index of nearest neighbours (`hnsw`).
"""

__all__ = ["detection", "hnsw", "matching", "metrics", "tracking"]
