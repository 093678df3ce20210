"""Detectors, one a file: what a station reports of the bodies that its lidar points lie on; `detector` says what a detector is."""

from v2xsim.perception.detection.detector import Detector, DetectorView

__all__ = ["Detector", "DetectorView"]
