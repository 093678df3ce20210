"""Detectors: what a station reports of the bodies that its lidar points lie on."""
