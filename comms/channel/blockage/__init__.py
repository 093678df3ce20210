"""Models of the loss that vehicles in the way add, one a file; the interface is in `model`."""

from v2xsim.comms.channel.blockage.model import BlockageView, VehicleBlockage

__all__ = ["BlockageView", "VehicleBlockage"]
