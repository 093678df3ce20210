"""Detectors, one per file: they report road users from lidar points. The interface of all detectors is in `detector`."""

from v2xsim.perception.detection.detector import Detector, DetectorView

__all__ = ["Detector", "DetectorView"]
