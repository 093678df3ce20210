"""What a station computes from its lidar points and from the data of other stations, as functions of arrays.

The packages are: detections from points (`detection`); the bird's-eye grid of observed cells, and the choice of
stations that can send what is missing (`matching`); tracks (`tracking`); metrics (`metrics`); and an index of nearest
neighbours (`hnsw`).
"""

__all__ = ["detection", "hnsw", "matching", "metrics", "tracking"]
