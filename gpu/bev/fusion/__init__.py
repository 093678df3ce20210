"""Fusion schemes, one a file: what helpers send, and what an ego makes of it. The interface is in `scheme`."""

from v2xsim.gpu.bev.fusion.scheme import FusedObjects, FusionScheme, FusionView, Received, Share

__all__ = ["FusedObjects", "FusionScheme", "FusionView", "Received", "Share"]
