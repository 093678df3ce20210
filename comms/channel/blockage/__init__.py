"""Models of what vehicles in the way add to the loss, one a file; `model` says what a model is."""

from v2xsim.comms.channel.blockage.model import BlockageView, VehicleBlockage

__all__ = ["BlockageView", "VehicleBlockage"]
