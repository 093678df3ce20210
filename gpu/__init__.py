"""Numerical work on arrays: lidar, fusion of detections and points, sequence models, and their training."""
