"""Tracks from detections, without true identities."""
