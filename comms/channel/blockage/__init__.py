"""Models of the loss added by vehicles in the way, one per file; their interface is in `model`."""

from v2xsim.comms.channel.blockage.model import BlockageView, VehicleBlockage

__all__ = ["BlockageView", "VehicleBlockage"]
