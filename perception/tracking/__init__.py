"""Tracks from detections, without use of true identities."""
