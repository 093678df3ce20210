"""Tracking of road users from detections, without the use of true identities."""
