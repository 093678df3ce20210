"""Fusion schemes, one per file: what helpers send, and how an ego uses it. The interface of all schemes is in `scheme`."""

from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, Received, Share, Told

__all__ = ["FusedObjects", "FusionScheme", "FusionView", "Received", "Share", "Told"]
